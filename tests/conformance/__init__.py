"""Clients written by others, unchanged, against the sandbox org: what they believe, our adapter may rely
on."""
