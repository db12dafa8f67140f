"""The line does to connections what it says, over real sockets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.salesforce.line import End, Line
from tests.salesforce.authority import Authority

REQUEST = b"GET /thing HTTP/1.1\r\nHost: there\r\n\r\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def answer(sock: socket.socket) -> None:
        with sock, contextlib.suppress(ConnectionResetError):  # which the line is there for
            while data := sock.recv(4096):
                sock.sendall(data)

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(sock,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    accepting.join(10)
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in (accepting, *threads)), "the line left a connection open"


@pytest.fixture
def line(echo: int, authority: Authority) -> Iterator[Line]:
    with Line(End("127.0.0.1", echo), authority.sign("127.0.0.1")) as opened:
        yield opened


def connected(line: Line, authority: Authority) -> ssl.SSLSocket:
    trust = ssl.create_default_context(cafile=authority.ca)
    # Wrapped before it connects: wrapping one that the far end has already reset raises, and leaves it open.
    end = trust.wrap_socket(socket.socket(), server_hostname="127.0.0.1")
    try:
        end.settimeout(5)
        end.connect(("127.0.0.1", line.port))
    except BaseException:
        end.close()
        raise
    return end


def ended(end: ssl.SSLSocket) -> bool:
    """Whether the connection is over; Python's ssl reports a reset as an end of file."""
    try:
        return end.recv(4096) == b""
    except ConnectionResetError:
        return True


def test_what_is_sent_comes_through_and_requests_are_noted(line: Line, authority: Authority) -> None:
    with connected(line, authority) as end:
        end.sendall(REQUEST)
        assert end.recv(4096) == REQUEST
    assert [(each.method, each.path) for each in line.requests] == [("GET", "/thing")]
    assert line.knocks == 1


def test_a_reset_drops_what_is_open_and_nothing_else(line: Line, authority: Authority) -> None:
    with connected(line, authority) as end:
        end.sendall(b"before")
        assert end.recv(4096) == b"before"
        line.reset()
        assert ended(end)
    with connected(line, authority) as again:
        again.sendall(b"after")
        assert again.recv(4096) == b"after"


def test_a_dead_line_answers_nothing_and_closes_nothing(line: Line, authority: Authority) -> None:
    with connected(line, authority) as end:
        line.die()
        end.sendall(REQUEST)
        end.settimeout(0.3)
        with pytest.raises(TimeoutError):
            end.recv(4096)
        with socket.create_connection(("127.0.0.1", line.port), timeout=5) as new:
            new.settimeout(0.3)
            with pytest.raises(TimeoutError):
                new.recv(4096)
        line.mend()
    with connected(line, authority) as again:
        again.sendall(b"alive")
        assert again.recv(4096) == b"alive"


def test_a_shut_line_drops_who_comes(line: Line, authority: Authority) -> None:
    line.shut()
    with pytest.raises(OSError, match=r".+"):
        connected(line, authority)
    line.mend()
    connected(line, authority).close()


def test_an_answer_is_lost_behind_what_was_asked(line: Line, authority: Authority) -> None:
    line.cut("/thing")
    with connected(line, authority) as end:
        end.sendall(REQUEST)
        assert ended(end)
    assert line.lost == 1
    with connected(line, authority) as again:
        again.sendall(REQUEST)
        assert again.recv(4096) == REQUEST


def test_another_certificate_is_not_trusted(line: Line, authority: Authority, tmp_path: Path) -> None:
    line.show(Authority(tmp_path).sign("127.0.0.1"))
    with pytest.raises(ssl.SSLCertVerificationError):
        connected(line, authority)
