"""Places where a crash matters and no failpoint stands: renames, sends, and commits without a label."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from tests.architecture.calls import imported_names, origin
from tests.architecture.source import Offence, Source

Function = ast.FunctionDef | ast.AsyncFunctionDef


def unflanked(sources: Iterable[Source]) -> Iterator[Offence]:
    """Renames and sends without a failpoint before and after them in the same function.

    A function that only renames for others is itself taken as a rename wherever it is called.
    """
    all_ = list(sources)
    movers = {f"{source.module}.{name}" for source in all_ for name in _movers(source)}
    for source in all_:
        names = imported_names(source.tree())
        for function in _functions(source.tree()):
            if f"{source.module}.{function.name}" in movers:
                continue
            hits = [c.lineno for c in _calls(function) if origin(c.func, names) == "agent.failpoints.hit"]
            for call in _calls(function):
                what = _renames(call, names) or _sends(call) or _moves(call, names, source.module, movers)
                if what and not _between(call.lineno, hits):
                    yield Offence(source.path, call.lineno, f"{what} without a failpoint before and after it")


def unlabelled(sources: Iterable[Source]) -> Iterator[Offence]:
    """Transactions of the store and units of work without a label: nothing could stop at their commit."""
    for source in sources:
        for call in _calls(source.tree()):
            method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if method == "transaction" and not call.args:
                yield Offence(source.path, call.lineno, "a transaction without a label")
            elif method in ("work", "write") and _is_unit(call) and not _label(call.args[0]):
                yield Offence(source.path, call.lineno, "a unit of work without a label")


def _is_unit(call: ast.Call) -> bool:
    """``engine.work(label, unit)`` and ``writes.write(label, unit)``; no file or stream is written to so."""
    return len(call.args) >= 2


def _label(node: ast.expr) -> bool:
    return not isinstance(node, ast.Constant) or (isinstance(node.value, str) and bool(node.value))


def _functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _between(line: int, hits: list[int]) -> bool:
    return any(hit < line for hit in hits) and any(hit > line for hit in hits)


def _renames(call: ast.Call, names: dict[str, str]) -> str | None:
    if origin(call.func, names) in ("os.rename", "os.replace", "shutil.move"):
        return "a rename"
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in ("rename", "replace"):
        return None
    known = origin(call.func, names)
    alone = len(call.args) == 1 and not call.keywords  # a string is replaced by two, a datetime by names
    return "a rename" if alone and (known is None or not known.startswith("dataclasses.")) else None


def _sends(call: ast.Call) -> str | None:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != "apply":
        return None
    receiver = function.value
    name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
    return "a send" if name == "target" else None


def _moves(call: ast.Call, names: dict[str, str], module: str, movers: set[str]) -> str | None:
    local = f"{module}.{call.func.id}" if isinstance(call.func, ast.Name) else None
    return "a rename" if movers & {origin(call.func, names), local} else None


def _movers(source: Source) -> Iterator[str]:
    """Module-level functions that rename what they are given, and pass no failpoint themselves."""
    names = imported_names(source.tree())
    for node in source.tree().body:
        if not isinstance(node, Function):
            continue
        calls = list(_calls(node))
        hit = any(origin(c.func, names) == "agent.failpoints.hit" for c in calls)
        given = {argument.arg for argument in node.args.args}
        for call in calls:
            own = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") in given
            if not hit and own and _renames(call, names):
                yield node.name
