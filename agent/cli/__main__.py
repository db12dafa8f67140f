"""``python -m agent.cli``: the same as the console script."""

from agent.cli import main

main()
