"""SOQL: parsing, conditions, grouping and relationships over the records of the org."""
