"""How fast records are written to Salesforce, and with how many API calls, beside bare loops over HTTP."""
