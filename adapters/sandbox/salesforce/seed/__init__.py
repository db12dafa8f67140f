"""The data that the sandbox org starts with, made from a seed: the same names for the same seed."""
