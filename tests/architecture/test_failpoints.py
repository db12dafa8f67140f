"""A failpoint stands on both sides of every commit, rename, removal, send and acknowledgement."""

from functools import cache

import pytest

from tests.architecture.flanks import declared, effects, unflanked, unlabelled
from tests.architecture.source import Source, listed, python_sources

#: Calls that stand bare, and why a crash beside them needs no test of its own.
EXCUSED = {
    "adapters/odbc/journal.py run_script: session.commit": "a person's command, repeatable as a whole",
    "adapters/odbc/session.py __init__: self.commit": "ends the settings of a connection",
    "adapters/odbc/session.py commit: self._connection.commit": "its callers pass failpoints or stand here",
    "adapters/salesforce/connection/auth.py _ask: self._link.send": "the link passes failpoints itself",
    "adapters/salesforce/stream/pubsub.py subscribe: self._stub.Subscribe": "the agent keeps the position",
    "adapters/salesforce/stream/pubsub.py managed: self._stub.ManagedSubscribe": "the agent keeps it too",
    "adapters/salesforce/check/reach.py versions: self._link.send": "the link passes failpoints itself",
    "adapters/salesforce/connection/rest.py _send: self._link.send": "the link passes failpoints itself",
    "agent/api/client.py _ask: self._http.request": "asks the agent, whose own commit passes failpoints",
    "agent/api/server.py listen: _clear": "the socket's file is made anew by every start",
    "agent/api/server.py serve: _remove": "the socket's file is made anew by every start",
    "agent/cli/idoc.py _replace: temporary.replace": "a person's command, repeatable as a whole",
    "agent/cli/idoc.py _replace: temporary.unlink": "a person's command, repeatable as a whole",
    "agent/store/migration.py _copy: copy.unlink": "a copy for an upgrade that did not happen; made anew",
}
IMPORT = "from agent import failpoints\n"
HITS = "failpoints.hit('b')\n    {}\n    failpoints.hit('a')"


@cache
def product() -> list[Source]:
    """Everything that runs at a customer's."""
    found = python_sources("agent", "adapters")
    return [source for source in found if not source.path.startswith("adapters/sandbox/")]


def offences(text: str) -> str:
    """What is found in a planted file."""
    return listed(unflanked(effects([Source("agent/flow/planted.py", text)]), {}))


def test_every_commit_rename_and_send_has_a_failpoint_on_both_sides() -> None:
    found = list(effects(product()))
    assert not listed(unflanked(found, EXCUSED))
    guarded = {effect.source.path.rpartition("/")[0] for effect in found if effect.flanked}
    adapters = {"adapters/idoc", "adapters/odbc", "adapters/salesforce/connection"}
    assert guarded >= {"agent/flow", "agent/store", *adapters}


def test_every_transaction_and_unit_of_work_has_a_label() -> None:
    assert not listed(unlabelled(product()))


@pytest.mark.parametrize(
    "call",
    [
        "os.replace(a, b)",
        "os.link(a, b)",
        "self.file.rename(self.goal)",
        "self.file.replace(self.goal)",
        "self.file.unlink()",
        "self._connection.commit()",
        "connection.execute('COMMIT')",
        "outcomes = await self._system.target.apply(batch)",
        "await target.apply(batch)",
        "await self._system.source.ack(batch)",
        "response = await self._link.send('POST', url)",
        "response = await self._client.patch(url, content)",
        "await self._open().request('POST', url)",
        "await self._ask(self._stub.PublishStream, request)",
    ],
)
def test_a_call_without_failpoints_is_found(call: str) -> None:
    bare = f"import os\n{IMPORT}async def f(self, a, b):\n    "
    assert offences(bare + call)
    for half in ("failpoints.hit('b')\n    {}", "{}\n    failpoints.hit('a')"):
        assert offences(bare + half.format(call))
    assert not offences(bare + HITS.format(call))


@pytest.mark.parametrize(
    "body",
    [
        "if a:\n        failpoints.hit('b')\n    self.a.rename(b)\n    failpoints.hit('a')",
        "failpoints.hit('b')\n    self.a.rename(b)\n    if a:\n        failpoints.hit('a')",
        "failpoints.hit('b')\n    try:\n        a.rename(b)\n    except A:\n        failpoints.hit('a')",
        "failpoints.hit('b')\n    self.a.rename(b)\n    def g():\n        failpoints.hit('a')",
        "for a in b:\n        failpoints.hit('b')\n    self.a.rename(b)\n    failpoints.hit('a')",
        "failpoints.hit('b')\n    return self.a.rename(b)\n",
        "failpoints.hit('b')\n    move(a, b)\n\ndef move(a, b):\n    a.rename(b)\n",
    ],
    ids=["before if", "after if", "in a handler", "nested", "in a loop", "after return", "behind a mover"],
)
def test_a_failpoint_that_is_not_always_passed_guards_nothing(body: str) -> None:
    assert offences(f"{IMPORT}def f(self, a, b):\n    {body}")


@pytest.mark.parametrize(
    "text",
    [
        "def f(text, moment):\n    return text.replace('a', 'b'), moment.replace(tzinfo=None)",
        "from dataclasses import replace\ndef f(image):\n    return replace(image, fresh=True)",
        f"{IMPORT}def f(a, b):\n    failpoints.hit('b')\n    try:\n        a.rename(b)\n    finally:\n"
        "        a()\n    try:\n        failpoints.hit('a')\n    finally:\n        a()",
        f"{IMPORT}def f(self):\n    note('b')\n    self.c.commit()\n    note('a')\n\n"
        "def note(name):\n    failpoints.hit(name)",
        f"{IMPORT}def move(a, b):\n    a.rename(b)\n\ndef g(a):\n    {HITS.format('move(a.a, a.b)')}",
    ],
)
def test_what_is_guarded_or_no_effect_passes(text: str) -> None:
    assert not offences(text)


def test_an_excuse_holds_for_its_own_call_only_and_falls_with_it() -> None:
    text = "def f(self):\n    self.c.commit()\n\ndef g(self):\n    self.c.commit()"
    planted = Source("agent/flow/planted.py", text)
    excuse = {"agent/flow/planted.py f: self.c.commit": "a sample"}
    assert [offence.line for offence in unflanked(effects([planted]), excuse)] == [5]
    assert listed(unflanked([], excuse))


@pytest.mark.parametrize(
    "text",
    [
        "def f(store):\n    with store.transaction() as tx: ...",
        "async def f(e):\n    await e.work('', print)",
    ],
)
def test_a_commit_without_a_label_is_found(text: str) -> None:
    assert listed(unlabelled([Source("agent/flow/planted.py", text)]))


def test_a_label_declares_a_failpoint_on_each_side_of_its_commit() -> None:
    text = f"{IMPORT}async def f(e, tx):\n    failpoints.hit('x')\n    await e.work('y', print)"
    found = set(declared([Source("agent/flow/planted.py", text)]))
    assert found == {"x", "y.before_commit", "y.after_commit"}
