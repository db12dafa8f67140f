"""Commands on their way to the org, and what its answers mean."""
