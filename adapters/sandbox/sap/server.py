"""Runs a sample SAP as a process: its background jobs, and a control port on loopback for its users and
staff.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from typing import Annotated

import uvicorn
from fastapi import Body, FastAPI, HTTPException

from adapters.idoc.format.problems import ValueFault
from adapters.sandbox.sap.options import SampleSap, Switches
from adapters.sandbox.sap.store import FIELDS
from adapters.sandbox.sap.system import SapSystem, UnknownFieldError

_IDOC_COLUMNS = "docnum, partner_docnum, arckey, direction, mestyp, status, text, kunnr, file, received_at"


def control(sap: SapSystem) -> FastAPI:
    """The control interface of a sample SAP."""
    app = FastAPI(title="sample SAP", docs_url=None, redoc_url=None, openapi_url=None)
    _reads(app, sap)
    _acts(app, sap)
    return app


def _reads(app: FastAPI, sap: SapSystem) -> None:
    @app.get("/health")
    def health() -> dict[str, object]:
        return {"ok": True, **asdict(sap.switches)}

    @app.get("/customers")
    def customers() -> list[dict[str, object]]:
        return sap.store.rows("SELECT * FROM customer ORDER BY kunnr")

    @app.get("/idocs")
    def idocs() -> list[dict[str, object]]:
        return sap.store.rows(f"SELECT {_IDOC_COLUMNS} FROM idoc ORDER BY docnum")  # noqa: S608


def _acts(app: FastAPI, sap: SapSystem) -> None:
    @app.post("/customers/{kunnr}")
    def change(kunnr: str, body: Annotated[dict[str, str], Body()]) -> dict[str, object]:
        try:
            return {"changed": sap.change(kunnr.zfill(10), body)}
        except KeyError:
            raise HTTPException(404, f"customer {kunnr} does not exist") from None
        except (UnknownFieldError, ValueFault) as error:
            raise HTTPException(422, str(error)) from None

    @app.post("/reprocess")
    def reprocess(docnum: str | None = None) -> dict[str, object]:
        return {"posted": sap.reprocess(docnum)}

    @app.post("/idocs/{docnum}/dismiss")
    def dismiss(docnum: str) -> dict[str, object]:
        if not sap.dismiss(docnum):
            raise HTTPException(409, f"IDoc {docnum} is not one that was refused")
        return {"status": "68"}

    @app.post("/switches")
    def switch(body: Annotated[dict[str, bool], Body()]) -> dict[str, bool]:
        names = [entry.name for entry in fields(Switches)]
        for name, value in body.items():
            if name not in names:
                raise HTTPException(422, f"no switch {name}; there are {', '.join(names)}")
            setattr(sap.switches, name, value)
        return asdict(sap.switches)

    @app.post("/send-all")
    def send_all() -> dict[str, int]:
        return {"sent": sap.send_all()}

    @app.post("/broken")
    def broken() -> dict[str, str]:
        return {"file": sap.send_broken()}


class _Server(uvicorn.Server):
    """Leaves the signals to ``serve``, which also ends the background jobs."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


async def serve(options: SampleSap) -> None:
    """Run until SIGTERM or SIGINT. Prints one JSON line when ready: dir, inbound, outbound, http,
    database.
    """
    sap = SapSystem(options)
    listener = socket.create_server(("127.0.0.1", options.http_port))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = _Server(uvicorn.Config(control(sap), log_level="warning", access_log=False, lifespan="off"))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            jobs = group.create_task(_jobs(sap, stop))
            group.create_task(_announce(options, listener))
            await stop.wait()
            server.should_exit = True
            await jobs
    finally:
        listener.close()
        sap.close()


async def _jobs(sap: SapSystem, stop: asyncio.Event) -> None:
    """The background jobs, until stopped; a failure ends the process."""
    while not stop.is_set():
        if await asyncio.to_thread(sap.step):
            continue
        try:
            async with asyncio.timeout(sap.options.poll_s):
                await stop.wait()
        except TimeoutError:
            continue


async def _announce(options: SampleSap, listener: socket.socket) -> None:
    """Tell where it is once the control port answers: the socket listens already, a request only waits."""
    port = listener.getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    await writer.wait_closed()
    line = {
        "dir": str(options.directory),
        "inbound": str(options.inbound),
        "outbound": str(options.outbound),
        "database": str(options.database),
        "http": f"http://127.0.0.1:{port}",
        "client": options.client,
        "system": options.system,
        "port": options.port,
        "partner": options.partner,
        "partner_port": options.partner_port,
        "fields": list(FIELDS),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
