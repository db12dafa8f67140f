"""pysfpubsub (the vendor's Python sample as a package): sign-in by SOAP, topics, schemas, events, publishing.

It reads its trust roots when it is imported and registers its own copy of the vendor's definitions, so it
runs in a process of its own, as a user's program would.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conformance.place import Place

PROGRAM = Path(__file__).with_name("subscriber.py")


def run(place: Place, *words: str) -> Any:
    """What the program prints."""
    host, port = place.grpc.split(":")
    command = [sys.executable, str(PROGRAM), place.ca_file, place.http, place.username, place.password]
    done = subprocess.run(
        [*command, host, port, *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_topic_schema_and_events_over_tls(place: Place) -> None:
    told = run(place, "subscribe", "/data/AccountChangeEvent", "5")
    assert told["can_subscribe"] is True
    assert told["schema"] == "AccountChangeEvent"
    assert len(told["events"]) == 5
    assert {each["ChangeEventHeader"]["changeType"] for each in told["events"]} <= {"CREATE", "UPDATE"}
    assert told["replay_lengths"] == [10]


def test_a_topic_of_all_objects(place: Place) -> None:
    told = run(place, "subscribe", "/data/ChangeEvents", "40")
    assert told["schema"] == ""
    assert len({each["ChangeEventHeader"]["entityName"] for each in told["events"]}) > 1


def test_a_published_event_comes_back(place: Place) -> None:
    told = run(place, "publish", "/event/Erp_Notice__e")
    assert told["published"] == 10
    assert told["event"]["Document__c"] == "INV-1"
