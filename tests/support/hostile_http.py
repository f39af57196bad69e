"""Broken answers over a real connection: statuses, pace, length, packing, redirects."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.support.feed_server import Fault
from tests.support.stub_http import Reply, Request

CAP_BYTES = 1_000_000
DEADLINE_S = 0.3
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def _status(status: int, body: bytes = b'{"message": "no"}', headers: Mapping[str, str] = _NO_HEADERS) -> Fault:
    return lambda _, __: Reply(body, status, headers)


def _raw(head: str, content: Callable[[bytes], bytes] = lambda body: body) -> Fault:
    def fault(_: Request, reply: Reply) -> Reply:
        filled = head.replace("LENGTH", str(len(reply.body))).replace("\n", "\r\n")
        return Reply(raw=filled.encode() + b"\r\n\r\n" + content(reply.body))

    return fault


def _changed(change: Callable[[Reply], Reply]) -> Fault:
    return lambda _, reply: change(reply)


def _late(_: Request, reply: Reply) -> Reply:
    time.sleep(DEADLINE_S * 1.5)
    return reply


def _packed(body: bytes) -> Reply:
    return Reply(body, headers={"Content-Encoding": "gzip"})


_OK = "HTTP/1.1 200 OK\nContent-Type: application/json"
_BOMB = gzip.compress(bytes(30_000_000))
FAULTS: dict[str, Fault] = {
    **{f"status {status}": _status(status) for status in (204, 304, 400, 401, 402, 403, 404, 405, 406, 408, 410, 418)},
    **{f"status {status}": _status(status) for status in (422, 429, 451, 500, 501, 502, 503, 504, 520, 599)},
    "status 403 as HTML": _status(403, b"<html><h1>403 Forbidden</h1>nginx</html>", {"Content-Type": "text/html"}),
    "status 500 and a huge page": _status(500, b"x" * 3_000_000),
    "status 299": _status(299),
    "wait for a day": _status(429, headers={"Retry-After": "86400"}),
    "wait for ever": _status(503, headers={"Retry-After": "9" * 400}),
    "wait for nonsense": _status(503, headers={"Retry-After": "tomorrow"}),
    "redirect to another host": _status(302, headers={"Location": "http://192.0.2.1/"}),
    "redirect to another port": _status(307, headers={"Location": "http://127.0.0.1:1/"}),
    "redirect to another scheme": _status(301, headers={"Location": "file:///etc/passwd"}),
    "redirect in a loop": lambda request, _: Reply(b"", 302, {"Location": request.path}),
    "redirect to nowhere": _status(302),
    "redirect to an address that is none": _status(302, headers={"Location": "http://[::1"}),
    "head comes too late": _late,
    "a byte now and then": _changed(lambda reply: reply._replace(pace_s=0.02)),
    "a byte of a refusal now and then": _changed(lambda reply: reply._replace(status=500, pace_s=0.02)),
    "cut in the middle": _changed(lambda reply: reply._replace(cut=len(reply.body) // 2)),
    "cut after the head": _changed(lambda reply: reply._replace(cut=0)),
    "says it is longer": _raw(f"{_OK}\nContent-Length: 1LENGTH"),
    "says it is shorter": _raw(f"{_OK}\nContent-Length: 15"),
    "says no length and is cut": _raw(_OK, lambda body: body[:-20]),
    "two lengths": _raw(f"{_OK}\nContent-Length: LENGTH\nContent-Length: 5"),
    "a negative length": _raw(f"{_OK}\nContent-Length: -5", lambda body: body[:-20]),
    "a length that is no number": _raw(f"{_OK}\nContent-Length: many", lambda body: body[:-20]),
    "chunks without end": _raw(f"{_OK}\nTransfer-Encoding: chunked", lambda body: b"5\r\n" + body[:5] + b"\r\n"),
    "chunks of bad size": _raw(f"{_OK}\nTransfer-Encoding: chunked", lambda body: b"zz\r\n" + body),
    "chunks cut inside": _raw(f"{_OK}\nTransfer-Encoding: chunked", lambda body: b"ffff\r\n" + body[:50]),
    "nothing": _changed(lambda _: Reply(raw=b"")),
    "no HTTP": _changed(lambda _: Reply(raw=b"SSH-2.0-OpenSSH_9.6\r\n")),
    "bad status line": _changed(lambda _: Reply(raw=b"HTTP/1.1 OK 200\r\n\r\n{}")),
    "a head without end": _changed(lambda _: Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 2_000)),
    "a head line of a megabyte": _changed(lambda _: Reply(raw=b"HTTP/1.1 200 OK\r\na: " + b"b" * 1_000_000)),
    "too large": _changed(lambda _: Reply(b"[" + b" " * (CAP_BYTES + 10) + b"]")),
    "gzip bomb": _changed(lambda _: _packed(_BOMB)),
    "gzip that is none": _changed(lambda reply: _packed(reply.body)),
    "gzip cut": _changed(lambda reply: _packed(gzip.compress(reply.body)[:-30])),
    "gzip with another sum": _changed(lambda reply: _packed(gzip.compress(reply.body)[:-8] + b"12345678")),
    "gzip and something else": _changed(lambda reply: _packed(gzip.compress(reply.body) + b"else")),
    "unknown packing": _changed(lambda reply: reply._replace(headers={"Content-Encoding": "br"})),
    "sound, packed": _changed(lambda reply: _packed(gzip.compress(reply.body))),
    "sound, type of HTML": _changed(lambda reply: reply._replace(headers={"Content-Type": "text/html"})),
    "HTML with status 200": _status(200, b"<html>Sign in</html>", {"Content-Type": "text/html"}),
    "empty with status 200": _status(200, b""),
}
"""Broken answers by name; two of them are sound."""
