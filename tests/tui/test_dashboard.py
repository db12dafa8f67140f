"""The dashboard in front of a real service: what it shows, at which size, and which keys do what."""

from __future__ import annotations

import pytest
from textual.app import App

from agent.api.client import ServiceClient
from agent.core.delivery import Outcome, OutcomeKind, Reason
from agent.operations.wire import age
from agent.store import gaps, withheld
from tests.operations.site import Site
from tests.tui.conftest import shown, until
from tui import actions
from tui.app import IsthmusApp, picture
from tui.look import Look, money
from tui.screens.asked import HelpScreen
from tui.screens.watched import Watched
from tui.widgets.cells import segment
from tui.widgets.page import STYLES, Page, Row

SIZES = [(80, 24), (160, 50)]


async def troubled(site: Site) -> None:
    """Two customers, one refused by the ERP, which went down."""
    site.states({"salesforce": "up", "erp": "up", "sap": "up"})
    await site.born()
    await site.rejected()
    await site.born("C-000124", "001B", "Meyer")
    site.clock.go_on(240)
    site.states({"erp": "down"})


def page(app: App[int]) -> Page:
    """The page of the screen that is shown."""
    assert isinstance(app.screen, Watched)
    return app.screen.page


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_wrong_and_at_stake_is_answered_without_a_key(
    site: Site, client: ServiceClient, size: tuple[int, int]
) -> None:
    await troubled(site)
    async with IsthmusApp(client).run_test(size=size) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        text = shown(pilot)
    for words in ("DEGRADED", "erp DOWN", "1 OPEN", "1 exceptions", "BALANCED", "refused the connection"):
        assert words in text, words
    assert "E42" in text
    assert "LAST EVENTS" in text
    lines = text.splitlines()
    assert all(len(line) <= size[0] for line in lines)
    assert ("OBLIGATIONS" in text) is (size[0] >= 120)


@pytest.mark.parametrize("size", SIZES)
async def test_a_gap_that_is_being_closed_shows_how_far_and_how_long_still(
    site: Site, client: ServiceClient, size: tuple[int, int]
) -> None:
    with site.store.transaction("gap") as tx:
        gaps.open_(tx, "salesforce", "customer", "the position was lost", None)
        gaps.begin(tx, "salesforce", "customer", tx.token, None)
        gaps.advance(tx, "salesforce", "customer", 250_000, "behind", 1_000_000)
    site.clock.go_on(250)
    async with IsthmusApp(client).run_test(size=size) as pilot:
        await until(pilot, lambda: "READING" in shown(pilot))
        text = shown(pilot)
    assert "customer at salesforce [##........] 25%  1,000/s  12m left" in text


@pytest.mark.parametrize("size", SIZES)
async def test_a_field_that_is_not_sent_is_on_the_first_screen(
    site: Site, client: ServiceClient, size: tuple[int, int]
) -> None:
    with site.store.transaction("field") as tx:
        withheld.refuse(tx, "salesforce", "customer", "terms", tx.now)
        withheld.hide(tx, "salesforce", "customer", "terms")
    async with IsthmusApp(client).run_test(size=size) as pilot:
        await until(pilot, lambda: "FIELD" in shown(pilot))
        text = shown(pilot)
    assert "FIELD     salesforce customer.terms NOT SENT and NOT READ, 0 wait" in text


async def test_nothing_needed_is_lost_at_80x24(site: Site, client: ServiceClient) -> None:
    await troubled(site)
    async with IsthmusApp(client).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        assert len(page(pilot.app).rows) <= 22


@pytest.mark.parametrize("size", SIZES)
async def test_from_the_start_to_the_story_of_the_worst_exception_in_two_keys(
    site: Site, client: ServiceClient, size: tuple[int, int]
) -> None:
    await troubled(site)
    async with IsthmusApp(client).run_test(size=size) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "Cause" in shown(pilot))
        assert "correct the data or the target's rule, then retry" in " ".join(shown(pilot).split())
        await pilot.press("enter")
        await until(pilot, lambda: "STORY" in shown(pilot))
        text = shown(pilot)
        for words in ("CUSTOMER C-000123", "PARKED    erp", "owner salesforce", "rejected", "***"):
            assert words in text, words
        assert "Müller" not in text
        await pilot.press("escape", "escape")
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        await pilot.press("q")
    assert pilot.app.return_code == 0


