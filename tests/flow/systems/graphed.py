"""A system like a Salesforce org: creates that refer to each other go together, a family wholly or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.core.change import RawValue
from agent.core.delivery import Delivery, DeliveryKind, Guarantees, Outcome, OutcomeKind, Reason
from tests.flow.systems.ledger import Ledger


@dataclass
class Graphed(Ledger):
    """``calls``: the references of each ``apply``, in order. ``faults`` hit a family each.

    refused      the first of a family is refused, so that nothing of it happens
    rolled-back  nothing of it happens
    answer-lost  all of it happens, and nobody is told
    never-sent   nothing of it happens, and nobody is told
    """

    calls: list[list[str]] = field(default_factory=list)
    together: int = 0

    def guarantees(self, object: str) -> Guarantees:
        """As the ledger's, with families."""
        return replace(super().guarantees(object), families=True, batch=5)

    async def apply(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        """Family by family."""
        self.meanwhile.at(f"{self.name}.apply")
        self.calls.append([one.reference for one in deliveries])
        outcomes: dict[int, Outcome] = {}
        for family in _families(deliveries):
            fault = self.faults.pop(0) if self.faults else ""
            outcomes |= self._family({place: deliveries[place] for place in family}, fault)
        self.meanwhile.at(f"{self.name}.applied")
        return [outcomes[place] for place in range(len(deliveries))]

    def _family(self, family: Mapping[int, Delivery], fault: str) -> dict[int, Outcome]:
        first = next(iter(family))
        if fault == "refused" and family[first].message_id not in self.ledger:
            refused = Outcome(OutcomeKind.REJECTED, reason=Reason.BUSINESS, code="RULE")
            return dict.fromkeys(family, Outcome(OutcomeKind.RETRY, code="HALTED")) | {first: refused}
        if fault == "rolled-back":
            return dict.fromkeys(family, Outcome(OutcomeKind.RETRY, code="LOCKED"))
        lost = Outcome(OutcomeKind.UNCERTAIN, code="LOST")
        if fault == "never-sent":
            return dict.fromkeys(family, lost)
        keys: dict[str, RawValue] = {}
        outcomes = {}
        self.together += len(family) > 1
        for place, one in family.items():
            missing = set(one.pending.values()) - keys.keys()
            assert not missing, f"I18: what {one.reference} refers to does not stand before it"
            filled = {name: keys[id_] for name, id_ in one.pending.items()}
            outcomes[place] = done = self._apply(replace(one, fields={**one.fields, **filled}))
            keys[one.reference] = done.key
        return dict.fromkeys(family, lost) if fault == "answer-lost" else outcomes

    def _apply(self, delivery: Delivery) -> Outcome:
        boss = delivery.fields.get("boss_key")
        assert boss is None or ("person", boss) in self.rows, f"I18: {boss} is not there yet"
        known = self._known(delivery)
        if known is None:
            return super()._apply(delivery)
        self.rows["person", known].update(delivery.fields)  # an upsert by external id
        return Outcome(OutcomeKind.ACCEPTED, key=known)

    def _known(self, delivery: Delivery) -> str | None:
        if delivery.kind is not DeliveryKind.CREATE or delivery.message_id in self.ledger:
            return None
        found = [key for (_, key), row in self.rows.items() if row.get("external_ref") == delivery.reference]
        return found[0] if found else None


def _families(deliveries: Sequence[Delivery]) -> list[list[int]]:
    """Places of what hangs together, each family in the order given."""
    found: list[list[int]] = []
    home: dict[str, list[int]] = {}
    for place, one in enumerate(deliveries):
        related = [home[id_] for id_ in one.pending.values() if id_ in home]
        family = related[0] if related else []
        if not related:
            found.append(family)
        family.append(place)
        if one.kind is DeliveryKind.CREATE:
            home[one.reference] = family
    return found
