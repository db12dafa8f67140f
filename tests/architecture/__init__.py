"""What the code may look like: sizes, imports, purity, texts. Each rule is shown to catch an offender."""
