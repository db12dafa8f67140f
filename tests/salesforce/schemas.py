"""Avro schemas and values of every kind, for tests that compare decoders."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import fastavro
from hypothesis import strategies as st

_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_TEXTS = st.text(max_size=12) | st.text(min_size=60, max_size=80)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=80),
    "string": _TEXTS,
}


class _Names:
    """Names for named types: new ones, and those that a schema has already."""

    def __init__(self) -> None:
        self.count = 0
        self.known: list[dict[str, Any]] = []

    def new(self) -> str:
        self.count += 1
        return f"T{self.count}"


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], dict[str, Any], set[str]]:
    """Fields of a record, a value of each, and the names of some."""
    names = _Names()
    fields: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    for number in range(draw(st.integers(0, 30))):
        declared = draw(_field_types(names))
        fields.append({"name": f"field{number}", "type": declared})
        values[f"field{number}"] = draw(_values(declared, names))
    wanted = draw(st.sets(st.sampled_from([one["name"] for one in fields]))) if fields else set()
    return fields, values, wanted


def encode(schema: Any, value: Any) -> bytes:
    """A value as raw Avro binary."""
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema, named_schemas={}), value)
    return stream.getvalue()


def _field_types(names: _Names) -> st.SearchStrategy[Any]:
    """Mostly nullable ones, as change events have them."""
    nullable = _types(names, 2).filter(lambda one: not _is_null(one) and not isinstance(one, list))
    return st.one_of(
        st.sampled_from(_PRIMITIVES[1:]).map(lambda one: ["null", one]),
        nullable.map(lambda one: ["null", one]),
        _types(names, 3),
    )


def _is_null(declared: Any) -> bool:
    return declared in ("null", {"type": "null"})


@st.composite
def _types(draw: st.DrawFn, names: _Names, depth: int) -> Any:
    kinds = ["primitive"] * 3 + ["enum", "fixed"] + ["known"] * bool(names.known)
    if depth:
        kinds += ["array", "map", "record", "union"]
    match draw(st.sampled_from(kinds)):
        case "primitive":
            plain = draw(st.sampled_from(_PRIMITIVES))
            return plain if draw(st.booleans()) else {"type": plain}
        case "enum":
            return _kept(names, {"type": "enum", "name": names.new(), "symbols": ["A", "B", "C"]})
        case "fixed":
            return _kept(names, {"type": "fixed", "name": names.new(), "size": draw(st.integers(1, 9))})
        case "known":
            return draw(st.sampled_from(names.known))["name"]
        case "array":
            return {"type": "array", "items": draw(_types(names, depth - 1))}
        case "map":
            return {"type": "map", "values": draw(_types(names, depth - 1))}
        case "record":
            name = names.new()
            inner = [
                {"name": f"child{number}", "type": draw(_types(names, depth - 1))}
                for number in range(draw(st.integers(0, 4)))
            ]
            return _kept(names, {"type": "record", "name": name, "fields": inner})
        case _:
            return draw(st.lists(st.sampled_from(_PRIMITIVES), min_size=1, max_size=5, unique=True).map(list))


def _kept(names: _Names, declared: dict[str, Any]) -> dict[str, Any]:
    names.known.append(declared)
    return declared


def _values(declared: Any, names: _Names) -> st.SearchStrategy[Any]:
    if isinstance(declared, list):
        return st.one_of([_values(branch, names).map(partial(_branch, branch)) for branch in declared])
    if isinstance(declared, str):
        known = {one["name"]: one for one in names.known}
        return _values(known[declared], names) if declared in known else _VALUES[declared]
    match declared["type"]:
        case "enum":
            return st.sampled_from(declared["symbols"])
        case "fixed":
            return st.binary(min_size=declared["size"], max_size=declared["size"])
        case "array":
            return st.lists(_values(declared["items"], names), max_size=3)
        case "map":
            return st.dictionaries(_TEXTS, _values(declared["values"], names), max_size=3)
        case "record":
            return st.fixed_dictionaries({f["name"]: _values(f["type"], names) for f in declared["fields"]})
        case plain:
            return _VALUES[plain]


def _branch(branch: Any, value: Any) -> Any:
    """A value of a union that says which type it is of, where that is not plain."""
    if isinstance(branch, dict) and "name" in branch:
        return (branch["name"], value)
    return (branch, value) if isinstance(branch, str) and value is not None else value
