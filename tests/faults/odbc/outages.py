"""The server goes down, ends sessions, lets nobody in."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.odbc.scene import ILL, REMEDY, Scene, fault, holds, until
from tests.faults.odbc.wire import Lane

OUTAGE = "restart, failover, login fail"
#: The log says once that a system ails, and once that it is well again.
AILED = r"system\.(down|degraded).*\berp\b|\berp\b.*system\.(down|degraded)"
#: Logins that a locked account or a full server sees at most, for each second.
LOGINS = 8.0


def _restarted(scene: Scene, *, at_once: bool) -> Iterator[None]:
    scene.keep_writing()
    before = scene.wire.opened
    scene.server.down(at_once=at_once)
    yield
    scene.server.up()
    scene.erp_again()
    until(lambda: scene.state == "up", "the ERP being up again")
    scene.struck(scene.wire.opened - before, "connections after the restart")


@fault("restart", OUTAGE, says=ILL, does=REMEDY)
def restart(scene: Scene) -> Iterator[None]:
    """The server is shut down in good order, and is away for a while."""
    yield from _restarted(scene, at_once=False)


@fault("crash", OUTAGE, says=ILL, does=REMEDY)
def crash(scene: Scene) -> Iterator[None]:
    """The server dies without a word, and recovers."""
    yield from _restarted(scene, at_once=True)


@fault("restart-at-once", OUTAGE, logs=AILED)
def restart_at_once(scene: Scene) -> Iterator[None]:
    """The server is restarted three times in a row, in the midst of business."""
    for turn in range(3):
        scene.keep_writing()
        before = scene.wire.opened
        scene.server.down(at_once=turn == 1)
        scene.server.up()
        scene.erp_again()
        until(lambda least=before: scene.wire.opened > least, "a new connection")  # type: ignore[misc] # bound now
        scene.struck(scene.wire.opened - before, "connections after a restart")
    yield


@fault("capture-session-ended", OUTAGE, logs=AILED)
def capture_session(scene: Scene) -> Iterator[None]:
    """An administrator ends the session by which the agent captures, again and again."""
    for _ in range(3):
        sessions = until(lambda: scene.sessions(Lane.CAPTURE) or None, "a session that captures")
        for number in sessions:
            scene.server.end_session(number)
        scene.struck(len(sessions), "sessions ended")
        until(lambda ended=sessions: not set(ended) & set(scene.sessions(Lane.CAPTURE)), "their end")  # type: ignore[misc] # bound now
    yield


@fault("apply-session-ended", OUTAGE, logs=AILED)
def apply_session(scene: Scene) -> Iterator[None]:
    """An administrator ends the session by which the agent writes, while it waits within a transaction."""
    customer = scene.customers[0].customer_id
    for turn in range(3):
        holder = scene.server.user()
        holder.execute("SELECT name FROM customer WHERE customer_id = ? FOR UPDATE", customer).fetchall()
        scene.edit(scene.customers[0], BillingStreet=f"Am Markt {turn}")
        until(lambda: scene.server.waiting() > 0, "the agent waiting for the row")
        sessions = until(lambda: scene.sessions(Lane.APPLY) or None, "a session that writes")
        for number in sessions:
            scene.server.end_session(number)
        scene.struck(len(sessions), "sessions ended")
        holder.rollback()
    yield


def _shut_out(scene: Scene) -> None:
    for number in scene.server.sessions().values():
        scene.server.end_session(number)


def _no_storm(scene: Scene, before: int, seconds: float) -> None:
    """Logins were tried, and not too often."""
    tried = scene.wire.opened - before
    scene.struck(tried, "logins refused")
    holds(tried <= LOGINS * seconds, f"a storm of logins: {tried}")


@fault("account-locked", OUTAGE, says=ILL + ".*refused", does=REMEDY)
def account_locked(scene: Scene) -> Iterator[None]:
    """The agent's account is locked for a while."""
    scene.server.lock_account(locked=True)
    before = scene.wire.opened
    _shut_out(scene)
    scene.keep_writing()
    yield
    scene.lasts(5.0)
    _no_storm(scene, before, 10.0 + 20.0 * len(scene.restarts))
    scene.server.lock_account(locked=False)


@fault("password-changed", OUTAGE, says=ILL + ".*refused", does="password")
def password_changed(scene: Scene) -> Iterator[None]:
    """The agent's password was changed; later the new one is put where the agent looks for it."""
    scene.server.password("second-word")
    before = scene.wire.opened
    _shut_out(scene)
    scene.keep_writing()
    yield
    _no_storm(scene, before, 10.0 + 20.0 * len(scene.restarts))
    scene.place.hand_out("second-word")
    until(lambda: scene.state == "up", "a login with the new password")


@fault("server-full", OUTAGE, says=ILL, does=REMEDY)
def server_full(scene: Scene) -> Iterator[None]:
    """The server takes no more connections."""
    scene.server.take_connections()
    before = scene.wire.opened

    def alone() -> bool:
        _shut_out(scene)
        scene.server.take_connections()
        return not scene.server.sessions()

    until(alone, "no session of the agent")
    scene.keep_writing()
    yield
    _no_storm(scene, before, 15.0 + 20.0 * len(scene.restarts))
    scene.server.give_connections()
