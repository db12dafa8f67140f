"""One stream's events as items: which are wanted, and what is said about those that nobody understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import structlog

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.salesforce.stream import avro
from adapters.salesforce.stream.channel import Channel
from adapters.salesforce.stream.event import EventReader, keys_in, undecodable
from adapters.salesforce.stream.pubsub import PubSub
from adapters.salesforce.stream.transaction import Item
from agent.core.change import Change, ChangeKind
from agent.core.objects import ObjectSpec

_log = structlog.get_logger(__name__)


class Feed:
    """Reads the events of one channel. Each names its schema and its object; a channel may carry several."""

    def __init__(self, channel: Channel, specs: Sequence[ObjectSpec]) -> None:
        self.channel = channel
        self._readers = {spec.name: EventReader(spec, channel.topic) for spec in specs}

    async def asked(self, pubsub: PubSub, consumed: pb.ConsumerEvent, size: int) -> Item:
        """An event whose schema has to be asked for. Raises Unreachable, Refused."""
        try:
            schema = await pubsub.schema(consumed.event.schema_id, self.channel.topic)
        except avro.Undecodable as error:
            return Item(consumed.replay_id, size, None, self._lost(consumed, str(error)))
        return self.item(schema, consumed, size)

    def item(self, schema: avro.EventSchema, consumed: pb.ConsumerEvent, size: int) -> Item:
        """An event as what is to be taken from it; what cannot be understood is said so."""
        payload = consumed.event.payload
        try:
            header, rest = avro.opened(schema, payload)
        except avro.Undecodable as error:
            changes = self._damaged(schema, consumed, str(error))
            return Item(consumed.replay_id, size, None, changes)
        reader = self._readers.get(header.entity)
        if reader is None:
            changes = () if self.channel.several else self._foreign(consumed, header.entity)
            return Item(consumed.replay_id, size, header.transaction, changes)
        try:
            decoded = reader.change(schema, payload, header, rest)
        except (avro.Undecodable, ValueError, KeyError, TypeError, OverflowError) as error:
            change = undecodable(self.channel.topic, header.entity, consumed, str(error), keys_in(header))
            return Item(consumed.replay_id, size, header.transaction, (change,))
        if decoded.warning:
            _log.warning(
                decoded.warning,
                action="salesforce.event.odd",
                topic=self.channel.topic,
                schema=schema.schema_id,
            )
        return Item(consumed.replay_id, size, header.transaction, (decoded.change,))

    def _damaged(self, schema: avro.EventSchema, consumed: pb.ConsumerEvent, why: str) -> tuple[Change, ...]:
        """An event whose header cannot be read: its schema is called after its object."""
        if schema.entity in self._readers:
            return (undecodable(self.channel.topic, schema.entity, consumed, why, ()),)
        return () if self.channel.several else self._foreign(consumed, schema.entity)

    def _foreign(self, consumed: pb.ConsumerEvent, entity: str) -> tuple[Change, ...]:
        return self._lost(consumed, f"an event of {entity} on {self.channel.topic}")

    def _lost(self, consumed: pb.ConsumerEvent, why: str) -> tuple[Change, ...]:
        """An event of which not even the object is known: it may be about any of the channel's."""
        first, *others = self.channel.objects
        told = undecodable(self.channel.topic, first, consumed, why, ())
        return (
            told,
            *(
                replace(
                    told,
                    source_id=f"{told.source_id}:{name}",
                    kind=ChangeKind.OVERFLOW,
                    object=name,
                    raw=b"",
                )
                for name in others
            ),
        )
