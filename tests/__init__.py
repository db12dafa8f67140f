"""Tests of the whole product, a folder per kind."""
