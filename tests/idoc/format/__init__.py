"""The IDoc format, on its own."""
