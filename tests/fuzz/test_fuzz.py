"""A short run of everything that is fuzzed, the same every time; and real files, damaged in every way."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.fuzz.__main__ import NAMES, SHARES
from tests.fuzz.guard import Reached, guarded
from tests.fuzz.seeds import WORDS, seeds
from tests.fuzz.targets import TARGETS
from tests.fuzz.tracing import fuzz, mutated
from tests.idoc.format.exports import SAMPLES

#: Real files, and who reads them.
REAL = {
    "blueseer_ACME_IDOC_INVOIC02out.txt": ("flat", b"\0"),
    "sap_recipes_INVOIC01_flat_crlf.txt": ("flat", b"\0"),
    "sap_recipes_ORDERS05_flat_crlf.txt": ("flat", b"\1"),
    "sap_recipes_INVOIC02_a.xml": ("xml", b""),
    "sap_recipes_MATMAS05_s4.xml": ("xml", b""),
    "sap_recipes_ORDERS05.xml": ("xml", b""),
    "sap_recipes_ORDRSP_ORDERS05.xml": ("xml", b""),
}
CRASHES = Path(__file__).parent / "crashes.json"


def test_every_target_has_seeds_words_and_a_share() -> None:
    assert set(TARGETS) == set(seeds()) == set(WORDS) == set(SHARES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_short_run_breaks_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    found = fuzz(name, 150, 20261123, tmp_path / name)
    assert found["crash"] == ""
    assert int(str(found["edges"])) > 100


def test_a_run_goes_on_from_what_was_kept(tmp_path: Path) -> None:
    corpus = tmp_path / "table"
    corpus.mkdir()
    first = fuzz("table", 100, 1, corpus)
    kept = len(list(corpus.iterdir()))
    again = fuzz("table", kept + len(seeds()["table"]), 2, corpus)
    assert kept > 0
    assert again["edges"] == first["edges"]


@pytest.mark.parametrize("name", REAL)
def test_a_real_file_damaged_anywhere_is_read_or_refused(name: str) -> None:
    target, prefix = REAL[name]
    run, content = guarded(TARGETS[target]), (SAMPLES / name).read_bytes()
    chance = random.Random(name)
    for _ in range(12):
        run(prefix + mutated(chance, [content], WORDS[target]))


@pytest.mark.parametrize("name", ["sap_recipes_ORDERS05.wsdl", "sap_recipes_ZZ_DEBMAS_360.xsd"])
def test_a_real_schema_cut_anywhere_is_told_of(name: str) -> None:
    run, content = guarded(TARGETS["schema"]), (SAMPLES / name).read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        run(content[: int(len(content) * share)])


def test_what_once_broke_a_target_does_not_again() -> None:
    for target, text in json.loads(CRASHES.read_text()):
        guarded(TARGETS[target])(text.encode("latin-1"))


def test_a_reader_that_opens_a_file_is_caught(tmp_path: Path) -> None:
    def opens(data: bytes) -> None:
        (tmp_path / "outside").write_bytes(data)

    with pytest.raises(Reached):
        guarded(opens)(b"")
