"""Decoding functions made for one schema: Python source that is written from it and compiled once.

A change event is a header and then dozens of nullable fields, nearly all of them null. A general decoder
walks the schema for each of them; a function that was written for the schema tests one byte, or one run of
zero bytes for many at once, and decodes no field that nobody asked for (Apache Avro 1.12, "Binary Encoding").

Nothing of a schema's text gets into the source: names and symbols are constants beside it. What a schema may
hold beyond this is Unsupported, and what a function does not understand is an error of any kind: both are for
a general decoder to judge.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

#: Fields that one test passes over while all of them are null, and groups of such groups.
GROUP = 8
_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

Reader = Callable[[bytes, int], tuple[Any, int]]
Skipper = Callable[[bytes, int], int]
Body = Callable[[bytes, int], dict[str, Any]]


class Unsupported(Exception):
    """The schema holds something that no function is written for."""


class Odd(Exception):
    """The bytes are not those that the functions were written for."""


class Writer:
    """Writes functions for the types of one schema, with the named types that they share."""

    def __init__(self, schema: Any) -> None:
        self._named: dict[str, Any] = {}
        self._made: dict[tuple[str, bool], str] = {}
        self._space: dict[str, Any] = {
            "Odd": Odd,
            "number": number,
            "length": length,
            "double": struct.Struct("<d").unpack_from,
            "single": struct.Struct("<f").unpack_from,
        }
        self._collect(schema)

    def body(self, fields: Sequence[Mapping[str, Any]], wanted: Collection[str]) -> Body:
        """A function that reads these fields up to the end of the bytes: wanted name → value, nulls left out.

        It raises Odd where bytes are left over; cut or wrong ones raise anything.
        """
        code = _Code()
        code.line("def body(b, p):")
        code.depth += 1
        code.line("v = {}")
        group: list[Mapping[str, Any]] = []
        for field in [*fields, None]:
            if field is not None and _second_of_null(field["type"]) is not None:
                group.append(field)
                continue
            self._group(code, group, wanted)
            group = []
            if field is not None:
                self._field(code, field["type"], self._constant(field["name"], field["name"] in wanted))
        code.line("if p != len(b): raise Odd")
        code.line("return v")
        made: Body = self._compiled(code, "body")
        return made

    def reader(self, declared: Any) -> Reader:
        """A function that reads one value: (value, the place behind it)."""
        made: Reader = self._space[self._function(declared, reads=True)]
        return made

    def skipper(self, declared: Any) -> Skipper:
        """A function that passes over one value: the place behind it."""
        made: Skipper = self._space[self._function(declared, reads=False)]
        return made

    # --- fields of the body

    def _group(self, code: _Code, fields: Sequence[Mapping[str, Any]], wanted: Collection[str]) -> None:
        """Nullable fields: as many as are null together are passed over at once."""
        size = len(fields)
        step = GROUP
        while step * GROUP < size:
            step *= GROUP
        if size <= 2:
            for field in fields:
                name = self._constant(field["name"], field["name"] in wanted)
                self._nullable(code, _second_of_null(field["type"]), name)
            return
        for start in range(0, size, step):
            part = fields[start : start + step]
            code.line(f"if b.startswith({self._zeros(len(part))}, p): p += {len(part)}")
            code.line("else:")
            code.depth += 1
            if len(part) > GROUP:
                self._group(code, part, wanted)
            else:
                for field in part:
                    name = self._constant(field["name"], field["name"] in wanted)
                    self._nullable(code, _second_of_null(field["type"]), name)
            code.depth -= 1

    def _nullable(self, code: _Code, declared: Any, name: str | None) -> None:
        """One field of ["null", T]: a zero byte is null, a two is a value."""
        code.line("if b[p]:")
        code.depth += 1
        code.line("if b[p] != 2: raise Odd")
        code.line("p += 1")
        self._field(code, declared, name)
        code.depth -= 1
        code.line("else: p += 1")

    def _field(self, code: _Code, declared: Any, name: str | None) -> None:
        if name is None:
            self._skip(code, declared)
            return
        self._read(code, declared)
        code.line(f"if x is not None: v[{name}] = x")

    def _constant(self, value: Any, needed: bool = True) -> str | None:
        return self._keep(value) if needed else None

    def _zeros(self, count: int) -> str:
        name = f"z{count}"
        self._space[name] = bytes(count)
        return name

    def _keep(self, value: Any) -> str:
        name = f"k{len(self._space)}"
        self._space[name] = value
        return name

    # --- one value: `x` gets it, `p` moves behind it

    def _read(self, code: _Code, declared: Any) -> None:
        kind, inner = _kind(declared), _second_of_null(declared)
        if inner is not None:
            self._either(code, inner, self._read)
            code.line("else: p, x = p + 1, None")
        elif kind == "null":
            code.line("x = None")
        elif kind == "boolean":
            code.line("if b[p] > 1: raise Odd")
            code.line("x = b[p] == 1")
            code.line("p += 1")
        elif kind in ("int", "long"):
            code.line("n = b[p]")
            code.line("p += 1")
            code.line("if n > 127: n, p = number(b, p - 1)")
            code.line("x = (n >> 1) ^ -(n & 1)")
        elif kind in ("double", "float"):
            code.line(f"x, = {'double' if kind == 'double' else 'single'}(b, p)")
            code.line(f"p += {8 if kind == 'double' else 4}")
        elif kind in ("string", "bytes"):
            self._length(code)
            code.line("q = p + n")
            code.line("x = b[p:q].decode()" if kind == "string" else "x = b[p:q]")
            code.line("p = q")
        else:
            code.line(f"x, p = {self._function(declared, reads=True)}(b, p)")

    def _skip(self, code: _Code, declared: Any) -> None:
        kind, inner = _kind(declared), _second_of_null(declared)
        if inner is not None:
            self._either(code, inner, self._skip)
            code.line("else: p += 1")
        elif kind == "boolean":
            code.line("p += 1")
        elif kind in ("int", "long"):
            code.line("while b[p] > 127: p += 1")
            code.line("p += 1")
        elif kind in ("double", "float"):
            code.line(f"p += {8 if kind == 'double' else 4}")
        elif kind in ("string", "bytes"):
            self._length(code)
            code.line("p += n")
        elif kind != "null":
            code.line(f"p = {self._function(declared, reads=False)}(b, p)")

    @staticmethod
    def _either(code: _Code, inner: Any, one: Callable[[_Code, Any], None]) -> None:
        code.line("if b[p]:")
        code.depth += 1
        code.line("if b[p] != 2: raise Odd")
        code.line("p += 1")
        one(code, inner)
        code.depth -= 1

    @staticmethod
    def _length(code: _Code) -> None:
        """A length: one byte where it is short, even where it is not negative."""
        code.line("n = b[p]")
        code.line("if n & 129: n, p = length(b, p)")
        code.line("else:")
        code.line("    n >>= 1")
        code.line("    p += 1")

    # --- types that are made of others: a function each

    def _function(self, declared: Any, *, reads: bool) -> str:
        """The name of the function for a type; named types share theirs, and may hold themselves."""
        if isinstance(declared, str) and declared not in _PRIMITIVES:
            named = declared
        elif isinstance(declared, dict) and declared.get("name") in self._named:
            named = declared["name"]
        else:
            named = ""
        if (named, reads) in self._made:
            return self._made[named, reads]
        name = f"f{len(self._space)}"
        self._space[name] = None  # holds the place until it is compiled: it may call itself
        if named:
            self._made[named, reads] = name
            declared = self._named.get(named)
            if declared is None:
                raise Unsupported(f"no type {named}")
        self._compose(name, declared, reads)
        return name

    def _compose(self, name: str, declared: Any, reads: bool) -> None:
        code = _Code()
        code.line(f"def {name}(b, p):")
        code.depth += 1
        kind = _kind(declared)
        one = self._read if reads else self._skip
        if kind == "union":
            self._union(code, declared, one)
        elif kind == "record":
            self._record(code, declared, reads)
        elif kind in ("array", "map"):
            self._blocks(code, declared, reads)
        elif kind == "enum":
            self._enum(code, declared)
        elif kind == "fixed":
            code.line(f"x = b[p:p + {int(declared['size'])}]")
            code.line(f"p += {int(declared['size'])}")
        else:
            one(code, declared)
        code.line("return x, p" if reads else "return p")
        self._compiled(code, name)

    def _union(self, code: _Code, branches: Sequence[Any], one: Callable[[_Code, Any], None]) -> None:
        code.line("t = b[p]")
        code.line("p += 1")
        for place, branch in enumerate(branches):
            code.line(f"{'el' if place else ''}if t == {2 * place}:")
            code.depth += 1
            code.line("pass")
            one(code, branch)
            code.depth -= 1
        code.line("else: raise Odd")
        if len(branches) > 63:
            raise Unsupported("a union of more than 63 types")

    def _record(self, code: _Code, declared: Mapping[str, Any], reads: bool) -> None:
        if reads:
            code.line("v = {}")
        for field in declared["fields"]:
            if reads:
                self._read(code, field["type"])
                code.line(f"v[{self._keep(field['name'])}] = x")
            else:
                self._skip(code, field["type"])
        if reads:
            code.line("x = v")

    def _blocks(self, code: _Code, declared: Mapping[str, Any], reads: bool) -> None:
        """Arrays and maps come in blocks; a negative count stands before the block's size in bytes."""
        is_map = _kind(declared) == "map"
        if reads:
            code.line("v = {}" if is_map else "v = []")
        code.line("while True:")
        code.depth += 1
        code.line("n, p = number(b, p)")
        code.line("c = (n >> 1) ^ -(n & 1)")
        code.line("if not c: break")
        code.line("if c < 0:")
        code.line("    c = -c")
        code.line("    n, p = number(b, p)")
        code.line("if c > len(b): raise Odd")
        code.line("for _ in range(c):")
        code.depth += 1
        if is_map:
            (self._read if reads else self._skip)(code, "string")
            if reads:
                code.line("k = x")
        (self._read if reads else self._skip)(code, declared["values" if is_map else "items"])
        code.line("pass" if not reads else "v[k] = x" if is_map else "v.append(x)")
        code.depth -= 2
        if reads:
            code.line("x = v")

    def _enum(self, code: _Code, declared: Mapping[str, Any]) -> None:
        symbols = self._keep(tuple(declared["symbols"]))
        code.line("n, p = number(b, p)")
        code.line("if n & 1: raise Odd")
        code.line(f"x = {symbols}[n >> 1]")

    def _compiled(self, code: _Code, name: str) -> Any:
        exec(compile(code.text(), "<schema>", "exec"), self._space)  # noqa: S102 - written here, of numbers only
        return self._space[name]

    def _collect(self, declared: Any) -> None:
        """Every named type of the schema; names are whole ones here."""
        if isinstance(declared, list):
            for branch in declared:
                self._collect(branch)
        elif isinstance(declared, dict):
            if "logicalType" in declared:
                raise Unsupported("a logical type")
            if "name" in declared:
                self._named[declared["name"]] = declared
            for field in declared.get("fields", ()):
                self._collect(field["type"])
            for inner in ("items", "values"):
                if inner in declared:
                    self._collect(declared[inner])
            if isinstance(declared.get("type"), dict | list):
                self._collect(declared["type"])


