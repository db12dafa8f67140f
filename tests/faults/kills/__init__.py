"""The agent is killed at every kind of system call that it makes, and judged by somebody else."""
