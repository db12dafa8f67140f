"""Somebody changes the ERP's tables, or ours, under the running agent."""

from __future__ import annotations

from collections.abc import Iterator

from tests.faults.odbc.scene import ILL, REMEDY, Scene, fault, holds, until

SCHEMA = "schema changed under us"
JOURNAL = "journal dropped, or full"
#: What a full disk or a used-up quota says, raised by the server at the insert of a journal row.
_FULL = {
    "postgresql": [
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $full$ BEGIN"
        " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';"
        " END $full$",
        "CREATE TRIGGER full_disk BEFORE INSERT ON isthmus_journal FOR EACH ROW EXECUTE FUNCTION full_disk()",
    ],
    "mariadb": [
        "CREATE TRIGGER full_disk BEFORE INSERT ON isthmus_journal FOR EACH ROW"
        " SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'"
    ],
}
_FREE = {
    "postgresql": ["DROP TRIGGER full_disk ON isthmus_journal", "DROP FUNCTION full_disk()"],
    "mariadb": ["DROP TRIGGER full_disk"],
}
_TRIGGERS = [
    "DROP TRIGGER isthmus_journal_customer ON customer",
    "DROP TRIGGER isthmus_journal_customer_t ON customer",
]


def _columns(scene: Scene) -> set[str]:
    found = scene.server.sql(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'customer'"
    )
    return {str(row[0]) for row in found}


@fault("column-added", SCHEMA)
def column_added(scene: Scene) -> Iterator[None]:
    """The customers get one more column, with a value for everybody, while they are written."""
    scene.keep_writing()
    scene.server.run(["ALTER TABLE customer ADD COLUMN remark VARCHAR(40) DEFAULT 'none yet'"])
    scene.struck("remark" in _columns(scene), "columns added")
    scene.keep_writing()
    yield
    scene.keep_writing()


@fault("column-dropped", SCHEMA, says=ILL + r".*\bstreet\b", does=REMEDY)
def column_dropped(scene: Scene) -> Iterator[None]:
    """A mapped column is dropped; later it is put back with what was in it, and with the rights on it."""
    scene.keep_writing()
    until(lambda: all("Hof" in str(scene.street(one)) for one in scene.customers), "the streets in the ERP")
    scene.server.run(
        [
            "CREATE TABLE kept AS SELECT customer_id, street FROM customer",
            "ALTER TABLE customer DROP COLUMN street",
        ]
    )
    scene.struck("street" not in _columns(scene), "columns dropped")
    scene.keep_writing()
    scene.server.sql("UPDATE customer SET payment_terms = 'Z045'")
    yield
    back = "SET street = (SELECT k.street FROM kept k WHERE k.customer_id = customer.customer_id)"
    scene.server.run(["ALTER TABLE customer ADD COLUMN street VARCHAR(80)", f"UPDATE customer {back}"])
    scene.place.installed()
    until(lambda: scene.state == "up" or bool(scene.site.exceptions("field")), "the column being seen again")
    scene.retry("field")


@fault("column-shorter", SCHEMA, leaves=frozenset({"rejected"}))
def column_shorter(scene: Scene) -> Iterator[None]:
    """A column is made shorter than a value that comes: that one is told to a person, all else goes on."""
    alter = "ALTER COLUMN postal_code TYPE" if scene.postgresql else "MODIFY postal_code"
    scene.server.run([f"ALTER TABLE customer {alter} VARCHAR(6)"])
    mine, other = scene.customers[:2]
    scene.edit(mine, BillingPostalCode="SW1A 2AA")
    (item,) = until(lambda: scene.site.exceptions("rejected") or None, "the refusal being told")
    holds(item.business_key == mine.number, f"the refusal is about {item.business_key}")
    holds("SW1A" not in item.cause, f"the value is told: {item.cause}")
    scene.struck(1, "values refused by the server")
    scene.edit(other, BillingPostalCode="10115")
    yield
    until(lambda: (scene.site.in_erp(other.number) or {})["postal_code"] == "10115", "the other's code")
    scene.server.run([f"ALTER TABLE customer {alter} VARCHAR(16)"])
    scene.retry("rejected")


@fault("table-renamed", SCHEMA, says=ILL + r".*\bcustomer\b", does=REMEDY, others=False)
def table_renamed(scene: Scene) -> Iterator[None]:
    """The table of customers is renamed away, and back."""
    scene.server.run(["ALTER TABLE customer RENAME TO customer_old"])
    scene.struck(not _columns(scene), "tables renamed away")
    scene.keep_writing()
    yield
    scene.server.run(["ALTER TABLE customer_old RENAME TO customer"])


@fault("journal-full", JOURNAL, says=ILL + r".*(53100|1114)", does=REMEDY, others=False)
def journal_full(scene: Scene) -> Iterator[None]:
    """No row fits into the journal: the ERP refuses writes, its own users' too, until there is room."""
    name = scene.server.dialect.name
    limit = scene.customers[0].customer_id
    scene.server.run(_FULL[name])
    refused = 0
    for _ in range(2):
        try:
            scene.server.sql("UPDATE customer SET credit_limit = 815 WHERE customer_id = ?", limit)
        except scene.server.error:
            refused += 1
    scene.struck(refused, "writes of the ERP's users that the server refused")
    scene.keep_writing()
    yield
    scene.server.run(_FREE[name])
    scene.server.sql("UPDATE customer SET credit_limit = 816 WHERE customer_id = ?", limit)


@fault(
    "trigger-dropped",
    JOURNAL,
    on=("postgresql",),  # with the agent's rights no trigger is seen in MariaDB
    says=ILL + r".*\bcustomer\b",
    does=r"journal install",
    others=False,
)
def trigger_dropped(scene: Scene) -> Iterator[None]:
    """Somebody drops our triggers: what is written meanwhile is found when they are back."""
    scene.server.run(_TRIGGERS)
    customer = scene.customers[0].customer_id
    scene.server.sql("UPDATE customer SET credit_limit = 2001 WHERE customer_id = ?", customer)
    scene.struck(not scene.server.one("SELECT count(*) FROM isthmus_journal"), "changes that no trigger told")
    yield
    scene.server.sql("UPDATE customer SET credit_limit = 2002 WHERE customer_id = ?", customer)
    scene.place.installed()


@fault("journal-dropped", JOURNAL, says=ILL, does=r"journal install", others=False)
def journal_dropped(scene: Scene) -> Iterator[None]:
    """Somebody drops the journal, with changes in it that nobody had seen, and installs it again."""
    customer = scene.customers[0].customer_id
    for turn in range(3):  # its numbers are given again later
        scene.server.sql(f"UPDATE customer SET credit_limit = {3000 + turn} WHERE customer_id = ?", customer)
    with scene.site.nobody_looking():
        scene.server.sql("UPDATE customer SET credit_limit = 4001 WHERE customer_id = ?", customer)
        scene.struck(scene.server.one("SELECT count(*) FROM isthmus_journal"), "changes in the journal")
        scene.server.run(["DROP TABLE isthmus_journal"])
    yield
    scene.place.installed()
    until(lambda: scene.state == "up", "the journal being read again")
    for one in scene.customers:
        scene.server.sql("UPDATE customer SET phone = '030 1' WHERE customer_id = ?", one.customer_id)
