"""Whatever a provider answers: no crash, no wrong value, bounded time and memory, and a reason each."""

from __future__ import annotations

import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from pipelines.feeds.feed import Feed, Page
from pipelines.feeds.web import Web
from tests.support.feed_server import Feeds, serving_feeds
from tests.support.hostile import Subject, judged, key, mutants, verdict
from tests.support.hostile_http import CAP_BYTES, DEADLINE_S, FAULTS
from tests.support.subjects import NOW_MS, SUBJECTS

PATIENT_S = 5.0
"""Deadline of a second try [s]."""
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
    made = [one for one in mutants(subject.format, pages[0].body) if one.name not in subject.undetectable]
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
        # On a machine that does much else a sound answer may take longer than the short deadline: it has another try.
        if _problem(subject, feed, name, DEADLINE_S) and (problem := _problem(subject, feed, name, PATIENT_S)):
            problems.append(f"{name}: {problem}")
    assert not problems, "\n".join(problems)


def _problem(subject: Subject, feed: Feed, name: str, deadline_s: float) -> str:
    """Give what is wrong with how a client takes a broken connection; empty if nothing is."""
    begun_s = time.monotonic()
    try:
        with fresh_web(deadline_s) as web:
            outcome = verdict(subject, lambda: feed.parse(feed.fetch(web, subject.asked), subject.asked))
    except Exception as error:  # noqa: BLE001 - all of them are told at once
        return f"{type(error).__name__} {str(error)[:200]}"
    if (outcome == "harmless") != name.startswith("sound"):
        return str(outcome)
    took_s = time.monotonic() - begun_s
    return "" if took_s < 3 * deadline_s else f"took {took_s:.1f} s where {deadline_s} s were allowed"


def test_a_broken_login_is_refused_in_time(feeds: Feeds) -> None:
    (watttime,) = (subject for subject in SUBJECTS if subject.source == "watttime")
    login = replace(watttime, is_broken=lambda request: request.path.endswith("/login"))
    test_every_broken_connection_is_refused_in_time(login, feeds)


CSV = b"start,zone,g_per_kwh\n2024-03-05T00:00Z,A,1.5\n2024-03-05T01:00Z,A,2.5\n2024-03-05T02:00Z,A,3.5\n"
XML = (
    b'<?xml version="1.0"?><doc xmlns="urn:x:1"><series><start>2024-03-05T00:00Z</start>'
    b"<point><at>1</at><mw>5</mw></point><point><at>2</at><mw>6</mw></point><point><at>3</at><mw>7</mw></point></series></doc>"
)


@pytest.mark.parametrize(("form", "body"), [("csv", CSV), ("xml", XML)])
def test_the_catalogue_of_other_formats_is_large_and_has_no_sound_document_twice(form: str, body: bytes) -> None:
    made = mutants(form, body)
    assert len(made) + len(FAULTS) >= LEAST_N
    assert len({mutant.name for mutant in made}) == len(made)
    assert not [mutant.name for mutant in made if mutant.body == body]


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
