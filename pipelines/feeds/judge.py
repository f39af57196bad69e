"""Judging of values, the same for all sources: zone, range, step, time, size, duplicates, overlaps; and gaps.

What belongs here: judging values that a client has read. What must not be here: any one source's format.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from pipelines.feeds.feed import Asked, Parsed, Refusal, Value

MAX_GCO2E_PER_KWH = 3_000.0
"""Above it a value is taken for an error [gCO2e/kWh]. Our choice: about twice the worst lignite plant; the worst zones'
hours lie near 1,300."""
CLOCK_SKEW_MS = 5 * 60_000
"""How far a provider's clock may be ahead of ours [ms]. Our choice."""
_HOUR_S = 3_600
_LONGEST_TEXT = 80


class Tally:
    """Counts what is refused: once for each reason, with a number and the first offending place."""

    def __init__(self, refusals: Iterable[Refusal] = ()) -> None:
        """Start from refusals that are known already."""
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        for refusal in refusals:
            self.add(refusal.reason, refusal.detail, refusal.values_n)

    def add(self, reason: str, detail: str, values_n: int = 1) -> None:
        """Count values that are refused.

        Args:
            reason: one of ``REASONS``.
            detail: what exactly, where, and what was expected.
            values_n: how many values; 0 where nobody can tell.
        """
        self._counts[reason] += values_n
        self._first.setdefault(reason, detail)

    def refusals(self) -> tuple[Refusal, ...]:
        """Give one refusal for each reason, in the order of first sight."""
        return tuple(
            Refusal(reason, detail if self._counts[reason] <= 1 else f"first: {detail}", self._counts[reason])
            for reason, detail in self._first.items()
        )


def judge(
    values: Iterable[Value],
    asked: Asked,
    *,
    steps_s: Sequence[int],
    now_ms: int,
    refusals: Iterable[Refusal] = (),
    align_s: int | None = None,
) -> Parsed:
    """Give the values that may go in, sorted and unique, and all refusals.

    Equal duplicates become one value. Where an interval is stated with two numbers, or intervals of one series overlap,
    nobody can tell which is right: all of them are refused. A series may change its step at a boundary.

    Args:
        values: what a client has read.
        asked: the zone and range that were asked for.
        steps_s: lengths of interval that the source may give [s].
        now_ms: when the answer was complete [epoch ms UTC]; intervals that end later than a clock skew after it are
            forecasts, whatever the provider calls them.
        refusals: what the client refused itself.
        align_s: intervals start at whole multiples of it since the epoch [s]; None for the step itself, an hour for
            longer steps.
    """
    tally = Tally(refusals)
    series: dict[tuple[str, ...], list[Value]] = defaultdict(list)
    for value in values:
        found = _fault(value, asked, steps_s, now_ms, align_s)
        if found:
            tally.add(found[0], f"{_shown(value)}: {found[1]}")
        else:
            series[value.zone, value.kind, value.basis, value.flow, value.factor_set].append(value)
    kept = [value for key in sorted(series) for value in _one_an_interval(series[key], tally)]
    return Parsed(tuple(kept), tally.refusals())


def gaps(values: Iterable[Value], asked: Asked) -> tuple[tuple[int, int], ...]:
    """Give the pieces of the asked range for which there is no value [epoch ms UTC], half-open and in order.

    Args:
        values: values of one series, in any order.
        asked: the range.
    """
    found, covered_ms = [], asked.start_ms
    for start_ms, end_ms in sorted((value.start_ms, value.end_ms) for value in values):
        if start_ms >= asked.end_ms:
            break
        if start_ms > covered_ms:
            found.append((covered_ms, start_ms))
        covered_ms = max(covered_ms, end_ms)
    if covered_ms < asked.end_ms:
        found.append((covered_ms, asked.end_ms))
    return tuple(found)


def _fault(
    value: Value, asked: Asked, steps_s: Sequence[int], now_ms: int, align_s: int | None
) -> tuple[str, str] | None:
    """Give reason and detail of what is wrong with a value alone; None if nothing is."""
    checks: tuple[Callable[[], tuple[str, str] | None], ...] = (
        lambda: None if value.zone == asked.zone else ("wrong_zone", f"{asked.zone} was asked for"),
        lambda: _interval_fault(value, steps_s, align_s),
        lambda: _time_fault(value, asked, now_ms),
        lambda: _number_fault(value.gco2e_per_kwh),
        lambda: _share_fault(value.carbon_free_fraction),
    )
    return next((found for check in checks if (found := check())), None)


