"""Serving the control interface on a Unix socket, in the loop of the agent, until cancelled."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from agent.api.peer import PeerProtocol
from agent.errors import InputError, StoreError

#: Bytes that the path of a Unix socket may have (unix(7): 108 with the ending zero).
PATH = 107
#: Requests that are under way at once; more are told to come again.
AT_ONCE = 64


class _Server(uvicorn.Server):
    """Signals belong to the runtime."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's signal handlers alone."""
        yield


async def serve(app: FastAPI, path: Path) -> None:
    """Answer on the socket until cancelled; running requests get two seconds to end.

    Raises InputError for a path that no socket can have, StoreError when another agent answers there.
    """
    listening = listen(path)
    inode = _inode(path)
    config = uvicorn.Config(
        app,
        http=PeerProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=AT_ONCE,
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]), name="control socket")
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        server.should_exit = True
        await running
        raise
    finally:
        listening.close()
        _remove(path, inode)


def listen(path: Path) -> socket.socket:
    """A listening socket, for owner and group. A socket that nobody answers on any more is replaced."""
    if len(os.fsencode(path)) > PATH:
        raise InputError(
            f"the path of a socket has at most {PATH} bytes",
            where=str(path),
            remedy="set agent.control_socket to a shorter path",
        )
    _clear(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        listening.bind(os.fspath(path))
    except OSError as error:
        listening.close()
        raise InputError(
            f"cannot listen: {error.strerror}", where=str(path), remedy="check agent.control_socket"
        ) from error
    finally:
        os.umask(before)
    listening.setblocking(False)
    return listening


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise InputError(
            "there is something else in the place of the socket",
            where=str(path),
            remedy="set agent.control_socket to another path",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(1)
        try:
            trial.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except FileNotFoundError:
            return
        except TimeoutError:
            pass
    raise StoreError(
        "another agent answers here", where=str(path), remedy="stop it, or use another state_dir"
    )


def _remove(path: Path, inode: int) -> None:
    """Leave no socket behind, but leave the one of a successor."""
    try:
        if _inode(path) == inode:
            path.unlink()
    except FileNotFoundError:
        return


def _inode(path: Path) -> int:
    return path.lstat().st_ino
