"""Everything that goes wrong at Salesforce, over real sockets: an agent, a stand-in org, and lines between."""
