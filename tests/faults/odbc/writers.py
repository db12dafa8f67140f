"""Eight people write at once, in transactions that overlap and that are taken back: each way of capture."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.faults.odbc.scene import BOTH, Scene, fault, holds, until

WRITERS = "concurrent writers, each way of capture"
LATE = "commits reordered"
_HANDS = 8
_TRANSACTIONS = 25
_LONGEST_S = 0.06
_TAKEN_BACK = 0.1
_TERMS = ("Z014", "Z030", "Z045", "Z060")
#: A mark that the server sets with every write, whoever writes.
_MARKS = {
    "postgresql": [
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $touch$ BEGIN"
        " NEW.touched := clock_timestamp(); RETURN NEW; END $touch$",
        *(
            statement
            for table in ("customer", "invoice")
            for statement in (
                f"ALTER TABLE {table} ADD COLUMN touched TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()",
                f"CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION touch()",
            )
        ),
    ],
    "mariadb": [
        f"ALTER TABLE {table} ADD COLUMN touched TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"
        " ON UPDATE CURRENT_TIMESTAMP(6)"
        for table in ("customer", "invoice")
    ],
}


class _Hands:
    """The people: each writes invoices of its own, and customers that are everybody's."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._customers = [customer.customer_id for customer in scene.customers]
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._next = iter(range(10_000_000, 99_999_999))
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._work, args=(one,)) for one in range(_HANDS)]

    def start(self) -> None:
        """All at once."""
        for thread in self._threads:
            thread.start()

    @property
    def busy(self) -> bool:
        """Whether somebody is still at work."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Until the last has ended."""
        for thread in self._threads:
            thread.join()

    def _work(self, hand: int) -> None:
        dice = random.Random(f"{self._scene.site.stage.seed}/{hand}")
        mine: list[str] = []
        connection = self._scene.server.user()
        try:
            for _ in range(_TRANSACTIONS):
                self._transaction(connection, dice, mine)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _transaction(self, connection: Any, dice: random.Random, mine: list[str]) -> None:
        made: list[str] = []
        try:
            for act in dice.sample((self._bill, self._pay, self._terms), dice.randint(1, 2)):
                act(connection, dice, mine, made)
            self._over.wait(dice.uniform(0, _LONGEST_S))  # people take their time
            if dice.random() < _TAKEN_BACK:
                connection.rollback()
                self.counts["taken back"] += 1
                return
            connection.commit()
        except self._scene.server.error as error:
            connection.rollback()
            if not any(word in str(error) for word in ("40P01", "1213", "1205", "1020", "40001")):
                raise
            self.counts["deadlocks"] += 1
            return
        mine += made
        self.counts["committed"] += 1

    def _bill(self, connection: Any, dice: random.Random, mine: list[str], made: list[str]) -> None:
        with self._lock:  # drawn before the commit, in another order than commits come
            number = str(next(self._next))
        connection.execute(
            "INSERT INTO invoice (invoice_no, customer_id, invoice_date, due_date, currency, net_amount,"
            " tax_amount, gross_amount) VALUES (?, ?, '2026-03-02', '2026-04-01', 'EUR', 100, 19, 119)",
            number,
            dice.choice(self._customers),
        )
        made.append(number)

    def _pay(self, connection: Any, dice: random.Random, mine: list[str], made: list[str]) -> None:
        if mine:
            connection.execute(
                "UPDATE invoice SET status = 'P', paid_at = '2026-03-05 10:00:00'"
                " WHERE invoice_no = ? AND status = 'O'",
                dice.choice(mine),
            )

    def _terms(self, connection: Any, dice: random.Random, mine: list[str], made: list[str]) -> None:
        connection.execute(
            "UPDATE customer SET payment_terms = ? WHERE customer_id = ?",
            dice.choice(_TERMS),
            dice.choice(self._customers),
        )


