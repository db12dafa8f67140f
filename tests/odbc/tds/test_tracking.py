"""Change Tracking as a server tells it: pages, deletes, what is lost, and what is never told twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from adapters.odbc import Settings, administer, connect
from adapters.odbc.capture.tracking import ChangeTracking
from adapters.odbc.session import Session
from adapters.odbc.settings import resolve
from adapters.odbc.tables import TableSettings
from adapters.odbc.target import LedgerTarget
from agent.core.change import Batch, Change, ChangeKind, Operation
from agent.core.delivery import Delivery, DeliveryKind, OutcomeKind
from agent.core.objects import FieldSpec, ObjectSpec
from agent.errors import ConfigError, Refused, Unreachable
from agent.ports import System
from tests.odbc.site import PATIENCE_S
from tests.odbc.tds.record import What
from tests.odbc.tds.script import Close, Count, Effect, Failure, Flush, OpenRows, Rows, Script
from tests.odbc.tds.server import Server
from tests.odbc.tds.tracked import CHANGES, Tracked, rows_of

_SPEC = ObjectSpec("customer", "customer_id", (FieldSpec("name"),))
_SETTINGS: dict[str, Any] = {"capture": "change-tracking"}


@dataclass
class Reading:
    """An engine in small on the scripted server: it keeps what was told together with the positions."""

    script: Script
    server: Server
    settings: Settings
    table: Tracked
    system: System
    positions: dict[str, bytes] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    async def open(self) -> None:
        """Begin at the positions that were kept."""
        await self.system.source.open(dict(self.positions))

    async def next(self) -> Batch:
        """The next batch with changes or a position; not yet kept."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                batch = await self.system.source.read()
                if batch.changes or batch.position is not None:
                    return batch

    def keep(self, batch: Batch) -> tuple[Change, ...]:
        """Changes and position, together; what was taken before is dropped."""
        if batch.position is not None:
            self.positions[batch.stream] = batch.position
        fresh = tuple(change for change in batch.changes if change.source_id not in self.ids)
        self.ids |= {change.source_id for change in fresh}
        for change in fresh:
            if change.kind is ChangeKind.OVERFLOW:
                self.known = {str(key): name for key, name in self.table.rows.items()}
            elif change.operation is Operation.DELETE:
                self.known.pop(change.keys[0], None)
            else:
                self.known[change.keys[0]] = str(change.fields["name"])
        return fresh

    async def take(self) -> tuple[Change, ...]:
        """The next batch, kept."""
        return self.keep(await self.next())

    async def anew(self) -> None:
        """Another life of the agent."""
        await self.system.source.close()
        await self.open()

    @property
    def true(self) -> bool:
        """Whether the table is known as it is."""
        return self.known == {str(key): name for key, name in self.table.rows.items()}


@pytest.fixture
async def reading(script: Script, server: Server, driver: Path) -> AsyncIterator[Reading]:
    """The adapter on a table that is tracked, begun."""
    table = Tracked(rows={1: "Ada", 2: "Bob"})
    table.describe(script)
    settings = Settings(
        connection=server.connection_string(driver),
        dialect="sqlserver",
        deadline_s=PATIENCE_S,
        poll_s=0.01,
        capture_batch=3,
        tables={"customer": TableSettings.model_validate(_SETTINGS)},
    )
    system = connect("erp", settings, [_SPEC], str)
    found = Reading(script, server, settings, table, system)
    await found.open()
    yield found
    target = system.target
    assert isinstance(target, LedgerTarget)
    await target.link.close()


async def _overflow(reading: Reading, why: str) -> None:
    (change,) = await reading.take()
    assert (change.kind, change.object) == (ChangeKind.OVERFLOW, "customer")
    assert why in change.reason
    assert reading.true


