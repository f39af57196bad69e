"""HTTP for feeds: one GET with a total deadline, a byte cap, retries, a rate limit, and secrets that stay secret.

What belongs here: getting a complete answer, or one reason why there is none. What must not be here: what an answer
means (the clients), or sockets (``transport``). It imports ``requests``: import it only where something is asked.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies

from pipelines.feeds.feed import FeedError, Page
from pipelines.feeds.outcome import Answer, Failure, of_exception, of_status, received
from pipelines.feeds.patience import Bucket, backoff_s, retry_after_s
from pipelines.feeds.secrecy import kept_from_logs, redacted, redacted_bytes
from pipelines.feeds.transport import TimedAdapter, until

DEADLINE_S = 60.0
"""Longest time of one ``get``, retries and waits included [s]. Our choice."""
ATTEMPT_S = 30.0
"""Longest time of one attempt [s], so that there is time for another one. Our choice."""
ATTEMPTS_N = 5
"""Most attempts of one ``get``. Our choice."""
CAP_BYTES = 64 * 1024 * 1024
"""Largest answer, as received and as decompressed [bytes]. Our choice; a year of a 5-minute series has about 20 MiB."""
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEPT_HEADERS = frozenset({"content-type", "content-length", "date", "last-modified", "etag", "retry-after"})
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_SHOWN_LETTERS = 200
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class _Call:
    """One ``get``: what is asked and what holds for all its attempts."""

    url: str
    params: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    secrets: tuple[str, ...]
    accept: Collection[int]
    cap_bytes: int
    deadline_s: float


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class _Session(requests.Session):
    """A session that leaves redirects alone: on its own it would read their content, without a cap."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Give no target, so that nothing is looked at or followed."""
        return None