def _together(scene: Scene) -> Iterator[None]:
    hands = _Hands(scene)
    hands.start()
    until(lambda: hands.counts["committed"] > _HANDS or not hands.busy, "people at work")
    yield
    hands.join()
    holds(not hands.errors, f"people could not work: {hands.errors[:2]}")
    scene.struck(hands.counts["committed"], "transactions committed")
    scene.struck(hands.counts["taken back"], "transactions taken back")
    invoices = scene.server.one("SELECT count(*) FROM invoice WHERE invoice_no < '90000000'")
    holds(invoices > _HANDS, f"only {invoices} invoices")

    scene.counts["invoices"] = invoices


def _captured(**settings: object) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        if "column" in settings:
            scene.server.run(_MARKS[scene.server.dialect.name])
        for table in ("customer", "invoice"):
            scene.place.capture(table, **settings)
        scene.place.installed()

    return prepare


@fault("writers-journal", WRITERS)
def journal(scene: Scene) -> Iterator[None]:
    """Captured by the trigger journal."""
    yield from _together(scene)


@fault("writers-snapshot", WRITERS, on=("postgresql",), prepare=_captured(capture="snapshot"))
def snapshot(scene: Scene) -> Iterator[None]:
    """Captured by the journal below the oldest open transaction."""
    yield from _together(scene)


@fault(
    "writers-high-water",
    WRITERS,
    prepare=_captured(
        capture="high-water", column="touched", overlap_s=5.0, deletes_every_s=2.0, segment_rows=50
    ),
)
def high_water(scene: Scene) -> Iterator[None]:
    """Captured by a mark that the server sets with every write."""
    yield from _together(scene)


@fault(
    "writers-difference",
    WRITERS,
    prepare=_captured(capture="difference", difference_every_s=0.5, segment_rows=50),
)
def difference(scene: Scene) -> Iterator[None]:
    """Captured by comparing the tables again and again."""
    yield from _together(scene)


def _late(scene: Scene) -> Iterator[None]:
    """One transaction draws its numbers first and commits last."""
    mine, other = scene.customers[:2]
    slow = scene.server.user()
    slow.execute(
        "INSERT INTO invoice (invoice_no, customer_id, invoice_date, due_date, currency, net_amount,"
        " tax_amount, gross_amount) VALUES ('10000001', ?, '2026-03-02', '2026-04-01', 'EUR', 100, 19, 119)",
        mine.customer_id,
    )
    slow.execute("UPDATE customer SET payment_terms = 'Z014' WHERE customer_id = ?", mine.customer_id)
    for turn in range(30):
        terms = _TERMS[turn % len(_TERMS)]
        scene.server.sql(
            "UPDATE customer SET payment_terms = ? WHERE customer_id = ?", terms, other.customer_id
        )
    yield
    holds(scene.site.invoice("10000001") is None, "what nobody has committed is told")
    slow.commit()
    scene.struck(30, "transactions that committed before an older one")
    until(lambda: scene.site.invoice("10000001"), "the late invoice")
    until(lambda: scene.crm.account(mine.account)["Payment_Terms__c"] == "NET14", "the late terms")


@fault("late-commit", LATE, on=BOTH)
def late_commit(scene: Scene) -> Iterator[None]:
    """A long transaction commits below many short ones that were read before it."""
    yield from _late(scene)


@fault(
    "late-commit-snapshot",
    LATE,
    on=("postgresql",),
    prepare=_captured(capture="snapshot"),
)
def late_commit_snapshot(scene: Scene) -> Iterator[None]:
    """The same below the oldest open transaction: all wait for the long one, and none is lost."""
    yield from _late(scene)


@fault(
    "late-commit-high-water",
    LATE,
    prepare=_captured(capture="high-water", column="touched", overlap_s=60.0),
)
def late_commit_high_water(scene: Scene) -> Iterator[None]:
    """The same with a mark that is older than those read before it: the overlap finds it."""
    yield from _late(scene)
