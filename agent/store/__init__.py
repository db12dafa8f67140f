"""The durable store: the only place with SQL on our own database."""