def _interval_fault(value: Value, steps_s: Sequence[int], align_s: int | None) -> tuple[str, str] | None:
    times = (value.start_ms, value.end_ms)
    if not all(type(time_ms) is int for time_ms in times):
        return "bad_time", "its times are no whole numbers of milliseconds"
    length_ms = value.end_ms - value.start_ms
    if length_ms not in {step_s * 1000 for step_s in steps_s}:
        return "bad_interval", f"{length_ms / 1000:g} s long, known steps are {', '.join(map(str, steps_s))} s"
    grid_ms = min(length_ms, _HOUR_S * 1000) if align_s is None else align_s * 1000
    if value.start_ms % grid_ms:
        return "bad_interval", f"does not start at a whole multiple of {grid_ms // 1000} s"
    return None


def _time_fault(value: Value, asked: Asked, now_ms: int) -> tuple[str, str] | None:
    if value.start_ms < asked.start_ms or value.end_ms > asked.end_ms:
        return "outside_range", f"{_utc(asked.start_ms)} to {_utc(asked.end_ms)} was asked for"
    if value.end_ms > now_ms + CLOCK_SKEW_MS:
        return "bad_time", f"ends after {_utc(now_ms)}, when the answer came"
    if value.updated_ms is not None and value.updated_ms > now_ms + CLOCK_SKEW_MS:
        return "bad_time", f"changed at {_utc(value.updated_ms)}, after the answer came"
    return None


def _number_fault(number: object) -> tuple[str, str] | None:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return "bad_value", f"{str(number)[:_LONGEST_TEXT]!r} is no number"
    if not 0 <= number <= MAX_GCO2E_PER_KWH or not math.isfinite(number):
        return "bad_value", f"{str(number)[:_LONGEST_TEXT]} is not within 0 to {MAX_GCO2E_PER_KWH:g} g/kWh"
    return None


def _share_fault(share: float | None) -> tuple[str, str] | None:
    if share is None or 0 <= share <= 1:
        return None
    return "bad_value", f"a carbon-free share of {share:g} is not within 0 to 1"


def _one_an_interval(values: list[Value], tally: Tally) -> list[Value]:
    """Give one value an interval of a series; intervals that overlap, or are stated with two numbers, go."""
    stated: dict[tuple[int, int], list[Value]] = defaultdict(list)
    for value in values:
        stated[value.start_ms, value.end_ms].append(value)
    kept = []
    for group in _overlapping(sorted(stated)):
        same = stated[group[0]]
        numbers = sorted({value.gco2e_per_kwh for value in same})
        shares = {value.carbon_free_fraction for value in same}
        if len(group) > 1:
            detail = f"{_shown(same[0])}: overlaps {_shown(stated[group[1]][0])}"
            tally.add("bad_interval", detail, sum(len(stated[interval]) for interval in group))
        elif len(numbers) > 1:
            detail = f"{_shown(same[0])}: stated as {numbers[0]} and as {numbers[-1]} g/kWh"
            tally.add("conflicting", detail, len(same))
        elif len(shares) > 1:
            detail = f"{_shown(same[0])}: stated with several carbon-free shares"
            tally.add("conflicting", detail, len(same))
        else:
            kept.append(_folded(same))
    return kept


def _overlapping(intervals: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Give sorted intervals in groups: those in a group hang together by overlaps, one alone overlaps nothing."""
    groups: list[list[tuple[int, int]]] = []
    reach_ms = 0
    for start_ms, end_ms in intervals:
        if groups and start_ms < reach_ms:
            groups[-1].append((start_ms, end_ms))
            reach_ms = max(reach_ms, end_ms)
        else:
            groups.append([(start_ms, end_ms)])
            reach_ms = end_ms
    return groups


def _folded(same: list[Value]) -> Value:
    """Give equal duplicates as one: estimated if one says so, changed when the last one says."""
    updated = [value.updated_ms for value in same if value.updated_ms is not None]
    is_estimate = any(value.is_estimate for value in same)
    return replace(same[0], is_estimate=is_estimate, updated_ms=max(updated, default=None))


def _shown(value: Value) -> str:
    return f"{value.zone[:_LONGEST_TEXT]} {_utc(value.start_ms)} to {_utc(value.end_ms)}"


def _utc(time_ms: object) -> str:
    try:
        return datetime.fromtimestamp(float(time_ms) / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # type: ignore[arg-type]
    except (ValueError, OverflowError, OSError, TypeError):
        return str(time_ms)[:_LONGEST_TEXT]
