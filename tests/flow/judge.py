"""What must hold after everything has come to rest, judged by what the systems wrote down themselves."""

from __future__ import annotations

import json

from agent.core.entity import OPERATOR
from tests.flow.counted import counted, marked, unwritten
from tests.flow.world import World

OWNED = {"name": "sf", "terms": "erp", "block": "sap"}
NAMES = {
    "sf": {"name": "Name", "terms": "Terms", "block": "Block", "phone": "Phone", "note": "Note"},
    "erp": {n: n for n in ("name", "terms", "block", "phone", "note")},
    "eu": {n: n for n in ("name", "terms", "block", "phone", "note")},
    "sap": {"name": "NAME1", "block": "AUFSD"},
}


def judge(world: World) -> None:
    """Bring everything to rest and check every promise."""
    world.settle()
    _what_waits_has_a_person(world)
    _people_do_their_work(world)
    _what_waits_has_a_person(world)
    _each_record_once(world)
    _converged(world)
    _nothing_lost_without_a_record(world)
    _nothing_old_after_new(world)
    _no_false_alarm(world)
    _owners_are_not_written_to(world)
    _documents_arrived_in_order(world)
    _conserved(world)
    _quiet(world)


def always(world: World) -> None:
    """What must hold at any moment."""
    for system, writes in world.writes.items():
        for message, count in writes.effects.items():
            assert count == 1, f"I14: {message} had {count} effects at {system}"
        for reference, count in writes.created.items():
            most = 1 + writes.deleted[reference]
            assert count <= most, f"I14: {reference} was created {count} times"
    counted(world)
    marked(world)
    unwritten(world)
    for message, count in world.sap.hand_overs.items():
        assert count == 1, f"I14: {message} was handed over {count} times"


def _what_waits_has_a_person(world: World) -> None:
    """Every mark that stops something has an open exception with owner and due date, and vice versa."""
    open_ = {
        (entity, mark)
        for entity, mark, owner, due in world.rows(
            "SELECT entity, mark, owner, due FROM exception WHERE state = 'open' AND mark <> ''"
            " AND kind IN ('rejected', 'conflict')"
        )
        if owner and due
    }
    parked = {
        (id_, mark)
        for id_, marks in world.rows("SELECT id, parked FROM entity")
        for mark in json.loads(marks)
    }
    assert parked == open_, f"I15: parked are {sorted(parked)}, people see {sorted(open_)}"


def _people_do_their_work(world: World) -> None:
    """What was refused is tried again, and what was deleted is ruled, until nobody is asked any more."""
    for _ in range(20):
        asked = {
            kind
            for (kind,) in world.rows("SELECT kind FROM exception WHERE state = 'open'")
            if kind in ("rejected", "deleted")
        }
        if not asked:
            return
        if "rejected" in asked:
            world.retry()
        else:
            world.resolve("recreate")
        world.settle()
    raise AssertionError(f"I12: {sorted(asked)} stay, however often they are tried again or ruled")


def _living(world: World) -> list[str]:
    """Customers that are still in the cloud, where their existence is decided."""
    return [customer for customer in world.customers if customer in world.cloud.records]


def _all_keys(world: World, customer: str, system: str) -> list[str]:
    """Every key that the customer ever had at a system, in order."""
    found = world.rows(
        "SELECT key FROM binding"
        f" WHERE entity = '{world.id_of(customer)}' AND system = '{system}' AND role <> 'read-only'"
        " ORDER BY id"
    )
    return [str(row[0]) for row in found]


def _keys(world: World, customer: str) -> dict[str, str]:
    return dict(world.entity(customer).keys)


def _held(world: World, customer: str) -> dict[str, dict[str, object]]:
    keys, absent = _keys(world, customer), world.entity(customer).absent
    expected = set(world.systems) - absent
    assert set(keys) == expected, f"I8: {customer} has only reached {sorted(keys)}"
    rows = {"sf": world.cloud.records[keys["sf"]].fields, "sap": world.sap.records[keys["sap"]]}
    rows |= {
        name: ledger.rows["customer", keys[name]]
        for name, ledger in world.ledgers.items()
        if name not in absent
    }
    return {
        system: {field: rows[system].get(source) for field, source in NAMES[system].items()}
        for system in rows
    }


def _each_record_once(world: World) -> None:
    always(world)
    assert len(world.sap.records) <= len(world.customers), "I14: SAP has more customers than were born"


