"""The stand-in org of the measurements: customers with the fields of the contract, written by other users."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from agent.core.change import RawValue
from agent.core.objects import FieldType
from tests.benchmarks.contract import FIELDS, OBJECT, field_type, source_name
from tests.benchmarks.sandbox.load import request
from tests.benchmarks.sandbox.processes import Caller
from tests.benchmarks.workload import created, updated
from tests.salesforce.orgprocess import process

TOPIC = "/data/AccountChangeEvent"
#: Records in one call, which is one transaction.
SIZE = 200
ROOT = "/services/data/v62.0"
#: A text that only Salesforce writes: what is sent for a measurement of time names its number there.
STAMPED = source_name(1)
_TYPES = {FieldType.TEXT: "string", FieldType.DECIMAL: "double", FieldType.DATE: "date"}


class BusyOrg:
    """A running org and the ids of its customers. ``told`` is what it printed."""

    def __init__(self, told: dict[str, Any], caller: Caller, control: httpx2.Client) -> None:
        self.told = told
        self.metadata = caller.metadata
        self.token = caller.token
        self._control = control
        self.ids: list[str] = []
        self._edition = 0
        self._chance = random.Random(1)
        for number in range(FIELDS):
            kind = _TYPES.get(field_type(number), "boolean")
            self.control("POST", "fields", object=OBJECT, name=source_name(number), type=kind)

    def control(self, method: str, path: str, /, **body: Any) -> Any:
        """One call of the control endpoints."""
        answer = self._control.request(method, f"/_sandbox/{path}", json=body or None)
        return answer.raise_for_status().json()

    def newest(self) -> bytes:
        """The replay id of the newest change of a customer; the beginning where there is none."""
        return bytes.fromhex(self.control("GET", "stream")["newest"].get(TOPIC, ""))

    def create(self, count: int) -> None:
        """New customers, 200 to a transaction."""
        first = len(self.ids)
        for start in range(first, first + count, SIZE):
            some = range(start, min(start + SIZE, first + count))
            self._write("POST", [{"Name": f"Customer {n}", **plain(created(n, 1).fields)} for n in some])

    def update(self, count: int) -> None:
        """Changes of so many customers, 200 to a transaction; none twice while there are others."""
        left = count
        while left:
            self._edition += 1
            some = self._chance.sample(range(len(self.ids)), min(left, len(self.ids)))
            for start in range(0, len(some), SIZE):
                self._write("PATCH", [self._updated(record) for record in some[start : start + SIZE]])
            left -= len(some)

    def update_alone(self, count: int) -> None:
        """Changes of so many customers, each a transaction of its own."""
        self._edition += 1
        for number in range(count):
            record = self._updated(number % len(self.ids))
            identifier = record.pop("Id")
            self._control.patch(f"{ROOT}/sobjects/{OBJECT}/{identifier}", json=record).raise_for_status()

    def stamp(self, number: int) -> None:
        """One change that names a number."""
        path = f"{ROOT}/sobjects/{OBJECT}/{self.ids[number % len(self.ids)]}"
        self._control.patch(path, json={STAMPED: stamp(number)}).raise_for_status()

    def _updated(self, record: int) -> dict[str, Any]:
        return {"Id": self.ids[record], **plain(updated(record, 1, self._edition).fields)}

    def _write(self, method: str, records: Sequence[Mapping[str, Any]]) -> None:
        body = {"records": [{"attributes": {"type": OBJECT}, **each} for each in records]}
        answer = self._control.request(method, f"{ROOT}/composite/sobjects", json=body)
        done = answer.raise_for_status().json()
        assert all(one["success"] for one in done), done[0]
        if method == "POST":
            self.ids += [str(one["id"]) for one in done]


def stamp(number: int) -> str:
    """What names a number in a record."""
    return f"sent {number}"


def stamping(told: Mapping[str, Any]) -> Callable[[int], bytes]:
    """Makes requests that change one customer each and name their number. ``told``: token and ids."""

    def make(number: int) -> bytes:
        path = f"{ROOT}/sobjects/{OBJECT}/{told['ids'][number % len(told['ids'])]}"
        return request("PATCH", path, told["token"], json.dumps({STAMPED: stamp(number)}).encode())

    return make


def plain(fields: Mapping[str, RawValue]) -> dict[str, Any]:
    """Values as JSON has them."""
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: RawValue) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat() if isinstance(value, date) else value


@contextmanager
def busy_org(folder: Path) -> Iterator[BusyOrg]:
    """An org, in a process of its own, with TLS."""
    with process("--state-dir", str(folder)) as told:
        caller = Caller(told)
        headers = {"Authorization": f"Bearer {caller.token}"}
        try:
            with httpx2.Client(
                base_url=told["http"], trust_env=False, timeout=60, headers=headers
            ) as control:
                yield BusyOrg(told, caller, control)
        finally:
            caller.close()
