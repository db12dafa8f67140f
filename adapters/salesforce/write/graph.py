"""Parents with their children in one request: composite graphs, each of which happens wholly or not at all.

Limits: REST API developer guide, "Composite Graph Limits". Nodes are upserts by external id, so that a graph
may be sent again. A child refers to its parent's node and not to the parent's external id: the server runs
the nodes of one kind together, and only a reference keeps a child behind its parent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from adapters.salesforce.connection.rest import Call, Reply, Rest
from adapters.salesforce.table import Table
from adapters.salesforce.values import to_json
from adapters.salesforce.write import verdict
from adapters.salesforce.write.collection import Collections
from adapters.salesforce.write.parents import touched
from adapters.salesforce.write.sender import Lot, Sender
from agent.core.delivery import Delivery, DeliveryKind, Outcome

MOST_GRAPHS = 75
MOST_NODES = 500
MOST_DEPTH = 15
MOST_KINDS = 15
#: Opens a reference to another node, and cannot be escaped: a text that holds it cannot be sent in a graph.
REFERENCE = "@{"


def families(lot: Lot) -> tuple[list[dict[int, Delivery]], dict[int, Outcome]]:
    """The commands that have to go together, parents before children; and what is told of those that cannot.

    A child cannot be sent whose parent is created by no command here, or hangs on the child itself.
    """
    creates = {one.reference: place for place, one in lot.items() if one.kind is DeliveryKind.CREATE}
    needs = {place: {creates.get(id_, -1) for id_ in one.pending.values()} for place, one in lot.items()}
    ordered: list[int] = []
    standing = {place for place, needed in needs.items() if needed}
    while ready := [place for place in sorted(standing) if needs[place].isdisjoint({-1, *standing})]:
        ordered += ready
        standing -= set(ready)
    text = "what it refers to is not created together with it"
    orphans = {place: verdict.not_sent("NO_PARENT", text) for place in sorted(standing)}
    roots = sorted({parent for place in ordered for parent in needs[place]} - set(ordered))
    return _joined([*roots, *ordered], needs, lot), orphans


def _joined(ordered: list[int], needs: Mapping[int, set[int]], lot: Lot) -> list[dict[int, Delivery]]:
    """Those that hang together, each group in the given order."""
    group: dict[int, int] = {place: place for place in ordered}

    def first(place: int) -> int:
        while group[place] != place:
            group[place] = group[group[place]]
            place = group[place]
        return place

    for place in ordered:
        for parent in needs[place]:
            group[first(place)] = first(parent)
    found: dict[int, dict[int, Delivery]] = defaultdict(dict)
    for place in ordered:
        found[first(place)][place] = lot[place]
    return list(found.values())


class Graphs:
    """Sends families. One that cannot be a graph goes in steps: parents first, then children by their ids."""

    def __init__(self, tables: Mapping[str, Table], rest: Rest, sender: Sender, single: Collections) -> None:
        self._tables = tables
        self._base = rest.base
        self._sender = sender
        self._collections = single

    @staticmethod
    def fits(family: Lot) -> bool:
        """Whether a family can be one graph."""
        if len(family) > MOST_NODES or _depth(family) > MOST_DEPTH:
            return False
        if len({(one.object, one.kind) for one in family.values()}) > MOST_KINDS:
            return False
        texts = (value for one in family.values() for value in one.fields.values() if isinstance(value, str))
        return not any(REFERENCE in text for text in texts)

    @staticmethod
    def requests(graphs: Iterable[Lot]) -> list[list[Lot]]:
        """Families laid into requests."""
        found: list[list[Lot]] = []
        nodes = 0
        for family in graphs:
            if not found or len(found[-1]) == MOST_GRAPHS or nodes + len(family) > MOST_NODES:
                found.append([])
                nodes = 0
            found[-1].append(family)
            nodes += len(family)
        return found

    async def send(self, graphs: list[Lot]) -> dict[int, Outcome]:
        """One request; a family whose fields cannot be written as JSON is refused as a whole before."""
        outcomes: dict[int, Outcome] = {}
        bodies: dict[str, Any] = {}
        sent: dict[str, Lot] = {}
        for number, family in enumerate(graphs):
            faults = _unwritable(family)
            outcomes |= faults
            if not faults:
                sent[f"g{number}"] = family
                bodies[f"g{number}"] = self._nodes(family)
        if not sent:
            return outcomes
        body = {"graphs": [{"graphId": name, "compositeRequest": nodes} for name, nodes in bodies.items()]}
        everyone = {place: one for family in sent.values() for place, one in family.items()}
        refused: list[Reply] = []

        def read(reply: Reply) -> dict[int, Outcome]:
            if verdict.unreadable(reply, everyone.values()):
                refused.append(reply)
            return _results(reply, sent)

        async with self._sender.turn(self._keys(everyone)):
            call = Call("POST", "/composite/graph", to_json(body))
            outcomes |= await self._sender.send(call, everyone, read)
        return outcomes | (await self.in_steps(everyone) if refused else {})

    async def in_steps(self, family: Lot) -> dict[int, Outcome]:
        """Parents first; a child whose parent was not created is not sent."""
        outcomes: dict[int, Outcome] = {}
        keys: dict[str, str] = {}
        left = dict(family)
        while left:
            ready = {place: one for place, one in left.items() if keys.keys() >= set(one.pending.values())}
            if not ready:
                text = "what it refers to was not created"
                return outcomes | dict.fromkeys(left, verdict.not_sent("NO_PARENT", text))
            done = await self._level({place: _filled(one, keys) for place, one in ready.items()})
            outcomes |= done
            for place in ready:
                key = done[place].key
                if key is not None:
                    keys[family[place].reference] = key
                del left[place]
        return outcomes

    async def _level(self, lot: Lot) -> dict[int, Outcome]:
        kinds: dict[tuple[str, DeliveryKind], dict[int, Delivery]] = defaultdict(dict)
        for place, one in lot.items():
            kinds[(one.object, one.kind)][place] = one
        outcomes: dict[int, Outcome] = {}
        for alike in kinds.values():
            for many in self._collections.requests(alike):
                outcomes |= await self._collections.send(many)
        return outcomes

    def _nodes(self, family: Lot) -> list[dict[str, Any]]:
        names = {one.reference: f"@{{n{place}.id}}" for place, one in family.items()}
        return [
            {
                "method": "PATCH",
                "url": f"{self._base}{self._collections.address(one)}",
                "referenceId": f"n{place}",
                "body": self._collections.body(_filled(one, names)),
            }
            for place, one in family.items()
        ]

    def _keys(self, lot: Lot) -> set[str]:
        return {key for one in lot.values() for key in touched(self._tables[one.object], one)}


def _filled(delivery: Delivery, keys: Mapping[str, str]) -> Delivery:
    """The command with what stands for its parents' ids."""
    if not delivery.pending:
        return delivery
    filled = {name: keys[id_] for name, id_ in delivery.pending.items()}
    return replace(delivery, fields={**delivery.fields, **filled}, pending={})


