"""How fast commands are applied in an ERP exactly once, beside bare loops over the same driver and server."""
