"""The long form: the product hunted with many seeds, its mutants hunted live, crashes swept."""
