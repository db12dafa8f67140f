"""Everything that goes wrong between the agent and an ERP on a real database server."""
