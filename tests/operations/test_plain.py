"""Without a screen: the same answers as lines of text."""

from __future__ import annotations

from agent.operations.plain import exception_text, exceptions_text, trace_text
from tests.operations.site import Site


async def test_the_list_names_record_code_and_cause(site: Site) -> None:
    assert exceptions_text(await site.reads.exceptions()) == "0 exceptions"
    await site.born()
    await site.rejected()
    head, line, remedy = exceptions_text(await site.reads.exceptions()).splitlines()
    assert head == "1 exceptions"
    assert line == (
        "1  due within 1d00 of opening  rejected  erp  C-000123  owner operations  E42 Name '***' is blocked"
    )
    assert remedy.startswith("     do: ")
    site.clock.go_on(25 * 3600)
    assert "1  LATE  rejected" in exceptions_text(await site.reads.exceptions())


async def test_one_exception_is_told_in_full(site: Site) -> None:
    await site.born()
    await site.rejected()
    text = exception_text(await site.reads.exception(1))
    for words in ("Cause      E42", "Do         correct the data", "Owner      operations", "2 rejected 1.2"):
        assert words in text
    await site.acts.close(1, "op1", "gone")
    assert "UTC: gone" in exception_text(await site.reads.exception(1))


async def test_the_story_is_told_without_personal_data(site: Site) -> None:
    await site.born()
    await site.rejected()
    text = trace_text(await site.reads.trace("001A"))
    assert text.startswith("customer C-000123  customer-")
    for words in ("PARKED erp", "key   salesforce: 001A (live)", "field name = *** (owner salesforce)"):
        assert words in text
    assert "2026-03-02 09:00:00.000  erp  rejected  rejected: business E42  command 2" in text
    assert "Müller" not in text


async def test_several_matches_and_none_are_told_apart(site: Site) -> None:
    assert "nothing is known by the name 'x'" in trace_text(await site.reads.trace("x"))
    await site.born("4711", "001A")
    await site.born("C-2", "4711")
    assert trace_text(await site.reads.trace("4711")).startswith("2 matches for '4711'")
