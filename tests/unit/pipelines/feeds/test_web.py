"""A GET for feeds ends in time and within its cap, goes to one host only, and never shows a secret."""

from __future__ import annotations

import contextlib
import gzip
import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from pipelines.feeds.feed import FeedError
from pipelines.feeds.web import CAP_BYTES, Web
from tests.support.stub_http import Reply, Stub, self_signed, serving

SECRET = "to/k+en &1%"  # every character of it is written differently in a query


class Clock:
    """A clock that only goes on when somebody sleeps; ``slept`` is how long each time [s]."""

    def __init__(self) -> None:
        self.at_s, self.slept = 1000.0, list[float]()

    def __call__(self) -> float:
        return self.at_s

    def sleep(self, wait_s: float) -> None:
        self.slept.append(wait_s)
        self.at_s += wait_s


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def web(clock: Clock) -> Iterator[Web]:
    found = Web(monotonic_s=clock, sleep=clock.sleep, uniform=lambda: 0.5, now_ms=lambda: 1_700_000_000_000, environ={})
    yield found
    found.close()


@pytest.fixture
def hasty() -> Iterator[Web]:
    """A client of the real clock with a third of a second."""
    found = Web(deadline_s=0.3, uniform=lambda: 0.0, environ={})
    yield found
    found.close()


def refused(ask: Callable[[], object]) -> FeedError:
    with pytest.raises(FeedError) as caught:
        ask()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


def in_turn(*replies: Reply) -> Callable[[object], Reply]:
    """Answer with one after the other; the last one again and again."""
    waiting = list(replies)
    return lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


def test_an_answer_comes_back_as_it_is(stub: Stub, web: Web) -> None:
    stub.answers["/a?b=1&b=2"] = Reply(b'{"x": 1}', headers={"Content-Type": "application/json", "Set-Cookie": "a=1"})
    page = web.get(f"{stub.url}/a", params=[("b", "1"), ("b", "2")])
    web.get(f"{stub.url}/a", params=[("b", "1"), ("b", "2")])
    assert (page.body, page.status, page.fetched_ms) == (b'{"x": 1}', 200, 1_700_000_000_000)
    assert page.headers["content-type"] == "application/json"
    assert stub.connections == 1
    assert "cookie" not in stub.seen[1].headers


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (204, "not_the_format"),
        (304, "redirected"),
        (400, "bad_request"),
        (401, "unauthorised"),
        (403, "unauthorised"),
        (404, "not_found"),
        (410, "not_found"),
        (418, "bad_request"),
    ],
)
def test_a_status_that_stays_is_not_asked_again(stub: Stub, web: Web, status: int, reason: str) -> None:
    stub.answers["/a"] = Reply(b"because\x1b[31m of this", status)
    error = refused(lambda: web.get(f"{stub.url}/a"))
    assert (error.reason, error.status, len(stub.seen)) == (reason, status, 1)
    assert "127.0.0.1/a" in str(error)
    if status >= 400:
        assert "because [31m of this" in str(error)


@pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (500, "server_error"), (503, "server_error")])
def test_a_passing_failure_is_asked_five_times_with_full_jitter(
    stub: Stub, web: Web, clock: Clock, status: int, reason: str
) -> None:
    stub.answers["/a"] = Reply(b"", status)
    error = refused(lambda: web.get(f"{stub.url}/a"))
    assert (error.reason, error.status, len(stub.seen)) == (reason, status, 5)
    assert clock.slept == [0.5, 1.0, 2.0, 4.0]  # half of 1, 2, 4, 8


def test_recovery_gives_the_answer(stub: Stub, web: Web) -> None:
    stub.answers["/a"] = in_turn(Reply(b"", 500), Reply(b"cut", cut=1), Reply(raw=b""), Reply(b"good"))
    assert web.get(f"{stub.url}/a").body == b"good"


