"""Servers that play the remote systems on loopback, so that the whole product runs with nothing
configured."""
