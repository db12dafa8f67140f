"""The process that holds an ERP's connections: ``python -m adapters.odbc.worker``, requests in, replies out.

    agent ── pipe ──▶ main thread ──┬─ read lane ── connection with autocommit (capture, ack, reads)
                                    ├─ apply lane ─ connection with transactions (of many commands)
                                    └─ admin lane ─ short-lived connections (check, journal)

A driver can hang in C where no thread can be stopped; a process can. It has no access to the agent's store
and ends when the agent's end of the pipe closes.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from adapters.odbc import records, witness
from adapters.odbc.apply.applier import Applier
from adapters.odbc.apply.progress import restored
from adapters.odbc.capture.choice import strategies
from adapters.odbc.capture.strategy import Captured, Stuck
from adapters.odbc.dialect import Fault
from adapters.odbc.inspection import inspect, round_trip
from adapters.odbc.journal import install, remove_script, run_script, verify
from adapters.odbc.session import AGAIN, Session, SqlFault
from adapters.odbc.settings import Erp
from adapters.odbc.wire import Lane, Reply, Request, pack, read_frame
from agent import failpoints
from agent.core.change import Row
from agent.core.delivery import Mark
from agent.errors import Refused, RemoteError, Unreachable
from agent.ports import Check

Send = Callable[[Any, bool], None]

#: What is to be done where the ERP has no time for us.
_BUSY = "tried again by itself; check who holds locks or what is full if it stays so"


class ReadLane:
    """Capture and reads, on one connection with autocommit: an idle transaction would freeze its view."""

    def __init__(self, erp: Erp) -> None:
        self._erp = erp
        self._session: Session | None = None
        self._strategies = strategies(erp)
        self._open: set[str] = set()

    def run(self, verb: str, arguments: Sequence[Any], send: Send) -> None:
        """Serve one request; a lost connection is opened anew by the next one."""
        verbs: Mapping[str, Callable[..., Any]] = {
            "connect": self.connect,
            "open": self.open,
            "look": self.look,
            "ack": self.ack,
            "read": self.read,
            "page": self.page,
            "find": self.find,
            "find_many": self.find_many,
            "mark": self.mark,
            "take": self.take,
        }
        try:
            send(verbs[verb](*arguments), True)
        except SqlFault as fault:
            self._drop()
            raise _remote_error(self._erp, fault) from None
        except RemoteError:
            self._drop()
            raise

    def connect(self) -> None:
        """Nothing but the connection."""
        self._connected()

    def open(self, name: str, positions: Mapping[str, bytes]) -> None:
        """Begin a strategy at its positions. What was handed out before is looked for anew."""
        self._open.discard(name)
        self._strategies[name].open(self._connected(), positions)
        self._open.add(name)

    def look(self, name: str, limit: int, outstanding: frozenset[int]) -> Captured:
        """One look of a strategy. Raises Unreachable when this worker was not given its positions."""
        strategy = self._strategies[name]
        if strategy.resumes and name not in self._open:
            raise Unreachable("the worker began anew", where=self._erp.name)
        session = self._connected()
        try:
            return strategy.look(session, limit, outstanding)
        except SqlFault as fault:
            if session.lost:
                raise
            self._drop()
            error: RemoteError = _remote_error(self._erp, fault)
        except Refused as refusal:
            self._drop()
            error = refusal
        return Captured(name, stuck=Stuck(error.message, error.remedy, isinstance(error, Refused)))

    def ack(self, name: str, receipt: Sequence[int]) -> None:
        """Release journal rows."""
        failpoints.hit("odbc.before_release")
        self._strategies[name].ack(self._connected(), receipt)
        failpoints.hit("odbc.after_release")

    def read(self, name: str, keys: Sequence[str]) -> list[Row]:
        """Records by key."""
        return records.read(self._connected(), name, keys)

    def page(self, name: str, behind: str | None, size: int) -> list[Row]:
        """The next records in key order."""
        return records.page(self._connected(), name, behind, size)

    def find(self, name: str, fields: Mapping[str, object]) -> list[Row]:
        """Records by value."""
        return records.find(self._connected(), name, fields)

    def find_many(self, name: str, questions: Sequence[Mapping[str, object]]) -> list[list[Row]]:
        """Records by value, for each question."""
        return records.find_many(self._connected(), name, questions)

    def mark(self) -> Mark:
        """The life of the store that wrote here last."""
        return witness.last(self._connected())

    def take(self, mark: Mark, instead_of: Mark) -> bool:
        """Write the mark of a life if the expected one still stands there."""
        return witness.take(self._connected(), mark, instead_of)

    def _connected(self) -> Session:
        if self._session is None:
            self._session = Session(self._erp, autocommit=True)
        return self._session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None


class ApplyLane:
    """Commands, in transactions of many or of one; what came of each transaction is sent before the next."""

    def __init__(self, erp: Erp) -> None:
        self._applier = Applier(erp)

    def run(self, verb: str, arguments: Sequence[Any], send: Send) -> None:
        """Apply the deliveries of one batch in order."""
        (deliveries,) = arguments
        self._applier.apply(restored(deliveries), lambda event: send(event, False))
        send(None, True)


class AdminLane:
    """Checks and the journal's installation, each on a connection of its own."""

    def __init__(self, erp: Erp) -> None:
        self._erp = erp

    def run(self, verb: str, arguments: Sequence[Any], send: Send) -> None:
        """Serve one request."""
        match verb:
            case "check":
                send(inspect(self._erp), True)
            case "roundtrip":
                send(round_trip(self._erp), True)
            case "install":
                install(self._erp)
                send(None, True)
            case "remove":
                run_script(self._erp, remove_script(self._erp))
                send(None, True)
            case "verify":
                send(self._verify(), True)
            case _:
                raise Refused(f"no verb '{verb}'", where=self._erp.name)

    def _verify(self) -> list[Check]:
        session = Session(self._erp, autocommit=True)
        try:
            return verify(session)
        except SqlFault as fault:
            raise _remote_error(self._erp, fault) from None
        finally:
            session.close()