class Web:
    """Asks providers over one shared session."""

    def __init__(
        self,
        *,
        deadline_s: float = DEADLINE_S,
        attempt_s: float = ATTEMPT_S,
        cap_bytes: int = CAP_BYTES,
        now_ms: Callable[[], int] = _now_ms,
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[], float] = random.random,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Open the session; nothing is asked yet.

        Args:
            deadline_s: longest time of one ``get`` [s].
            attempt_s: longest time of one attempt [s].
            cap_bytes: largest answer [bytes].
            now_ms: our clock [epoch ms UTC].
            monotonic_s: a clock that never goes back [s].
            sleep: waits so many seconds.
            uniform: gives numbers in [0, 1).
            environ: where a CA bundle is named (``REQUESTS_CA_BUNDLE``, ``CURL_CA_BUNDLE``, ``SSL_CERT_FILE``).
        """
        self._deadline_s, self._attempt_s, self._cap_bytes = deadline_s, attempt_s, cap_bytes
        self._now_ms, self._monotonic_s, self._sleep, self._uniform = now_ms, monotonic_s, sleep, uniform
        self._verify: str | bool = next((environ[name] for name in _CA_VARIABLES if environ.get(name)), True)
        self._rates: dict[str, tuple[float, int]] = {}
        self._buckets: dict[tuple[str, tuple[str, ...]], Bucket] = {}
        self._session = _Session()
        # No credentials from .netrc, no cookies; proxies of the environment are asked for below.
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, TimedAdapter(max_retries=0))

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def limit(self, url: str, *, rate_per_s: float, burst_n: int) -> None:
        """State how often a host may be asked, by each credential.

        Args:
            url: any address of the host.
            rate_per_s: requests a second in the long run.
            burst_n: requests at once.
        """
        host = urlsplit(url).netloc
        if self._rates.get(host) != (rate_per_s, burst_n):
            self._rates[host] = (rate_per_s, burst_n)
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if key[0] != host}

    def get(
        self,
        url: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] = _NO_HEADERS,
        secrets: Collection[str] = (),
        accept: Collection[int] = (200,),
        cap_bytes: int | None = None,
    ) -> Page:
        """Give a complete answer.

        Args:
            url: what to ask, ``https://`` or ``http://``, without query.
            params: the query, in order.
            headers: further headers.
            secrets: values among params and headers that must never be seen in an address, a message or a log.
            accept: statuses that count as an answer.
            cap_bytes: largest answer [bytes], as received and as decompressed; None for the usual cap.

        Raises:
            FeedError: if there is no complete answer before the deadline.
        """
        cap = self._cap_bytes if cap_bytes is None else cap_bytes
        deadline_s = self._monotonic_s() + self._deadline_s
        call = _Call(url, tuple(params), dict(headers), _all_secrets(headers, secrets), accept, cap, deadline_s)
        _check(call)
        if isinstance(self._verify, str) and not Path(self._verify).exists():
            msg = f"the CA bundle {self._verify}, named by one of {', '.join(_CA_VARIABLES)}, is not there"
            raise _not_configured(msg)
        retry = 0
        while True:
            answer = self._paced(call)
            if isinstance(answer, Page):
                return answer
            wait_s = self._wait_s(call, answer, retry)
            if wait_s is None:
                raise _error(call, answer, retry + 1)
            self._sleep(wait_s)
            retry += 1

    def _wait_s(self, call: _Call, failure: Failure, retry: int) -> float | None:
        """Give how long to wait before the next attempt [s]; None if there is none."""
        if not failure.is_worth_retry or retry + 1 >= ATTEMPTS_N:
            return None
        wait_s = backoff_s(retry, self._uniform)
        if failure.retry_after_s is not None:
            # A little later than asked, so that clients that were put off together do not come back together.
            wait_s += failure.retry_after_s
        return wait_s if self._monotonic_s() + wait_s < call.deadline_s else None

    def _paced(self, call: _Call) -> Page | Failure:
        """Make one attempt when the rate limit allows it."""
        wait_s = self._bucket_wait_s(call)
        if wait_s is None:
            return Failure("rate_limited", "our own limit of requests a second leaves no time for it")
        if wait_s > 0:
            self._sleep(wait_s)
        end_s = min(call.deadline_s, self._monotonic_s() + self._attempt_s)
        with kept_from_logs(call.secrets), until(end_s, self._monotonic_s):
            found = self._attempt(call)
        if isinstance(found, Failure):
            # What is left of a bad answer in a kept connection would be taken for the beginning of the next one.
            self._session.close()
        return found

    def _bucket_wait_s(self, call: _Call) -> float | None:
        host = urlsplit(call.url).netloc
        if host not in self._rates:
            return 0.0
        key = (host, tuple(sorted(call.secrets)))
        if key not in self._buckets:
            self._buckets[key] = Bucket(*self._rates[host], self._monotonic_s)
        return self._buckets[key].take(call.deadline_s - self._monotonic_s())

    def _attempt(self, call: _Call) -> Page | Failure:
        """Ask once, with up to ``MAX_REDIRECTS`` redirects on the same host."""
        url, params = call.url, call.params
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._exchange(call, url, params)
            if isinstance(answer, Failure):
                return answer
            if answer.status not in _REDIRECTS or answer.status in call.accept:
                return self._page(call, answer)
            target = _target(answer)
            if _origin(target) != _origin(call.url):
                where = redacted(target.partition("?")[0], call.secrets)[:_SHOWN_LETTERS] or "nowhere"
                return Failure("redirected", f"it points to {where!r}, which is not asked", answer.status)
            url, params = target, ()
        return Failure("redirected", f"it redirects more than {MAX_REDIRECTS} times", answer.status)

    def _page(self, call: _Call, answer: Answer) -> Page | Failure:
        if answer.status not in call.accept:
            failure = of_status(answer.status, redacted(answer.excerpt, call.secrets))
            return failure.after(retry_after_s(answer.headers, self._now_ms()))
        kept = {name: text for name, text in answer.headers.items() if name in _KEPT_HEADERS}
        url = redacted(answer.url, call.secrets)
        # Pages are kept for ever, and services such as EIA's may repeat the request, key included, in the answer.
        body = redacted_bytes(answer.body, call.secrets)
        return Page(url, answer.status, kept, body, self._now_ms())

    def _exchange(self, call: _Call, url: str, params: Sequence[tuple[str, str]]) -> Answer | Failure:
        try:
            return self._received(call, url, params)
        except Exception as error:  # noqa: BLE001 - the HTTP libraries let many kinds of error of a bad answer through
            # Not raised from it: its text holds the address with the secrets.
            return of_exception(error)

    def _received(self, call: _Call, url: str, params: Sequence[tuple[str, str]]) -> Answer | Failure:
        headers = {"User-Agent": "wattledger", "Accept-Encoding": "gzip", "Accept": "*/*", **call.headers}
        with self._session.get(
            url,
            params=list(params),
            headers=headers,
            stream=True,
            allow_redirects=False,
            verify=self._verify,
            # Only a first bound: every step has what is left of the deadline, see ``transport``.
            timeout=self._attempt_s,
            proxies=get_environ_proxies(url),
        ) as response:
            return received(response, call.cap_bytes, is_wanted=response.status_code in call.accept)


def _all_secrets(headers: Mapping[str, str], secrets: Collection[str]) -> tuple[str, ...]:
    """Give all secrets; what an ``Authorization`` header carries is one, named or not."""
    carried = [text.rpartition(" ")[2] for name, text in headers.items() if name.lower() == "authorization"]
    return tuple(dict.fromkeys(secret for secret in (*secrets, *carried) if secret))


def _check(call: _Call) -> None:
    """Refuse an address or a header that cannot be sent, before a library puts it into a message of its own.

    Raises:
        FeedError: ``not_configured``.
    """
    parts = urlsplit(call.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        host = redacted(parts.netloc.rpartition("@")[2], call.secrets)
        msg = f"{host!r} is no http(s) address without user and password: set `url` of this feed right"
        raise _not_configured(msg)
    for name, text in call.headers.items():
        if not text.isprintable() or not text.isascii() or text != text.strip():
            what = f"what is to be sent to {parts.hostname} as {name} has a blank, line break or other character"
            msg = f"{what} that a header cannot carry: look at the variable it is read from"
            raise _not_configured(msg)


def _not_configured(message: str) -> FeedError:
    return FeedError(reason="not_configured", message=message)


def _target(answer: Answer) -> str:
    """Give where a redirect points to; empty if nobody can tell."""
    location = answer.headers.get("location", "")
    try:
        return urljoin(answer.url, location) if location else ""
    except ValueError:
        return ""


def _origin(url: str) -> tuple[str, str | None, int | None, bool]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return ("", None, None, True)
    return parts.scheme, parts.hostname, port, "@" in parts.netloc


def _error(call: _Call, failure: Failure, attempts_n: int) -> FeedError:
    parts = urlsplit(call.url)
    where = redacted(f"{parts.hostname}{parts.path}", call.secrets)
    tries = f" ({attempts_n} attempts)" if attempts_n > 1 else ""
    text = f"{where}: {redacted(failure.message, call.secrets)}{tries}. {failure.advice}"
    return FeedError(failure.reason, text, status=failure.status)
