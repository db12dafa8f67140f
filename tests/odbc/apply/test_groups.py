"""Groups: one transaction for many, with the outcomes and the stored values of one transaction each."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from adapters.odbc.apply import partition
from adapters.odbc.apply.applier import Applier
from adapters.odbc.apply.progress import Begun, Done
from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind, Guard, Outcome, OutcomeKind, Reason
from tests.odbc.site import Site, apply_one, changes_until, create, read_one, update
from tests.odbc.test_contract_guards import somebody_waits

ACCEPTED = OutcomeKind.ACCEPTED


def sample(message_id: str, key: str, kind: DeliveryKind, **fields: RawValue) -> Delivery:
    """A command about a record of the table with one column per kind of value."""
    return replace(create(message_id, ""), object="sample", kind=kind, key=key, fields=fields)


def kinds(outcomes: list[Outcome]) -> list[OutcomeKind]:
    return [outcome.kind for outcome in outcomes]


async def apply(site: Site, *deliveries: Delivery) -> list[Outcome]:
    """Outcomes of one batch."""
    return list(await site.system().target.apply(deliveries))


_VALUES: tuple[dict[str, RawValue], ...] = (
    {"big": 2**53 + 1, "amount": Decimal("123456789012345678.1234"), "flag": True},
    {"big": -(2**63), "amount": Decimal("-0.0001"), "flag": False, "note": ""},
    {"big": None, "amount": None, "flag": None, "day": None, "moment": None, "note": None, "padded": None},
    {"day": date(2024, 2, 29), "moment": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), "note": "null"},
    {"note": 'quote " back \\ slash / tab \t line \n brace {"c0": [1]} é 😀 ' + "x" * 9000, "padded": " a "},
    {"note": "' ; -- ? %s \\u0041 \x7f", "padded": "0123456789"},
)


async def test_what_is_stored_together_is_what_is_stored_alone(site: Site) -> None:
    system = site.system()
    alone, together = [], []
    for number, fields in enumerate(_VALUES):
        alone.append(sample(f"a{number}", f"A{number}", DeliveryKind.CREATE, **fields))
        together.append(sample(f"t{number}", f"T{number}", DeliveryKind.CREATE, **fields))
    for delivery in alone:
        assert (await apply_one(system, delivery)).kind is ACCEPTED
    assert {outcome.kind for outcome in await system.target.apply(together)} == {ACCEPTED}
    turned = [replace(one, kind=DeliveryKind.UPDATE, message_id=f"{one.message_id}u") for one in together]
    shifted = [
        replace(one, fields={**dict.fromkeys(_all_columns()), **fields})
        for one, fields in zip(turned, [*_VALUES[1:], _VALUES[0]], strict=True)
    ]
    found = [await _row(site, f"T{number}") for number in range(len(_VALUES))]
    assert found == [await _row(site, f"A{number}") for number in range(len(_VALUES))]
    assert {outcome.kind for outcome in await system.target.apply(shifted)} == {ACCEPTED}
    again = [await _row(site, f"T{number}") for number in range(len(_VALUES))]
    assert [row[:6] for row in again[:-1]] == [row[:6] for row in found[1:]]


def _all_columns() -> list[str]:
    return ["big", "amount", "flag", "day", "moment", "padded", "note"]


async def _row(site: Site, key: str) -> list[object]:
    kind = {"sqlite": "TEXT", "postgresql": "TEXT", "mariadb": "CHAR"}[site.dialect.name]
    columns = ", ".join(f"CAST({name} AS {kind})" for name in _all_columns())
    rows = site.user().execute(f"SELECT {columns} FROM sample WHERE code = ?", key).fetchall()
    return list(rows[0])


async def test_a_group_is_one_transaction(postgresql_site: Site) -> None:
    site = postgresql_site
    batch = [create(f"m{number}", f"r{number}", name=f"n{number}") for number in range(100)]
    outcomes = await apply(site, *batch)
    assert set(kinds(outcomes)) == {ACCEPTED}
    assert site.one("SELECT count(DISTINCT CAST(xmin AS TEXT)) FROM customer") == 1


async def test_whatever_a_batch_without_trouble_holds_is_one_transaction(site: Site) -> None:
    keys = [str(site.business.create_customer(f"n{number}", phone="1")) for number in range(4)]
    batch = [
        *(create(f"c{number}", f"r{number}", name="A", phone="1") for number in range(3)),
        sample("s1", "S1", DeliveryKind.CREATE, note="1"),
        sample("s2", "S2", DeliveryKind.CREATE, note="1", parent="S1"),
        *(update(f"u{key}", key, {"phone": "1"}, phone="2") for key in keys[:2]),
        update("u9", keys[2], street="S"),
        replace(update("d1", keys[3]), kind=DeliveryKind.DELETE),
    ]
    site.system()
    told: list[Begun | Done] = []
    applier = Applier(site.link().erp)
    applier.apply(batch, told.append)
    begun, done = told
    assert isinstance(begun, Begun) and begun.places == frozenset(range(len(batch)))
    assert isinstance(done, Done) and {one.kind for one in done.outcomes.values()} == {ACCEPTED}
    applier.close()


async def test_each_new_record_of_a_group_gets_its_own_key(site: Site) -> None:
    batch = [create(f"m{number}", f"r{number}", name=f"n{number}") for number in range(60)]
    outcomes = await apply(site, *batch)
    rows = dict(site.user().execute("SELECT external_ref, customer_id FROM customer").fetchall())
    assert [outcome.key for outcome in outcomes] == [str(rows[f"r{number}"]) for number in range(60)]
    noted = site.user().execute(f"SELECT message_id, {_key(site)} FROM isthmus_ledger").fetchall()
    assert dict(noted) == {f"m{number}": str(rows[f"r{number}"]) for number in range(60)}


def _key(site: Site) -> str:
    return "`key`" if site.dialect.name == "mariadb" else "key"


async def test_records_whose_keys_nothing_tells_are_inserted_one_by_one_in_the_same_transaction(
    site: Site,
) -> None:
    batch = [create(f"m{number}", "", name=f"n{number}") for number in range(3)]
    outcomes = await apply(site, *batch)
    rows = dict(site.user().execute("SELECT name, customer_id FROM customer").fetchall())
    assert [outcome.key for outcome in outcomes] == [str(rows[f"n{number}"]) for number in range(3)]


async def test_parents_and_children_of_a_batch_keep_their_order(site: Site) -> None:
    """Also where the columns of a child let it share the statement of an earlier parent."""
    made = [
        sample("p1", "P1", DeliveryKind.CREATE, note="parent"),
        sample("c1", "C1", DeliveryKind.CREATE, note="child", parent="P1"),
        sample("p2", "P2", DeliveryKind.CREATE, note="parent"),
        sample("c2", "C2", DeliveryKind.CREATE, note="child", parent="P2"),
        sample("p3", "P3", DeliveryKind.CREATE, note="parent", parent="C2"),
    ]
    assert set(kinds(await apply(site, *made))) == {ACCEPTED}
    gone = [replace(one, message_id=f"d{one.key}", kind=DeliveryKind.DELETE) for one in reversed(made)]
    assert set(kinds(await apply(site, *gone))) == {ACCEPTED}
    assert site.one("SELECT count(*) FROM sample") == 0


async def test_commands_for_one_record_keep_their_order(site: Site) -> None:
    outcomes = await apply(
        site,
        sample("m1", "K", DeliveryKind.CREATE, note="1"),
        sample("m2", "K", DeliveryKind.UPDATE, note="2"),
        sample("m3", "L", DeliveryKind.CREATE, note="1"),
        sample("m4", "K", DeliveryKind.DELETE),
        sample("m5", "K", DeliveryKind.CREATE, note="3"),
        sample("m6", "L", DeliveryKind.UPDATE, note="2"),
    )
    assert set(kinds(outcomes)) == {ACCEPTED}
    rows = site.user().execute("SELECT code, note FROM sample ORDER BY code").fetchall()
    assert [(str(code).strip(), note) for code, note in rows] == [("K", "3"), ("L", "2")]


@pytest.mark.invariant("I14")
async def test_a_group_that_was_half_applied_before_is_answered_for_that_half(site: Site) -> None:
    batch = [create(f"m{number}", f"r{number}", name=f"n{number}") for number in range(8)]
    first = await apply(site, *batch[::2])
    again = await apply(site, *batch)
    assert [outcome.code for outcome in again] == ["already-applied", ""] * 4
    assert [outcome.key for outcome in again[::2]] == [outcome.key for outcome in first]
    assert site.one("SELECT count(*) FROM customer") == site.one("SELECT count(*) FROM isthmus_ledger") == 8


@pytest.mark.invariant("I14")
async def test_a_message_id_twice_in_one_batch_has_one_effect(site: Site) -> None:
    delivery = create("m1", "r1", name="A")
    other = replace(create("m1", "r9", name="B"), payload_hash="another")
    outcomes = await apply(site, delivery, create("m2", "r2", name="C"), delivery, other)
    assert [outcome.code for outcome in outcomes] == ["", "", "already-applied", "duplicate-id"]
    assert site.one("SELECT count(*) FROM customer") == 2


@pytest.mark.invariant("I10")
async def test_changed_and_gone_records_of_a_group_cost_only_themselves(site: Site) -> None:
    keys = [str(site.business.create_customer(f"n{number}", phone="1")) for number in range(6)]
    site.business.change_phone(int(keys[1]), "by a user")
    site.business.delete_customer(int(keys[4]))
    batch = [update(f"m{place}", key, {"phone": "1"}, phone="2") for place, key in enumerate(keys)]
    batch.append(replace(update("m6", keys[5], {"phone": "2"}), kind=DeliveryKind.DELETE))
    batch.append(update("m7", "no number", phone="2"))
    outcomes = await apply(site, *batch)
    assert [outcome.reason for outcome in outcomes] == [
        None,
        Reason.PRECONDITION,
        None,
        None,
        Reason.GONE,
        None,
        None,
        Reason.GONE,
    ]
    found = site.user().execute("SELECT phone FROM customer ORDER BY customer_id").fetchall()
    assert [row[0] for row in found] == ["2", "by a user", "2", "2"]
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 5


async def test_guards_of_different_fields_are_compared_in_canonical_values(site: Site) -> None:
    one = str(site.business.create_customer("A", credit_limit=Decimal("10.00"), country="D"))
    two = str(site.business.create_customer("B", phone="1"))
    outcomes = await apply(
        site,
        update("m1", one, {"credit_limit": Decimal("10"), "country": "D"}, credit_limit=Decimal(20)),
        update("m2", two, {"phone": "1", "street": None}, phone="2", street="S"),
    )
    assert kinds(outcomes) == [ACCEPTED, ACCEPTED]
    assert site.one("SELECT street FROM customer WHERE customer_id = ?", int(two)) == "S"


@pytest.mark.invariant("I10")
async def test_a_group_that_waited_for_a_user_compares_what_the_user_wrote(postgresql_site: Site) -> None:
    site = postgresql_site
    keys = [str(site.business.create_customer(f"n{number}", phone="1")) for number in range(3)]
    watcher, locker = site.user(), site.user(autocommit=False)
    locker.execute("UPDATE customer SET phone = 'theirs' WHERE customer_id = ?", int(keys[1]))
    system = site.system(lock_timeout_s=15)
    batch = [update(f"m{key}", key, {"phone": "1"}, phone="ours") for key in keys]
    applying = asyncio.create_task(_outcomes(system.target.apply(batch)))
    await somebody_waits(watcher)
    locker.commit()
    assert [outcome.reason for outcome in await applying] == [None, Reason.PRECONDITION, None]
    rows = site.user().execute("SELECT phone FROM customer ORDER BY customer_id").fetchall()
    assert [row[0] for row in rows] == ["ours", "theirs", "ours"]


async def _outcomes(applying: object) -> list[Outcome]:
    return list(await applying)  # type: ignore[misc]  # the coroutine of ``apply``


async def test_an_update_of_a_group_sets_its_own_columns_alone(site: Site) -> None:
    """A user's change to a column that a command does not hold survives the statement of its neighbours."""
    one = str(site.business.create_customer("A", phone="1", street="x"))
    two = str(site.business.create_customer("B", phone="1", street="y"))
    await apply(site, update("m1", one, phone="2"), update("m2", two, phone="2", street="z"))
    found = site.user().execute("SELECT phone, street FROM customer ORDER BY customer_id").fetchall()
    assert [tuple(row) for row in found] == [("2", "x"), ("2", "z")]


