"""A wrong code page is noticed where it is certain; a legal text is never refused for what it looks like."""

from __future__ import annotations

import pytest

from adapters.idoc.format.codepage import Evidence, codec_of, utf8_evidence

#: Texts that are what they are declared to be, although their bytes could be UTF-8.
LEGAL = (
    ("NESCAFÉ® GOLD", "1100"),
    ("QUALITÉ\u00a0: 1", "1100"),
    ("Ø½ Rohr", "1100"),
    ("JOSÉ\u2019S", "1160"),
    ("le café\u00a0»", "1100"),
    ("LEIPÄ\u00a0: 3", "1100"),
    ("AVELÃ®", "1100"),
    ("SPÓŁKA", "1401"),
    ("联系中国", "gb18030"),
    ("数据传输中心", "8400"),
    ("ﾃﾞｰﾀ ﾄｲｱﾜｾ", "8000"),
    ("株式会社日本", "8000"),
    ("주식회사", "8500"),
)
#: Texts that were UTF-8 before somebody read them in another code page.
READ_WRONGLY = (
    ("Müller", "1100"),
    ("MÜLLER GMBH", "1160"),
    ("Joe\u2019s Café", "1160"),
    ("Łódź", "1401"),
    ("Москва", "1504"),
    ("Αθήνα", "1704"),
    ("München", "gb18030"),
    ("中国公司", "gb18030"),
    ("日本語", "8000"),
    ("Zürich", "8000"),
)


@pytest.mark.parametrize(("text", "page"), LEGAL)
def test_a_legal_text_is_not_taken_for_utf8(text: str, page: str) -> None:
    codec = codec_of(page)
    assert utf8_evidence(text.encode(codec).decode(codec), codec) is not Evidence.STRONG


@pytest.mark.parametrize(("text", "page"), READ_WRONGLY)
def test_utf8_read_in_another_code_page_is_noticed_or_cannot_be_decoded(text: str, page: str) -> None:
    codec = codec_of(page)
    try:
        misread = text.encode().decode(codec)
    except UnicodeDecodeError:
        return  # told of with line and column
    assert utf8_evidence(misread, codec) is Evidence.STRONG


def test_utf8_noticed_in_one_byte_and_in_many_byte_pages_is_not_only_undecodable() -> None:
    noticed = set()
    for text, page in READ_WRONGLY:
        codec = codec_of(page)
        if utf8_evidence(text.encode().decode(codec, "replace"), codec) is Evidence.STRONG:
            noticed.add(codec)
    assert {"gb18030", "shift_jis", "iso8859-1", "cp1252"} <= noticed
