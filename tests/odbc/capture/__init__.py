"""The ODBC adapter against real databases."""
