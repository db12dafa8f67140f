"""The whole product over its real wires: what people type in one system, seen in the others."""
