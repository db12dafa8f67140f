"""The states of commands, images and entities, as tables and graphs for the design page.

``python -m tests.docs.graph`` writes them into ``agent/DESIGN.md`` between their marks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from agent.core.transitions import EXISTENCE, FRESHNESS, TRANSITIONS

PAGE = Path(__file__).parents[2] / "agent" / "DESIGN.md"
TABLES: Mapping[str, Mapping[tuple[str, str], str]] = {
    "commands": {(str(before), str(after)): why for (before, after), why in TRANSITIONS.items()},
    "images": FRESHNESS,
    "entities": EXISTENCE,
}


def rendered(name: str) -> str:
    """One graph and its table, in Markdown."""
    edges = TABLES[name]
    graph = ["```mermaid", "stateDiagram-v2", *(f"    {a} --> {b}" for a, b in edges), "```"]
    table = [
        "| from | to | why |",
        "|---|---|---|",
        *(f"| {a} | {b} | {why} |" for (a, b), why in edges.items()),
    ]
    return "\n".join([*graph, "", *table])


def placed(text: str) -> str:
    """The page with every section between its marks written anew."""
    for name in TABLES:
        marks = rf"(<!-- states of {name} -->\n).*?(\n<!-- end -->)"
        found = re.findall(marks, text, flags=re.DOTALL)
        if len(found) != 1:
            raise ValueError(f"the design page has {len(found)} places for the states of {name}")
        [(before, after)] = found
        start = text.index(before) + len(before)
        text = text[:start] + rendered(name) + text[text.index(after, start) :]
    return text


if __name__ == "__main__":
    PAGE.write_text(placed(PAGE.read_text()))