async def test_the_first_look_tells_that_what_was_before_is_not_known(reading: Reading) -> None:
    await _overflow(reading, "its capture begins")
    reading.table.write({3: "Cid"})
    (change,) = await reading.take()
    assert (change.kind, change.operation, change.keys) == (ChangeKind.READ, Operation.CREATE, ("3",))
    assert change.fields == {"name": "Cid"} and change.stream == "change-tracking:customer"


async def test_several_pages_of_one_large_transaction_are_told_once_each(reading: Reading) -> None:
    """All of its rows have one version: a page ends in the midst of it, and so may a life."""
    await reading.take()
    reading.table.write({key: f"n{key}" for key in range(10, 18)})
    told: list[Change] = []
    for _ in range(3):
        told += await reading.take()
        await reading.anew()
    assert [change.keys[0] for change in told] == [str(key) for key in range(10, 18)]
    assert reading.true


async def test_a_row_that_changes_between_two_pages_is_met_again(reading: Reading) -> None:
    await reading.take()
    reading.table.write(dict.fromkeys(range(10, 15), "old"))
    await reading.take()
    reading.table.write({10: "new", 14: "new"})
    while not reading.true:
        await reading.take()
    assert reading.known["10"] == reading.known["14"] == "new"


async def test_a_delete_and_a_row_that_came_back_are_told_as_they_are_now(reading: Reading) -> None:
    await reading.take()
    reading.table.write({1: None})
    (gone,) = await reading.take()
    assert (gone.operation, gone.keys, dict(gone.fields)) == (Operation.DELETE, ("1",), {})
    reading.table.write({1: "Ada again"})
    (back,) = await reading.take()
    assert back.operation is Operation.CREATE and reading.true


async def test_a_page_is_read_in_one_view_of_the_tables_and_the_view_ends(reading: Reading) -> None:
    await reading.take()
    reading.table.write({3: "Cid"})
    await reading.take()
    asked = [statement for statement in reading.server.record.asked if statement.transaction is not None]
    kinds = ["state" if "CURRENT_VERSION" in one.sql else one.sql.partition(" FROM ")[2] for one in asked]
    assert kinds[0] == "state" and kinds[1].startswith("CHANGETABLE") and kinds[2].startswith("[customer]")
    assert len({one.transaction for one in asked}) == 1
    texts = [statement.sql for statement in reading.server.record.asked]
    assert "SET TRANSACTION ISOLATION LEVEL SNAPSHOT" in texts
    assert reading.server.record.count(What.BEGAN) == reading.server.record.count(What.COMMITTED)


async def test_changes_that_are_kept_no_longer_make_exactly_this_table_unknown(reading: Reading) -> None:
    await reading.take()
    await reading.system.source.close()
    reading.table.write({1: "Eve", 2: None})
    reading.table.oldest = reading.table.current
    reading.table.log.clear()
    await reading.open()
    await _overflow(reading, "kept no longer")
    reading.table.write({4: "Dan"})
    assert [change.keys for change in await reading.take()] == [("4",)]


async def test_what_is_removed_between_the_pages_of_a_version_is_noticed(reading: Reading) -> None:
    await reading.take()
    reading.table.write(dict.fromkeys(range(10, 15), "n"))
    await reading.take()
    reading.table.oldest = reading.table.current
    reading.table.log.clear()
    await _overflow(reading, "kept no longer")


async def test_an_emptied_table_is_read_whole(reading: Reading) -> None:
    await reading.take()
    reading.table.truncate()
    await _overflow(reading, "the table was emptied")
    assert reading.known == {}


