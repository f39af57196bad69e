"""A small HTTP client for the sources that ask over the network: bounded in time and size, true to one host.

What belongs here: one request and its limits. What must not be here: what an answer means, retries by the clock (the
poller asks again), or anything that is imported before the first request.
"""

from __future__ import annotations

import io
import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Mapping

MAX_REDIRECTS = 3
_CHUNK_BYTES = 65_536
_REDIRECTS = {301, 302, 303, 307, 308}
_NO_CONTENT = 204
_DEFAULT_PORTS = {"http": 80, "https": 443}


class HttpError(Exception):
    """A request without an answer that can be used.

    Attributes:
        gap_reason: one of the contract's ``GAP_REASONS``.
        status: status of the answer, ``None`` if there was none.
    """

    def __init__(self, message: str, gap_reason: str = "read_failed", status: int | None = None) -> None:
        """Say what is wrong, and what that means for a measurement.

        Args:
            message: what is wrong.
            gap_reason: what it means.
            status: status of the answer.
        """
        self.gap_reason, self.status = gap_reason, status
        super().__init__(message)


class Answer(NamedTuple):
    """A complete answer.

    Attributes:
        status: its status, below 300.
        headers: headers by lower-case name.
        body: its content.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Asks one host, over one connection that is kept as long as the host keeps it.

    Requests between one ``begin`` and the next share one deadline.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        max_bytes: int,
        ca_file: str | None = None,
        is_verified: bool = True,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Name the host; nothing is asked yet.

        Args:
            url: an address of the host, ``http://`` or ``https://``.
            timeout_s: longest time from ``begin`` to the last byte of the last answer [s].
            max_bytes: largest answer [bytes].
            ca_file: certificates to trust in place of the system's.
            is_verified: whether the host's certificate must be trusted.
            monotonic_s: a clock that never goes back [s].
        """
        self._base = urlsplit(url)
        self._timeout_s, self._max_bytes = timeout_s, max_bytes
        self._ca_file, self._is_verified = ca_file, is_verified
        self._monotonic_s = monotonic_s
        self._deadline_s = 0.0
        self._connection: Any = None
        self._context: ssl.SSLContext | None = None

    def begin(self, at_most_s: float = math.inf) -> None:
        """Let the time for the following requests begin now.

        Args:
            at_most_s: a shorter time than usual [s].
        """
        self._deadline_s = self._monotonic_s() + min(self._timeout_s, at_most_s)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """Return the answer to a GET; redirects are followed on the same host only.

        Args:
            path: path with query, from the root of the host.
            headers: further headers.

        Raises:
            HttpError: if there is no usable answer in time.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange("GET", path, headers or {}, None)
            if answer.status not in _REDIRECTS:
                return _usable(answer)
            path = self._redirected(path, answer.headers.get("location", ""))
        msg = f"it redirects more than {MAX_REDIRECTS} times"
        raise HttpError(msg, status=answer.status)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Return the answer to another request; it is not redirected.

        Args:
            method: POST or DELETE.
            path: path from the root of the host.
            headers: further headers.
            body: content of the request.

        Raises:
            HttpError: if there is no usable answer in time.
        """
        return _usable(self._exchange(method, path, headers, body))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _redirected(self, path: str, location: str) -> str:
        target = urlsplit(urljoin(f"{self._base.scheme}://{self._base.netloc}{path}", location))
        if _origin(target) != _origin(self._base):
            msg = f"it redirects to another host, {target.scheme}://{target.netloc}, which is not asked"
            raise HttpError(msg)
        return target.path + (f"?{target.query}" if target.query else "")

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        is_reused = self._connection is not None
        try:
            return self._once(method, path, headers, body)
        except Exception as error:
            self.close()
            if not (is_reused and isinstance(error, ConnectionError)):
                raise self._said(error) from error
        # The host closed a kept connection while it was idle.
        return self._exchange(method, path, headers, body)

    def _said(self, error: Exception) -> HttpError:
        """Return what went wrong, in words."""
        import http.client
        import ssl

        if isinstance(error, HttpError):
            return error
        if isinstance(error, ssl.SSLCertVerificationError):
            return HttpError(f"its certificate is not trusted ({error.verify_message}): name its authority by ca_file")
        if isinstance(error, TimeoutError):
            return HttpError("no complete answer in time")
        if isinstance(error, http.client.HTTPException) and not isinstance(error, ConnectionError):
            return HttpError(f"its answer is no HTTP: {type(error).__name__} {error}")
        return HttpError(f"cannot be reached: {error or type(error).__name__}")

    def _once(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        if self._connection is None:
            self._connection = self._connected()
        connection = self._connection
        sent = {"User-Agent": "wattledger-collect", "Accept-Encoding": "identity", **headers}
        connection.request(method, path or "/", body=body, headers=sent)
        response = connection.getresponse()
        try:
            content = self._content(response)
        finally:
            response.close()
        answer = Answer(response.status, {name.lower(): text for name, text in response.getheaders()}, content)
        if response.will_close:
            self.close()
        return answer

    def _content(self, response: Any) -> bytes:  # noqa: ANN401 - http.client is not imported before it is used
        stated = response.getheader("Content-Length", "")
        content = bytearray()
        while chunk := response.read(min(_CHUNK_BYTES, self._max_bytes + 1 - len(content))):
            content += chunk
            if len(content) > self._max_bytes:
                msg = f"its answer has more than {self._max_bytes} bytes"
                raise HttpError(msg)
        if stated.isdigit() and response.status != _NO_CONTENT and len(content) < int(stated):
            msg = f"its answer is cut off after {len(content)} of {stated} bytes"
            raise HttpError(msg)
        return bytes(content)

    def _connected(self) -> Any:  # noqa: ANN401
        import http.client

        host, port = self._base.hostname or "", self._base.port
        if self._base.scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=self._remaining_s(), context=self._trusted())  # type: http.client.HTTPConnection
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._remaining_s())
        connection.connect()
        connection.sock = _TimedSocket(connection.sock, self._remaining_s)
        return connection

    def _trusted(self) -> ssl.SSLContext:
        import ssl

        if self._context is None:
            self._context = ssl.create_default_context(cafile=self._ca_file)
            if not self._is_verified:
                self._context.check_hostname = False
                self._context.verify_mode = ssl.CERT_NONE
        return self._context

    def _remaining_s(self) -> float:
        """Return the time that is left [s].

        Raises:
            TimeoutError: if there is none.
        """
        remaining_s = self._deadline_s - self._monotonic_s()
        if remaining_s <= 0:
            raise TimeoutError
        return remaining_s


