"""The rules that the engine is tested with: a customer in three systems, a document born in one."""

from __future__ import annotations

from collections.abc import Mapping

from agent.core.contract import (
    ContractField,
    Deletes,
    EntityAtSystem,
    EntityRules,
    FieldMapping,
    OwnerRow,
    Part,
    Survivorship,
    SurvivorshipKind,
    Transfer,
    with_identity,
)
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.core.rulebook import Rulebook
from agent.ports import System
from tests.flow.systems.cloud import CLIENT


def owned(name: str, owner: str, **more: object) -> ContractField:
    """A field with one owner everywhere."""
    return ContractField(name, owners=(OwnerRow(owner),), **more)  # type: ignore[arg-type] # field options


def place(
    system: System,
    object_: str,
    fields: Mapping[str, str],
    *,
    external_id: str | None,
    create: bool,
    delete: bool = False,
) -> EntityAtSystem:
    """An entity at a system; ``fields``: contract name → the system's name."""
    return EntityAtSystem(
        system=system.name,
        object=ObjectSpec(object_, "key", tuple(FieldSpec(f) for f in fields.values()), external_id),
        fields={name: FieldMapping(name, source) for name, source in fields.items()},
        guarantees=system.target.guarantees(object_),
        create=create,
        delete=delete,
        client=CLIENT if system.kind == "cloud" else None,
    )


def _customer(erp: System) -> EntityAtSystem:
    fields = {name: name for name in ("name", "terms", "block", "phone", "note")}
    return place(erp, "customer", fields, external_id="external_ref", create=True, delete=True)


def rulebook(cloud: System, erp: System, sap: System, second: System | None = None) -> Rulebook:
    """Customer: name owned by the cloud, terms by the ERP, block by SAP, phone and note shared by two.

    With a second ERP these are shared by three.
    """
    customer = EntityRules(
        type="customer",
        version="v1",
        transfer=Transfer.STATE,
        fields={
            "name": owned("name", "sf"),
            "terms": owned("terms", "erp"),
            "block": owned("block", "sap"),
            "phone": ContractField("phone", survivorship=Survivorship(SurvivorshipKind.PREFER, "sf")),
            "note": ContractField("note", survivorship=Survivorship(SurvivorshipKind.MANUAL)),
        },
        systems={
            "sf": place(
                cloud,
                "Account",
                {"name": "Name", "terms": "Terms", "block": "Block", "phone": "Phone", "note": "Note"},
                external_id="Isthmus_Id__c",
                create=True,
                delete=True,
            ),
            "erp": _customer(erp),
            **({} if second is None else {second.name: _customer(second)}),
            "sap": place(sap, "DEBMAS", {"name": "NAME1", "block": "AUFSD"}, external_id=None, create=True),
        },
        births=("sf",),
        deletes=Deletes.FOLLOW,
        key="name",
    )
    document = EntityRules(
        type="document",
        version="v1",
        transfer=Transfer.EVENT,
        fields={
            "amount": owned("amount", "erp", part=Part.BODY),
            "customer": owned(
                "customer", "erp", part=Part.BODY, type=FieldType.REFERENCE, reference="customer"
            ),
            "status": owned("status", "erp", part=Part.STATUS),
        },
        systems={
            "erp": place(
                erp,
                "invoice",
                {"amount": "amount", "customer": "customer_id", "status": "status"},
                external_id=None,
                create=False,
            ),
            "sf": place(
                cloud,
                "Invoice__c",
                {"amount": "Amount", "customer": "Account", "status": "Status"},
                external_id="Isthmus_Id__c",
                create=True,
            ),
        },
        births=("erp",),
        lane="customer",
        amount="amount",
    )
    return Rulebook({rules.type: with_identity(rules) for rules in (customer, document)})
