"""Several dictionaries: of another release, of another sender, or of other IDoc types."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from adapters.idoc.format.flat_writing import FlatForm, FlatWriter
from adapters.idoc.format.loading import load_dictionary
from adapters.idoc.format.problems import Findings, Severity
from adapters.idoc.format.xml import XmlReader

HEADER = "segment,definition,field,length"
SHORT = "Z1P,Z2P001,A,5\nZ1P,Z2P001,B,5"
LONG = f"{SHORT}\nZ1P,Z2P001,C,5"
OTHER = "Z1P,Z2P001,X,3\nZ1P,Z2P001,B,5"


def tables(folder: Path, *rows: str) -> list[Path]:
    """A CSV dictionary for each."""
    paths = [folder / f"{at}.csv" for at in range(len(rows))]
    for path, content in zip(paths, rows, strict=True):
        path.write_text(f"{HEADER}\n{content}\n")
    return paths


@pytest.mark.parametrize("other", [OTHER, OTHER.replace("Z2P001", ""), OTHER.replace("Z1P,", "Z1Q,")])
def test_dictionaries_that_contradict_each_other_are_warned_of_with_both_names(
    tmp_path: Path, other: str
) -> None:
    for first, second in ((SHORT, other), (other, SHORT)):
        paths = tables(tmp_path, first, second)
        found = Findings()
        load_dictionary(paths, report=found.add)
        (problem,) = found
        assert problem.severity is Severity.WARNING
        assert problem.file == str(paths[1]) and str(paths[0]) in problem.reason


def test_of_dictionaries_that_contradict_each_other_the_later_one_holds(tmp_path: Path) -> None:
    layout = load_dictionary(tables(tmp_path, LONG, OTHER)).layout("Z1P")
    assert layout is not None and [entry.name for entry in layout.fields] == ["X", "B"]


@pytest.mark.parametrize("rows", [(SHORT, LONG), (LONG, SHORT)])
def test_a_dictionary_of_an_older_release_takes_no_field_away_and_is_no_contradiction(
    tmp_path: Path, rows: tuple[str, str]
) -> None:
    found = Findings()
    layout = load_dictionary(tables(tmp_path, *rows), report=found.add).layout("Z2P001")
    assert layout is not None and len(layout.fields) == 3
    assert len(found) == 0


def test_a_dictionary_that_says_otherwise_than_what_is_known_without_a_file_is_warned_of(
    tmp_path: Path,
) -> None:
    found = Findings()
    load_dictionary(tables(tmp_path, "E1KNA1M,E2KNA1M005,KUNNR,12"), report=found.add)
    (problem,) = found
    assert "what is known without a file" in problem.reason


def test_the_level_of_a_segment_at_the_top_is_not_that_of_another_idoc_type() -> None:
    xml = (
        b"<ZTYPE01><IDOC BEGIN='1'><EDI_DC40 SEGMENT='1'><IDOCTYP>ZTYPE01</IDOCTYP><MESTYP>ZTYPE</MESTYP>"
        b"</EDI_DC40><E1KNVVM SEGMENT='1'><VKORG>1000</VKORG></E1KNVVM></IDOC></ZTYPE01>"
    )
    (_, line) = b"".join(FlatWriter(FlatForm()).write(XmlReader(io.BytesIO(xml)))).splitlines()
    assert line[61:63] == b"01"
