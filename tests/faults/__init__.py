"""The agent is killed where it hurts, and everything is judged by somebody else."""