def _depth(family: Lot) -> int:
    """Length of the longest chain of references; parents stand before their children."""
    depths: dict[str, int] = {}
    longest = 0
    for one in family.values():
        depth = 1 + max((depths.get(name, 0) for name in one.pending.values()), default=0)
        depths[one.reference] = depth
        longest = max(longest, depth)
    return longest


def _unwritable(family: Lot) -> dict[int, Outcome]:
    """What is told of every member where one cannot be written; the others are not sent without it."""
    faults: dict[int, Outcome] = {}
    for place, one in family.items():
        try:
            to_json(one.fields)
        except ValueError as error:
            faults[place] = verdict.unsendable("VALUE", str(error))
    rest = verdict.not_sent("NO_FAMILY", "it belongs together with a record that cannot be sent")
    return {place: faults.get(place, rest) for place in family} if faults else {}


def _results(reply: Reply, sent: Mapping[str, Lot]) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}
    told = reply.body.get("graphs") if reply.ok and isinstance(reply.body, dict) else None
    graphs = {str(one.get("graphId")): one for one in _dicts(told)}
    for name, family in sent.items():
        if not reply.ok:
            outcomes |= {place: verdict.whole(reply, one) for place, one in family.items()}
            continue
        outcomes |= _of_graph(graphs.get(name, {}), family, reply)
    return outcomes


def _of_graph(graph: Mapping[str, Any], family: Lot, reply: Reply) -> dict[int, Outcome]:
    """Of a graph that failed nothing was applied, whatever its parts say of themselves."""
    response = graph.get("graphResponse")
    listed = _dicts(response.get("compositeResponse") if isinstance(response, Mapping) else None)
    parts = {str(one.get("referenceId")): one for one in listed}
    outcomes: dict[int, Outcome] = {}
    for place, one in family.items():
        part = parts.get(f"n{place}", {})
        status = part.get("httpStatusCode")
        if not isinstance(status, int) or not isinstance(graph.get("isSuccessful"), bool):
            outcomes[place] = verdict.uncertain("NO_RESULT", "the answer has no result for this record")
        elif 200 <= status < 300 and not graph["isSuccessful"]:
            outcomes[place] = verdict.rolled_back()
        else:
            outcomes[place] = verdict.of_reply(replace(reply, status=status, body=part.get("body")), one)
    return outcomes


def _dicts(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
