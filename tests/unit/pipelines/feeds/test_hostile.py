"""Whatever a provider answers: no crash, no wrong value, bounded time and memory, and a reason each."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipelines.feeds.feed import Feed, Page
from pipelines.feeds.web import Web
from tests.support.feed_server import Feeds, serving_feeds
from tests.support.hostile import Subject, judged, key, mutants, verdict
from tests.support.hostile_http import CAP_BYTES, DEADLINE_S, FAULTS
from tests.support.subjects import NOW_MS, SUBJECTS

LEAST_N = 100
"""Hostile behaviours that every client is held against, at least."""
by_client = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.source)


@pytest.fixture(scope="module")
def feeds() -> Iterator[Feeds]:
    with serving_feeds() as found:
        yield found


@pytest.fixture
def web() -> Iterator[Web]:
    with fresh_web() as found:
        yield found


@contextmanager
def fresh_web(deadline_s: float = DEADLINE_S) -> Iterator[Web]:
    """Give a client of its own: what it has asked counts against a source's rate."""
    found = Web(deadline_s=deadline_s, cap_bytes=CAP_BYTES, now_ms=lambda: NOW_MS, uniform=lambda: 0.0, environ={})
    yield found
    found.close()


def asked_soundly(subject: Subject, feeds: Feeds, web: Web) -> tuple[Feed, list[Page]]:
    feeds.fault = None
    feed = subject.make(feeds.url(subject.source))
    return feed, feed.fetch(web, subject.asked)


@by_client
def test_a_sound_answer_gives_every_right_value(subject: Subject, feeds: Feeds, web: Web) -> None:
    feed, pages = asked_soundly(subject, feeds, web)
    parsed = feed.parse(pages, subject.asked)
    assert parsed.refusals == ()
    assert {key(value): value.gco2e_per_kwh for value in parsed.values} == pytest.approx(dict(subject.right))


@by_client
def test_every_broken_document_is_refused_or_harmless(subject: Subject, feeds: Feeds, web: Web) -> None:
    feed, pages = asked_soundly(subject, feeds, web)
    found, problems = Counter[str](), list[str]()
    made = mutants(subject.format, pages[0].body)
    for mutant in made:
        begun_s = time.monotonic()
        try:
            found[judged(subject, feed, pages, mutant)] += 1
        except Exception as error:  # noqa: BLE001 - all of them are told at once
            problems.append(f"{mutant.name}: {type(error).__name__} {str(error)[:200]}")
        assert time.monotonic() - begun_s < 2, mutant.name
    assert not problems, "\n".join(problems)
    assert len(made) + len(FAULTS) >= LEAST_N
    assert len({mutant.name for mutant in made}) == len(made)
    assert sum(found.values()) - found["harmless"] >= LEAST_N


@by_client
def test_every_broken_connection_is_refused_in_time(subject: Subject, feeds: Feeds) -> None:
    problems = []
    for name, fault in FAULTS.items():
        feed = subject.make(feeds.url(subject.source))
        feeds.fault = lambda request, reply, fault=fault: fault(request, reply) if subject.is_broken(request) else reply
        begun_s = time.monotonic()
        try:
            with fresh_web() as web:
                outcome = verdict(subject, lambda: feed.parse(feed.fetch(web, subject.asked), subject.asked))  # noqa: B023
            assert (outcome == "harmless") == (name.startswith("sound")), outcome
        except Exception as error:  # noqa: BLE001 - all of them are told at once
            problems.append(f"{name}: {type(error).__name__} {str(error)[:200]}")
        assert time.monotonic() - begun_s < 3 * DEADLINE_S, name
    assert not problems, "\n".join(problems)


@by_client
@pytest.mark.parametrize("name", ["too large", "gzip bomb", "status 500 and a huge page"])
def test_a_huge_answer_needs_little_memory(subject: Subject, name: str, feeds: Feeds) -> None:
    feed = subject.make(feeds.url(subject.source))
    feeds.fault = lambda request, reply: FAULTS[name](request, reply) if subject.is_broken(request) else reply
    tracemalloc.start()
    try:
        with fresh_web(deadline_s=10) as web:
            outcome = verdict(subject, lambda: feed.parse(feed.fetch(web, subject.asked), subject.asked))
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert outcome == ("server_error" if name.startswith("status") else "too_large")
    # The cap, twice (a growing buffer and its copy), and what the server of this test holds itself.
    assert peak_bytes < 8 * CAP_BYTES
