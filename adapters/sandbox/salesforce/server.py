"""The sandbox process: two HTTP ports and two gRPC ports over one org, in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import socket
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import grpc
import grpc.aio
import orjson
import uvicorn
from starlette.types import ASGIApp

from adapters.sandbox.salesforce import options
from adapters.sandbox.salesforce.bulk.bulk import Bulk
from adapters.sandbox.salesforce.identity import certificates
from adapters.sandbox.salesforce.identity.certificates import KeyFiles
from adapters.sandbox.salesforce.identity.oauth import Credentials, OAuth
from adapters.sandbox.salesforce.identity.tokens import Tokens
from adapters.sandbox.salesforce.options import Options
from adapters.sandbox.salesforce.org.keeping import Keeper
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.pubsub.relay import Relay
from adapters.sandbox.salesforce.pubsub.service import PubSub, handlers
from adapters.sandbox.salesforce.rest import application
from adapters.sandbox.salesforce.rest.connections import Connections
from adapters.sandbox.salesforce.rest.gate import Gate
from adapters.sandbox.salesforce.seed import planting

HOST = "127.0.0.1"
LONGEST_HEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Details:
    """Where the running sandbox listens and how to sign in: the JSON line on stdout."""

    http: str
    https: str
    grpc: str
    grpc_plaintext: str
    ca_file: str
    org_id: str
    username: str
    password: str
    client_id: str
    client_secret: str
    jwt_key_file: str


class _HttpServer(uvicorn.Server):
    """An HTTP server that leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._stop = asyncio.Event()

    async def main_loop(self) -> None:
        """Waits for the end; there is nothing to do by the clock."""
        await self._stop.wait()

    def stop(self) -> None:
        """Lets the server end."""
        self.should_exit = True
        self._stop.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.asynccontextmanager
async def running(chosen: Options) -> AsyncIterator[Details]:
    """The sandbox, listening while the block runs."""
    async with contextlib.AsyncExitStack() as stack:
        folder = chosen.state_dir or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-sf-"))
        )
        keys = certificates.prepare(folder.resolve())
        org = Org(chosen.seed, timedelta(hours=chosen.retention_hours), chosen.defined)
        org.publisher.most_changes = chosen.overflow_at
        keeper = _keeper(chosen, org)
        if keeper is not None:
            stack.callback(keeper.close)
        if keeper is None or not keeper.loaded:
            planting.plant(org, chosen.plan, chosen.seed)
        tokens = Tokens(org.id, org.clock, timedelta(hours=chosen.token_hours))
        org.at_once["revoke"] = tokens.revoke_all
        connections = Connections()
        credentials = _credentials(chosen.seed, org, keys)
        gate = Gate(org, tokens, connections)
        bulk = Bulk(gate)
        stack.push_async_callback(bulk.close)
        web = application.build(org, gate, OAuth(org, tokens, credentials), bulk)
        sockets = [_listen(port) for port in (chosen.http_port, chosen.https_port)]
        service = PubSub(org, tokens, chosen.timings)
        async with _web(web, connections, sockets, keys), _rpc(service, chosen, keys) as (secure, plain):
            http, https = (each.getsockname()[1] for each in sockets)
            yield Details(
                http=f"http://{HOST}:{http}",
                https=f"https://{HOST}:{https}",
                grpc=f"{HOST}:{secure}",
                grpc_plaintext=f"{HOST}:{plain}",
                ca_file=str(keys.ca),
                org_id=org.id,
                username=credentials.username,
                password=credentials.password,
                client_id=credentials.client_id,
                client_secret=credentials.client_secret,
                jwt_key_file=str(keys.jwt_key),
            )


async def serve(chosen: Options) -> None:
    """Runs until SIGTERM or SIGINT; prints the details as one JSON line when it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(chosen) as details:
        sys.stdout.write(orjson.dumps(asdict(details)).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


def main(arguments: Sequence[str] = ()) -> int:
    """``isthmus sandbox salesforce`` with its arguments; returns the exit code."""
    asyncio.run(serve(options.parse(arguments)))
    return 0


def _keeper(chosen: Options, org: Org) -> Keeper | None:
    if chosen.state_file is None:
        return None
    try:
        return Keeper(chosen.state_file, org)
    except sqlite3.Error as error:
        sys.stderr.write(f"{chosen.state_file}: {error}\n")
        raise SystemExit(options.WRONG_USE) from None


def _credentials(number: int, org: Org, keys: KeyFiles) -> Credentials:
    rng = random.Random(f"credentials {number}")
    return Credentials(
        client_id=f"3MVG9{rng.getrandbits(320):080x}",
        client_secret=f"{rng.getrandbits(256):064X}",
        username=org.staff.integration.username,
        password=f"{rng.getrandbits(64):016x}",
        public_key=keys.jwt_public_key(),
    )


def _listen(port: int) -> socket.socket:
    # Named as TCP, so that accepted connections do not hold back the body behind the header (Nagle).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise SystemExit(f"port {port} on {HOST} cannot be had: {error.strerror}") from None
    return listener


@contextlib.asynccontextmanager
async def _web(
    web: ASGIApp, connections: Connections, sockets: list[socket.socket], keys: KeyFiles
) -> AsyncIterator[None]:
    servers: list[_HttpServer] = []
    for secure in (False, True):
        config = uvicorn.Config(
            web,
            http=connections.protocol(),
            # Addresses far beyond the limit come through too, to be refused as the vendor does.
            h11_max_incomplete_event_size=LONGEST_HEAD,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
            ssl_certfile=keys.leaf if secure else None,
            ssl_keyfile=keys.leaf_key if secure else None,
        )
        servers.append(_HttpServer(config))
    tasks = [asyncio.create_task(each.serve([sock])) for each, sock in zip(servers, sockets, strict=True)]
    try:
        while not all(each.started for each in servers):
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.01)
        yield
    finally:
        for server in servers:
            server.stop()
        await asyncio.gather(*tasks)
        for sock in sockets:
            sock.close()


@contextlib.asynccontextmanager
async def _rpc(service: PubSub, chosen: Options, keys: KeyFiles) -> AsyncIterator[tuple[int, int]]:
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            # Clients may ping an idle stream as often as they like, as at the real endpoint.
            ("grpc.http2.min_ping_interval_without_data_ms", 1),
            ("grpc.http2.max_ping_strikes", 0),
        ]
    )
    server.add_generic_rpc_handlers((handlers(service),))
    leaf = (keys.leaf_key.read_bytes(), keys.leaf.read_bytes())
    secure = Relay(HOST, server.add_secure_port(f"{HOST}:0", grpc.ssl_server_credentials([leaf])))
    plain = Relay(HOST, server.add_insecure_port(f"{HOST}:0"))
    listeners = [_listen(port) for port in (chosen.grpc_port, chosen.plaintext_grpc_port)]
    await server.start()
    for relay, listener in zip((secure, plain), listeners, strict=True):
        await relay.open(listener)

    def kill() -> None:
        secure.kill()
        plain.kill()

    service.org.at_once["half-open"] = kill
    try:
        yield listeners[0].getsockname()[1], listeners[1].getsockname()[1]
    finally:
        await server.stop(0)
        await secure.close()
        await plain.close()
