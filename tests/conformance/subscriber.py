"""A user's program on pysfpubsub: prints what it was told as JSON.

Arguments: CA-FILE URL USER PASSWORD GRPC-HOST GRPC-PORT subscribe TOPIC COUNT | publish TOPIC
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from typing import Any

import certifi


class _Enough(Exception):
    """As many events as were wanted."""


def main(arguments: list[str]) -> None:
    """Runs one command."""
    ca_file, url, username, password, host, port, verb, topic, *rest = arguments
    certifi.where = lambda: ca_file
    from pysfpubsub import Client

    client = Client(url, username, password, host, int(port))
    client.auth()
    told = subscribe(client, topic, int(rest[0])) if verb == "subscribe" else publish(client, topic)
    print(json.dumps(told))


def subscribe(client: Any, topic: str, count: int) -> dict[str, Any]:
    """The first events of a topic, decoded."""
    info = client.get_topic(topic)
    events: list[dict[str, Any]] = []
    lengths: set[int] = set()

    def take(response: Any, client: Any) -> None:
        for each in response.events:
            events.append(client.decode(client.get_schema_json(each.event.schema_id), each.event.payload))
        lengths.add(len(response.latest_replay_id))
        if len(events) >= count:
            raise _Enough
        client.release_subscription_semaphore()

    with contextlib.suppress(_Enough):
        client.subscribe(topic, "EARLIEST", b"", count, take)
    schema = json.loads(client.get_schema_json(info.schema_id))["name"] if info.schema_id else ""
    return {
        "can_subscribe": info.can_subscribe,
        "schema": schema,
        "events": events[:count],
        "replay_lengths": sorted(lengths),
    }


def publish(client: Any, topic: str) -> dict[str, Any]:
    """Publishes one event and reads it back."""
    schema_id = client.get_topic(topic).schema_id
    schema = client.get_schema_json(schema_id)
    body = {
        "CreatedDate": int(time.time() * 1000),
        "CreatedById": "0055g000001D000AAA",
        "Document__c": "INV-1",
        "Severity__c": 2.0,
        "Message__c": None,
    }
    answer = client.publish(topic, [client.format_payload(schema, schema_id, body)])
    told = subscribe(client, topic, 1)
    return {"published": len(answer.results[0].replay_id), "event": told["events"][0]}


if __name__ == "__main__":
    main(sys.argv[1:])