class _TimedSocket:
    """A socket whose every step has only the time that is left for the whole request.

    Without it a host that sends a byte now and then would be waited for without end. As with a socket of the standard
    library, closing it takes effect when nobody reads from it any more: an answer to be followed by the end of the
    connection is read after the connection was given up.
    """

    def __init__(self, inner: socket.socket, remaining_s: Callable[[], float]) -> None:
        self._inner, self._remaining_s = inner, remaining_s
        self._readers_n, self._is_given_up = 0, False

    def sendall(self, data: bytes) -> None:
        self._inner.settimeout(self._remaining_s())
        self._inner.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._readers_n += 1
        return io.BufferedReader(_TimedReader(self._inner, self._remaining_s, self._released))

    def close(self) -> None:
        self._is_given_up = True
        if not self._readers_n:
            self._inner.close()

    def _released(self) -> None:
        self._readers_n -= 1
        if self._is_given_up and not self._readers_n:
            self._inner.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, inner: socket.socket, remaining_s: Callable[[], float], released: Callable[[], None]) -> None:
        self._inner, self._remaining_s, self._released = inner, remaining_s, released

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        self._inner.settimeout(self._remaining_s())
        return self._inner.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._released()


def _usable(answer: Answer) -> Answer:
    """Return an answer of success.

    Raises:
        HttpError: for any other.
    """
    if 200 <= answer.status < 300:
        return answer
    if answer.status in (401, 403):
        reason = "permission_denied"
    else:
        reason = "not_supported" if answer.status in (404, 405, 410, 501) else "read_failed"
    msg = f"it answers with status {answer.status}"
    raise HttpError(msg, reason, answer.status)


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)
