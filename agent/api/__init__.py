"""The local control interface: HTTP over a Unix socket, and the client for it."""
