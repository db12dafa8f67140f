"""The worker with a SQL Server: sessions, time limits, errors and lost replies, on the wire with FreeTDS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adapters.odbc import Settings, connect
from adapters.odbc.target import LedgerTarget
from agent.core.delivery import Delivery, DeliveryKind, Guard, Outcome, OutcomeKind, Reason
from agent.core.objects import FieldSpec, ObjectSpec
from agent.ports import System
from tests.odbc.tds.catalog import Table, describe
from tests.odbc.tds.datatypes import INT, NVARCHAR
from tests.odbc.tds.record import What
from tests.odbc.tds.script import Close, Count, Effect, Failure, Hold, Moment, Rows, Script, Step
from tests.odbc.tds.server import Server
from tests.odbc.tds.tokens import Column

_TEXT = NVARCHAR(255)
_TABLE = Table(
    "customer", [Column("customer_id", INT), Column("name", NVARCHAR(40))], primary_key=["customer_id"]
)
_SPEC = ObjectSpec("customer", "customer_id", (FieldSpec("name"),))
_LEDGER = r"INSERT INTO \[isthmus_ledger\]"
_UPDATE = r"^UPDATE \[customer\]"
_VICTIM = Failure(1205, "deadlock victim", 13, rolls_back=True)


def _rows(*values: object) -> Rows:
    return Rows([Column(f"c{place}", _TEXT) for place in range(len(values))], [values])


@pytest.fixture
def erp(script: Script) -> Script:
    """A server that holds customer 7, named Ada, and the agent's tables."""
    describe(script, _TABLE)
    types = [Column(f"c{place}", _TEXT if place < 2 else INT) for place in range(6)]
    script.on(
        r"FROM INFORMATION_SCHEMA.COLUMNS",
        Rows(
            types, [("customer_id", "int", None, 0, None, None), ("name", "nvarchar", 40, None, None, None)]
        ),
    )
    script.on(r"^SELECT 1$", _rows("1"))
    script.on(r"^EXEC sys.sp_set_session_context", Effect())
    script.on(_LEDGER, Count(1))
    script.on(r"FROM \[isthmus_epoch\]", _rows("1", "life"))
    script.on(r"WITH \(UPDLOCK", _rows("7", "Ada"))
    script.on(r"FROM \[customer\] WHERE", _rows("7", "Ada"))
    script.on(_UPDATE, Count(1))
    return script


@dataclass
class Erp:
    """The adapter on the scripted server."""

    script: Script
    server: Server
    system: System

    async def apply(self, *message_ids: str) -> Sequence[Outcome]:
        """Rename the customer, once for each message id."""
        return await self.system.target.apply([_update(message_id) for message_id in message_ids])

    async def one(self, message_id: str) -> Outcome:
        """The same for one."""
        (outcome,) = await self.apply(message_id)
        return outcome

    @property
    def durable(self) -> list[str]:
        """The statements whose effect stays, by the table that they write."""
        found = (statement.sql for statement in self.server.record.durable)
        return [sql for sql in found if "UPDATE [customer]" in sql or "INSERT INTO [isthmus_ledger]" in sql]

    @property
    def logins(self) -> int:
        """How many sessions there were."""
        return self.server.record.count(What.LOGGED_IN)


def _update(message_id: str) -> Delivery:
    return Delivery(
        message_id=message_id,
        entity_type="customer",
        object="customer",
        kind=DeliveryKind.UPDATE,
        key="7",
        reference="",
        fields={"name": "Eve"},
        guard=Guard(values={"name": "Ada"}),
        payload_hash="hash",
        life="life",
    )


@pytest.fixture
async def site(erp: Script, server: Server, driver: Path) -> AsyncIterator[Erp]:
    """The adapter, with a deadline of a few seconds."""
    settings = Settings(
        connection=server.connection_string(driver), dialect="sqlserver", deadline_s=4.0, lock_timeout_s=0.5
    )
    system = connect("erp", settings, [_SPEC], str)
    yield Erp(erp, server, system)
    await system.source.close()
    await system.target.close()
    target = system.target
    assert isinstance(target, LedgerTarget)
    await target.link.close()


async def test_a_command_and_its_ledger_row_are_one_transaction(site: Erp) -> None:
    outcome = await site.one("m1")
    assert (outcome.kind, outcome.key) == (OutcomeKind.ACCEPTED, "7"), outcome
    assert ["ledger" in sql for sql in site.durable] == [True, False]


