"""A dictionary that says a thing twice, or too much, is told of: nothing of it is passed over."""

from __future__ import annotations

import io

from adapters.idoc.format.dictionary import Dictionary
from adapters.idoc.format.problems import Problem
from adapters.idoc.format.table import read_table

HEADER = "segment,definition,field,length"


def told(*rows: str, header: str = HEADER) -> tuple[list[str], Dictionary]:
    """What is told of a table, and what became of it."""
    problems: list[Problem] = []
    content = "\n".join((header, *rows)).encode()
    dictionary = read_table(io.BytesIO(content), report=problems.append)
    return [str(problem) for problem in problems], dictionary


def test_a_field_that_stands_twice_in_a_segment_is_told_of() -> None:
    """The second row may be a misspelt other field: dropped silently, all fields behind it would shift."""
    (problem,), _ = told("Z1NEW,Z2NEW000,CODE,4", "Z1NEW,Z2NEW000,CODE,4", "Z1NEW,Z2NEW000,TEXT,10")
    assert "line 3" in problem and "the field stands twice in this segment" in problem


def test_a_segment_at_two_places_of_the_hierarchy_may_be_described_at_both() -> None:
    header = f"{HEADER},idoctype,parent"
    rows = [
        "Z1TOP,,CODE,4,ZTYPE01,",
        "Z1SUB,,CODE,4,ZTYPE01,Z1TOP",
        "Z1TWO,,CODE,4,ZTYPE01,",
        "Z1SUB,,CODE,4,ZTYPE01,Z1TWO",
    ]
    problems, dictionary = told(*rows, header=header)
    assert problems == []
    assert dictionary.parents_of("Z1SUB") == ("Z1TOP", "Z1TWO")


def test_a_definition_of_two_types_is_told_of() -> None:
    (problem,), _ = told("Z1NEW,Z2NEW000,CODE,4", "Z1OLD,Z2NEW000,CODE,4")
    assert "the definition Z2NEW000 is given to Z1NEW too" in problem


def test_cells_behind_the_last_column_are_told_of() -> None:
    (problem,), _ = told("Z1NEW,Z2NEW000,TEXT,4", "Z1NEW,Z2NEW000,CODE,4,5")
    assert "line 3" in problem and "the row has 5 cells, the header 4" in problem


def test_empty_cells_behind_the_last_column_are_what_spreadsheets_write() -> None:
    assert told("Z1NEW,Z2NEW000,TEXT,4,,,")[0] == []
