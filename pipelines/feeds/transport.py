"""Connections whose every step has only the time that is left for the whole request.

``requests`` bounds the wait for each piece of an answer, not the answer: a host that sends a byte now and then would be
waited for without end. Here every look-up, connect, send and receive is given the rest of one deadline.

What belongs here: sockets, and how ``requests`` comes to use them. What must not be here: retries, meanings (``web``).
"""

from __future__ import annotations

import io
import math
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.poolmanager import PoolManager


class _Deadline(threading.local):
    """When the request of this thread must be over, by a clock that never goes back."""

    at_s: float = math.inf
    monotonic_s: Callable[[], float] = staticmethod(time.monotonic)


_deadline = _Deadline()


@contextmanager
def until(at_s: float, monotonic_s: Callable[[], float]) -> Iterator[None]:
    """Let connections of this thread end at a moment, until the end of the block.

    Args:
        at_s: the moment [s], as the clock gives it.
        monotonic_s: a clock that never goes back [s].
    """
    before = _deadline.at_s, _deadline.monotonic_s
    _deadline.at_s, _deadline.monotonic_s = at_s, monotonic_s
    try:
        yield
    finally:
        _deadline.at_s, _deadline.monotonic_s = before


def _left_s() -> float | None:
    """Give the time that is left [s]; None where no deadline is set.

    Raises:
        TimeoutError: if there is none.
    """
    if math.isinf(_deadline.at_s):
        return None
    left_s = _deadline.at_s - _deadline.monotonic_s()
    if left_s <= 0:
        msg = "the time for this request is over"
        raise TimeoutError(msg)
    return left_s


class _TimedReader(io.RawIOBase):
    """Reads from a socket with the time that is left."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner
        # A SocketIO of the socket's own: closing the socket then waits for the reader, as the HTTP library expects.
        self._raw: Any = inner.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - the buffer protocol has no name in 3.11
        self._inner.settimeout(_left_s())
        found: int | None = self._raw.readinto(buffer)
        return found

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._raw.close()


class _TimedSocket:
    """A connected socket, plain or TLS, that sends and receives with the time that is left."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner

    def sendall(self, data: Any) -> None:  # noqa: ANN401
        self._inner.settimeout(_left_s())
        self._inner.sendall(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:  # noqa: ANN401
        return io.BufferedReader(_TimedReader(self._inner))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._inner, name)


def _addresses(host: str, port: int) -> list[Any]:
    """Give the addresses of a host; the system's look-up knows no deadline, so it is waited for in a thread."""
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else socket.gaierror(str(error)))

    threading.Thread(target=look_up, name="feeds-look-up", daemon=True).start()
    try:
        found = answers.get(timeout=_left_s())
    except queue.Empty:
        msg = "the name of the host was not found in time"
        raise TimeoutError(msg) from None
    if isinstance(found, OSError):
        raise found
    return found


def _connected(connection: HTTPConnection) -> socket.socket:
    """Give a socket connected to the first address of the host that answers."""
    try:
        addresses = _addresses(connection.host, connection.port or connection.default_port)
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    problem = OSError("the host has no address")
    for family, kind, protocol, _, address in addresses:
        inner = socket.socket(family, kind, protocol)
        try:
            inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            inner.settimeout(_left_s())
            inner.connect(address)
        except OSError as error:
            inner.close()
            problem = error
        else:
            return inner
    if isinstance(problem, TimeoutError):
        raise problem
    raise NewConnectionError(connection, f"{problem}") from problem


class _Tunnelling(HTTPConnection):
    """Asks a proxy for a tunnel with the time that is left."""

    def _tunnel(self) -> None:
        inner = self.sock
        self.sock: Any = _TimedSocket(inner)
        super()._tunnel()
        # TLS needs the socket itself.
        self.sock = inner


class _Plain(_Tunnelling):
    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def connect(self) -> None:
        super().connect()
        self.sock = _TimedSocket(self.sock)


class _Tls(_Tunnelling, HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def connect(self) -> None:
        # The handshake has the time that the socket was given; Python counts it over the whole handshake.
        super().connect()
        self.sock = _TimedSocket(self.sock)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


class TimedAdapter(HTTPAdapter):
    """Lets a session of ``requests`` use the connections of this module, also through a proxy."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Make the pools, with our connections."""
        super().init_poolmanager(*args, **kwargs)
        _use_ours(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Give the pools of a proxy, with our connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _use_ours(manager)
        return manager


def _use_ours(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
