"""The link breaks at the worst moment: when nobody knows whether a commit is done."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.odbc.outages import AILED
from tests.faults.odbc.scene import ILL, REMEDY, Scene, fault, until
from tests.faults.odbc.wire import Moment, Way

COMMIT = "partition mid-commit"
HANGS = "commit() hangs"
SLOW = "slow link"
AWAY = "no way to the ERP"


def _struck(scene: Scene, moment: Moment, way: Way, times: int) -> Iterator[None]:
    for turn in range(times):
        scene.wire.cut(moment, way)
        scene.keep_writing()
        until(lambda least=turn: scene.wire.cuts > least, "a commit being struck")  # type: ignore[misc] # bound now
    yield
    scene.wire.mend()
    scene.struck(scene.wire.cuts, "commits struck")


@fault("reset-before-commit", COMMIT, logs=AILED)
def reset_before(scene: Scene) -> Iterator[None]:
    """The connection is reset before the commit arrives: nothing was done, and nobody knows."""
    yield from _struck(scene, Moment.BEFORE, Way.RESET, 3)


@fault("reset-behind-commit", COMMIT, logs=AILED)
def reset_behind(scene: Scene) -> Iterator[None]:
    """The connection is reset when the commit is done: it was done, and nobody knows."""
    yield from _struck(scene, Moment.BEHIND, Way.RESET, 3)


@fault("hole-before-commit", HANGS, logs=AILED)
def hole_before(scene: Scene) -> Iterator[None]:
    """The commit vanishes in a black hole that acknowledges packets; the server keeps the locks meanwhile."""
    yield from _struck(scene, Moment.BEFORE, Way.HOLE, 1)


@fault("hole-behind-commit", HANGS, logs=AILED)
def hole_behind(scene: Scene) -> Iterator[None]:
    """The commit is done and its answer never comes, on a connection that stays up: the deadline ends it."""
    yield from _struck(scene, Moment.BEHIND, Way.HOLE, 1)


@fault("link-dead", AWAY, logs=AILED)
def link_dead(scene: Scene) -> Iterator[None]:
    """Every connection is open and nothing passes any more."""
    before = scene.wire.opened
    scene.wire.die()
    scene.keep_writing()
    until(lambda: scene.wire.opened > before, "new connections in the place of the dead ones")
    yield
    scene.struck(scene.wire.opened - before, "connections after the dead ones")


@fault("link-away", AWAY, says=ILL, does=REMEDY)
def link_away(scene: Scene) -> Iterator[None]:
    """Nobody comes through to the server."""
    scene.wire.shut()
    scene.keep_writing()
    until(lambda: scene.wire.refused > 0, "the agent trying")
    yield
    scene.struck(scene.wire.refused, "connections refused")
    scene.wire.mend()


@fault("link-slow", SLOW)
def link_slow(scene: Scene) -> Iterator[None]:
    """Everything takes its time; nothing is given up for that."""
    before = scene.wire.opened
    scene.wire.slow(0.1)
    scene.keep_writing()
    yield
    scene.lasts(5.0)
    scene.struck(scene.wire.paused, "pieces that went slowly")
    made = scene.wire.opened - before
    assert made <= 8 * (1 + len(scene.restarts)), f"{made} connections were made anew"
    scene.wire.mend()
