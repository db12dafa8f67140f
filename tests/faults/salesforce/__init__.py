"""Everything that goes wrong at Salesforce, over real sockets: agent, stand-in org, lines between."""
