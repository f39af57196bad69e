"""What the clients of generation and of yearly values share: credentials, unknown zones, the last judging.

What belongs here: small steps that several clients take in the same way. What must not be here: any one source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Refusal, Value
from pipelines.feeds.judge import judge


def secret(name: str, environ: Mapping[str, str], feed: str) -> str:
    """Give a credential of the environment.

    Raises:
        FeedError: ``not_configured`` if it is not set.
    """
    value = environ.get(name, "").strip()
    if not value:
        raise FeedError(reason="not_configured", message=f"feed {feed}: set the environment variable {name}")
    return value


def not_found(feed: str, zone: str, what: str) -> NoReturn:
    """Say that a source does not cover a zone.

    Raises:
        FeedError: ``not_found``, always.
    """
    text = f"feed {feed}: zone {zone!r} has no {what} in models/data/zone.csv; name it under `names` of the feed"
    raise FeedError(reason="not_found", message=text)


def finished(
    values: Iterable[Value], refusals: Iterable[Refusal], asked: Asked, steps_s: Sequence[int], pages: Sequence[Page]
) -> Parsed:
    """Give what remains after the judging that all sources share; the clock is that of the last page."""
    now_ms = max((page.fetched_ms for page in pages), default=asked.end_ms)
    judged = judge(values, asked, steps_s=steps_s, now_ms=now_ms)
    return Parsed(judged.values, (*refusals, *judged.refusals))