@pytest.mark.parametrize(
    ("alter", "why"),
    [
        ({"number": 8}, "made anew"),
        ({"begun": 101, "oldest": 100}, "switched off and on"),
        ({"fork": "f1"}, "put back"),
        ({"current": 50}, "counts its changes from an earlier one"),
    ],
)
async def test_another_table_tracking_or_database_begins_anew(
    reading: Reading, alter: dict[str, Any], why: str
) -> None:
    """Its versions may be the same numbers: what was told under them is not what they mean now."""
    await reading.take()
    reading.table.write({3: "Cid"})
    (before,) = await reading.take()
    await reading.system.source.close()
    for name, value in alter.items():
        setattr(reading.table, name, value)
    reading.table.rows[1] = "of the other one"
    await reading.open()
    await _overflow(reading, why)
    reading.table.write({3: "Cid of the other one"})
    (change,) = await reading.take()
    assert change.source_id != before.source_id and reading.true


@pytest.mark.parametrize("off", ["current", "oldest"])
async def test_tracking_that_is_switched_off_is_a_persons_matter_and_its_return_a_gap(
    reading: Reading, off: str
) -> None:
    await reading.take()
    table = reading.table
    now, table.current = table.current, None if off == "current" else table.current
    table.oldest = None
    with pytest.raises(Refused, match="change tracking is off for") as refused:
        await reading.next()
    assert "journal install erp" in refused.value.remedy
    assert "GRANT VIEW CHANGE TRACKING ON [customer]" in refused.value.remedy
    assert now is not None
    table.rows[1] = "meanwhile"
    table.current, table.oldest, table.begun = now + 5, now + 5, now + 5
    await reading.open()
    await _overflow(reading, "switched off and on")


async def test_a_version_never_moves_backwards(reading: Reading) -> None:
    """What is asked for grows, whatever is told, through lives too."""
    await reading.take()
    for name in ("a", "b", "c"):
        reading.table.write({9: name})
        await reading.take()
        await reading.anew()
    since = [int(str(one.parameters[0].value)) for one in reading.server.record.asked if "@since" in one.sql]
    assert since == sorted(since) and len(set(since)) == 3


@pytest.mark.parametrize("reset", [False, True])
async def test_a_link_that_is_lost_in_the_midst_of_a_page_loses_and_doubles_nothing(
    reading: Reading, reset: bool
) -> None:
    await reading.take()
    reading.table.write({key: f"n{key}" for key in range(10, 18)})
    columns = rows_of(("", "", "", "")).columns
    half = OpenRows(columns, [("101", "I", "10", None)])
    reading.script.on(CHANGES, half, Flush(), Close(reset=reset), times=1)
    with pytest.raises(Unreachable):
        await reading.next()
    await reading.open()
    told: list[Change] = []
    while not reading.true:
        told += await reading.take()
    assert [change.keys[0] for change in told] == [str(key) for key in range(10, 18)]
    assert reading.server.record.count(What.LOGGED_IN) == 2


async def test_a_page_that_was_not_kept_is_told_again_under_the_same_names(reading: Reading) -> None:
    await reading.take()
    reading.table.write({key: f"n{key}" for key in range(10, 18)})
    lost = await reading.next()
    await reading.anew()
    again = await reading.next()
    assert [one.source_id for one in again.changes] == [one.source_id for one in lost.changes]
    assert again.position == lost.position


async def test_without_snapshot_isolation_what_is_removed_meanwhile_is_noticed(reading: Reading) -> None:
    reading.table.viewed = 0
    await reading.take()
    reading.table.write({1: "Eve", 5: "Fay"})

    def removing(asked: Any) -> list[Rows]:
        reading.table.oldest = reading.table.current
        return [Rows(rows_of(("", "", "", "")).columns, [])]

    reading.script.on(CHANGES, removing, times=1)
    await _overflow(reading, "kept no longer")
    assert reading.server.record.count(What.BEGAN) == 0
    reading.table.write({6: "Gil"})
    assert [change.keys for change in await reading.take()] == [("6",)]


async def test_a_refused_view_leaves_no_open_transaction_behind(reading: Reading) -> None:
    """3961: the table was altered since the view began."""
    await reading.take()
    reading.table.write({3: "Cid"})
    reading.script.on(CHANGES, Failure(3961, "altered meanwhile", rolls_back=True), times=1)
    with pytest.raises(Unreachable):
        await reading.next()
    await reading.open()
    (change,) = await reading.take()
    assert change.keys == ("3",)
    ended = reading.server.record.count(What.COMMITTED) + reading.server.record.count(What.ROLLED_BACK)
    assert reading.server.record.count(What.BEGAN) == ended


