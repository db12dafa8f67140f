"""One row of the ERP changed behind everybody's back, to see whether the judge notices."""

from __future__ import annotations

from adapters.sandbox.erp import SampleErp

_JOURNAL = "isthmus_journal"


def tamper(erp: SampleErp) -> str:
    """Change a customer's city so that no capture tells of it; returns the customer's number.

    The triggers stay on: the journal rows of this one update are deleted in its own transaction, so nobody
    ever sees them. Raises LookupError when the ERP has no customer with a number.
    """
    installed = _has_journal(erp)
    with erp.database.transaction() as database:
        # a write first: SQLite refuses one that follows reads which somebody else's commit made old
        database.run("UPDATE number_range SET last = last")
        found = database.rows(
            "SELECT customer_id, number FROM customer WHERE number IS NOT NULL ORDER BY number LIMIT 1"
        )
        if not found:
            raise LookupError("the ERP has no customer to tamper with")
        key, number = found[0]
        last = database.rows(f"SELECT COALESCE(MAX(seq), 0) FROM {_JOURNAL}")[0][0] if installed else 0  # noqa: S608
        database.run("UPDATE customer SET city = 'Nirgendwo' WHERE customer_id = ?", key)
        if installed:
            word = "`key`" if database.kind == "mariadb" else "key"
            database.run(
                f"DELETE FROM {_JOURNAL} WHERE seq > ? AND object = 'customer' AND {word} = ?",  # noqa: S608
                last,
                str(key),
            )
    return str(number)


_CATALOGS = {
    "sqlite": "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
    "postgresql": "SELECT COUNT(*) FROM pg_tables WHERE tablename = ?",
    "mariadb": "SELECT COUNT(*) FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name = ?",
}


def _has_journal(erp: SampleErp) -> bool:
    with erp.database.transaction() as database:
        return int(database.rows(_CATALOGS[database.kind], _JOURNAL)[0][0]) > 0
