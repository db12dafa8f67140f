"""Files that are broken, strange or made to hurt: told of at their place, in bounded time and memory."""

from __future__ import annotations

import codecs
import io
import random
import time

import pytest

from adapters.idoc.format.codepage import codec_of, looks_like_utf8
from adapters.idoc.format.document import Entry, Head, Idoc
from adapters.idoc.format.flat import FlatReader, kind_of, read_idocs, read_status, sort_key
from adapters.idoc.format.flat_writing import FlatForm, FlatWriter, write_status
from adapters.idoc.format.framing import Numbering, Padding
from adapters.idoc.format.problems import Findings, ReadFault, Severity
from tests.idoc.format.exports import (
    control_line,
    findings,
    flat_file,
    items,
    orders_dictionary,
    record,
    shape,
)

ROWS = (record("E2EDK01005", "000"), record("E2EDP01011", "000010"))
ONE = flat_file(*ROWS)
#: Seconds of processor time; a reader that looks at everything again and again needs hundreds.
SOON = 20.0


def idocs(content: bytes, encoding: str = "utf-8") -> list[Idoc]:
    return list(read_idocs(io.BytesIO(content), encoding=encoding, dictionary=orders_dictionary()))


def again(content: bytes, encoding: str = "utf-8") -> bytes:
    reader = FlatReader(io.BytesIO(content), encoding=encoding)
    form = FlatForm(encoding, reader.framing, Padding.AS_READ, Numbering.AS_READ)
    return b"".join(FlatWriter(form).write(reader))


def numbered(number: int) -> bytes:
    """An IDoc with its DOCNUM."""
    return flat_file(*ROWS, DOCNUM=f"{number:016d}")


def test_a_wrong_byte_is_told_of_in_the_idoc_the_segment_and_the_column_where_it_is() -> None:
    content = numbered(1) + numbered(2) + numbered(3).replace(b"000010", b"0000\xff0") + numbered(4)
    (problem,) = (each for each in findings(content) if each.severity is Severity.ERROR)
    assert (problem.idoc, problem.number, problem.segment) == (3, f"{3:016d}", "E2EDP01011")
    assert (problem.line, problem.column) == (9, 63 + 5)
    assert problem.offset is not None
    assert content[problem.offset] == 0xFF


@pytest.mark.parametrize("encoding", ["4110", "8000", "8400", "4103"])
def test_places_behind_a_wrong_byte_are_still_exact(encoding: str) -> None:
    codec = codec_of(encoding)
    good = flat_file(record("E2EDK14", "012"), record("E2EDK14", "%%")).decode().encode(codec)
    wrong = b"\x3d\xd8" if encoding == "4103" else b"\xff\xfe"
    content = good.replace("%%".encode(codec), wrong + "x".encode(codec)) + good
    found = Findings()
    reader = FlatReader(io.BytesIO(content), encoding=encoding, report=found.add)
    heads = [item for item in reader if isinstance(item, Head)]
    second = heads[1].origin.offset
    assert content[second:].startswith("EDI_DC40".encode(codec))
    assert [each.line for each in found] == [3]


def test_the_idocs_before_one_with_a_wrong_byte_are_handed_out() -> None:
    kept: list[Idoc] = []
    content = numbered(1) + numbered(2) + numbered(3).replace(b"SHOP", b"SH\xd6P")
    with pytest.raises(ReadFault, match="not valid in the declared code page") as fault:
        kept.extend(read_idocs(io.BytesIO(content)))
    assert [idoc.number for idoc in kept] == [f"{1:016d}", f"{2:016d}"]
    assert fault.value.problem.idoc == 3


