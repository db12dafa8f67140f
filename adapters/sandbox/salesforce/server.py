"""The sandbox process: two HTTP ports and two gRPC ports over one org, in one event loop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import grpc
import grpc.aio
import orjson
import uvicorn
from starlette.types import ASGIApp

from adapters.sandbox.salesforce.identity import certificates
from adapters.sandbox.salesforce.identity.certificates import KeyFiles
from adapters.sandbox.salesforce.identity.oauth import Credentials, OAuth
from adapters.sandbox.salesforce.identity.tokens import Tokens
from adapters.sandbox.salesforce.org import seed
from adapters.sandbox.salesforce.org.org import Org
from adapters.sandbox.salesforce.pubsub.delivery import Timings
from adapters.sandbox.salesforce.pubsub.service import PubSub, handlers
from adapters.sandbox.salesforce.rest import application
from adapters.sandbox.salesforce.rest.connections import Connections
from adapters.sandbox.salesforce.rest.gate import Gate

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Options:
    """How the sandbox starts. A port of 0 takes a free one; ``state_dir`` None keeps keys only while it
    runs."""

    http_port: int = 0
    https_port: int = 0
    grpc_port: int = 0
    plaintext_grpc_port: int = 0
    seed: int = 1
    accounts: int = 0
    state_dir: Path | None = None
    token_hours: float = 2.0
    retention_hours: float = 72.0
    timings: Timings = field(default_factory=Timings)


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

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[Details]:
    """The sandbox, listening while the block runs."""
    with contextlib.ExitStack() as stack:
        folder = options.state_dir or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="isthmus-sf-"))
        )
        keys = certificates.prepare(folder.resolve())
        org = Org(options.seed, timedelta(hours=options.retention_hours))
        seed.plant(org, options.accounts, options.seed)
        tokens = Tokens(org.id, org.clock, timedelta(hours=options.token_hours))
        org.at_once["revoke"] = tokens.revoke_all
        connections = Connections()
        credentials = _credentials(options.seed, org, keys)
        gate = Gate(org, tokens, connections)
        web = application.build(org, gate, OAuth(org, tokens, credentials), [])
        sockets = [_listen(port) for port in (options.http_port, options.https_port)]
        service = PubSub(org, tokens, options.timings)
        async with _web(web, connections, sockets, keys), _rpc(service, options, keys) as (secure, plain):
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


async def serve(options: Options) -> None:
    """Runs until SIGTERM or SIGINT; prints the details as one JSON line when it listens."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(options) as details:
        sys.stdout.write(orjson.dumps(asdict(details)).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


def main(arguments: Sequence[str] = ()) -> int:
    """``isthmus sandbox salesforce`` with its arguments; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="isthmus sandbox salesforce", description="A Salesforce org on loopback."
    )
    for name in ("http-port", "https-port", "grpc-port", "plaintext-grpc-port"):
        parser.add_argument(f"--{name}", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same org")
    parser.add_argument("--accounts", type=int, default=0, help="customers to start with")
    parser.add_argument("--state-dir", type=Path, help="keeps certificates and keys over restarts")
    timings = Timings()
    parser.add_argument("--keepalive", type=float, default=timings.keepalive, help="seconds")
    parser.add_argument("--credit-timeout", type=float, default=timings.credit_timeout, help="seconds")
    parser.add_argument("--latest-settle", type=float, default=timings.latest_settle, help="seconds")
    given = vars(parser.parse_args(list(arguments)))
    names = ("keepalive", "credit_timeout", "latest_settle")
    chosen = Timings(**{name: given.pop(name) for name in names})
    asyncio.run(serve(Options(**given, timings=chosen)))
    return 0


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
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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
            server.should_exit = True
        await asyncio.gather(*tasks)
        for sock in sockets:
            sock.close()


@contextlib.asynccontextmanager
async def _rpc(service: PubSub, options: Options, keys: KeyFiles) -> AsyncIterator[tuple[int, int]]:
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
    secure = server.add_secure_port(f"{HOST}:{options.grpc_port}", grpc.ssl_server_credentials([leaf]))
    plain = server.add_insecure_port(f"{HOST}:{options.plaintext_grpc_port}")
    await server.start()
    try:
        yield secure, plain
    finally:
        await server.stop(0)