def _parked(world: World, customer: str) -> frozenset[str]:
    return world.entity(customer).parked


def _converged(world: World) -> None:
    for customer in world.customers:
        if customer not in world.cloud.records:
            _ended(world, customer)
    for customer in _living(world):
        held, parked = _held(world, customer), _parked(world, customer)
        for field in NAMES["sf"]:
            if OWNED.get(field, "sf") not in held:
                continue  # its owner has no such record any more: nobody's word holds
            if customer in world.cloud.merged.values() and field not in world.entity(customer).agreed:
                continue  # its owner cannot be read and never told it of the record that is left
            systems = [s for s in held if field in held[s] and f"{s}.{field}" not in parked]
            values = {held[s][field] for s in systems}
            assert len(values) <= 1, f"I8: {field} of {customer} is {held}"
        for field, owner in OWNED.items():
            writes, keys = world.writes[owner], _all_keys(world, customer, owner)
            said = writes.history.get((keys[0], NAMES[owner][field]), [])
            if said and len(keys) == 1 and owner in held:
                assert held[owner][field] == said[-1], f"I6: {field}: users of {owner} said {said[-1]}"


def _ended(world: World, customer: str) -> None:
    """A deleted customer is gone wherever the agent may delete, and nothing brings it back."""
    id_ = world.id_of(customer)
    if customer in world.cloud.merged:
        [(into, by)] = world.rows(f"SELECT merged_into, ended FROM entity WHERE id = '{id_}'")
        winner = world.id_of(world.cloud.merged[customer])
        assert into == winner or by == OPERATOR, f"I21: {customer} was merged into {winner}, known is {into}"
        return
    if world.rows(f"SELECT 1 FROM exception WHERE entity = '{id_}' AND kind = 'dependant'"):
        return  # documents refer to it: a person has to look
    for name, ledger in world.ledgers.items():
        left = [key for (_, key), row in ledger.rows.items() if row.get("external_ref") == id_]
        assert not left, f"I21: {customer} was deleted in the cloud and is in {name} as {left}"
    known = world.rows(f"SELECT ended FROM entity WHERE id = '{id_}'")
    assert known and known[0][0] is not None, f"I21: {customer} was deleted and has no tombstone"


def _left(world: World, customer: str) -> dict[str, dict[str, object]]:
    """What an ERP still holds of a deleted customer, because documents refer to it."""
    id_ = world.id_of(customer)
    return {
        f"{name} {key}": dict(row)
        for name, ledger in world.ledgers.items()
        for (_, key), row in ledger.rows.items()
        if row.get("external_ref") == id_
    }


def _losers(world: World) -> set[str]:
    found = set(world.lost_losers)
    for winner, loser, state in world.rows("SELECT winner, loser, state FROM conflict"):
        found.add(loser.strip('"'))
        if state == "open":
            found.add(winner.strip('"'))
    return found


def _nothing_lost_without_a_record(world: World) -> None:
    losers = _losers(world)
    overwritten = {value for writes in world.writes.values() for value in writes.overwritten}
    excused = world.cloud.writes.excused
    for customer in world.customers:
        if customer in world.cloud.merged:
            continue  # what its users wrote is still where they wrote it
        held = _held(world, customer) if customer in world.cloud.records else _left(world, customer)
        for field in ("phone", "note"):
            final = {values[field] for values in held.values() if field in values}
            said = []
            for key in _all_keys(world, customer, "sf"):
                said += world.cloud.writes.history.get((key, NAMES["sf"][field]), [])
            for name, ledger in world.ledgers.items():
                for key in _all_keys(world, customer, name):
                    said += ledger.writes.history.get((key, field), [])
            for value in said:
                known = value in final or value in overwritten or value in losers or value in excused
                assert known, f"I10: {field} {value} of {customer} was lost without a record"


