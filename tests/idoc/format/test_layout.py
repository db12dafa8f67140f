"""Where fields stand and which definition is which type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.idoc.format.dictionary import Dictionary, type_by_rule
from adapters.idoc.format.layout import Layout, layout_of
from adapters.idoc.format.problems import ValueFault
from adapters.idoc.format.records import CONTROL, DATA_HEADER, STATUS
from tests.idoc.files import DICTIONARY


@pytest.mark.parametrize(
    ("layout", "length", "field", "offset"),
    [
        (CONTROL, 524, "SNDPRN", 162),
        (CONTROL, 524, "ARCKEY", 434),
        (DATA_HEADER, 63, "HLEVEL", 61),
        (STATUS, 562, "STATXT", 272),
        (DICTIONARY.layout("E1KNA1M"), 940, "NAME1", 179),
        (DICTIONARY.layout("E1KNA1M"), 940, "TELF1", 527),
        (DICTIONARY.layout("E1KNA1M"), 940, "WERKS", 936),
        (DICTIONARY.layout("E1KNVVM"), 338, "ZTERM", 104),
        (DICTIONARY.layout("E1KNB1M"), 752, "SMTP_ADDR", 510),
        (DICTIONARY.layout("E1STATE"), 176, "STATXT", 26),
    ],
)
def test_records_and_segments_have_the_published_lengths_and_offsets(
    layout: object, length: int, field: str, offset: int
) -> None:
    assert isinstance(layout, Layout)
    assert layout.length == length
    assert layout.field(field).offset == offset


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        ("E2EDK01005", "E1EDK01"),
        ("E2EDKA1003", "E1EDKA1"),
        ("E2KNA11002", "E1KNA11"),
        ("E2EDP35000", "E1EDP35"),
        ("E2EDK14", "E1EDK14"),
        ("Z2X001", "Z1X"),
        ("/RB04/YP3_E1EDK04P02_XML000", "/RB04/YP3_E1EDK04P02_XML"),
    ],
)
def test_a_definition_without_dictionary_loses_exactly_three_digits(definition: str, kind: str) -> None:
    assert type_by_rule(definition) == kind


def test_the_dictionary_knows_better_than_the_rule() -> None:
    ambiguous = layout_of("Z1ABC100", "A:3", definition="Z2ABC100")
    assert type_by_rule("Z2ABC100") == "Z1ABC"
    assert Dictionary([ambiguous]).type_of("Z2ABC100") == "Z1ABC100"


def test_a_type_written_as_segment_name_is_accepted() -> None:
    assert DICTIONARY.type_of("E1KNA1M") == "E1KNA1M"
    assert DICTIONARY.layout("E1KNA1M") is DICTIONARY.layout("E2KNA1M005")


def test_an_older_definition_is_read_with_the_newest_layout() -> None:
    assert DICTIONARY.layout("E2KNA1M003") is DICTIONARY.layout("E2KNA1M005")


def test_a_value_longer_than_its_field_is_refused_with_field_offset_and_length() -> None:
    layout = DICTIONARY.layout("E1KNA1M")
    assert layout is not None
    with pytest.raises(
        ValueFault, match=r"E1KNA1M.NAME1: 36 characters do not fit into 35 at offset 179"
    ) as fault:
        layout.write({"NAME1": "x" * 36})
    assert (fault.value.field, fault.value.offset, fault.value.length) == ("E1KNA1M.NAME1", 179, 35)
    assert "xxx" not in str(fault.value)


def test_an_unknown_field_names_the_nearest() -> None:
    layout = DICTIONARY.layout("E1KNA1M")
    assert layout is not None
    with pytest.raises(ValueFault, match=r"did you mean E1KNA1M\.NAME1"):
        layout.write({"NAEM1": "x"})


def test_a_character_beyond_the_basic_plane_counts_twice_as_in_sap() -> None:
    layout = layout_of("X", "A:3 B:2")
    assert layout.read(layout.write({"A": "\U0001f600x", "B": "yz"})) == {"A": "\U0001f600x", "B": "yz"}
    with pytest.raises(ValueFault):
        layout.write({"B": "\U0001f600x"})
    with pytest.raises(ValueFault, match="within a character"):
        layout.read("ab\U0001f600z")


_TEXT = st.text(st.characters(exclude_characters="\r\n\x00\x1a", exclude_categories=["Cs"]), max_size=7)


@given(st.fixed_dictionaries({"A": _TEXT, "B": _TEXT, "C": _TEXT}))
def test_reading_what_was_written_gives_every_field_back(values: dict[str, str]) -> None:
    layout = layout_of("X", "A:14 B:14 C:14")
    wanted = {name: text.rstrip(" ") for name, text in values.items()}
    assert layout.read(layout.write(wanted)) == wanted
    assert layout.read(layout.write(wanted, pad=False)) == wanted
