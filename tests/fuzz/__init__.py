"""Rubbish for what reads files of others: guided by coverage, resumed from a kept corpus.

``python -m tests.fuzz [--runs N] [--only TARGET …] [--seed S] [--corpus DIR] [--json FILE]``
"""
