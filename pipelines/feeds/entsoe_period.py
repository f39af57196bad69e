"""The points of one ENTSO-E period as generation by interval.

What belongs here: positions, resolutions, curve types A01 and A03, megawatts to megawatt-hours. What must not be here:
the rest of the document (``entsoe``).

Reference: ENTSO-E, Introduction of different Timeseries possibilities (curveType): A03 leaves out a position whose
value equals that of the position before it.
"""

from __future__ import annotations

import re

from pipelines.feeds.mix import Generated, Spoilt
from pipelines.feeds.stamps import HOUR_MS, utc_ms
from pipelines.feeds.strict_json import ShapeError, shown
from pipelines.feeds.strict_xml import Element

RESOLUTIONS_MS = {"PT15M": 900_000, "PT30M": 1_800_000, "PT60M": HOUR_MS, "PT1H": HOUR_MS}
"""Lengths of interval by ENTSO-E's code [ms]."""
EVERY, REPEATED = "A01", "A03"
"""Curve types: every position is stated; a position that repeats the one before may be left out."""
PERIOD_PARTS = frozenset({"timeInterval", "Point", "Reason"})
"""Elements with parts of their own that a period may hold."""
MAX_PERIOD_MS = 400 * 24 * HOUR_MS
"""Longest period that is read [ms]: a year is the most that may be asked for."""
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{1,9})?", re.ASCII)
_POSITION = re.compile(r"[1-9]\d{0,5}", re.ASCII)


def generated_of(period: Element, code: str, curve: str) -> list[Generated] | Spoilt:
    """Give what one period states.

    Args:
        period: element ``Period``.
        code: psrType of its series.
        curve: curveType of its series; A03 is filled forward inside of the period only.

    Returns:
        The intervals, without those that A01 leaves out; or why nothing of the period can be taken.
    """
    try:
        start_ms = utc_ms(period.only_text("timeInterval", "start"))
        end_ms = utc_ms(period.only_text("timeInterval", "end"))
    except ShapeError as error:
        return Spoilt("unknown_shape", f"{shown(code)}: {error}")
    except ValueError as error:
        return Spoilt("bad_time", f"{shown(code)}, timeInterval: {error}")
    if not 0 < end_ms - start_ms <= MAX_PERIOD_MS:
        return Spoilt("bad_interval", f"{shown(code)}: a period is empty, reversed or longer than 400 days")
    try:
        step_ms = _step_ms(period, curve, start_ms, end_ms)
        stated = _points(period, (end_ms - start_ms) // step_ms, curve)
    except _PeriodError as error:
        return Spoilt(error.reason, f"{shown(code)}: {error}", start_ms, end_ms)
    except ShapeError as error:
        return Spoilt("unknown_shape", f"{shown(code)}: {error}", start_ms, end_ms)
    found = []
    for position, megawatt in stated.items():
        at_ms = start_ms + (position - 1) * step_ms
        found.append(Generated(code, at_ms, at_ms + step_ms, megawatt * step_ms / HOUR_MS))
    return found


class _PeriodError(ValueError):
    """A period cannot be taken, for one of the reasons."""

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        super().__init__(text)


def _step_ms(period: Element, curve: str, start_ms: int, end_ms: int) -> int:
    """Give the length of the intervals [ms]."""
    resolution = period.only_text("resolution")
    if curve not in (EVERY, REPEATED):
        msg = f"curveType {EVERY} or {REPEATED} is needed, found {shown(curve)}"
        raise ShapeError(msg)
    step_ms = RESOLUTIONS_MS.get(resolution)
    if step_ms is None:
        text = f"resolution: one of {', '.join(RESOLUTIONS_MS)} is needed, found {shown(resolution)}"
        raise _PeriodError(reason="bad_interval", text=text)
    if (end_ms - start_ms) % step_ms or start_ms % step_ms:
        raise _PeriodError(reason="bad_interval", text=f"the period is no whole number of {resolution} in UTC")
    return step_ms


def _points(period: Element, positions_n: int, curve: str) -> dict[int, float]:
    """Give the power at each position [MW]."""
    stated: dict[int, float] = {}
    unknown = period.unknown_part(PERIOD_PARTS)
    if unknown is not None:
        msg = f"Period: one of {', '.join(sorted(PERIOD_PARTS))} is needed, found {shown(unknown)}"
        raise ShapeError(msg)
    for point in period.all("Point"):
        position, quantity = point.only_text("position"), point.only_text("quantity")
        if not _POSITION.fullmatch(position) or int(position) > positions_n:
            text = f"position: 1 to {positions_n} is needed, found {shown(position)}"
            raise _PeriodError(reason="bad_interval", text=text)
        if not _NUMBER.fullmatch(quantity):
            text = f"quantity at position {position}: a number is needed, found {shown(quantity)}"
            raise _PeriodError(reason="bad_value", text=text)
        if stated.setdefault(int(position), float(quantity)) != float(quantity):
            raise _PeriodError(reason="conflicting", text=f"position {position} stands twice, with two quantities")
    if not stated:
        msg = "Period: Point is missing"
        raise ShapeError(msg)
    return stated if curve == EVERY else _filled(stated, positions_n)


def _filled(stated: dict[int, float], positions_n: int) -> dict[int, float]:
    """Give the power at every position [MW]: one that is left out repeats the one before."""
    if 1 not in stated:
        raise _PeriodError(reason="no_value", text="position 1 is missing, so there is nothing to repeat")
    for index in range(2, positions_n + 1):
        if index not in stated:
            stated[index] = stated[index - 1]
    return stated
