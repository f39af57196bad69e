"""What of the feeds is asked for next in Dagster: from what is due to ranges of days of a source.

What belongs here: this policy. What must not be here: when it is looked at (``schedules``), what is due
(``feeds.plan``), asking (``assets.feeds``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.feeds.failures import HOPELESS
from pipelines.feeds.feed import Asked, FeedError
from pipelines.feeds.sync import clients, due, is_slow
from pipelines.partitions import MS_PER_S, day_ranges
from warehouse.electricity import FeedSection
from warehouse.lake import Lake

MS_PER_DAY = 86_400_000
# A year in a run: some 40 askings of a fortnight. Each is landed by itself, so that a failure costs the rest only.
DAYS_A_PULL = 366
# The days of a look: what is new, and the four ages at which days are asked for again (``feeds.plan.REVISIT_DAYS``).
PULLS_A_LOOK = 6

# Credentials do not mend themselves: four failed runs a day remind of them. Asking by hand is possible at any time.
HOPELESS_AGAIN_H = 6
MS_PER_H = 3_600_000

LEFT_ALONE = HOPELESS | {"unauthorised"}

_LAST = """
SELECT zone, reason, detail, fetched_ms FROM raw.feed_pull WHERE source = $source
QUALIFY row_number() OVER (PARTITION BY zone ORDER BY fetched_ms DESC, outcome <> 'failed' DESC) = 1
ORDER BY fetched_ms DESC
"""


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One run that asks one source.

    Attributes:
        source: the source.
        run_key: identity of the request; Dagster runs one key once.
        first: first day; None for a source of months and years.
        last: last day.
    """

    source: str
    run_key: str
    first: str | None = None
    last: str | None = None


def next_pulls(lake: Lake, at_ms: int) -> tuple[list[PullRequest], dict[str, str]]:
    """Return the runs to ask for, and the sources that cannot be asked with the reason.

    Args:
        lake: an open lake.
        at_ms: the time [epoch ms]; a range is asked for once in each look.
    """
    found: dict[str, list[PullRequest]] = {}
    problems: dict[str, str] = {}
    for section, feed in clients(lake.config, clock=lambda: at_ms):
        why = str(feed) if isinstance(feed, FeedError) else _hopeless(lake, section, at_ms)
        if isinstance(feed, FeedError) or why:
            problems[section.source] = why
            continue
        asked = due(lake, section, feed, at_ms)
        if is_slow(feed):
            ranges: list[tuple[str, str] | None] = [None] if asked else []
        else:
            ranges = [*day_ranges(days_of(asked), DAYS_A_PULL)]
        of_source = found.setdefault(section.source, [])
        of_source += [_request(section.source, span, at_ms) for span in ranges]
    return [one for requests in found.values() for one in _distinct(requests)[:PULLS_A_LOOK]], problems


def _hopeless(lake: Lake, section: FeedSection, at_ms: int) -> str:
    """Return why a source is left alone for now: of each zone, the last answer was one that asking does not change."""
    since_ms = at_ms - HOPELESS_AGAIN_H * MS_PER_H
    failed = {
        zone: f"{reason}: {detail}"
        for zone, reason, detail, fetched_ms in lake.rows(_LAST, {"source": section.source})
        if reason in LEFT_ALONE and fetched_ms > since_ms
    }
    return failed[section.zones[0]] if failed.keys() >= set(section.zones) else ""


def _distinct(requests: Iterable[PullRequest]) -> list[PullRequest]:
    """Return each request once, the newest days first: two sections of a source may name the same days."""
    return sorted(set(requests), key=lambda one: one.last or "", reverse=True)


def days_of(asked: Iterable[Asked]) -> list[str]:
    """Return the UTC days (ISO 8601) that some ranges touch."""
    numbers = {day for one in asked for day in range(one.start_ms // MS_PER_DAY, -(-one.end_ms // MS_PER_DAY))}
    return [str(datetime.fromtimestamp(day * MS_PER_DAY / MS_PER_S, UTC).date()) for day in sorted(numbers)]


def _request(source: str, span: tuple[str, str] | None, at_ms: int) -> PullRequest:
    digest = hashlib.sha256(f"{source} {span} {at_ms}".encode()).hexdigest()[:16]
    first, last = span or (None, None)
    return PullRequest(source, f"pull-{source}-{digest}", first, last)
