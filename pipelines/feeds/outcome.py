"""What one attempt came to: an answer, or the reason why there is none and what to do about it.

What belongs here: reading an answer within its cap, and naming errors by our list. What must not be here: retries.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import requests
from urllib3 import exceptions

from pipelines.feeds.reasons import FETCH_REASONS

_CHUNK_BYTES = 65_536
_EXCERPT_BYTES = 4_096
_EXCERPT_LETTERS = 200
_GZIP_WBITS = 31
"""zlib's sign for "gzip header and 32 KiB window"; see the manual of ``zlib.decompressobj``."""
_RETRIED = frozenset({"rate_limited", "server_error", "unreachable", "timeout", "truncated"})
_ADVICE = {
    "not_configured": "Look at the address and the variables of this feed",
    "unauthorised": "Check the token, and whether the plan covers this zone and range",
    "not_found": "Check the zone's name at this provider and the range",
    "bad_request": "The provider does not take this request: check zone, range and the address of the service",
    "rate_limited": "Ask again later, or for less",
    "server_error": "The provider has a problem: ask again later",
    "unreachable": "Check name, network and proxy",
    "tls": "If a proxy of yours signs its own certificates, name its authority in REQUESTS_CA_BUNDLE",
    "timeout": "Ask again later, or for a shorter range",
    "redirected": "If the service has moved, set its new address as `url` of this feed",
    "too_large": "Ask for a shorter range",
    "truncated": "Ask again later",
    "not_the_format": "Something else than the service answers here: a portal, a proxy, or another address",
}
"""What to do, by reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; ``url`` still holds what was sent, secrets included."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def excerpt(self) -> str:
        """The beginning of the text, on one line, for a message."""
        text = self.body[:_EXCERPT_BYTES].decode("utf-8", "replace")
        printable = "".join(letter if letter.isprintable() else " " for letter in text)
        return " ".join(printable.split())[:_EXCERPT_LETTERS]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt gave no answer; ``retry_after_s`` is how long the provider asks to wait [s]."""

    reason: str
    message: str
    status: int | None = None
    retry_after_s: float | None = None

    @property
    def is_worth_retry(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.reason in _RETRIED

    @property
    def advice(self) -> str:
        """What to do."""
        return _ADVICE[self.reason]

    def after(self, retry_after_s: float | None) -> Failure:
        """Give the same with the wait that the provider asks for."""
        return replace(self, retry_after_s=retry_after_s)


def of_status(status: int, excerpt: str) -> Failure:
    """Give the failure that a status means.

    Args:
        status: HTTP status that was not asked for.
        excerpt: beginning of the text of the answer, without secrets.
    """
    named = {401: "unauthorised", 403: "unauthorised", 404: "not_found", 410: "not_found", 429: "rate_limited"}
    if status in named:
        reason = named[status]
    elif 500 <= status <= 599:
        reason = "server_error"
    elif 400 <= status <= 499:
        reason = "bad_request"
    else:
        reason = "redirected" if 300 <= status <= 399 else "not_the_format"
    said = f", saying: {excerpt}" if excerpt else ""
    return Failure(reason, f"it answers with status {status}{said}", status)


def received(response: requests.Response, cap_bytes: int, *, is_wanted: bool) -> Answer | Failure:
    """Give the whole answer, or why it is not taken; of a refusal only the beginning is read.

    Args:
        response: an answer of which only the head has been read.
        cap_bytes: largest content, as received and as decompressed [bytes].
        is_wanted: whether its content is what was asked for.
    """
    headers = {name.lower(): text for name, text in response.headers.items()}
    encoding = headers.get("content-encoding", "identity").strip().lower()
    cap = cap_bytes if is_wanted else _EXCERPT_BYTES
    wire = _wire(response, cap)
    if not is_wanted:
        plain = wire[:cap] if encoding == "identity" else b""
        return Answer(response.url, response.status_code, headers, plain)
    if len(wire) > cap:
        return Failure("too_large", f"the answer has more than {cap} bytes", response.status_code)
    if encoding in ("gzip", "x-gzip"):
        return _unpacked(Answer(response.url, response.status_code, headers, wire), cap)
    if encoding not in ("identity", ""):
        return Failure("not_the_format", f"the answer is packed as {encoding[:40]!r}", response.status_code)
    return Answer(response.url, response.status_code, headers, wire)


def _wire(response: requests.Response, cap_bytes: int) -> bytes:
    """Give the content as received, at most one byte more than the cap."""
    content = bytearray()
    while len(content) <= cap_bytes:
        chunk = response.raw.read(min(_CHUNK_BYTES, cap_bytes + 1 - len(content)), decode_content=False)
        if not chunk:
            break
        content += chunk
    return bytes(content)


def _unpacked(answer: Answer, cap_bytes: int) -> Answer | Failure:
    """Give the answer decompressed; a gzip bomb is given up at the cap."""
    packed, content = answer.body, bytearray()
    try:
        while packed:
            member = zlib.decompressobj(_GZIP_WBITS)
            content += member.decompress(packed, cap_bytes + 1 - len(content))
            if len(content) > cap_bytes:
                return Failure("too_large", f"the answer unpacks to more than {cap_bytes} bytes", answer.status)
            if not member.eof:
                return Failure("truncated", "the packed answer ends too early", answer.status)
            packed = member.unused_data
    except zlib.error:
        return Failure("not_the_format", "the answer is said to be gzip and is not", answer.status)
    return replace(answer, body=bytes(content))


def of_exception(error: BaseException) -> Failure:
    """Give the failure that an exception of the HTTP libraries means; nothing of its text, which holds the address."""
    causes = list(_causes(error))
    for kinds, reason, text in _KINDS:
        if any(isinstance(cause, kinds) for cause in causes):
            return Failure(reason, text)
    system = next((cause for cause in causes if isinstance(cause, OSError) and cause.strerror and cause.errno), None)
    return Failure("unreachable", f"no connection: {system.strerror if system else type(causes[-1]).__name__}")


_KINDS: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    ((ssl.SSLCertVerificationError,), "tls", "its certificate is not trusted"),
    ((socket.gaierror, exceptions.NameResolutionError), "unreachable", "the name of the host is not known"),
    # Before the timeouts: urllib3 counts a refused connection among them.
    ((ConnectionRefusedError, exceptions.NewConnectionError), "unreachable", "the connection is refused"),
    ((TimeoutError, exceptions.TimeoutError, requests.Timeout), "timeout", "no complete answer in time"),
    (
        (http.client.IncompleteRead, exceptions.IncompleteRead, exceptions.InvalidChunkLength),
        "truncated",
        "the answer ends before its stated length",
    ),
    ((requests.exceptions.InvalidURL, exceptions.LocationValueError), "not_configured", "the address cannot be asked"),
    ((requests.exceptions.ProxyError, exceptions.ProxyError), "unreachable", "the proxy gives no connection"),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), "unreachable", "the connection was closed"),
    ((ConnectionError,), "unreachable", "the connection was reset"),
    ((ssl.SSLError,), "tls", "no TLS connection can be made"),
    ((http.client.HTTPException, exceptions.HTTPError, ValueError), "not_the_format", "the answer is no HTTP"),
)
"""Kinds of exception in the order in which they decide."""
assert {reason for _, reason, _ in _KINDS} <= set(_ADVICE)
assert set(FETCH_REASONS) <= set(_ADVICE)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and those in it: the libraries nest them as cause, context, argument or ``reason``."""
    pending, seen = [error], set[int]()
    while pending:
        current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        pending += [cause for cause in inner if isinstance(cause, BaseException)]
