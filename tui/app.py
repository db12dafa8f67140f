"""The dashboard itself: one worker asks the service, at most once a second; screens show the answers."""

from __future__ import annotations

import asyncio
import signal
from typing import ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import BindingType
from textual.screen import Screen

from agent.operations.wire import Client, IsthmusError, Overview, clean
from tui.feed import Fresh, Lost
from tui.look import Look
from tui.screens.asked import HelpScreen, KeyScreen
from tui.screens.listed import ExceptionsScreen
from tui.screens.now import NowScreen
from tui.screens.story import RecordScreen
from tui.screens.watched import SMALLEST, Watched

#: Keys that work in a window of any size.
ALWAYS = ("back", "quit", "leave")
#: By the shell's habit, an exit by a signal is 128 and its number.
SIGNALLED = 128


class IsthmusApp(App[int]):
    """Shows what a client says. It has no state of its own: the service goes on when it ends."""

    TITLE = "isthmus"
    ENABLE_COMMAND_PALETTE: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(self, client: Client, *, ascii: bool = False, refresh_s: float = 1.0) -> None:
        super().__init__(ansi_color=True)
        self.client = client
        self.look = Look(ascii)
        self._refresh_s = refresh_s
        self._hurry = asyncio.Event()
        self._overview: Overview | None = None
        self._lost = ""

    def get_default_screen(self) -> Screen[None]:
        """The dashboard starts on Now."""
        return NowScreen(self.look)

    def on_mount(self) -> None:
        """Start asking, and leave the terminal as it was when told to end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._told_to_end, number)
        self.run_worker(self._watch(), name="watch")

    def on_unmount(self) -> None:
        """Signals belong to others again."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)

    def on_fresh(self, message: Fresh) -> None:
        """Show what the service answered."""
        self._overview, self._lost = message.overview, ""
        screen = self._uppermost()
        if screen is not None:
            screen.hear(self._overview, message.detail if message.place == screen.PLACE else None, "")

    def on_lost(self, message: Lost) -> None:
        """Say that nobody answers, and show the last answer as what it is."""
        self._lost = message.why
        screen = self._uppermost()
        if screen is not None:
            screen.hear(self._overview, None, self._lost)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In a window too small to see what a key does, keys do nothing."""
        small = self.size.width < SMALLEST[0] or self.size.height < SMALLEST[1]
        return not (small and action not in ALWAYS)

    def action_now(self) -> None:
        """To the first screen."""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.action_reload()

    def action_exceptions(self) -> None:
        """To the exceptions."""
        self._open(ExceptionsScreen(self.look))

    def action_story(self, key: str) -> None:
        """To the story of a record."""
        self._open(RecordScreen(self.look, key))

    def action_trace(self) -> None:
        """Ask for a key, then go to its story."""

        def go(key: str | None) -> None:
            if key:
                self.action_story(key)

        self.push_screen(KeyScreen(self.look), go)

    def action_help(self) -> None:
        """The keys of this screen."""
        self.push_screen(HelpScreen(self.look, self._watched().PLACE))

    def action_freeze(self) -> None:
        """Stop painting, or go on."""
        self._watched().freeze()

    def action_reload(self) -> None:
        """Ask again now."""
        self._hurry.set()

    async def action_back(self) -> None:
        """One screen back; out of the dashboard from the first."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
            self._hurry.set()
        else:
            self.exit(0)

    def _open(self, screen: Watched) -> None:
        below = self._watched()
        if type(below) is type(screen) and len(self.screen_stack) > 1:
            self.pop_screen()
        screen.overview, screen.lost = self._overview, self._lost
        self.push_screen(screen)
        self._hurry.set()

    def _watched(self) -> Watched:
        """The uppermost screen that shows the service; a question may stand on top of it."""
        screen = self._uppermost()
        if screen is None:
            raise RuntimeError("the dashboard has no screen")
        return screen

    def _uppermost(self) -> Watched | None:
        """The same; None while the dashboard closes, which takes its screens away one by one."""
        screens = (screen for screen in reversed(self.screen_stack) if isinstance(screen, Watched))
        return next(screens, None)

    async def _watch(self) -> None:
        """Ask again and again. What is no trouble with the service is a fault, and ends the dashboard."""
        while (screen := self._uppermost()) is not None:
            self._hurry.clear()
            try:
                overview = await self.client.overview()
                detail = await screen.fetch(self.client)
            except IsthmusError as error:
                self.post_message(Lost(clean(str(error))))
            else:
                self.post_message(Fresh(overview, screen.PLACE, detail))
            try:
                async with asyncio.timeout(self._refresh_s):
                    await self._hurry.wait()
            except TimeoutError:
                pass

    def _told_to_end(self, number: int) -> None:
        self.exit(SIGNALLED + number, return_code=SIGNALLED + number)

    def _fatal_error(self) -> None:
        """A fault of the program: say where, and no values. Local variables may hold what nobody may see."""
        error = self._exception
        place = error.__traceback__ if error is not None else None
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        code = place.tb_frame.f_code if place is not None else None
        where = f" in {code.co_qualname}" if code is not None else ""
        text = f"isthmus: the dashboard ended by a fault: {type(error).__name__}{where}. The service goes on."
        self._exit_renderables.append(Text(text))
        self._close_messages_no_wait()


async def picture(client: Client, size: tuple[int, int] = (120, 34)) -> str:
    """The first screen as it is painted in a terminal of this size, as SVG."""
    app = IsthmusApp(client)
    async with app.run_test(size=size) as pilot:
        async with asyncio.timeout(30):
            while app._overview is None and not app._lost:
                await pilot.pause(0.01)
        await pilot.pause()
        return app.export_screenshot(title="isthmus tui")


def render_svg(client: Client, size: tuple[int, int] = (120, 34)) -> str:
    """``picture`` for callers that have no loop; the client is used in a loop of its own."""
    return asyncio.run(picture(client, size))