@pytest.mark.parametrize("asked", ["7", formatdate(1_700_000_007, usegmt=True)])
def test_the_wait_that_the_provider_asks_for_is_kept(stub: Stub, web: Web, clock: Clock, asked: str) -> None:
    # BaseHTTPRequestHandler sends Date itself; ours says 1,700,000,000 s, from where the HTTP date is 7 s away.
    raw = f"HTTP/1.1 429 x\r\nRetry-After: {asked}\r\nDate: {formatdate(1_700_000_000, usegmt=True)}\r\n\r\n"
    stub.answers["/a"] = in_turn(Reply(raw=raw.encode()), Reply(b"good"))
    assert web.get(f"{stub.url}/a").body == b"good"
    assert clock.slept == [7.5]


@pytest.mark.parametrize("asked", ["61", "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_beyond_the_deadline_is_given_up_at_once(stub: Stub, web: Web, clock: Clock, asked: str) -> None:
    stub.answers["/a"] = Reply(b"", 429, {"Retry-After": asked})
    assert refused(lambda: web.get(f"{stub.url}/a")).reason == "rate_limited"
    assert (len(stub.seen), clock.slept) == (1, [])


@pytest.mark.parametrize("asked", ["-5", "soon", "1e3", "Fri, 99 Foo 2026", ""])
def test_a_wait_that_cannot_be_read_is_passed_over(stub: Stub, web: Web, clock: Clock, asked: str) -> None:
    stub.answers["/a"] = in_turn(Reply(b"", 429, {"Retry-After": asked}), Reply(b"good"))
    assert web.get(f"{stub.url}/a").body == b"good"
    assert clock.slept == [0.5]


def test_so_many_at_once_and_then_so_many_a_second_by_credential(stub: Stub, web: Web, clock: Clock) -> None:
    stub.answers["/a"] = Reply(b"good")
    web.limit(stub.url, rate_per_s=2, burst_n=2)
    for _ in range(4):
        web.get(f"{stub.url}/a", headers={"k": "one"}, secrets=["one"])
    assert clock.slept == [0.5, 0.5]
    web.get(f"{stub.url}/a", headers={"k": "two"}, secrets=["two"])
    assert clock.slept == [0.5, 0.5]


def test_our_own_limit_does_not_outlast_the_deadline(stub: Stub, web: Web) -> None:
    stub.answers["/a"] = Reply(b"good")
    web.limit(stub.url, rate_per_s=0.01, burst_n=1)
    web.get(f"{stub.url}/a")
    assert refused(lambda: web.get(f"{stub.url}/a")).reason == "rate_limited"


@pytest.mark.parametrize(
    "reply",
    [Reply(b"x" * 100, pace_s=0.05), Reply(b"x" * 100, 500, pace_s=0.05)],
    ids=["slow body", "slow body of a refusal"],
)
def test_a_byte_now_and_then_does_not_outlast_the_deadline(stub: Stub, hasty: Web, reply: Reply) -> None:
    stub.answers["/a"] = reply
    begun_s = time.monotonic()
    assert refused(lambda: hasty.get(f"{stub.url}/a")).reason == "timeout"
    assert time.monotonic() - begun_s < 0.6


def test_slow_headers_do_not_outlast_the_deadline(stub: Stub, hasty: Web) -> None:
    def slowly(_: object) -> Reply:
        time.sleep(0.5)
        return Reply(b"late")

    stub.answers["/a"] = slowly
    begun_s = time.monotonic()
    assert refused(lambda: hasty.get(f"{stub.url}/a")).reason == "timeout"
    assert time.monotonic() - begun_s < 0.45


def test_a_silent_attempt_leaves_time_for_another_one(stub: Stub) -> None:
    stub.answers["/a"] = in_turn(Reply(b"x" * 50, pace_s=0.1), Reply(b"good"))
    with_two = Web(deadline_s=2, attempt_s=0.2, uniform=lambda: 0.0, environ={})
    assert with_two.get(f"{stub.url}/a").body == b"good"
    with_two.close()


@pytest.mark.parametrize("raw", [b"", b"\0garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 500])
def test_what_is_no_http_is_refused(stub: Stub, web: Web, raw: bytes) -> None:
    stub.answers["/a"] = Reply(raw=raw)
    assert refused(lambda: web.get(f"{stub.url}/a")).reason == ("not_the_format" if raw else "unreachable")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[1]\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n[1]",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n" + gzip.compress(b"abc" * 9)[:12],
    ],
)
def test_an_answer_that_ends_too_early_is_refused(stub: Stub, web: Web, raw: bytes) -> None:
    stub.answers["/a"] = Reply(raw=raw)
    assert refused(lambda: web.get(f"{stub.url}/a")).reason == "truncated"


def test_gzip_is_unpacked_all_members_of_it(stub: Stub, web: Web) -> None:
    body = gzip.compress(b"[1, ") + gzip.compress(b"2]")
    stub.answers["/a"] = Reply(body, headers={"Content-Encoding": "gzip"})
    assert web.get(f"{stub.url}/a").body == b"[1, 2]"


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"x" * 1001, "identity", "too_large"),
        (gzip.compress(bytes(100_000)), "gzip", "too_large"),  # 132 bytes as received
        (b"not gzip", "gzip", "not_the_format"),
        (zlib.compress(b"[1]"), "br", "not_the_format"),
    ],
)
def test_the_cap_holds_for_what_is_received_and_for_what_it_unpacks_to(
    stub: Stub, web: Web, body: bytes, encoding: str, reason: str
) -> None:
    stub.answers["/a"] = Reply(body, headers={"Content-Encoding": encoding})
    assert refused(lambda: web.get(f"{stub.url}/a", cap_bytes=1000)).reason == reason
    assert len(stub.seen) == 1
    assert CAP_BYTES == 64 * 1024 * 1024