async def test_a_row_that_the_erp_swallows_in_a_group_is_told_and_the_rest_applied(
    postgresql_site: Site,
) -> None:
    site = postgresql_site
    keys = [str(site.business.create_customer(f"n{number}", phone="1")) for number in range(4)]
    connection = site.user()
    connection.execute(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF NEW.customer_id = {keys[2]} OR NEW.name = 'none' THEN RETURN NULL; END IF; RETURN NEW; END $$"
    )
    connection.execute(
        "CREATE TRIGGER swallow BEFORE INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION swallow()"
    )
    updates = await apply(site, *(update(f"m{key}", key, phone="2") for key in keys))
    assert [outcome.code for outcome in updates] == ["", "", "no-effect", ""]
    creates = await apply(site, *(create(f"c{name}", f"r{name}", name=name) for name in ("a", "none", "b")))
    assert [outcome.code for outcome in creates] == ["", "no-effect", ""]
    assert site.one("SELECT count(*) FROM isthmus_ledger") == 5


async def test_an_erp_that_alters_the_reference_of_a_new_record_still_gives_each_its_key(
    postgresql_site: Site,
) -> None:
    site = postgresql_site
    connection = site.user()
    connection.execute(
        "CREATE FUNCTION upper_ref() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.external_ref = upper(NEW.external_ref); RETURN NEW; END $$"
    )
    connection.execute(
        "CREATE TRIGGER upper_ref BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION upper_ref()"
    )
    outcomes = await apply(site, *(create(f"m{name}", f"r{name}", name=name) for name in "abc"))
    rows = dict(site.user().execute("SELECT name, customer_id FROM customer").fetchall())
    assert [outcome.key for outcome in outcomes] == [str(rows[name]) for name in "abc"]


