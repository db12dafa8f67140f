"""How fast an ERP has what stands in the outbox, all that delivering means included, beside bare loops."""
