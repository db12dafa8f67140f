"""What stands in tracked files speaks of the product only, and leaves nothing unfinished."""

import pytest

from tests.architecture.source import Source, listed, python_sources, text_sources
from tests.architecture.texts import forbidden_words, silent_ignores


def test_no_tracked_text_holds_a_forbidden_word() -> None:
    assert not listed(offence for source in text_sources() for offence in forbidden_words(source))


@pytest.mark.parametrize(
    "text",
    [
        "# TO" + "DO: later",
        "FIX" + "ME",
        "from tests import help" + "ers",
        "cd /wo" + "rk/main",
        'path = "/ro' + 'ot/.venv"',
        "/ho" + "me/somebody/isthmus",
        "index: https://py" + "pi.org/simple",
    ],
)
def test_a_forbidden_word_is_caught(text: str) -> None:
    assert listed(forbidden_words(Source("README.md", text)))


@pytest.mark.parametrize(
    "text", ["the work goes on", "/etc/isthmus/", "/services/work/x", "the root of the tree", "XX"]
)
def test_an_ordinary_text_passes(text: str) -> None:
    assert not listed(forbidden_words(Source("README.md", text)))


def test_every_ignored_type_error_has_its_reason() -> None:
    sources = python_sources("agent", "adapters", "tui", "tests", ".setup")
    assert not listed(offence for source in sources for offence in silent_ignores(source))


@pytest.mark.parametrize("comment", ["# type: ig" + "nore", "# type: ig" + "nore[attr-defined]"])
def test_an_ignored_type_error_without_reason_is_caught(comment: str) -> None:
    assert listed(silent_ignores(Source("agent/a.py", f"x = y.z  {comment}\n")))


def test_an_ignored_type_error_with_reason_passes() -> None:
    comment = "# type: ig" + "nore[attr-defined]  # the driver's stubs lack it"
    assert not listed(silent_ignores(Source("agent/a.py", f"x = y.z  {comment}\n")))
