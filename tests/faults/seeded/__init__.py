"""Bugs as a tired colleague would make them, put into a copy of the product; the suite must catch each."""
