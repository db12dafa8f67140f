"""The rules that everything is measured with: a customer of so many fields in so many systems."""

from __future__ import annotations

from collections.abc import Sequence

from agent.core.contract import (
    ContractField,
    Deletes,
    EntityAtSystem,
    EntityRules,
    FieldMapping,
    OwnerRow,
    Survivorship,
    SurvivorshipKind,
    Transfer,
    with_identity,
)
from agent.core.guard import MassLimits
from agent.core.objects import FieldSpec, FieldType, ObjectSpec
from agent.core.rulebook import Rulebook
from tests.benchmarks.peers import Peer

TYPE, OBJECT = "customer", "Account"
CLOUD, ERP, SAP = "sf", "erp", "sap"
#: Fields of a record in the mirror: its documents make an image row of about 1 KB.
FIELDS = 16
#: Types come round in this order, the first one of text being the business key.
TYPES = (FieldType.TEXT, FieldType.TEXT, FieldType.DECIMAL, FieldType.TEXT, FieldType.DATE, FieldType.BOOLEAN)
IDENTITY_FIELD = "Isthmus_Id__c"


def field_name(number: int) -> str:
    """The contract's name of a field."""
    return f"field_{number:02d}"


def source_name(number: int) -> str:
    """The systems' name of a field."""
    return f"Field_{number:02d}__c"


def field_type(number: int) -> FieldType:
    """The type of a field."""
    return TYPES[number % len(TYPES)]


def rules(fields: int, systems: Sequence[Peer]) -> EntityRules:
    """Of five fields two are the first system's, one is the second's, one the last's, and one is shared."""
    first, second, last = systems[0].name, systems[1].name, systems[-1].name
    owners = (first, first, second, last, None)
    contract = {}
    for number in range(fields):
        owner = owners[number % len(owners)]
        contract[field_name(number)] = ContractField(
            field_name(number),
            field_type(number),
            owners=() if owner is None else (OwnerRow(owner),),
            survivorship=Survivorship(SurvivorshipKind.PREFER, first) if owner is None else None,
        )
    return with_identity(
        EntityRules(
            type=TYPE,
            version="v1",
            transfer=Transfer.STATE,
            fields=contract,
            systems={peer.name: _place(peer, fields) for peer in systems},
            births=(first,),
            deletes=Deletes.FOLLOW,
            key=field_name(0),
            mass=MassLimits(change_share=1.0, delete_share=1.0),  # what is held back is not what is measured
        )
    )


def _place(peer: Peer, fields: int) -> EntityAtSystem:
    mappings = {field_name(n): FieldMapping(field_name(n), source_name(n)) for n in range(fields)}
    specs = tuple(FieldSpec(source_name(n), field_type(n)) for n in range(fields))
    return EntityAtSystem(
        system=peer.name,
        object=ObjectSpec(OBJECT, "Id", specs, IDENTITY_FIELD),
        fields=mappings,
        guarantees=peer.guarantees(OBJECT),
        create=True,
        delete=True,
        client=peer.client,
    )


def rulebook(systems: Sequence[Peer], fields: int = FIELDS) -> Rulebook:
    """The rules of the one type that there is."""
    return Rulebook({TYPE: rules(fields, systems)})