def test_redirects_stay_on_the_host(stub: Stub, web: Web) -> None:
    stub.answers |= {"/a": Reply(b"", 302, {"Location": "b"}), "/b": Reply(b"", 307, {"Location": f"{stub.url}/c"})}
    stub.answers["/c"] = Reply(b"good")
    assert web.get(f"{stub.url}/a").body == b"good"


@pytest.mark.parametrize(
    "location", ["//other.example/a", "http://127.0.0.1:1/a", "ftp://x", "http://[bad", "http://u:p@127.0.0.1", ""]
)
def test_credentials_never_travel_to_another_host(stub: Stub, web: Web, location: str) -> None:
    stub.answers["/a"] = Reply(b"", 302, {"Location": location})
    error = refused(lambda: web.get(f"{stub.url}/a", headers={"auth-token": SECRET}, secrets=[SECRET]))
    assert (error.reason, len(stub.seen)) == ("redirected", 1)


def test_a_redirect_without_end_is_refused(stub: Stub, web: Web) -> None:
    stub.answers["/a"] = Reply(b"", 302, {"Location": "/a"})
    assert refused(lambda: web.get(f"{stub.url}/a")).reason == "redirected"
    assert len(stub.seen) == 4


def test_no_secret_is_seen_anywhere(stub: Stub, web: Web, caplog: pytest.LogCaptureFixture) -> None:
    forms = {SECRET, "to/k%2Ben%20%261%25", "to%2Fk%2Ben%20%261%25", "to%2Fk%2Ben+%261%25"}

    def mirror(request: object) -> Reply:
        return Reply(repr(request).encode() + SECRET.encode(), 400)

    stub.answers["/a?key=to%2Fk%2Ben+%261%25"] = mirror
    asking = dict[str, object](params=[("key", SECRET)], headers={"Authorization": "Bearer abc.def"}, secrets=[SECRET])
    with caplog.at_level(logging.DEBUG):
        error = refused(lambda: web.get(f"{stub.url}/a", **asking))  # type: ignore[arg-type]
        page = web.get(f"{stub.url}/a", accept=(400,), **asking)  # type: ignore[arg-type]
        gone = refused(lambda: web.get("http://127.0.0.1:1/a", **asking))  # type: ignore[arg-type]
    seen = [str(error), repr(error), repr(gone), page.url, repr(page.headers), caplog.text, page.body.decode()]
    assert "GET /a?key=***" in caplog.text
    assert page.url.endswith("/a?key=***")
    for text in seen:
        assert not any(form.lower() in text.lower() for form in {*forms, "abc.def"}), text


