"""Who is at the other end of the socket: the kernel says so, the request cannot (unix(7), SO_PEERCRED)."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.errors import Denied
from agent.operations.registry import Role
from agent.operations.verbs import Actor

_CREDENTIALS = struct.Struct("3i")
#: What the kernel gives for a user of another user namespace: nobody, and therefore anybody.
_OVERFLOW_UID = 65534


@dataclass(frozen=True, slots=True)
class Peer:
    """A process of this machine that holds the other end."""

    uid: int
    pid: int

    @property
    def name(self) -> str:
        """The user's name, or the number where the system has no name for it."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"


Roles = Callable[[Peer], Role]


def own_user_acts(peer: Peer) -> Role:
    """The agent's own user and the administrator may act; whoever else the socket lets in may look."""
    return Role.APPROVER if peer.uid in (0, os.geteuid()) else Role.VIEWER


class PeerProtocol(H11Protocol):
    """HTTP on a connection whose client is the user at its other end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as its base
        """Ask the kernel, once per connection."""
        super().connection_made(transport)
        peer = _credentials(transport.get_extra_info("socket"))
        self.client = None if peer is None else (str(peer.uid), peer.pid)


def _credentials(connection: socket.socket | None) -> Peer | None:
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(packed)
    return Peer(uid, pid)


def actor(request: Request, roles: Roles) -> Actor:
    """Who asks. Raises Denied for somebody whom the kernel does not name."""
    client = request.client
    if client is None or not client.host.isdecimal() or int(client.host) == _OVERFLOW_UID:
        raise Denied(
            "the system does not say who asks",
            remedy="run the service without PrivateUsers, and ask on its own machine",
        )
    peer = Peer(int(client.host), client.port)
    return Actor(peer.name, roles(peer))
