"""The file drop: anybody's file of intensities, of generation by fuel, or saved answers of a source, as values.

What belongs here: a data file and its description in, values, refusals and gaps out. What must not be here: landing
(``landing``), reading of the description (``drop_description``) or of rows (``drop_rows``, ``drop_values``).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pipelines.feeds.drop_answer import answered
from pipelines.feeds.drop_description import Description, described
from pipelines.feeds.drop_rows import body_of, rows_of
from pipelines.feeds.drop_values import read_rows
from pipelines.feeds.feed import Asked, FeedError, Page, Parsed, Refusal, Value
from pipelines.feeds.judge import judge
from pipelines.feeds.stamps import utc_ms


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in one series, between the first and the last interval that its zone has in the file.

    Attributes:
        zone: our key of the zone.
        basis: ``lifecycle`` or ``operational``.
        factor_set: factor set of the series.
        start_ms: start of the hole [epoch ms UTC].
        end_ms: end of the hole, exclusive [epoch ms UTC].
    """

    zone: str
    basis: str
    factor_set: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class StepChange:
    """A moment at which the length of a series' intervals changes [s], where no hole lies between."""

    zone: str
    basis: str
    factor_set: str
    at_ms: int
    before_s: int
    after_s: int


@dataclass(frozen=True, slots=True)
class Drop:
    """What a drop holds.

    Attributes:
        provider: provider of the values.
        licence: under which licence they may be used.
        as_of_ms: when it was known [epoch ms UTC]; None where the description does not say.
        values: the values that may go in.
        refusals: what is not taken, and why.
        gaps: holes in the series.
        step_changes: where intervals become shorter or longer.
        clipped: negative generation taken as zero, by code: number of intervals, and their sum [MWh].
        bodies: the file as it lay, with its hash.
    """

    provider: str
    licence: str
    as_of_ms: int | None
    values: tuple[Value, ...]
    refusals: tuple[Refusal, ...]
    gaps: tuple[Gap, ...]
    step_changes: tuple[StepChange, ...]
    clipped: Mapping[str, tuple[int, float]]
    bodies: tuple[Page, ...]


def read_drop(data: Path, description: Path | Mapping[str, Any], *, now_ms: int | None = None) -> Drop:
    """Give what a dropped file holds; nothing is landed.

    Args:
        data: the file: CSV or JSON lines, perhaps ``.gz``; or a saved answer.
        description: the TOML file that describes it, or what that holds; see ``docs/feeds/file-drop.md``.
        now_ms: our clock [epoch ms UTC]; None for that of this machine.

    Raises:
        FeedError: if description or file cannot be used: file, line or key, value and what is allowed.
    """
    stated = described(description)
    as_of_ms = _as_of_ms(stated)
    read_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    fetched_ms = read_ms if as_of_ms is None else as_of_ms
    raw, body = body_of(data)
    page = Page(f"file:{data.name}", 200, {}, raw, fetched_ms)
    clipped: Mapping[str, tuple[int, float]] = {}
    if stated.form == "answer":
        parsed, ranges = answered(stated, Page(page.url, 200, {}, body, fetched_ms))
    else:
        columns, rows = rows_of(data.name, body, stated.form)
        found = read_rows(stated, data.name, columns, rows)
        clipped, ranges = found.clipped, found.ranges
        parsed = _judged(found.values, found.refusals, ranges, stated, fetched_ms)
    series = _series(parsed.values)
    return Drop(
        provider=stated.provider,
        licence=stated.licence,
        as_of_ms=as_of_ms,
        values=parsed.values,
        refusals=parsed.refusals,
        gaps=tuple(_gaps(series, ranges)),
        step_changes=tuple(_step_changes(series)),
        clipped=clipped,
        bodies=(page,),
    )


def _as_of_ms(stated: Description) -> int | None:
    try:
        return None if stated.as_of is None else utc_ms(stated.as_of)
    except ValueError as error:
        raise FeedError(reason="not_configured", message=f"{stated.name}, as_of: {error}") from None


def _judged(
    values: Iterable[Value],
    refusals: Iterable[Refusal],
    ranges: Mapping[str, tuple[int, int]],
    stated: Description,
    now_ms: int,
) -> Parsed:
    """Give what the judging that all sources share leaves, zone by zone."""
    by_zone: dict[str, list[Value]] = defaultdict(list)
    for value in values:
        by_zone[value.zone].append(value)
    steps_s = stated.time.steps_s if stated.time else ()
    judged = [
        judge(by_zone[zone], Asked(zone, *ranges[zone]), steps_s=steps_s, now_ms=now_ms, align_s=1)
        for zone in sorted(by_zone)
    ]
    kept = tuple(value for one in judged for value in one.values)
    return Parsed(kept, (*refusals, *(refusal for one in judged for refusal in one.refusals)))


def _series(values: Iterable[Value]) -> dict[tuple[str, str, str], list[Value]]:
    """Give the values by zone, basis and factor set, in order of time."""
    found: dict[tuple[str, str, str], list[Value]] = defaultdict(list)
    for value in sorted(values, key=lambda one: one.start_ms):
        found[value.zone, value.basis, value.factor_set].append(value)
    return found


def _gaps(series: Mapping[tuple[str, str, str], list[Value]], ranges: Mapping[str, tuple[int, int]]) -> Iterable[Gap]:
    """Give the holes of every series within what its zone has in the file."""
    for key, values in series.items():
        covered_ms, end_ms = ranges[key[0]]
        for value in values:
            if value.start_ms > covered_ms:
                yield Gap(*key, covered_ms, value.start_ms)
            covered_ms = max(covered_ms, value.end_ms)
        if covered_ms < end_ms:
            yield Gap(*key, covered_ms, end_ms)


def _step_changes(series: Mapping[tuple[str, str, str], list[Value]]) -> Iterable[StepChange]:
    for key, values in series.items():
        for one, following in pairwise(values):
            before_s, after_s = ((item.end_ms - item.start_ms) // 1_000 for item in (one, following))
            if one.end_ms == following.start_ms and before_s != after_s:
                yield StepChange(*key, following.start_ms, before_s, after_s)
