"""Commands of many in one transaction, against the real servers."""