async def test_our_own_writes_are_marked_and_come_back_so(reading: Reading) -> None:
    await reading.take()
    reading.script.on(r"INSERT INTO \[isthmus_ledger\]", Count(1))
    reading.script.on(r"FROM \[isthmus_epoch\]", rows_of(("1", "life")))
    reading.script.on(r"WITH \(UPDLOCK", rows_of(("1",)))

    def written(asked: Any) -> list[Count]:
        assert "DECLARE @context" in asked.sql
        reading.table.write({1: str(asked.parameters[1].value)}, mark=str(asked.parameters[0].value))
        return [Count(1)]

    reading.script.on(r"WITH CHANGE_TRACKING_CONTEXT \(@context\) UPDATE \[customer\]", written)
    update = Delivery(
        "m1", "customer", "customer", DeliveryKind.UPDATE, "1", "", {"name": "Eve"}, life="life"
    )
    (outcome,) = await reading.system.target.apply([update])
    assert outcome.kind is OutcomeKind.ACCEPTED, outcome
    (change,) = await reading.take()
    assert (change.origin, change.fields) == ("m1", {"name": "Eve"})
    reading.table.write({1: "Fay"})
    (foreign,) = await reading.take()
    assert foreign.origin is None


async def test_deletes_and_creates_are_marked_too(reading: Reading) -> None:
    await reading.take()
    reading.script.on(r"INSERT INTO \[isthmus_ledger\]", Count(1))
    reading.script.on(r"^UPDATE \[isthmus_ledger\]", Count(1))
    reading.script.on(r"FROM \[isthmus_epoch\]", rows_of(("1", "life")))
    reading.script.on(r"WITH \(UPDLOCK", rows_of(("1",)))
    reading.script.on(r"WITH CHANGE_TRACKING_CONTEXT \(@context\) DELETE FROM \[customer\]", Count(1))
    reading.script.on(r"WITH CHANGE_TRACKING_CONTEXT \(@context\) INSERT INTO \[customer\]", rows_of(("8",)))
    delete = Delivery("m1", "customer", "customer", DeliveryKind.DELETE, "1", "", {}, life="life")
    create = replace(delete, message_id="m2", kind=DeliveryKind.CREATE, key=None, fields={"name": "Eve"})
    outcomes = await reading.system.target.apply([delete, create])
    assert [one.kind for one in outcomes] == [OutcomeKind.ACCEPTED] * 2, outcomes
    marked = [one for one in reading.server.record.asked if "@context" in one.sql]
    assert [one.parameters[0].value for one in marked] == ["m1", "m2"]


async def test_a_key_that_is_not_the_primary_key_is_refused_with_the_way_out(
    reading: Reading, script: Script
) -> None:
    await reading.system.source.close()
    reading.table.describe(script, primary_key="name")
    target = reading.system.target
    assert isinstance(target, LedgerTarget)
    await target.link.close()
    await reading.open()
    with pytest.raises(Refused, match="'customer_id' is not that of 'customer'"):
        await reading.next()


