"""Tests of the sandbox systems."""
