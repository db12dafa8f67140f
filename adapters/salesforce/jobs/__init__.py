"""Bulk API 1.0, through salesforce-bulk, and 2.0: jobs, their batches and their results."""