async def test_a_session_says_what_it_needs_before_anything_else(site: Erp) -> None:
    await site.one("m1")
    asked = [statement.sql for statement in site.server.record.asked]
    settings = [sql for sql in asked if sql.startswith("SET ")]
    assert "SET LOCK_TIMEOUT 500" in settings and "SET XACT_ABORT OFF" in settings
    assert any("ANSI_WARNINGS" in sql for sql in settings)
    assert asked[: len(settings)] == settings


async def test_what_is_read_is_asked_for_by_key_and_comes_as_text(site: Erp) -> None:
    assert site.system.reader is not None
    result = await site.system.reader.read("customer", ["7", "no number"])
    assert [row.fields for row in result.rows] == [{"name": "Ada"}, None]


async def test_nothing_behind_a_deadlock_is_committed_by_itself(site: Erp) -> None:
    """The server has ended the transaction; whatever came next would stand at once, alone."""
    site.script.on(_UPDATE, _VICTIM, times=1)
    first, second = await site.apply("m1", "m2")
    assert (first.kind, first.code) == (OutcomeKind.RETRY, "1205")
    assert second.kind is OutcomeKind.ACCEPTED
    assert len(site.durable) == 2 and site.logins == 2


@pytest.mark.parametrize(
    ("number", "severity", "kind", "reason"),
    [
        (1222, 16, OutcomeKind.RETRY, None),
        (3960, 16, OutcomeKind.RETRY, None),
        (40501, 16, OutcomeKind.RETRY, None),
        (596, 21, OutcomeKind.RETRY, None),
        (233, 20, OutcomeKind.RETRY, None),
        (547, 16, OutcomeKind.REJECTED, Reason.BUSINESS),
        (2627, 14, OutcomeKind.REJECTED, Reason.BUSINESS),
        (515, 16, OutcomeKind.REJECTED, Reason.INVALID),
        (2628, 16, OutcomeKind.REJECTED, Reason.INVALID),
        (8115, 16, OutcomeKind.REJECTED, Reason.INVALID),
        (50000, 16, OutcomeKind.REJECTED, Reason.BUSINESS),
        (51000, 16, OutcomeKind.REJECTED, Reason.BUSINESS),
    ],
)
async def test_an_error_means_what_its_number_says_and_leaves_nothing(
    site: Erp, number: int, severity: int, kind: OutcomeKind, reason: Reason | None
) -> None:
    site.script.on(_UPDATE, Failure(number, "why it failed", severity), times=1)
    first, second = await site.apply("m1", "m2")
    assert (first.kind, first.reason, first.code) == (kind, reason, str(number))
    assert second.kind is OutcomeKind.ACCEPTED and len(site.durable) == 2


async def test_what_a_trigger_says_behind_a_count_is_heard(site: Erp) -> None:
    """Read no further than the count, the command would pass for done."""
    site.script.on(_UPDATE, Count(1), Failure(50001, "the customer is blocked"), times=1)
    outcome = await site.one("m1")
    assert (outcome.reason, outcome.text) == (Reason.BUSINESS, "the customer is blocked")
    assert site.durable == []


async def test_the_counts_of_an_erps_trigger_do_not_hide_that_of_the_command(site: Erp) -> None:
    """One without SET NOCOUNT ON tells of its own statements first."""
    site.script.on(_UPDATE, Count(5), Count(0), Count(1), times=1)
    assert (await site.one("m1")).kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("reset", [False, True])
async def test_a_link_that_is_lost_in_a_statement_is_no_verdict(site: Erp, reset: bool) -> None:
    site.script.on(_UPDATE, Count(1), Close(reset=reset), times=1)
    first, second = await site.apply("m1", "m2")
    assert first.kind is OutcomeKind.RETRY and second.kind is OutcomeKind.ACCEPTED
    assert len(site.durable) == 2 and site.logins == 2


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("committed", [False, True])
async def test_a_lost_commit_reply_is_uncertain_and_the_ledger_answers(
    site: Erp, committed: bool, reset: bool
) -> None:
    lost: list[Step] = [*([Effect()] if committed else []), Close(reset=reset)]
    await site.one("m0")  # the session's own first commit is behind us
    site.script.at(Moment.COMMIT, *lost, times=1)
    assert (await site.one("m1")).kind is OutcomeKind.UNCERTAIN
    assert len(site.durable) == (4 if committed else 2)
    if committed:
        site.script.on(_LEDGER, Failure(2627, "duplicate", 14), times=1)
        site.script.on(r"FROM \[isthmus_ledger\]", _rows("hash", "7"))
    again = await site.one("m1")
    assert again.kind is OutcomeKind.ACCEPTED
    assert again.code == ("already-applied" if committed else "")
    assert len(site.durable) == 4