def test_all_wrong_idocs_of_a_file_are_told_of_each_with_its_number() -> None:
    wrong = (
        numbered(1).replace(b"E2EDP01011", b"e2edp01011"),
        numbered(2),
        numbered(3).split(b"\n")[0] + b"\n",
        numbered(4).replace(b"ORDERS05", b"        "),
        numbered(5).replace(b"000010", b"00\xff010"),
    )
    errors = [each for each in findings(b"".join(wrong)) if each.severity is Severity.ERROR]
    assert {each.idoc for each in errors} >= {1, 3, 4, 5}
    assert 2 not in {each.idoc for each in errors}
    assert all(each.number == f"{each.idoc:016d}" for each in errors)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("SPÓŁKA AKCYJNA", "1401"),
        ("SPÓŁKA AKCYJNA", "1404"),
        ("УЛ 5", "1500"),
        ("รถ", "8600"),
        ("Úžice", "1404"),
    ],
)
def test_capitals_that_are_utf8_by_chance_are_no_reason_to_refuse_a_file(text: str, encoding: str) -> None:
    content = flat_file(record("E2EDKA1003", f"AG {text}")).decode().encode(codec_of(encoding))
    content.decode("utf-8")
    assert idocs(content, encoding)[0].segments[0].data == f"AG {text}"


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("1100", "Größe forêt êtes Łódź Улица"),
        ("1160", "Größe forêt êtes"),
        ("1610", "Größe forêt êtes Łódź Улица"),
        ("1401", "Größe Łódź Улица"),
        ("1404", "Größe"),
        ("1500", "Größe Łódź Улица"),
    ],
)
def test_words_in_utf8_are_known_in_every_one_byte_code_page(encoding: str, words: str) -> None:
    codec = codec_of(encoding)
    for word in words.split():
        assert looks_like_utf8(word.encode().decode(codec), codec), word


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_a_mark_of_the_other_byte_order_is_named(mark: bytes) -> None:
    codec, other = ("utf-16-le", "4102") if mark == codecs.BOM_UTF16_LE else ("utf-16-be", "4103")
    with pytest.raises(ReadFault, match="other byte order"):
        items(mark + ONE.decode().encode(codec), encoding=other)


def test_utf_16_without_a_byte_order_is_no_code_page_and_says_what_to_write() -> None:
    with pytest.raises(ValueError, match="4103"):
        codec_of("utf-16")


def test_a_character_of_windows_in_a_national_code_page_is_refused_with_its_name() -> None:
    content = flat_file(record("E2EDKA1003", "AG ㈱")).decode().encode("cp932")
    with pytest.raises(ReadFault, match="try cp932"):
        items(content, encoding="8000")
    assert idocs(content, "cp932")[0].segments[0].data == "AG ㈱"


@pytest.mark.parametrize("encoding", ["4110", "4102", "4103", "8000", "8300", "8400", "8500", "gb18030"])
@pytest.mark.parametrize("step", [1, 3, 1021])
def test_characters_and_line_ends_split_between_two_reads_are_whole(encoding: str, step: int) -> None:
    class Slow(io.BytesIO):
        def read(self, _size: int | None = -1, /) -> bytes:
            return super().read(step)

    text = {"8000": "かな漢字", "8300": "中文", "8400": "中文", "8500": "한국"}.get(encoding, "Größe 中文")
    rows = (record("E2EDKA1003", f"AG {text}"), record("E2EDK14", "012")) * 20
    content = flat_file(*rows).replace(b"\n", b"\r\n").decode().encode(codec_of(encoding))
    (idoc,) = read_idocs(Slow(content), encoding=encoding, dictionary=orders_dictionary())
    assert [segment.data for segment in idoc.segments] == [f"AG {text}", "012"] * 20
    assert [segment.origin and segment.origin.line for segment in idoc.segments] == list(range(2, 42))


def test_line_ends_may_be_mixed_within_a_file() -> None:
    rows = [control_line(), *ROWS, control_line(), *ROWS]
    content = "".join(map("".join, zip(rows, ["\r\n", "\r", "\n", "\r\r\n", "\n\n", ""], strict=True)))
    assert [shape(idoc) for idoc in idocs(content.encode())] == [[("E1EDK01", 0), ("E1EDP01", 0)]] * 2


@pytest.mark.parametrize("tail", [b"\n\n\n", b"\x1a\n", b" \n\n", b"\x1a\r\n"])
def test_blank_lines_and_end_marks_behind_the_last_record_come_back(tail: bytes) -> None:
    assert again(ONE + tail) == ONE + tail


def contiguous(rows: tuple[str, ...] = ROWS) -> str:
    return control_line() + "".join(row.ljust(1063) for row in rows)