def _no_false_alarm(world: World) -> None:
    """The value that a decision set aside was written by users of that very system, into that very field."""
    if world.rollbacks:
        return  # what the lost life had agreed is not known any more: its own writes look like users'
    writes = world.writes
    merged = {world.id_of(winner) for winner in world.cloud.merged.values()}
    bound: dict[tuple[str, str], list[str]] = {}
    for entity, system, key in world.rows("SELECT entity, system, key FROM binding ORDER BY id"):
        bound.setdefault((entity, system), []).append(key)
    for entity, name, system, loser, rule in world.rows(
        "SELECT entity, field, loser_system, loser, rule FROM conflict"
    ):
        if rule == "immutable" and loser.strip('"') in merged:
            continue  # told before it was known that both records are one; it closed by itself
        source = NAMES[system].get(name, name)
        said = [v for key in bound[entity, system] for v in writes[system].history.get((key, source), [])]
        assert loser.strip('"') in said, (
            f"I11: {rule} names {loser} of {name} at {system}, which no user wrote there"
        )


def _owners_are_not_written_to(world: World) -> None:
    for field, owner in OWNED.items():
        for (key, name), values in world.writes[owner].agent.items():
            assert name != NAMES[owner][field], (
                f"I6: the agent wrote {values} to {owner}, which owns {field} of {key}"
            )


def _nothing_old_after_new(world: World) -> None:
    for customer in _living(world):
        keys = _keys(world, customer)
        for field, owner in OWNED.items():
            owning = world.writes[owner]
            said = owning.history.get((keys.get(owner, ""), NAMES[owner][field]), [])
            for system in keys:
                if system == owner or field not in NAMES[system]:
                    continue
                target = world.writes[system]
                sent = target.agent.get((keys[system], NAMES[system][field]), [])
                places = [said.index(value) for value in sent if value in said]
                assert places == sorted(places), f"I8: {system} was sent {sent} of {field}, said were {said}"


def _documents_arrived_in_order(world: World) -> None:
    booked: dict[str, list[str]] = {}
    for number in range(1, world.documents + 1):
        row = world.erp.rows["invoice", f"i{number}"]
        booked.setdefault(str(row["customer_id"]), []).append(str(row["amount"]))
    arrived: dict[str, list[str]] = {}
    for record in world.cloud.records.values():
        if record.object == "Invoice__c":
            arrived.setdefault(str(record.fields["Account"]), []).append(str(record.fields["Amount"]))
    merged = set(world.cloud.merged.values())
    by_erp_key = {
        str(key): customer
        for customer in _living(world)
        for (key,) in world.rows(
            f"SELECT key FROM binding WHERE entity = '{world.id_of(customer)}' AND system = 'erp'"
            " AND valid_to IS NULL AND role <> 'retired'"
        )
    }
    for erp_key, amounts in booked.items():
        if erp_key not in by_erp_key:
            continue  # its customer was deleted: an exception stands for each of its documents
        customer = by_erp_key[erp_key]
        got = arrived.get(customer, [])
        if customer in merged:  # two lanes became one: each kept its order
            got = [amount for amount in got if amount in amounts]
        assert got == amounts, f"I17: documents of {erp_key} were booked {amounts} and arrived {got}"
    statuses = {str(r.fields.get("Amount")): r.fields.get("Status") for r in world.cloud.records.values()}
    for number in range(1, world.documents + 1):
        row = world.erp.rows["invoice", f"i{number}"]
        if str(row["customer_id"]) in by_erp_key:
            assert statuses[str(row["amount"])] == row["status"], f"I8: status of i{number}"


def _conserved(world: World) -> None:
    [(promised,)] = world.rows("SELECT coalesce(sum(targets), 0) FROM inbox")
    [(kept,)] = world.rows("SELECT count(*) FROM obligation")
    assert promised == kept, f"I15: {promised} obligations were made, {kept} are there"
    alone = world.rows(
        "SELECT entity, target FROM obligation WHERE state = 'excepted' AND NOT EXISTS"
        " (SELECT 1 FROM exception WHERE exception.entity = obligation.entity AND exception.state = 'open')"
    )
    assert not alone, f"I15: nobody is asked about these: {alone}"
    open_ = world.rows("SELECT entity, target, command FROM obligation WHERE state = 'open'")
    assert not open_, f"I15: nothing moves, and these are still open: {open_}"
    stuck = world.rows(
        "SELECT number, target, state FROM outbox WHERE state IN ('ready', 'sent', 'stored', 'uncertain')"
    )
    assert not stuck, f"I15: nothing moves, and these commands stand: {stuck}"


def _quiet(world: World) -> None:
    before = world.total_writes
    for index in range(len(world.cloud.events)):
        world.redeliver(index)
    world.settle()
    assert world.total_writes == before, "I9: writes after everything had come to rest"
