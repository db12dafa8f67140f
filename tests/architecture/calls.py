"""Calls and imports that a part of the code must not make: clocks and chance in the core, sleeps in tests,
drivers at the top of a module, databases outside the store."""

import ast
from collections.abc import Iterable, Iterator

from tests.architecture.source import Offence, Source

CLOCKS_AND_CHANCE = (
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "random",
    "secrets",
    "time",
    "uuid.uuid1",
    "uuid.uuid4",
)
SLEEPS = ("anyio.sleep", "asyncio.sleep", "time.sleep")
STORE_DRIVERS = frozenset({"aiosqlite", "alembic", "sqlalchemy", "sqlite3", "sqlmodel"})


def imported_names(tree: ast.Module) -> dict[str, str]:
    """Local name → dotted origin, for every import of the module wherever it stands."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.partition(".")[0]
                names[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def origin(node: ast.expr, names: dict[str, str]) -> str | None:
    """The dotted origin of a name or attribute chain, such as `datetime.datetime.now`; None for all else."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        base = origin(node.value, names)
        return f"{base}.{node.attr}" if base else None
    return None


def calls(source: Source, forbidden: Iterable[str]) -> Iterator[Offence]:
    """Uses of the forbidden names or of what is below them, called or passed on, under any local name."""
    tree = source.tree()
    names = imported_names(tree)
    wanted = tuple(forbidden)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            found = origin(node, names)
            if found and any(found == name or found.startswith(f"{name}.") for name in wanted):
                yield Offence(source.path, node.lineno, f"uses {found}")


def blind_sleeps(source: Source) -> Iterator[Offence]:
    """Sleeps that do not poll: outside a loop, or in one that no condition ends. `sleep(0)` only yields."""
    tree = source.tree()
    names = imported_names(tree)
    polling = {id(node) for loop in ast.walk(tree) if _polls(loop) for node in ast.walk(loop)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or origin(node.func, names) not in SLEEPS:
            continue
        only_yields = bool(node.args) and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        if id(node) not in polling and not only_yields:
            yield Offence(source.path, node.lineno, "sleeps instead of waiting for a condition")


def _polls(node: ast.AST) -> bool:
    """Tell whether a loop ends by a condition: its own test, or a return, break or raise under an `if`."""
    if isinstance(node, ast.While) and not isinstance(node.test, ast.Constant):
        return True
    if not isinstance(node, ast.While | ast.For | ast.AsyncFor):
        return False
    leaves = ast.Return | ast.Break
    branches = [branch for branch in ast.walk(node) if isinstance(branch, ast.If)]
    return any(isinstance(inner, leaves) for branch in branches for inner in ast.walk(branch))


def eager_imports(source: Source, module: str) -> Iterator[Offence]:
    """Imports of a module that run when the file itself is imported, so that its absence takes all down."""
    for node in _run_at_import(source.tree()):
        for found in _modules(node):
            if found.partition(".")[0] == module:
                yield Offence(source.path, node.lineno, f"imports {module} at the top, not where it is used")


def _run_at_import(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not _runs_later(child):
            yield from _run_at_import(child)


def _runs_later(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.dump(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if node.module and not node.level else []


def imports(source: Source, modules: Iterable[str]) -> Iterator[Offence]:
    """Imports of the modules anywhere in the file."""
    wanted = frozenset(modules)
    for node in ast.walk(source.tree()):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for found in _modules(node):
                if found.partition(".")[0] in wanted:
                    yield Offence(source.path, node.lineno, f"imports {found}")
