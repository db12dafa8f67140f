"""Figures of the Salesforce sandbox, each beside a bare reference that was measured in the same run."""
