"""Times of a drop's rows: what a label means in UTC, and how long a row lasts.

What belongs here: time zones, hours that the clock shows twice or never, labels, steps. What must not be here: values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.feeds.drop_description import TimeRule
from pipelines.feeds.feed import FeedError
from pipelines.feeds.stamps import ms_of
from pipelines.feeds.strict_json import shown

_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
EARLIEST_MS, LATEST_MS = ms_of(datetime(1990, 1, 1, tzinfo=UTC)), ms_of(datetime(2100, 1, 1, tzinfo=UTC))
"""Times that a row may have [epoch ms UTC]: our tables of factors begin in 1990, and 1970 is a lost time."""
_WHOLE = re.compile(r"-?\d{1,14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """The interval of one row: start and end [epoch ms UTC]."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class NoSpan:
    """Why a row has no interval: one of ``READ_REASONS`` and the text."""

    reason: str
    detail: str


def zone_of(rule: TimeRule, name: str) -> tzinfo:
    """Give the time zone of labels that carry none.

    Args:
        rule: the description of times.
        name: name of the description, for the error.

    Raises:
        FeedError: ``not_configured`` if there is no such zone.
    """
    if rule.zone == "UTC":
        return UTC
    offset = _OFFSET.fullmatch(rule.zone)
    if offset and int(offset[2]) <= 14 and int(offset[3]) < 60:
        length = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-length if offset[1] == "-" else length)
    try:
        if "/" in rule.zone:
            return ZoneInfo(rule.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    text = f"{name}, [time], zone: UTC, an offset such as +01:00 or an IANA zone is needed, found {shown(rule.zone)}"
    raise FeedError(reason="not_configured", message=text)


def moments(labels: Sequence[str], rule: TimeRule, zone: tzinfo) -> list[int | NoSpan]:
    """Give the moment of each label [epoch ms UTC], or why there is none.

    Args:
        labels: texts of the time column of one zone, in the order of the file.
        rule: the description of times.
        zone: time zone of labels that carry none.
    """
    seen: dict[datetime, int] = {}
    found: list[int | NoSpan] = []
    for label in labels:
        try:
            moment_ms = _moment(label, rule, zone, seen)
            is_ours = EARLIEST_MS <= moment_ms < LATEST_MS
            found.append(moment_ms if is_ours else NoSpan("bad_time", f"{shown(label)} is not within 1990 to 2099"))
        except (ValueError, OverflowError) as error:
            found.append(NoSpan("bad_time", f"{shown(label)} is no time that the description allows ({error})"))
    return found


def _moment(label: str, rule: TimeRule, zone: tzinfo, seen: dict[datetime, int]) -> int:
    if rule.form in ("epoch_s", "epoch_ms"):
        if not _WHOLE.fullmatch(label):
            msg = "a whole number is needed"
            raise ValueError(msg)
        return int(label) * (1_000 if rule.form == "epoch_s" else 1)
    if rule.form == "iso" and not _ISO.fullmatch(label):
        msg = "a date and a time are needed, such as 2025-01-31T23:00 or 2025-01-31T23:00Z"
        raise ValueError(msg)
    stated = datetime.fromisoformat(label) if rule.form == "iso" else datetime.strptime(label, rule.form)  # noqa: DTZ007
    if stated.tzinfo is not None:
        return ms_of(stated)
    return ms_of(_placed(stated, rule, zone, seen))


def _placed(local: datetime, rule: TimeRule, zone: tzinfo, seen: dict[datetime, int]) -> datetime:
    """Give a local time with its zone; an hour that the clock skips is an error, one shown twice is told apart."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
        msg = f"the clock of {rule.zone} skips it"
        raise ValueError(msg)
    if rule.fold == "refuse":
        msg = f"the clock of {rule.zone} shows it twice"
        raise ValueError(msg)
    seen[local] = seen.get(local, 0) + 1
    if seen[local] > 2:
        msg = f"the clock of {rule.zone} shows it twice, the file has it more often"
        raise ValueError(msg)
    return first if seen[local] == 1 else second


def spans(found: Sequence[int | NoSpan], rule: TimeRule) -> list[Span | NoSpan]:
    """Give the interval of each row of one zone, in the order of the file.

    Where rows last until the next one and the next one is further away than any step, there is a hole: the row takes
    the step of the row before it.

    Args:
        found: moments of the labels.
        rule: the description of times.
    """
    if not rule.is_from_next_row:
        step_ms = rule.steps_s[0] * 1_000
        shift_ms = step_ms if rule.label == "end" else 0
        return [one if isinstance(one, NoSpan) else Span(one - shift_ms, one - shift_ms + step_ms) for one in found]
    result: list[Span | NoSpan] = []
    previous_ms: int | None = None
    for index, one in enumerate(found):
        following = found[index + 1] if index + 1 < len(found) else None
        span = one if isinstance(one, NoSpan) else _until(one, following, previous_ms, rule)
        previous_ms = span.end_ms - span.start_ms if isinstance(span, Span) else previous_ms
        result.append(span)
    return result


def _until(start_ms: int, following: int | NoSpan | None, previous_ms: int | None, rule: TimeRule) -> Span | NoSpan:
    if isinstance(following, NoSpan):
        return NoSpan("bad_interval", "the next row has no time, so nobody can tell how long this one lasts")
    if following is None:
        if rule.last_step_s is None:
            return NoSpan("bad_interval", "the last row has no next one, and no last_step_s is stated")
        return Span(start_ms, start_ms + rule.last_step_s * 1_000)
    length_ms = following - start_ms
    if length_ms in {step * 1_000 for step in rule.steps_s}:
        return Span(start_ms, following)
    if previous_ms is not None and length_ms > max(rule.steps_s) * 1_000:
        return Span(start_ms, start_ms + previous_ms)
    return NoSpan("bad_interval", f"the next row is {length_ms / 1_000:g} s away, which is none of steps_s")
