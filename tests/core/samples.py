"""Rules and entities to try the core with: a customer in two or three systems."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from hypothesis import settings
from hypothesis import strategies as st

from agent.core.contract import (
    Context,
    ContractField,
    EntityAtSystem,
    EntityRules,
    FieldMapping,
    OwnerRow,
    Survivorship,
    SurvivorshipKind,
    Transfer,
)
from agent.core.delivery import Guarantees, Resolution
from agent.core.entity import Agreed, Base, Entity, Image
from agent.core.objects import FieldSpec, ObjectSpec
from agent.core.value import Canonical

#: Properties are checked with the same examples on every run.
EVERY_TIME_THE_SAME = settings(deadline=None, derandomize=True, database=None)
TODAY = Context(today=date(2026, 3, 1))
SYSTEMS = ("cloud", "erp", "sap")

FIELDS: Mapping[str, ContractField] = {
    "name": ContractField("name", owners=(OwnerRow("cloud"),)),
    "terms": ContractField("terms", owners=(OwnerRow("erp"),)),
    "phone": ContractField("phone", survivorship=Survivorship(SurvivorshipKind.PREFER, "cloud")),
    "note": ContractField("note", survivorship=Survivorship(SurvivorshipKind.MANUAL)),
}


def guarantees(*, readable: bool = True) -> Guarantees:
    """A target that can do everything, or one that cannot be read."""
    return Guarantees(
        compare_and_set=readable,
        read_back=readable,
        delete=readable,
        answers=not readable,
        on_uncertain_update=Resolution.RESEND,
        on_uncertain_create=Resolution.RESEND,
    )


def place(system: str, fields: Mapping[str, ContractField], *, create: bool = True) -> EntityAtSystem:
    """The customer at a system, under the contract's own names."""
    return EntityAtSystem(
        system=system,
        object=ObjectSpec("customer", "key", tuple(FieldSpec(name) for name in fields)),
        fields={name: FieldMapping(name, name) for name in fields},
        guarantees=guarantees(),
        create=create,
    )


def customer(
    fields: Mapping[str, ContractField] = FIELDS, systems: tuple[str, ...] = SYSTEMS[:2]
) -> EntityRules:
    """The rules of a customer born in the cloud."""
    return EntityRules(
        type="customer",
        version="v1",
        transfer=Transfer.STATE,
        fields=fields,
        systems={system: place(system, fields) for system in systems},
        births=("cloud",),
    )


def agreed_customer(values: Mapping[str, Canonical], systems: tuple[str, ...] = SYSTEMS[:2]) -> Entity:
    """A customer whose systems all hold the same values, were read, and were confirmed to hold them."""
    base = {name: Base(value, 1) for name, value in values.items()}
    return Entity(
        id="customer-1",
        type="customer",
        images={system: Image(fields=dict(values), fresh=True, base=base) for system in systems},
        agreed={name: Agreed(value, 1, "cloud") for name, value in values.items()},
        keys={system: f"{system}-key" for system in systems},
        birth="cloud",
    )


def seen(entity: Entity, system: str, **values: Canonical) -> Entity:
    """The entity after a fresh look at a system found these values."""
    image = entity.images[system]
    fields = {**image.fields, **values}
    return entity.with_image(system, Image(fields=fields, fresh=True, base=image.base, version=image.version))


VALUES = st.sampled_from([None, "a", "b", "c"])


@st.composite
def entities(draw: st.DrawFn, systems: tuple[str, ...] = SYSTEMS) -> Entity:
    """Customers in any state: unseen, stale or fresh images, fields unknown, bases behind or missing."""
    agreed = {
        name: Agreed(draw(VALUES), draw(st.integers(1, 3)), draw(st.sampled_from(systems)))
        for name in draw(st.sets(st.sampled_from(sorted(FIELDS))))
    }
    images: dict[str, Image] = {}
    for system in draw(st.sets(st.sampled_from(systems))):
        base = {
            name: Base(draw(VALUES), draw(st.integers(0, agreed[name].number)))
            for name in draw(st.sets(st.sampled_from(sorted(agreed))) if agreed else st.just(set()))
        }
        known = draw(st.sets(st.sampled_from(sorted(FIELDS))))
        images[system] = Image(
            fields={name: draw(VALUES) for name in known},
            fresh=draw(st.booleans()),
            exists=draw(st.integers(0, 9)) > 0,
            base=base,
            version=draw(st.sampled_from([None, "7"])),
        )
    keys = {system: f"{system}-key" for system in images}
    return Entity("customer-1", "customer", images, agreed, keys, birth="cloud")
