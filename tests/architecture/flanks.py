"""Places where a crash matters without a failpoint: commits, renames, removals, sends, acknowledgements.

A failpoint is before such a call when every way to the call passes it, and after it when it is passed once
the call has succeeded: one in another branch, in a handler or in a nested function does not count.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.architecture.calls import imported_names, origin
from tests.architecture.source import Offence, Source

Function = ast.FunctionDef | ast.AsyncFunctionDef
HIT = "agent.failpoints.hit"
RENAMES = ("os.link", "os.rename", "os.renames", "os.replace", "shutil.move")
REMOVALS = ("os.remove", "os.rmdir", "os.unlink", "shutil.rmtree")
VERBS = ("delete", "patch", "post", "put", "request", "send")
#: What objects are called through which requests leave the process.
LINKS = ("client", "http", "link", "open")


@dataclass(frozen=True)
class Effect:
    """A call that changes what a restart finds; ``flanked``: whether failpoints stand on both sides."""

    source: Source
    function: str
    what: str
    text: str
    line: int
    flanked: bool

    @property
    def key(self) -> str:
        """Names it where it is excused: path, function and call; no line, to outlive changes around it."""
        return f"{self.source.path} {self.function}: {self.text}"


def unflanked(found: Iterable[Effect], allowed: Mapping[str, str]) -> Iterator[Offence]:
    """Effects without failpoints before and after them, and reasons given for what is not there any more."""
    bare = [effect for effect in found if not effect.flanked]
    for effect in bare:
        if effect.key not in allowed:
            fault = f"{effect.what} without a failpoint before and after it ({effect.key})"
            yield Offence(effect.source.path, effect.line, fault)
    for key in allowed.keys() - {effect.key for effect in bare}:
        yield Offence(key.partition(" ")[0], 1, f"is excused for nothing: {key}")


def effects(sources: Iterable[Source]) -> Iterator[Effect]:
    """Every commit, rename, removal, send and acknowledgement.

    A module's function that does so with what it is given, and passes no failpoint, is itself one wherever
    it is called.
    """
    all_ = list(sources)
    movers = {f"{source.module}.{name}" for source in all_ for name in _movers(source)}
    for source in all_:
        tree, names = source.tree(), imported_names(source.tree())
        for function, node, around in _walk(tree):
            if f"{source.module}.{function}" in movers:
                continue
            what = _effect(node, names) or _moves(node, names, source.module, movers)
            if what and isinstance(node, ast.expr):
                text = ast.unparse(node.func if isinstance(node, ast.Call) else node)
                hits = {HIT, *_passers(tree, names)}
                yield Effect(source, function, what, text, node.lineno, _flanked(around, names, hits))


def unlabelled(sources: Iterable[Source]) -> Iterator[Offence]:
    """Transactions of the store and units of work without a label: nothing could stop at their commit."""
    for source in sources:
        for call in _calls(source.tree()):
            method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if method == "transaction" and not call.args:
                yield Offence(source.path, call.lineno, "a transaction without a label")
            elif method in ("work", "write") and len(call.args) >= 2 and not _label(call.args[0]):
                yield Offence(source.path, call.lineno, "a unit of work without a label")


def declared(sources: Iterable[Source]) -> Iterator[str]:
    """The failpoints that the sources name: by ``hit``, and both sides of the commit of every label."""
    for source in sources:
        names = imported_names(source.tree())
        for call in _calls(source.tree()):
            first = call.args[0] if call.args else None
            if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
                continue
            method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if origin(call.func, names) == HIT:
                yield first.value
            elif method == "transaction" or (method in ("work", "write") and len(call.args) >= 2):
                yield from (f"{first.value}.before_commit", f"{first.value}.after_commit")


def _label(node: ast.expr) -> bool:
    return not isinstance(node, ast.Constant) or (isinstance(node.value, str) and bool(node.value))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


# --- what a call does


def _effect(node: ast.AST, names: dict[str, str]) -> str | None:
    if isinstance(node, ast.Attribute) and _last(node.value).endswith("stub"):
        return "a call by gRPC"
    if not isinstance(node, ast.Call):
        return None
    known = origin(node.func, names)
    if known in RENAMES or known in REMOVALS:
        return "a rename" if known in RENAMES else "a removal"
    if not isinstance(node.func, ast.Attribute) or (known or "").startswith("dataclasses."):
        return None
    return _method(node, node.func.attr, _last(node.func.value))


def _method(call: ast.Call, method: str, receiver: str) -> str | None:
    alone = len(call.args) == 1 and not call.keywords  # a string is replaced by two, a datetime by names
    match method:
        case "commit" if not call.args:
            return "a commit"
        case "execute" if call.args and _text(call.args[0]).upper().startswith("COMMIT"):
            return "a commit"
        case "rename" | "replace" | "hardlink_to" if alone:
            return "a rename"
        case "unlink" | "rmdir":
            return "a removal"
        case "apply" if receiver == "target":
            return "a send"
        case "ack" if call.args:
            return "an acknowledgement"
        case _ if method in VERBS and len(call.args) >= 2 and receiver.endswith(LINKS):
            return "a call by HTTP"
    return None


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _last(node: ast.expr) -> str:
    """The last name of a chain: of ``self._system.target`` and of ``self.target()`` it is ``target``."""
    if isinstance(node, ast.Call):
        return _last(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _moves(node: ast.AST, names: dict[str, str], module: str, movers: set[str]) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    local = f"{module}.{node.func.id}" if isinstance(node.func, ast.Name) else None
    return "a rename" if movers & {origin(node.func, names), local} else None


def _movers(source: Source) -> Iterator[str]:
    """Module-level functions that rename or remove what they are given, and pass no failpoint themselves."""
    names = imported_names(source.tree())
    for node in source.tree().body:
        if not isinstance(node, Function):
            continue
        calls = list(_calls(node))
        given = {argument.arg for argument in node.args.args}
        own = [
            call
            for call in calls
            if isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") in given
        ]
        moving = any(_effect(call, names) in ("a rename", "a removal") for call in own)
        if moving and not any(origin(call.func, names) == HIT for call in calls):
            yield node.name


# --- where it stands

#: The statements before and behind the one that holds a node, for each block from the function inwards.
Around = tuple[tuple[list[ast.stmt], list[ast.stmt]], ...]


def _walk(tree: ast.Module) -> Iterator[tuple[str, ast.AST, Around]]:
    """Every expression with the innermost function that it stands in, and what stands around it there."""
    yield from _block("<module>", tree.body, ())


def _block(function: str, body: list[ast.stmt], around: Around) -> Iterator[tuple[str, ast.AST, Around]]:
    for at, statement in enumerate(body):
        here: Around = (*around, (body[:at], body[at + 1 :]))
        if isinstance(statement, Function):
            yield from _block(statement.name, statement.body, ())
            continue
        for name, value in ast.iter_fields(statement):
            yield from _field(function, statement, name, value, here)


def _field(
    function: str, statement: ast.stmt, name: str, value: object, here: Around
) -> Iterator[tuple[str, ast.AST, Around]]:
    if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
        if isinstance(statement, ast.Try) and name == "body":
            here = (*here, ([], [*statement.orelse, *statement.finalbody]))
        yield from _block(function, value, here)
        return
    for node in value if isinstance(value, list) else [value]:
        if isinstance(node, ast.ExceptHandler | ast.match_case):
            yield from _block(function, node.body, here)
        elif isinstance(node, ast.AST):
            yield from ((function, inner, here) for inner in ast.walk(node))


def _passers(tree: ast.Module, names: dict[str, str]) -> Iterator[str]:
    """Functions of the module that pass the failpoints whose names they are given, and do nothing else."""
    for node in tree.body:
        if isinstance(node, Function):
            calls = [origin(call.func, names) for call in _calls(node)]
            if calls and set(calls) == {HIT}:
                yield node.name


def _flanked(around: Around, names: dict[str, str], hits: set[str]) -> bool:
    local = {**names, **{name: name for name in hits}}
    before = any(_hits(statement, local, hits) for earlier, _ in around for statement in earlier)
    return before and any(_hits(statement, local, hits) for _, later in around for statement in later)


def _hits(statement: ast.stmt, names: dict[str, str], hits: set[str]) -> bool:
    """Whether a failpoint is passed whenever the statement is done."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return origin(statement.value.func, names) in hits
    if isinstance(statement, ast.With | ast.AsyncWith | ast.Try):
        inner = [*statement.body, *(statement.finalbody if isinstance(statement, ast.Try) else ())]
        return any(_hits(each, names, hits) for each in inner)
    return False