def _remote_error(erp: Erp, fault: SqlFault) -> RemoteError:
    if fault.verdict.fault is Fault.SETUP:
        return Refused(
            fault.verdict.text, where=erp.name, remedy=f"check the user's rights: isthmus check ({erp.name})"
        )
    remedy = _BUSY if fault.verdict.fault is Fault.BUSY else AGAIN
    return Unreachable(str(fault), where=erp.name, remedy=remedy)


class Worker:
    """The lanes and their queues; replies of all lanes share one pipe."""

    def __init__(self, erp: Erp, write: Callable[[bytes], None]) -> None:
        self._erp = erp
        self._write = write
        self._lock = threading.Lock()
        self._queues: dict[Lane, queue.SimpleQueue[Request]] = {}
        lanes = {Lane.READ: ReadLane(erp), Lane.APPLY: ApplyLane(erp), Lane.ADMIN: AdminLane(erp)}
        for name, lane in lanes.items():
            requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
            self._queues[name] = requests
            threading.Thread(target=self._serve, args=(lane, requests), name=name, daemon=True).start()

    def take(self, request: Request) -> None:
        """Queue a request on its lane."""
        self._queues[request.lane].put(request)

    def _serve(self, lane: ReadLane | ApplyLane | AdminLane, requests: queue.SimpleQueue[Request]) -> None:
        while True:
            request = requests.get()

            def send(value: Any, last: bool, number: int = request.number) -> None:
                self._send(Reply(number, value, last=last))

            try:
                lane.run(request.verb, request.arguments, send)
            except RemoteError as error:
                kind = type(error).__name__
                self._send(Reply(request.number, error=kind, message=error.message, remedy=error.remedy))
            except Exception as error:  # the supervisor of this thread: the agent must hear of it
                text = f"the worker failed in {request.verb}: {type(error).__name__}"
                self._send(Reply(request.number, error="WorkerLost", message=text))
                sys.excepthook(type(error), error, error.__traceback__)

    def _send(self, reply: Reply) -> None:
        frame = pack(reply)
        with self._lock:
            self._write(frame)


def main() -> None:
    """Read the ERP's description, then requests, until the pipe ends."""
    # drivers print where they like: keep the reply pipe for ourselves and send their words to stderr
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    requests = sys.stdin.buffer
    failpoints.arm_from_environment()
    erp = read_frame(requests.read)
    if isinstance(erp, Erp):

        def write(frame: bytes) -> None:
            view = memoryview(frame)
            while view:
                view = view[replies.write(view) or 0 :]

        worker = Worker(erp, write)
        while (request := read_frame(requests.read)) is not None:
            worker.take(request)
    os._exit(0)  # a lane may hang in a driver: nothing to wait for


if __name__ == "__main__":
    main()
