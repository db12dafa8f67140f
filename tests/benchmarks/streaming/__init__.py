"""Figures of the event stream, from the org to durable in the mirror, each beside a bare reference."""
