"""The benchmark of the stream runs, at a size of seconds; its link does what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import pytest

from tests.benchmarks.streaming.__main__ import main
from tests.benchmarks.streaming.figure import quantile
from tests.benchmarks.streaming.link import HOST, link


def test_figures_stand_beside_the_bare_reference(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    words = ["--records", "1000", "--rounds", "1", "--parts", "bulk", "memory", "--json", str(file)]
    assert main(words) == 0
    figures = json.loads(file.read_text())["figures"]
    assert [one["unit"] for one in figures] == ["/s", "/s", "µs", "µs", "", "MB"]
    assert all(one["ours"] > 0 and one["reference"] > 0 for one in figures)


@pytest.mark.parametrize("order", ["cut", "swallow"])
async def test_a_link_breaks_for_those_who_use_it_and_works_for_those_who_come_next(order: str) -> None:
    open_: list[asyncio.StreamWriter] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_.append(writer)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1000):
                writer.write(data)

    server = await asyncio.start_server(echo, HOST, 0)
    with link(f"{HOST}:{server.sockets[0].getsockname()[1]}") as way:
        way.order("delay 0.001")
        for _ in range(2):
            reader, writer = await asyncio.open_connection(HOST, int(way.address.rpartition(":")[2]))
            open_.append(writer)
            writer.write(b"there?")
            assert await reader.readexactly(6) == b"there?"
            way.order(order)
            if order == "cut":
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await reader.readexactly(1)
    server.close()
    for each in open_:
        each.close()
        with contextlib.suppress(ConnectionError):
            await each.wait_closed()
    await server.wait_closed()


def test_a_quantile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile(values, 1.0)) == (50.0, 99.0, 100.0)
    assert quantile([7.0], 0.5) == 7.0
