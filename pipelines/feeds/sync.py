"""Bringing feeds up to date: what is due is asked for, kept as it came, landed and taken in.

What belongs here: the order of work for all configured feeds, and what a failure stops. What must not be here: which
ranges are due (``plan``), HTTP (``web``), formats (the clients).

A failure of one feed or zone costs no other anything: it is noted with its reason, and asked for again the next time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.feeds import kept, landing, plan
from pipelines.feeds.failures import Failures
from pipelines.feeds.feed import Asked, Feed, FeedError, Parsed, Settings
from pipelines.feeds.judge import gaps
from pipelines.feeds.landing import PullRecord
from pipelines.feeds.sources import ClientClass, client
from warehouse.config import Config
from warehouse.electricity import FeedSection
from warehouse.ingest import IngestReport, ingest_landing
from warehouse.lake import Lake

if TYPE_CHECKING:
    from pipelines.feeds.web import Web

Progress = Callable[[str, int, int, str], None]

MS_PER_S = 1000

_PULLS = """
SELECT from_ms, to_ms, fetched_ms, outcome = 'complete' FROM raw.feed_pull
WHERE source = $source AND zone = $zone AND outcome <> 'failed'
"""
_CHANGES = """
SELECT DISTINCT epoch_ms(date_trunc('day', valid_from)), max(epoch_ms(known_from))
FROM ref.grid_intensity AS version
WHERE provider = $source AND zone = $zone AND file_sha256 IS NOT NULL
  AND EXISTS (
      SELECT 1 FROM ref.grid_intensity AS earlier
      WHERE earlier.factor_id = version.factor_id AND earlier.valid_from = version.valid_from
        AND earlier.valid_to = version.valid_to AND earlier.known_from < version.known_from
  )
GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A feed, or a zone of one, that was left alone.

    Attributes:
        source: the feed.
        zone: the zone; None where it concerns all zones of this entry of the configuration.
        why: the reason, and how many askings it cost where that is known.
    """

    source: str
    zone: str | None
    why: str

    def __str__(self) -> str:
        """Give it as one line."""
        return f"{self.source}{'' if self.zone is None else f' {self.zone}'}: {self.why}"


@dataclass(slots=True)
class SyncReport:
    """What one sync did.

    Attributes:
        pulls: askings and what came of them, in order.
        ingest: what became of the landed files.
        left_out: feeds, and zones of feeds, that were left alone, in order; a source may stand in it more than once.
    """

    pulls: list[PullRecord] = field(default_factory=list)
    ingest: IngestReport = field(default_factory=IngestReport)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def failed(self) -> list[PullRecord]:
        """Askings without an answer."""
        return [pull for pull in self.pulls if pull.outcome == "failed"]


def now_ms() -> int:
    """Return the time [epoch ms]."""
    return time.time_ns() // 1_000_000


def settings_of(section: FeedSection) -> Settings:
    """Return what the configuration states about a feed, as its client wants it."""
    return Settings(
        url=section.url,
        token_env=section.token_env,
        user_env=section.user_env,
        password_env=section.password_env,
        names=section.names,
        factor_sets=tuple(section.factor_sets),
        signals=tuple(section.signals),
    )


def clients(
    config: Config, environ: Mapping[str, str] | None = None, *, clock: Callable[[], int] = now_ms
) -> Iterator[tuple[FeedSection, Feed | FeedError]]:
    """Yield every configured feed with its client, or why there is none.

    Args:
        config: the configuration.
        environ: the environment; by default that of the process.
        clock: the time [epoch ms].
    """
    for section in config.feed:
        try:
            yield section, client(section.source, settings_of(section), environ or os.environ, now_ms=clock)
        except FeedError as error:
            yield section, error


def due(lake: Lake, section: FeedSection, feed: Feed, at_ms: int) -> list[Asked]:
    """Return what is due of a feed.

    Args:
        lake: an open lake.
        section: its configuration.
        feed: its client.
        at_ms: the time [epoch ms].
    """
    since_ms = int(datetime.combine(section.since, datetime.min.time(), UTC).timestamp() * MS_PER_S)
    until_ms, longest_ms = _until(feed, at_ms), int(feed.longest.total_seconds() * MS_PER_S)
    found: list[Asked] = []
    for zone in section.zones:
        of_zone = {"source": section.source, "zone": zone}
        pulls = [plan.Pull(*row) for row in lake.rows(_PULLS, of_zone)]
        if is_slow(feed):
            ranges = plan.due_whole(pulls, since_ms=since_ms, until_ms=until_ms, now_ms=at_ms)
        else:
            changes = lake.rows(_CHANGES, of_zone)
            ranges = plan.due(pulls, since_ms=since_ms, until_ms=until_ms, now_ms=at_ms, changes=changes)
        found += [Asked(zone, *part) for part in plan.parts(ranges, longest_ms)]
    return found


def is_slow(feed: Feed | ClientClass) -> bool:
    """Tell whether a feed gives months or years: then it is asked for all of them at once, now and then."""
    return min(feed.steps_s) * MS_PER_S > plan.MS_PER_DAY


def _until(feed: Feed, at_ms: int) -> int:
    """Return the end of what a feed can have a value for by now [epoch ms]."""
    step_ms = min(min(feed.steps_s) * MS_PER_S, plan.MS_PER_DAY)
    return (at_ms - int(feed.lag.total_seconds() * MS_PER_S)) // step_ms * step_ms


def pull(lake: Lake, feed: Feed, web: Web, asked: Asked, *, clock: Callable[[], int] = now_ms) -> PullRecord:
    """Ask for one range, keep the answer, land what changed; a failure is landed as well.

    Args:
        lake: an open lake, for what is known already.
        feed: the client.
        web: HTTP.
        asked: zone and range.
        clock: the time [epoch ms].
    """
    record = {"source": feed.source, "zone": asked.zone, "from_ms": asked.start_ms, "to_ms": asked.end_ms}
    try:
        pages = feed.fetch(web, asked)
        sha256 = kept.sha256_of(pages)
        kept.keep(lake.config.answers_path, feed.source, pages)
        parsed = feed.parse(pages, asked)
    except FeedError as error:
        failed = PullRecord(
            **record,  # type: ignore[arg-type]
            fetched_ms=clock(),
            outcome="failed",
            reason=error.reason,
            detail=str(error)[: landing.MAX_DETAIL_LETTERS],
            http_status=error.status,
        )
        landing.land(lake.config, feed.source, (), fetched_ms=failed.fetched_ms, response_sha256="", pulls=[failed])
        return failed
    fetched_ms = max((page.fetched_ms for page in pages), default=clock())
    new = landing.changed(lake, feed.source, asked, parsed.values)
    missing_ms = missing(parsed, asked)
    reason, detail = landing.first_refusal(parsed.refusals)
    done = PullRecord(
        **record,  # type: ignore[arg-type]
        fetched_ms=fetched_ms,
        outcome="partial" if missing_ms else "complete",
        reason=reason,
        detail=detail,
        values_n=len(parsed.values),
        changed_n=len(new),
        refused_n=sum(refusal.values_n for refusal in parsed.refusals),
        missing_ms=missing_ms,
        http_status=pages[-1].status if pages else None,
        url=pages[0].url if pages else None,
        response_sha256=sha256 if pages else None,
    )
    landing.land(lake.config, feed.source, new, fetched_ms=fetched_ms, response_sha256=sha256, pulls=[done])
    return done


def missing(parsed: Parsed, asked: Asked) -> int:
    """Return how much of a range has no value [ms], in the series that has least."""
    series: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for value in parsed.values:
        key = value.kind, value.basis, value.flow, value.factor_set
        series.setdefault(key, []).append((value.start_ms, value.end_ms))
    if not series:
        return asked.end_ms - asked.start_ms
    by_key = {key: [v for v in parsed.values if (v.kind, v.basis, v.flow, v.factor_set) == key] for key in series}
    return max(sum(end - start for start, end in gaps(values, asked)) for values in by_key.values())


def sync(
    lake: Lake,
    *,
    web: Web | None = None,
    environ: Mapping[str, str] | None = None,
    only: str | None = None,
    again: tuple[int, int] | None = None,
    progress: Progress | None = None,
    clock: Callable[[], int] = now_ms,
) -> SyncReport:
    """Ask every configured feed for what is due, and take in what came.

    Args:
        lake: an open, writable lake.
        web: HTTP; by default a new one.
        environ: the environment, where tokens are.
        only: this source and no other.
        again: ask for this range whether it is due or not [epoch ms].
        progress: called with the stage, steps done, steps in all and what is at hand.
        clock: the time [epoch ms].
    """
    tell = progress or (lambda _stage, _done, _all, _what: None)
    report = SyncReport()
    waited = ingest_landing(lake)
    for section, feed in clients(lake.config, environ, clock=clock):
        if only not in (None, section.source):
            continue
        if isinstance(feed, FeedError):
            report.left_out.append(LeftOut(section.source, None, str(feed)))
            continue
        web = web or _web()
        work = _again(section, feed, again, clock()) if again else due(lake, section, feed, clock())
        _work_off(lake, feed, web, work, report, tell, clock)
    report.ingest = IngestReport(waited.outcomes + ingest_landing(lake).outcomes)
    return report


def _work_off(
    lake: Lake,
    feed: Feed,
    web: Web,
    work: list[Asked],
    report: SyncReport,
    tell: Progress,
    clock: Callable[[], int],
) -> None:
    failures = Failures()
    for number, asked in enumerate(work):
        if failures.leaves(asked.zone):
            continue
        day = datetime.fromtimestamp(asked.start_ms / MS_PER_S, UTC).date()
        tell(feed.source, number, len(work), f"{asked.zone} {day}")
        record = pull(lake, feed, web, asked, clock=clock)
        report.pulls.append(record)
        failures.note(record)
    for zone, (left_n, why) in failures.left.items():
        if left_n:
            report.left_out.append(LeftOut(feed.source, zone, f"{left_n} more askings: {why}"))
    tell(feed.source, len(work), len(work), "")


def _again(section: FeedSection, feed: Feed, span: tuple[int, int], at_ms: int) -> list[Asked]:
    until_ms = min(span[1], _until(feed, at_ms))
    longest_ms = int(feed.longest.total_seconds() * MS_PER_S)
    parts = plan.parts([(span[0], until_ms)] if span[0] < until_ms else [], longest_ms)
    return [Asked(zone, *part) for zone in section.zones for part in parts]


def _web() -> Web:
    from pipelines.feeds.web import Web

    return Web()
