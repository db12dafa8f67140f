"""What came of the rows of an upload by Bulk API 1.0, in each of its formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

_SPACE = "{http://www.force.com/2009/06/asyncapi/dataload}"


@dataclass(frozen=True, slots=True)
class Written:
    """What came of one row of an upload."""

    id: str | None
    success: bool
    created: bool
    errors: tuple[str, ...]


def _csv(body: bytes) -> list[Written]:
    rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
    return [
        Written(
            row["Id"] or None, row["Success"] == "true", row["Created"] == "true", _errors([row["Error"]])
        )
        for row in rows
    ]


def _json(body: bytes) -> list[Written]:
    return [
        Written(
            one.get("id") or None,
            one.get("success") is True,
            one.get("created") is True,
            _errors([f"{each.get('statusCode')}:{each.get('message')}" for each in one.get("errors") or ()]),
        )
        for one in json.loads(body)
    ]


def _xml(body: bytes) -> list[Written]:
    return [
        Written(
            one.findtext(f"{_SPACE}id") or None,
            one.findtext(f"{_SPACE}success") == "true",
            one.findtext(f"{_SPACE}created") == "true",
            _errors(
                [
                    f"{each.findtext(f'{_SPACE}statusCode')}:{each.findtext(f'{_SPACE}message')}"
                    for each in one.findall(f"{_SPACE}errors")
                ]
            ),
        )
        for one in ElementTree.fromstring(body)  # noqa: S314 - of the org we log in to, over TLS
    ]


def _errors(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


READERS: Mapping[str, Callable[[bytes], list[Written]]] = {"CSV": _csv, "JSON": _json, "XML": _xml}
