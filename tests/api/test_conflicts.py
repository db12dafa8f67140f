"""Conflicts over the control socket: what is shown comes back with the ruling, and is compared."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agent.api.client import ServiceClient
from agent.api.peer import Peer
from agent.errors import Denied, InputError
from agent.operations.registry import VERBS, Level, Role
from tests.api.served import served
from tests.operations.site import Site
from tests.operations.site import site as open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A customer whose phone was changed in two systems at once."""
    async with open_site(tmp_path / "state") as opened:
        await opened.clashed("phone", "0461 777", "0461 888")
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
async def client(site: Site, path: Path) -> AsyncIterator[ServiceClient]:
    async with served(site, path) as asked:
        yield asked


async def test_every_answer_is_what_the_store_says(site: Site, client: ServiceClient) -> None:
    assert await client.conflict(1) == await site.reads.conflict(1)
    assert await client.conflicts() == await site.reads.conflicts()
    assert await client.conflicts("decided", 5) == await site.reads.conflicts("decided", 5)
    with pytest.raises(InputError, match="no conflict 7"):
        await client.conflict(7)
    with pytest.raises(InputError, match="no state of a conflict"):
        await client.conflicts("a&limit=1")


async def test_a_ruling_is_journaled_with_the_user_of_the_system(site: Site, client: ServiceClient) -> None:
    found = await client.conflict(1)
    result = await client.rule(1, "loser", found.shown, "the customer said so")
    name = Peer(os.getuid(), 0).name
    assert (result.verb, result.id, result.done, result.actor) == ("conflicts rule", 1, True, name)
    (command,) = await site.ready("salesforce")
    assert (result.command, command.fields["phone"]) == (command.number, "0461 888")
    decided = await client.conflict(1)
    assert (decided.state, decided.by, decided.reason) == ("decided", name, "the customer said so")


async def test_a_ruling_on_masked_values_that_changed_is_refused(site: Site, client: ServiceClient) -> None:
    found = await client.conflict(1)
    await site.changed("salesforce", "001A", {"Phone": "0461 999"})
    result = await client.rule(1, "winner", found.shown, "as shown")
    assert not result.done
    assert "has changed since it was shown: look again" in result.text
    now = await client.conflict(1)
    assert (now.winner, found.winner) == ("***", "***")
    assert (await client.rule(1, "winner", now.shown, "looked again")).done


async def test_somebody_without_the_role_is_denied_and_that_is_kept(site: Site, path: Path) -> None:
    async with served(site, path, roles=lambda peer: Role.VIEWER) as client:
        found = await client.conflict(1)
        with pytest.raises(Denied, match="'conflicts rule' needs operator"):
            await client.rule(1, "winner", found.shown, "because")
        events = (await client.overview()).recent
        assert (await client.conflicts()).total == 1
    assert any((e.subject, e.after) == ("verb conflicts rule 1", "denied") for e in events)


def test_ruling_asks_as_much_as_trying_again() -> None:
    rule, retry = VERBS["conflicts rule"], VERBS["exceptions retry"]
    assert (rule.level, rule.role) == (Level.ONE, retry.role)


async def test_a_ruling_needs_a_reason(client: ServiceClient) -> None:
    shown = (await client.conflict(1)).shown
    with pytest.raises(InputError, match="'conflicts rule' needs a reason"):
        await client.rule(1, "winner", shown, " ")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"keep": "winner", "reason": "r"},
        {"keep": "both", "reason": "r", "shown": {"winner": "a", "loser": "b"}},
        {"keep": "winner", "reason": "r", "shown": {"winner": "a"}},
        {"keep": "winner", "reason": "r", "shown": {"winner": "a", "loser": "b"}, "value": "hunter2"},
    ],
)
async def test_a_malformed_ruling_changes_nothing_and_repeats_nothing(
    site: Site, client: ServiceClient, path: Path, body: dict[str, Any]
) -> None:
    transport = httpx2.AsyncHTTPTransport(uds=str(path))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as http:
        response = await http.post("/conflicts/1/rule", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == 2
    assert "hunter2" not in response.text
    assert (await client.conflicts()).total == 1
