"""The REST API: every resource below /services/data."""