async def test_two_spellings_of_one_key_keep_their_order(mariadb_site: Site) -> None:
    """The column's collation takes both for the same record."""
    site = mariadb_site
    site.user().execute("INSERT INTO sample (code, note) VALUES ('ab', '0')")
    outcomes = await apply(
        site,
        sample("m1", "ab", DeliveryKind.UPDATE, note="1"),
        sample("m2", "AB", DeliveryKind.UPDATE, note="2"),
    )
    assert kinds(outcomes) == [ACCEPTED, ACCEPTED]
    assert site.one("SELECT note FROM sample") == "2"


@pytest.mark.parametrize("charset", ["latin1 COLLATE latin1_german1_ci", "utf8mb4 COLLATE utf8mb4_bin"])
async def test_a_group_locks_only_its_own_records_whatever_the_keys_character_set(
    mariadb_site: Site, charset: str
) -> None:
    """A text of another collation would be compared past the index, and lock the whole table."""
    site = mariadb_site
    users = site.user()
    users.execute("ALTER TABLE sample DROP FOREIGN KEY sample_ibfk_1")
    users.execute(f"ALTER TABLE sample MODIFY code CHAR(8) CHARACTER SET {charset} NOT NULL")
    for number in range(30):
        users.execute("INSERT INTO sample (code, note) VALUES (?, '0')", f"K{number:03d}")
    locker = site.user(autocommit=False)
    locker.execute("SELECT note FROM sample WHERE code = 'K029' FOR UPDATE").fetchall()
    batch = [sample(f"m{n}", f"K{n:03d}", DeliveryKind.UPDATE, note="1") for n in range(20)]
    assert set(kinds(await apply(site, *batch))) == {ACCEPTED}
    gone = [replace(one, message_id=f"{one.message_id}d", kind=DeliveryKind.DELETE) for one in batch]
    assert set(kinds(await apply(site, *gone))) == {ACCEPTED}
    locker.rollback()


