"""The IDoc format, on its own: read, write, inspect, convert and validate."""
