"""Sizes that keep a file readable in one sitting: 500 lines a file, 60 lines and 6 parameters a function."""

import ast
from collections.abc import Iterator

from tests.architecture.source import Offence, Source

FILE_LINES = 500
FUNCTION_LINES = 60
PARAMETERS = 6
VAGUE_NAMES = frozenset({"utils", "util", "helper", "help" + "ers", "manager", "common", "misc"})
# A migration is one list of statements in their order: to cut it up would help nobody to read it.
STATEMENT_LISTS = "agent/store/migrations/versions/"

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def over_budget(source: Source) -> Iterator[Offence]:
    """Files and functions that are too long, functions with too many parameters, files with a vague name."""
    lines = source.text.count("\n")
    if lines > FILE_LINES:
        yield Offence(source.path, 1, f"{lines} lines, allowed are {FILE_LINES}")
    name = source.path.rsplit("/", 1)[-1].removesuffix(".py")
    if name in VAGUE_NAMES:
        yield Offence(source.path, 1, f"a file called {name} says nothing about what is in it")
    for node in ast.walk(source.tree()):
        if isinstance(node, _Function):
            yield from _function_over_budget(source.path, node)


def _function_over_budget(path: str, node: _Function) -> Iterator[Offence]:
    length = (node.end_lineno or node.lineno) - node.lineno + 1
    if length > FUNCTION_LINES and not path.startswith(STATEMENT_LISTS):
        yield Offence(path, node.lineno, f"{node.name} has {length} lines, allowed are {FUNCTION_LINES}")
    count = len(parameters(node))
    if count > PARAMETERS:
        yield Offence(path, node.lineno, f"{node.name} takes {count} parameters, allowed are {PARAMETERS}")


def parameters(node: _Function) -> list[str]:
    """The names of a function's parameters, the object or class it is called on not among them."""
    arguments = node.args
    named = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    starred = [argument.arg for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    if named[:1] in (["self"], ["cls"]):
        named = named[1:]
    return named + starred