async def test_a_refused_commit_is_a_refusal(site: Erp) -> None:
    await site.one("m0")
    site.script.at(Moment.COMMIT, Failure(3930, "the transaction cannot be committed"), times=1)
    outcome = await site.one("m1")
    assert (outcome.kind, outcome.code) == (OutcomeKind.RETRY, "3930")
    assert len(site.durable) == 2


async def test_a_statement_over_its_time_is_interrupted_and_the_worker_lives(site: Erp) -> None:
    site.script.on(_UPDATE, Hold(), times=1)
    first, second = await site.apply("m1", "m2")
    assert (first.kind, first.code) == (OutcomeKind.RETRY, "HYT00")
    assert second.kind is OutcomeKind.ACCEPTED
    assert len(site.server.record.interrupted) == 1 and len(site.durable) == 2
    target = site.system.target
    assert isinstance(target, LedgerTarget) and target.link.ended == 0


async def test_a_commit_that_hangs_ends_the_worker_and_is_uncertain(site: Erp) -> None:
    """It has no time limit in the driver, and cannot be cancelled."""
    await site.one("m0")
    hold = Hold()
    site.script.at(Moment.COMMIT, Effect(), hold, times=1)
    first, second = await site.apply("m1", "m2")
    assert (first.kind, second.kind) == (OutcomeKind.UNCERTAIN, OutcomeKind.RETRY)
    hold.release()
    assert (await site.one("m2")).kind is OutcomeKind.ACCEPTED
    target = site.system.target
    assert isinstance(target, LedgerTarget) and target.link.ended == 1


@pytest.mark.parametrize(("number", "severity"), [(18456, 14), (4060, 11)])
async def test_a_refused_login_is_a_persons_matter(site: Erp, number: int, severity: int) -> None:
    site.script.at(Moment.LOGIN, Failure(number, "Login failed for user 'sync'.", severity))
    connect_check = (await site.system.probe.check())[0]
    assert not connect_check.ok and "refused the connection" in connect_check.detail
    assert "password" in connect_check.remedy
    assert (await site.one("m1")).kind is OutcomeKind.RETRY


async def test_a_server_that_never_answers_a_login_is_given_up(site: Erp) -> None:
    site.script.at(Moment.LOGIN, Hold())
    async with asyncio.timeout(30):
        assert (await site.one("m1")).kind is OutcomeKind.RETRY


async def test_a_changed_record_is_told_by_what_the_lock_read(site: Erp) -> None:
    site.script.on(r"WITH \(UPDLOCK", _rows("7", "Bob"), times=1)
    assert (await site.one("m1")).reason is Reason.PRECONDITION
    assert site.durable == []


async def test_a_create_answers_with_its_key(site: Erp) -> None:
    site.script.on(r"INSERT INTO \[customer\]", _rows("8"))
    site.script.on(r"^UPDATE \[isthmus_ledger\]", Count(1))
    made = replace(_update("m1"), kind=DeliveryKind.CREATE, key=None, guard=None)
    (outcome,) = await site.system.target.apply([made])
    assert (outcome.kind, outcome.key) == (OutcomeKind.ACCEPTED, "8")


async def test_a_check_says_that_the_dialect_was_never_run_against_such_a_server(site: Erp) -> None:
    site.script.on(r"FROM sys.triggers", _rows("isthmus_journal_customer"))
    site.script.on(r"FROM sys.change_tracking_databases", _rows(None, None, "0", "0"))
    site.script.on(r"HAS_PERMS_BY_NAME\(@P1", _rows("1"))
    checks = {check.name: check for check in await site.system.probe.check()}
    assert checks["journal triggers of customer"].ok
    assert checks["connect"].ok and checks["table customer"].ok
    assert "never run against such a server" in checks["server version"].detail
