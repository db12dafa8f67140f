"""Publishing platform events: each event of a request is taken or refused on its own."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Iterator

import fastavro
import grpc

from adapters.salesforce import pubsub_api_pb2 as pb
from adapters.sandbox.salesforce.cdc.channels import Topic
from adapters.sandbox.salesforce.cdc.stream import Draft
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.pubsub.refusals import BadRequest, invalid, unknown_topic

MOST_EVENT_BYTES = 1_000_000


def publish(org: Org, request: pb.PublishRequest, rpc_id: str) -> pb.PublishResponse:
    """Publishes the events of one request. Raises BadRequest for a topic that cannot be published to."""
    topic = org.topic(request.topic_name)
    if topic is None:
        raise unknown_topic(org, request.topic_name)
    if not topic.publishable:
        raise BadRequest(
            grpc.StatusCode.PERMISSION_DENIED,
            "publish.topic.not.publishable",
            f"Events can't be published to {topic.name}.",
        )
    if not request.events:
        raise invalid("publish.request.events.empty", "The request holds no events.")
    return pb.PublishResponse(
        results=list(_results(org, topic, request.events)),
        schema_id=org.schema_of(_source(topic)).id,
        rpc_id=rpc_id,
    )


def _results(org: Org, topic: Topic, events: Iterable[pb.ProducerEvent]) -> Iterator[pb.PublishResult]:
    for event in events:
        problem = _problem(org, topic, event)
        if problem:
            error = pb.Error(code=pb.PUBLISH, msg=problem)
            yield pb.PublishResult(error=error, correlation_key=event.id)
            continue
        draft = Draft(_source(topic), _event_id(event.id), event.schema_id, event.payload)
        yield pb.PublishResult(replay_id=org.stream.publish(draft), correlation_key=event.id)


def _source(topic: Topic) -> str:
    return next(iter(topic.members))


def _event_id(given: str) -> str:
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return str(uuid.uuid4())


def _problem(org: Org, topic: Topic, event: pb.ProducerEvent) -> str:
    """Why an event cannot be taken; blank when it can."""
    schema = org.schemas.get(event.schema_id)
    if schema is None or schema.source != _source(topic):
        return f"The schema with ID {event.schema_id} is not a schema of {topic.name}"
    if len(event.payload) > MOST_EVENT_BYTES:
        return f"The event is longer than {MOST_EVENT_BYTES} bytes"
    stream = io.BytesIO(event.payload)
    try:
        body = fastavro.schemaless_reader(stream, schema.parsed, None)
    except (EOFError, ValueError, IndexError, OverflowError, MemoryError, TypeError, KeyError) as error:
        return f"The payload does not decode under its schema: {type(error).__name__}"
    if stream.read(1) or not isinstance(body, dict):
        return "The payload is longer than its schema says"
    required = [field.name for field in org.notices[schema.source].fields if field.required]
    missing = [name for name in required if body.get(name) is None]
    return f"Required fields are missing: [{', '.join(missing)}]" if missing else ""