async def test_where_is_the_customer_takes_one_key_and_its_number(site: Site, client: ServiceClient) -> None:
    """What is typed goes into the field from the first letter on."""
    await troubled(site)
    async with IsthmusApp(client).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        await pilot.press("t", *"C-000124", "enter")
        await until(pilot, lambda: "CUSTOMER C-000124" in shown(pilot))
        await pilot.press("t", *"nobody", "enter")
        await until(pilot, lambda: "nothing is known by the name 'nobody'" in shown(pilot))


async def test_several_matches_are_listed_and_opened_by_id(site: Site, client: ServiceClient) -> None:
    await site.born("4711", "001A")
    await site.born("C-2", "4711")
    async with IsthmusApp(client).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        await pilot.press("t", *"4711", "enter")
        await until(pilot, lambda: "2 matches" in shown(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "STORY" in shown(pilot))


async def test_a_service_that_is_down_is_said_so_and_the_last_answer_is_dated(
    site: Site, client: ServiceClient
) -> None:
    await troubled(site)
    app = IsthmusApp(client, refresh_s=0.01)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        await site.reads.close()
        await until(pilot, lambda: "SERVICE DOWN  what you see is of" in shown(pilot))
        assert "AT RISK" in shown(pilot)


async def test_a_service_that_never_was_up_is_said_so_with_the_remedy(client: ServiceClient) -> None:
    nobody = ServiceClient(client._path.parent / "nobody.sock")
    async with nobody, IsthmusApp(nobody).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "isthmus run" in shown(pilot))
        assert "SERVICE DOWN" in shown(pilot)


async def test_nothing_is_painted_when_nothing_changed(site: Site, client: ServiceClient) -> None:
    await troubled(site)
    app = IsthmusApp(client, refresh_s=0.001)
    answers: list[object] = []  # kept, so that no two have the same id

    def five_more() -> bool:
        answers.append(page_of.overview)
        return len({id(answer) for answer in answers}) > 5

    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, Watched)
        page_of = screen
        painted = screen.page.painted + screen.head.painted + screen.foot.painted
        first = screen.overview
        await until(pilot, five_more)
        assert screen.overview is not first
        assert screen.page.painted + screen.head.painted + screen.foot.painted == painted


async def test_a_covered_screen_paints_nothing(site: Site, client: ServiceClient) -> None:
    await troubled(site)
    app = IsthmusApp(client, refresh_s=0.001)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        below = app.screen
        assert isinstance(below, Watched)
        await pilot.press("2")
        await until(pilot, lambda: "EXCEPTIONS" in shown(pilot))
        painted = below.page.painted
        site.states({"sap": "down"})
        await until(pilot, lambda: "sap DOWN" in shown(pilot))
        assert below.page.painted == painted


async def test_the_cursor_stays_on_its_exception_when_others_come(site: Site, client: ServiceClient) -> None:
    await site.born()
    await site.rejected()
    app = IsthmusApp(client, refresh_s=0.01)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        await pilot.press("2")
        await until(pilot, lambda: "1 open" in page(app).text())
        assert page(app).chosen == "1"
        site.clock.at = site.clock.at.replace(hour=1)  # due before the first, so it stands above it
        await site.born("C-9", "009")
        (command,) = await site.ready("erp")
        assert command.entity
        refused = Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="E1", text="no")
        await site.deliver("erp", refused)
        await until(pilot, lambda: "2 open" in page(app).text())
        assert [row.id for row in page(app).rows if row.id] == ["2", "1"]
        assert page(app).chosen == "1"
        await pilot.press("k")
        assert page(app).chosen == "2"


async def test_it_may_be_closed_at_any_moment(client: ServiceClient) -> None:
    """Its screens go one by one while the service is still being asked."""
    for _ in range(20):
        app = IsthmusApp(client, refresh_s=0.0001)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: "isthmus" in shown(pilot).lower())


async def test_a_frozen_screen_says_so_and_stands_still(site: Site, client: ServiceClient) -> None:
    app = IsthmusApp(client, refresh_s=0.01)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        await pilot.press("p")
        before = page(app).text()
        await troubled(site)
        await until(pilot, lambda: "DOWN" in shown(pilot))
        assert page(app).text() == before
        assert "FROZEN" in shown(pilot)
        await pilot.press("p")
        await until(pilot, lambda: page(app).text() != before)


async def test_in_a_window_too_small_keys_are_off_and_it_says_so(client: ServiceClient) -> None:
    async with IsthmusApp(client).run_test(size=(40, 10)) as pilot:
        await until(pilot, lambda: "keys are off below 60x15" in shown(pilot))
        await pilot.press("2", "t")
        assert len(pilot.app.screen_stack) == 1
        await pilot.press("q")
    assert pilot.app.return_code == 0


