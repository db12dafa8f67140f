"""Figures of reading a whole object of Salesforce, each beside the csv module alone over the same bytes."""