@pytest.mark.parametrize("between", ["\n", "\r\n", "\x1a", "\ufeff"])
def test_idocs_without_line_ends_one_in_a_line_or_joined_are_read_and_come_back(between: str) -> None:
    content = (contiguous() + between + contiguous()).encode()
    assert len(idocs(content)) == 2
    assert again(content) == content


def test_a_contiguous_file_goes_on_behind_a_shift_at_the_next_control_record() -> None:
    rows = tuple(f"{row[:30]}100{row[33:]}" for row in ROWS)
    whole = control_line(MANDT="100") + "".join(row.ljust(1063) for row in rows)
    content = (whole[:700] + whole[701:] + whole).encode()
    found = Findings()
    heads = [i for i in FlatReader(io.BytesIO(content), report=found.add) if isinstance(i, Head)]
    assert [head.at for head in heads] == [1, 2]
    assert any("shifted up to the next EDI_DC40" in each.reason for each in found)
    assert {each.idoc for each in found} == {1}


def test_a_control_record_with_something_behind_it_does_not_make_the_file_contiguous() -> None:
    content = ONE.replace(b"\n", b"  JUNK\n", 1)
    (problem,) = findings(content)
    assert "longer than 524" in problem.reason


@pytest.mark.parametrize("framed", [False, True])
def test_release_3_is_refused_by_name_once_with_and_without_line_ends(framed: bool) -> None:
    end = "\n" if framed else ""
    content = "EDI_DC".ljust(464) + end + ("EDI_DD".ljust(1055) + end) * 20
    found = findings(content.encode())
    told = [str(each) for each in found if "release 3.x" in each.reason]
    assert len(told) == 1
    assert "record type version 3" in told[0]


def test_a_status_file_is_named_as_that() -> None:
    with pytest.raises(ReadFault, match="this is a status file"):
        items(write_status([{"DOCNUM": "1"}]))


def test_a_status_record_that_is_too_long_is_told_of() -> None:
    content = write_status([{"DOCNUM": "1"}]).replace(b"\n", b"more\n")
    with pytest.raises(ReadFault, match="longer than 562"):
        list(read_status(io.BytesIO(content)))


def test_the_order_of_a_file_is_known_from_its_start_though_that_ends_within_a_character() -> None:
    content = flat_file(record("E2EDKA1003", "AG ü"), CREDAT="20260314", CRETIM="101500")
    cut = content[: content.index("ü".encode()) + 1]
    assert sort_key(io.BytesIO(cut), "utf-8")[:2] == ("20260314", "101500")
    assert kind_of(io.BytesIO(cut), "utf-8").value == "idoc"


HOSTILE = {
    "a million blank lines": ONE + b" \n" * 1_000_000,
    "rubbish": ONE + random.Random(1).randbytes(300_000),
    "filled up with NUL": ONE + b"\0" * 20_000_000,
    "contiguous, filled up with NUL": contiguous().encode() + b"\0" * 20_000_000,
    "contiguous, of characters of two units": (control_line() + "\U0001f600" * 200_000).encode(),
    "each below the one before": flat_file(
        *(record("Z2A000", "", f"{at:06d}", f"{at - 1:06d}", "01") for at in range(1, 20_000))
    ),
    "one gigantic line": ONE + b"E2EDK14" + b"x" * 20_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_made_to_take_for_ever_takes_no_longer_than_another(name: str) -> None:
    begun = time.process_time()
    found = findings(HOSTILE[name])
    assert time.process_time() - begun < SOON
    assert (found.errors == 0) == ("blank" in name or "NUL" in name)


def test_unknown_segments_that_take_turns_without_numbers_do_not_go_deeper_for_ever() -> None:
    rows = [record(name) for name in ("Z2HEAD000", *("Z2ITEM000", "Z2TEXT000") * 200)]
    content = flat_file(*rows, IDOCTYP="ZOWN01", MESTYP="ZOWN")
    entries = [item for item in items(content) if isinstance(item, Entry)]
    assert {entry.depth for entry in entries} == {1, 2, 3}
    assert len(entries) == 401