async def test_help_is_made_from_the_table_of_keys(client: ServiceClient) -> None:
    async with IsthmusApp(client).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        await pilot.press("question_mark")
        screen = pilot.app.screen
        assert isinstance(screen, HelpScreen)
        for keys, text in actions.help_lines("now"):
            assert f"{keys:<16} {text}" in screen.page.text()
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, Watched)


@pytest.mark.parametrize("action", actions.ACTIONS, ids=lambda action: f"{action.label}-{action.action}")
def test_every_key_has_a_handler(action: actions.Action) -> None:
    from tui.screens.listed import ExceptionsScreen
    from tui.screens.now import NowScreen
    from tui.screens.story import RecordScreen

    screens = {"now": NowScreen, "exceptions": ExceptionsScreen, "record": RecordScreen}
    for place in action.places:
        holder = IsthmusApp if action.action.startswith("app.") else screens[place]
        assert hasattr(holder, f"action_{action.action.removeprefix('app.')}")


async def test_without_colour_every_state_is_still_a_word(site: Site, client: ServiceClient) -> None:
    await troubled(site)
    site.clock.go_on(25 * 3600)
    async with IsthmusApp(client).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        text = shown(pilot)
    for word in ("DEGRADED", "DOWN", "LATE", "!!", "UNCERTAIN", "BALANCED"):
        assert word in text


async def test_ascii_consoles_get_ascii_only(site: Site, client: ServiceClient) -> None:
    await site.born(number="C-東京")
    await site.rejected()
    async with IsthmusApp(client, ascii=True).run_test(size=(160, 50)) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        strips = [page(pilot.app).render_line(y) for y in range(40)]
    assert all(strip.text.isascii() for strip in strips)
    assert any("|" in strip.text for strip in strips)


class TestCells:
    """What data may not do to a terminal."""

    def test_control_sequences_in_data_become_visible(self) -> None:
        for steering in ("\x1b]52;c;aGk=\x07", "\x9b31m", "\u202eevil", "\x00\x7f", "\r\n"):
            text = segment(steering, STYLES[""]).text
            assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in text)

    async def test_markup_in_data_is_shown_literally(self) -> None:
        class Bare(App[None]):
            def compose(self):  # type: ignore[no-untyped-def] # the framework's own generator
                yield Page(Look())

        async with Bare().run_test(size=(60, 5)) as pilot:
            shown_page = pilot.app.query_one(Page)
            shown_page.show([Row.of("[E1EDK01] [/bold] [@click=app.bell]here[/]")])
            await pilot.pause()
            assert "[E1EDK01] [/bold] [@click=app.bell]here[/]" in shown_page.render_line(0).text

    def test_wide_letters_are_padded_by_their_width(self) -> None:
        assert Look().fit("東京", 6) == "東京  "
        assert Look().fit("東京都", 5) == "東京…"
        assert Look(ascii=True).fit("東京", 4) == "??  "

    def test_long_texts_are_wrapped_and_never_cut(self) -> None:
        text = "Material 4711 is not defined for sales org 1000 " + "x" * 30
        lines = Look().wrap(text, 20)
        assert all(len(line) <= 20 for line in lines)
        assert "".join("".join(lines).split()) == "".join(text.split())

    def test_money_and_durations_are_written_for_people(self) -> None:
        assert [money(m) for m in ("391300.00", "-1.5", "x")] == ["391,300.00", "-1.5", "x"]
        assert [age(s) for s in (3, 250, 33120, 273600)] == ["3s", "4m", "9h12", "3d04"]


async def test_the_picture_for_the_documentation_is_the_real_screen(
    site: Site, client: ServiceClient
) -> None:
    await troubled(site)
    svg = await picture(client, (100, 30))
    assert svg.startswith("<svg")
    for words in ("AT&#160;RISK", "BALANCED", "DOWN"):
        assert words in svg


@pytest.mark.parametrize("size", SIZES)
async def test_a_held_system_says_so_in_the_head_and_in_its_row(
    site: Site, client: ServiceClient, size: tuple[int, int]
) -> None:
    site.states({"salesforce": "up", "erp": "up", "sap": "up"})
    await site.acts.hold("erp", "alice", "the ERP is restored")
    async with IsthmusApp(client).run_test(size=size) as pilot:
        await until(pilot, lambda: "AT RISK" in shown(pilot))
        lines = shown(pilot).splitlines()
    assert "erp HELD" in lines[0]
    assert any("erp" in line and "HELD by" in line for line in lines[1:])