class _Code:
    """Lines of source."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.depth = 0

    def line(self, text: str) -> None:
        self._lines.append("    " * self.depth + text)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def _kind(declared: Any) -> str:
    """What a type is: a primitive's name, ``union``, ``record`` and so on, or ``named`` for a reference."""
    if isinstance(declared, list):
        return "union"
    if isinstance(declared, str):
        return declared if declared in _PRIMITIVES else "named"
    kind = declared.get("type")
    if isinstance(kind, str) and (kind in _PRIMITIVES or kind in ("record", "enum", "array", "map", "fixed")):
        return kind
    raise Unsupported(f"a type {kind!r}")


def _second_of_null(declared: Any) -> Any:
    """T of ["null", T]; None for any other type."""
    if isinstance(declared, list) and len(declared) == 2 and declared[0] == "null":
        return declared[1]
    return None


def number(b: bytes, p: int) -> tuple[int, int]:
    """A variable-length number as it is written, zigzag; and the place behind it."""
    n = b[p]
    p += 1
    if n < 128:
        return n, p
    n &= 127
    shift = 7
    while True:
        more = b[p]
        p += 1
        if more < 128:
            n |= more << shift
            if n >> 64:
                raise Odd
            return n, p
        n |= (more & 127) << shift
        shift += 7
        if shift > 63:
            raise Odd


def length(b: bytes, p: int) -> tuple[int, int]:
    """A length, which is not negative; and the place behind it."""
    n, p = number(b, p)
    if n & 1:
        raise Odd
    return n >> 1, p
