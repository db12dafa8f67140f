"""The dashboard: reads through the service, decides nothing."""
