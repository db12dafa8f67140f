"""Logins, hosts and calls: one session, one budget, one set of trusted certificates for HTTP and gRPC."""