def test_an_answer_that_repeats_the_key_is_kept_without_it_and_else_byte_by_byte(stub: Stub, web: Web) -> None:
    before, after = b"\xff\xfe\x00 \xc3\xa9 {", b"} \r\n"
    for written in (b"to/k+en &1%", b"to\\/k+en &1%", b"to%2fk%2Ben%20%261%25"):
        stub.answers["/a"] = Reply(before + written + after)
        assert web.get(f"{stub.url}/a", secrets=[SECRET]).body == before + b"***" + after
    stub.answers["/a"] = Reply(before + "ключ".encode() + after)
    assert web.get(f"{stub.url}/a", secrets=["ключ", ""]).body == before + b"***" + after
    assert web.get(f"{stub.url}/a", secrets=["key"]).body == before + "ключ".encode() + after


@pytest.mark.parametrize("token", ["a\nb", "a\r\nx: y", " token7", "ключ", "a\0"])
def test_a_token_that_no_header_can_carry_is_named_but_not_shown(web: Web, token: str) -> None:
    error = refused(lambda: web.get("http://127.0.0.1:1/", headers={"auth-token": token}, secrets=[token]))
    assert error.reason == "not_configured"
    assert "auth-token" in str(error)
    assert token not in str(error)


@pytest.mark.parametrize("url", ["ftp://x/a", "/a", "http://user:word@127.0.0.1/a", "https:///a"])
def test_an_address_that_is_none_is_refused(web: Web, url: str) -> None:
    error = refused(lambda: web.get(url))
    assert error.reason == "not_configured"
    assert "word" not in str(error).replace("password", "")


def test_nobody_there_and_no_such_name_are_unreachable(web: Web) -> None:
    assert refused(lambda: web.get("http://127.0.0.1:1/a")).reason == "unreachable"
    assert refused(lambda: web.get("http://no-such-host.invalid/a")).reason == "unreachable"


def test_netrc_is_not_read(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something")
    monkeypatch.setenv("NETRC", str(netrc))
    stub.answers["/a"] = Reply(b"good")
    Web(environ={}).get(f"{stub.url}/a")
    assert "authorization" not in stub.seen[0].headers


def test_a_proxy_of_the_environment_is_used(stub: Stub, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", stub.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    stub.answers["http://service.example/a"] = Reply(b"good")
    assert web.get("http://service.example/a").body == b"good"


def test_a_proxy_that_answers_a_byte_now_and_then_does_not_outlast_the_deadline(
    hasty: Web, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    request.addfinalizer(listener.close)

    def dawdle() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 Connection established\r\n\r\n":
                connection.sendall(bytes([byte]))
                time.sleep(0.05)

    threading.Thread(target=dawdle, daemon=True).start()
    for name in ("no_proxy", "NO_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    begun_s = time.monotonic()
    assert refused(lambda: hasty.get("https://service.example/a")).reason == "timeout"
    assert time.monotonic() - begun_s < 0.6


def test_a_certificate_is_verified_and_a_bundle_of_the_environment_trusted(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    if certificate is None:
        pytest.skip("no openssl on this machine")
    with serving(certificate) as stub:
        stub.answers |= {"/a": Reply(b"good"), "/slow": Reply(b"x" * 100, pace_s=0.05)}
        assert refused(lambda: Web(environ={}).get(f"{stub.url}/a")).reason == "tls"
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            trusting = Web(environ={name: str(tmp_path / "cert.pem")}, deadline_s=0.5, uniform=lambda: 0.0)
            assert trusting.get(f"{stub.url}/a").body == b"good"
        assert refused(lambda: trusting.get(f"{stub.url}/slow")).reason == "timeout"
        missing = Web(environ={"SSL_CERT_FILE": str(tmp_path / "none.pem")})
        assert "none.pem" in str(refused(lambda: missing.get(f"{stub.url}/a")))
