"""The bare references: a Starlette handler that answers one fixed record, and a gRPC stream of frames that
were serialized beforehand. Prints one JSON line when it listens.

``python -m tests.benchmarks.sandbox.bare HTTP-BODY-FILE FRAMES-FILE``
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.salesforce import pubsub_api_pb2 as pb

HOST = "127.0.0.1"
MOST_CREDIT = 100
CREATED = b'{"id":"001000000000000AAA","success":true,"errors":[]}'


class BareStream:
    """Sends frames as the credit allows, and nothing else."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = frames
        self._rest = pb.FetchResponse(latest_replay_id=b"\0" * 10, rpc_id="-" * 36).SerializeToString()

    async def subscribe(self, requests: AsyncIterator[pb.FetchRequest], context: Any) -> AsyncIterator[bytes]:
        """One response per request."""
        at = 0
        async for request in requests:
            batch = self._frames[at : at + min(MOST_CREDIT, request.num_requested)]
            at += len(batch)
            if not batch:
                return
            yield b"".join((*batch, self._rest))


async def main(body: bytes, frames: list[bytes]) -> None:
    """Serves until it is killed."""

    async def read(request: Request) -> Response:
        return Response(body, media_type="application/json")

    async def write(request: Request) -> Response:
        json.loads(await request.body())
        return Response(CREATED, 201, media_type="application/json")

    routes = [Route("/record", read, methods=["GET"]), Route("/record", write, methods=["POST"])]
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind((HOST, 0))
    listener.listen()
    config = uvicorn.Config(
        Starlette(routes=routes), lifespan="off", log_config=None, access_log=False, http="h11", ws="none"
    )
    server = grpc.aio.server()
    handler = grpc.stream_stream_rpc_method_handler(
        BareStream(frames).subscribe, pb.FetchRequest.FromString, bytes
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("eventbus.v1.PubSub", {"Subscribe": handler}),)
    )
    port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    sys.stdout.write(json.dumps({"http": listener.getsockname()[1], "grpc": f"{HOST}:{port}"}) + "\n")
    sys.stdout.flush()
    await uvicorn.Server(config).serve([listener])
    await server.stop(0)


if __name__ == "__main__":
    packed = Path(sys.argv[2]).read_text().splitlines()
    asyncio.run(main(Path(sys.argv[1]).read_bytes(), [bytes.fromhex(line) for line in packed]))
