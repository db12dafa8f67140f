"""How soon and how fast changes of an ERP are durable here, by each way to capture, beside bare loops."""