async def test_a_place_that_moves_without_changes_is_kept_now_and_then(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a quiet table's place would one day lie before what the database still keeps."""
    await reading.system.source.close()
    table, now = reading.table, 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    session = Session(resolve("erp", reading.settings, [_SPEC], str), autocommit=True)
    strategy = ChangeTracking("customer")
    strategy.open(session, {})
    first = strategy.look(session, 3, frozenset())
    assert table.current is not None
    table.current += 10
    assert strategy.look(session, 3, frozenset()).empty
    now += 61
    moved = strategy.look(session, 3, frozenset())
    assert not moved.changes and moved.position is not None and moved.position != first.position
    now += 61
    assert strategy.look(session, 3, frozenset()).empty
    session.close()


@pytest.mark.parametrize(
    ("standing", "ok", "told"),
    [
        (("7 days", "1", "1", "1"), True, "changes are kept 7 days"),
        (("7 days", "1", "1", "0"), True, "without snapshot isolation reads wait for writers"),
        (("7 days", None, "1", "1"), False, "off for the table"),
        ((None, None, "1", "1"), False, "off for the database"),
        (("7 days", "1", "0", "1"), False, "no right VIEW CHANGE TRACKING"),
    ],
)
async def test_a_check_tells_what_is_on_and_what_to_do(
    reading: Reading, standing: tuple[object, ...], ok: bool, told: str
) -> None:
    reading.script.on(r"HAS_PERMS_BY_NAME\(N'\[customer\]'", rows_of(standing))
    _others(reading.script)
    checks = {check.name: check for check in await reading.system.probe.check()}
    check = checks["change tracking of customer"]
    assert (check.ok, told in check.detail) == (ok, True), check
    assert ok or "journal install" in check.remedy or "GRANT VIEW" in check.remedy
    assert checks["capture of customer"].detail.startswith("change-tracking: the database tells")


def _others(script: Script) -> None:
    """What a check asks besides."""
    script.on(r"HAS_PERMS_BY_NAME\(@P1", rows_of(("1",)))
    script.on(r"FROM sys.triggers", rows_of(("isthmus_journal_customer",)))
    script.on(r"INSERT INTO \[isthmus_ledger\]", Count(1))


async def test_a_tracked_table_is_recommended_to_be_captured_so(reading: Reading, driver: Path) -> None:
    reading.script.on(r"HAS_PERMS_BY_NAME\(N'\[customer\]'", rows_of(("7 days", "1", "1", "1")))
    _others(reading.script)
    settings = reading.settings.model_copy(update={"tables": {}})
    system = connect("erp", settings, [_SPEC], str)
    checks = {check.name: check for check in await system.probe.check()}
    assert checks["capture of customer"].detail.endswith(
        "recommended: change-tracking (the database tracks the table by itself)"
    )
    await system.target.close()


async def test_install_switches_it_on_outside_of_a_transaction_and_remove_leaves_it(
    reading: Reading,
) -> None:
    """A database is not altered inside a transaction; what it tracks may serve others, too."""
    script = reading.script
    for pattern in (r"ALTER DATABASE", r"ALTER TABLE", r"CREATE ", r"^DROP ", r"INSERT INTO \[isthmus"):
        script.on(pattern, Effect())
    administration = administer("erp", reading.settings, [_SPEC], str)
    await administration.install()
    switched = [one for one in reading.server.record.durable if "CHANGE_TRACKING" in one.sql]
    assert [one.transaction for one in switched] == [None, None]
    assert "IF NOT EXISTS" in switched[0].sql and "ALTER TABLE [customer]" in switched[1].sql
    assert any("ALLOW_SNAPSHOT_ISOLATION" in one.sql for one in reading.server.record.durable)
    assert not any("TRIGGER" in one.sql for one in reading.server.record.durable)
    await administration.remove()
    assert not any("DISABLE" in one.sql for one in reading.server.record.asked)
    assert "--   ALTER TABLE [customer] DISABLE CHANGE_TRACKING" in administration.remove_script()
    assert "ALTER DATABASE CURRENT SET CHANGE_TRACKING = ON" in administration.install_script()
    await administration.close()


def test_another_database_than_sql_server_has_none() -> None:
    settings = Settings(
        connection="Driver=psqlodbcw.so", tables={"customer": TableSettings.model_validate(_SETTINGS)}
    )
    with pytest.raises(ConfigError, match="is for SQL Server only"):
        connect("erp", settings, [_SPEC], str)
