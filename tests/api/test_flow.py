"""Holding and releasing over the control socket, and on the store while the service does not run."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.api.client import ServiceClient
from agent.api.peer import Peer
from agent.cli import app
from agent.clock import SystemClock
from agent.errors import Denied, InputError, StoreError
from agent.operations.registry import VERBS, Level, Role
from agent.operations.wire import ServiceDown
from agent.store.database import Store
from tests.api.served import served
from tests.config.sample import SAMPLE
from tests.operations.site import Site
from tests.operations.site import site as open_site

NAME = Peer(os.getuid(), 0).name


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
async def client(site: Site, tmp_path: Path) -> AsyncIterator[ServiceClient]:
    async with served(site, tmp_path / "control.sock") as asked:
        yield asked


async def test_a_hold_and_a_release_are_kept_with_the_user_of_the_system(
    site: Site, client: ServiceClient
) -> None:
    done = await client.hold("erp", "the ERP is restored")
    assert (done.verb, done.subject, done.done, done.actor) == ("flow hold", "erp", True, NAME)
    page = await client.flow()
    assert page == await site.reads.flow()
    held = {system.name: system.held for system in page.systems}["erp"]
    assert held is not None
    assert (held.actor, held.reason) == (NAME, "the ERP is restored")
    assert (await client.release("erp", "it is back")).done
    assert all(system.held is None for system in (await client.flow()).systems)
    events = {(e.subject, e.after, e.actor) for e in (await client.overview()).recent}
    assert {("flow erp", "held", NAME), ("verb flow release erp", "done", NAME)} <= events


async def test_whoever_stops_everything_need_not_say_why(client: ServiceClient) -> None:
    assert (await client.hold("*", "")).done
    assert (await client.release("*", " ")).done


async def test_a_scope_that_does_not_exist_is_refused_with_a_remedy(client: ServiceClient) -> None:
    with pytest.raises(InputError, match="no system 'erpp'; did you mean 'erp'") as told:
        await client.hold("erpp", "")
    assert told.value.remedy == "say one of: erp, salesforce, sap"


async def test_a_viewer_may_look_at_the_flow_and_not_stop_it(site: Site, tmp_path: Path) -> None:
    async with served(site, tmp_path / "viewed.sock", roles=lambda peer: Role.VIEWER) as client:
        with pytest.raises(Denied, match="'flow hold' needs operator"):
            await client.hold("*", "")
        assert all(system.held is None for system in (await client.flow()).systems)


def test_stopping_asks_nothing_and_letting_go_asks_once() -> None:
    assert VERBS["flow hold"].level is Level.NOTE
    assert VERBS["flow release"].level is Level.ONE


class TestServiceDown:
    """While the service does not run the verbs work on its store: it starts as it was told."""

    @pytest.fixture
    def config(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("ERP", "Driver=SQLite3;Database=:memory:")
        file = tmp_path / "isthmus.toml"
        file.write_text(SAMPLE)
        for folder in ("out", "in", "done", "bad"):
            (tmp_path / "sap" / folder).mkdir(parents=True)
        return file

    @pytest.fixture
    def stopped(self, config: Path) -> Path:
        Store.open(config.parent / "state", SystemClock()).close()
        return config

    def run(self, config: Path, *words: str) -> dict[str, object]:
        done = CliRunner().invoke(app, ["flow", *words, "--config", str(config), "--json"])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout))

    def held(self, config: Path) -> dict[str, object]:
        systems = self.run(config, "list")["systems"]
        assert isinstance(systems, list)
        return {system["name"]: system["held"] and system["held"]["reason"] for system in systems}

    def test_a_hold_is_written_into_the_store_and_read_from_it(self, stopped: Path) -> None:
        assert self.run(stopped, "hold", "erp", "--reason", "restored")["done"] is True
        assert self.held(stopped) == {"crm": None, "erp": "restored", "sap": None}
        self.run(stopped, "release", "erp")
        assert self.held(stopped) == {"crm": None, "erp": None, "sap": None}

    def test_all_systems_are_held_when_none_is_named(self, stopped: Path) -> None:
        self.run(stopped, "hold")
        assert set(self.held(stopped).values()) == {"no reason given"}

    def test_a_store_whose_agent_runs_and_does_not_answer_is_left_alone(self, stopped: Path) -> None:
        running = Store.open(stopped.parent / "state", SystemClock())
        try:
            with pytest.raises(ServiceDown) as told:
                self.run(stopped, "hold")
        finally:
            running.close()
        assert told.value.exit_code == 3

    def test_without_a_store_it_is_said_that_there_is_none(self, config: Path) -> None:
        with pytest.raises(StoreError, match="there is no store here yet"):
            self.run(config, "hold")