async def test_a_command_that_cannot_be_expressed_costs_only_itself(site: Site) -> None:
    outcomes = await apply(
        site,
        create("m1", "r1", name="A"),
        create("m2", "r2", name="x" * 81),
        create("m3", "r3", name="nul\0"),
        create("m4", "r4", name="B", credit_limit=Decimal("1.005")),
        replace(create("m5", "r5", name="C"), object="no_such"),
        create("m6", "r6", name="D"),
    )
    assert kinds(outcomes)[0] is kinds(outcomes)[-1] is ACCEPTED
    expected = ["too-long", "nul", "not-ready"]
    codes = [outcome.code for outcome in outcomes]
    assert [codes[1], codes[2], codes[4]] == expected
    assert codes[3] == ("" if site.dialect.name == "sqlite" else "scale")


async def test_the_journal_names_the_group_that_wrote(site: Site) -> None:
    """One mark for the whole transaction: it must not pass for the id of another command."""
    system = site.system()
    await system.source.open({})
    await system.target.apply([create(f"m{number}", f"r{number}", name="A") for number in range(3)])
    changes = await changes_until(system, 3)
    marked = "m0 +2" if site.dialect.marks_writes else None
    assert {change.origin for change in changes} == {marked}
    await apply_one(system, create("m9", "r9", name="A"))
    (change,) = await changes_until(system, 1)
    assert change.origin == ("m9" if site.dialect.marks_writes else None)


