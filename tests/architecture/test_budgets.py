"""Files and functions stay within their budgets."""

import ast

import pytest

from tests.architecture.budgets import over_budget, parameters
from tests.architecture.source import CODE, Source, listed, python_sources


def test_every_file_and_function_is_within_its_budget() -> None:
    offences = [offence for source in python_sources(*CODE, ".setup") for offence in over_budget(source)]
    assert not listed(offences)


def _function(lines: int) -> str:
    return "def f() -> None:\n" + "    pass\n" * (lines - 1)


@pytest.mark.parametrize(
    ("path", "text", "fault"),
    [
        ("agent/long.py", "x = 1\n" * 501, "501 lines"),
        ("agent/flow/step.py", _function(61), "f has 61 lines"),
        ("agent/a.py", "class C:\n    async def f(self, a, b, c, d, *, e, f, g): ...\n", "7 parameters"),
        ("agent/a.py", "def f(a, b, c, d, e, *f, **g): ...\n", "7 parameters"),
        ("adapters/odbc/utils.py", "", "says nothing"),
    ],
)
def test_an_offender_is_caught(path: str, text: str, fault: str) -> None:
    assert fault in listed(over_budget(Source(path, text)))


def test_what_is_just_within_the_budget_passes() -> None:
    text = _function(60) + "class C:\n    def f(self, a, b, c, d, e, f): ...\n"
    assert not listed(over_budget(Source("agent/a.py", text + "\n" * (500 - text.count("\n")))))


def test_a_migration_may_be_one_long_list_of_statements_but_no_long_file() -> None:
    path = "agent/store/migrations/versions/0001_first_schema.py"
    assert not listed(over_budget(Source(path, _function(300))))
    assert listed(over_budget(Source(path, _function(501))))


def test_the_object_of_a_method_is_no_parameter() -> None:
    method = ast.parse("def f(self, a): ...").body[0]
    assert isinstance(method, ast.FunctionDef)
    assert parameters(method) == ["a"]
