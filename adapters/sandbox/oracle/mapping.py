"""What a value of one system means, stated here once more and shared with nobody.

Meanings are text or None. A value that no rule knows keeps its own spelling behind a question mark, so that
it equals nothing by accident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

SYSTEMS = ("salesforce", "erp", "sap")
_CENT = Decimal("0.01")

Meaning = str | None
Reading = Callable[[object], Meaning]


def text(value: object) -> Meaning:
    """Text without trailing blanks; empty text is none."""
    shown = "" if value is None else str(value).rstrip(" ")
    return shown or None


def money(value: object) -> Meaning:
    """An amount with two decimals; further decimals stay visible."""
    if text(value) is None:
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return f"?{value}"
    rounded = amount.quantize(_CENT)
    return str(rounded) if rounded == amount else str(amount)


def day(value: object) -> Meaning:
    """A date as YYYY-MM-DD; a midnight that a driver adds is dropped."""
    shown = text(value)
    return shown.removesuffix(" 00:00:00") if shown else None


def words(table: Mapping[str, str]) -> Reading:
    """A value by a table of the system's words."""

    def read(value: object) -> Meaning:
        shown = text(value) or ""
        return table.get(shown, f"?{shown}")

    return read


def flag(value: object) -> Meaning:
    """A JSON boolean."""
    return {True: "yes", False: "no"}.get(value, f"?{value}") if isinstance(value, bool) else f"?{value}"


_TERMS = words({"Z014": "NET14", "Z030": "NET30", "Z045": "NET45", "Z060": "NET60"})
_STATUS = words({"O": "open", "P": "paid", "C": "cancelled"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a business object: per system its name there and how a value is read.

    ``owner`` is the system whose users write it, or "" where several may. ``private`` values are never shown.
    """

    name: str
    owner: str
    places: Mapping[str, tuple[str, Reading]]
    private: bool = False


def _own(name: str, owner: str, *places: tuple[str, Reading] | None, private: bool = False) -> Field:
    pairs = zip(SYSTEMS, places, strict=False)
    return Field(name, owner, {system: place for system, place in pairs if place is not None}, private)


CUSTOMER: tuple[Field, ...] = (
    _own("number", "salesforce", ("AccountNumber", text), ("number", text), ("sortl", text)),
    _own("name", "salesforce", ("Name", text), ("name", text), ("name1", text), private=True),
    _own("street", "salesforce", ("BillingStreet", text), ("street", text), ("stras", text), private=True),
    _own("city", "salesforce", ("BillingCity", text), ("city", text), ("ort01", text)),
    _own("postal_code", "salesforce", ("BillingPostalCode", text), ("postal_code", text), ("pstlz", text)),
    _own("country", "salesforce", ("BillingCountry", text), ("country", text), ("land1", text)),
    _own("phone", "", ("Phone", text), ("phone", text), private=True),
    _own("credit_limit", "erp", ("Credit_Limit__c", money), ("credit_limit", money)),
    _own("payment_terms", "erp", ("Payment_Terms__c", text), ("payment_terms", _TERMS)),
    _own(
        "order_block",
        "sap",
        ("Order_Block__c", flag),
        ("order_block", words({"X": "yes", "": "no"})),
        ("aufsd", words({"01": "yes", "": "no"})),
    ),
)

INVOICE: tuple[Field, ...] = (
    _own("number", "erp", ("Invoice_Number__c", text), ("invoice_no", text)),
    _own("customer", "erp", ("customer", text), ("customer", text)),
    _own("invoice_date", "erp", ("Invoice_Date__c", day), ("invoice_date", day)),
    _own("due_date", "erp", ("Due_Date__c", day), ("due_date", day)),
    _own("currency", "erp", ("Currency__c", text), ("currency", text)),
    _own("net_amount", "erp", ("Net_Amount__c", money), ("net_amount", money)),
    _own("tax_amount", "erp", ("Tax_Amount__c", money), ("tax_amount", money)),
    _own("gross_amount", "erp", ("Gross_Amount__c", money), ("gross_amount", money)),
    _own("status", "erp", ("Status__c", text), ("status", _STATUS)),
)

#: Object → its fields, and the systems that keep it.
OBJECTS: Mapping[str, tuple[Field, ...]] = {"customer": CUSTOMER, "invoice": INVOICE}
KEPT_BY: Mapping[str, tuple[str, ...]] = {"customer": SYSTEMS, "invoice": ("salesforce", "erp")}


def meanings(object_name: str, system: str, row: Mapping[str, object]) -> dict[str, Meaning]:
    """The fields of one row of a system by their common names."""
    return {
        field.name: field.places[system][1](row[field.places[system][0]])
        for field in OBJECTS[object_name]
        if system in field.places
    }


def find(object_name: str, system: str, own_name: str) -> Field | None:
    """The field that a system calls so; names are compared without case."""
    for field in OBJECTS.get(object_name, ()):
        if system in field.places and field.places[system][0].lower() == own_name.lower():
            return field
    return None