@pytest.mark.invariant("I22")
async def test_a_group_of_another_life_has_no_effect(site: Site) -> None:
    """The epoch row is looked at last, in the transaction of the group."""
    site.user().execute("UPDATE isthmus_epoch SET epoch = 5, life = 'another'")
    outcomes = await apply(site, *(create(f"m{number}", f"r{number}", name="A") for number in range(3)))
    assert {(outcome.kind, outcome.code) for outcome in outcomes} == {(OutcomeKind.RETRY, "fenced")}
    assert site.one("SELECT count(*) FROM customer") == site.one("SELECT count(*) FROM isthmus_ledger") == 0


async def test_a_group_without_a_ledger_applies_nothing(site: Site) -> None:
    site.user().execute("DROP TABLE isthmus_ledger")
    outcomes = await apply(site, *(create(f"m{number}", f"r{number}", name="A") for number in range(3)))
    assert {(outcome.kind, outcome.code) for outcome in outcomes} == {(OutcomeKind.RETRY, "no-ledger")}
    assert site.one("SELECT count(*) FROM customer") == 0


async def test_more_than_one_group_is_applied_in_order(site: Site) -> None:
    count = partition.GROUP + 20
    batch = [create(f"m{number}", f"r{number}", name=f"n{number}") for number in range(count)]
    assert set(kinds(await apply(site, *batch))) == {ACCEPTED}
    assert site.one("SELECT count(*) FROM customer") == count


async def test_a_few_huge_texts_do_not_make_one_huge_parameter(site: Site) -> None:
    batch = [sample(f"m{n}", f"K{n}", DeliveryKind.CREATE, note=str(n) * 700_000) for n in range(4)]
    assert set(kinds(await apply(site, *batch))) == {ACCEPTED}
    row = await read_one(site.system(), "sample", "K3")
    assert row.fields is not None and row.fields["note"] == "3" * 700_000


async def test_an_empty_update_in_a_group_only_compares(site: Site) -> None:
    key = str(site.business.create_customer("A", phone="1"))
    other = str(site.business.create_customer("B", phone="1"))
    empty = replace(update("m1", key), guard=Guard(values={"phone": "1"}))
    outcomes = await apply(site, empty, update("m2", other, phone="2"))
    assert kinds(outcomes) == [ACCEPTED, ACCEPTED]
