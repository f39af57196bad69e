"""When the inference of a model version has taken as much as its training: in units, by date, and as a forecast.

Energy and emissions are asked for apart: their break-even differs, since the grid differs in time and place. What rests
on the same input in training and inference, such as one grid factor, cancels in the ratio.

What belongs here: the comparison of two running totals. What must not be here: a calendar; days are whole numbers of
any origin (such as a date's ordinal), which the caller turns back into dates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from models import bounds
from models.products import inputs
from models.uncertain import Quantity, total

NO_TRAINING, NO_UNITS, NO_RATE = "no_training", "no_units", "no_rate"
NOT_REACHED, BEYOND_HORIZON = "not_reached", "beyond_horizon"
REASONS = (NO_TRAINING, NO_UNITS, NO_RATE, NOT_REACHED, BEYOND_HORIZON)
"""Why there is no break-even: training took nothing, a unit takes nothing, no inference a day, not in the series, or
later than ``inputs.MAX_DAYS`` after its start."""
MAX_DAY = 10_000_000
"""Greatest day number taken [days from any origin]; ordinals of dates end at 3,652,059."""
UNITS = (*inputs.ENERGY_UNITS, *inputs.CARBON_UNITS)


@dataclass(frozen=True, slots=True)
class BreakEvenUnits:
    """Units at which inference has taken as much as training.

    Attributes:
        units_n: low, central, high; None where there is none.
        reason: why it is None, one of ``REASONS``; empty where it is not.
    """

    units_n: Quantity | None
    reason: str


@dataclass(frozen=True, slots=True)
class Day:
    """Inference of one day.

    Attributes:
        day: number of the day [days from any origin].
        inference: what inference took on it, standing part included.
    """

    day: int
    inference: Quantity

    def __post_init__(self) -> None:
        """Refuse a day that is no whole number."""
        bounds.whole("day", self.day, -MAX_DAY, MAX_DAY)


@dataclass(frozen=True, slots=True)
class BreakEvenDays:
    """Days on which inference has taken as much as training.

    Attributes:
        earliest: first day on which the high end of the ratio of inference to training is at least 1.
        central: the same of the central value; the day to report.
        latest: the same of the low end.
        reason: why ``central`` is None, one of ``REASONS``; empty where it is not.
    """

    earliest: int | None
    central: int | None
    latest: int | None
    reason: str


def break_even_units(training: Quantity, inference_per_unit: Quantity) -> BreakEvenUnits:
    """Give the number of units at which inference has taken as much as training.

    Args:
        training: energy [kWh] or emissions of the training, fine-tuning included where it is meant.
        inference_per_unit: what one request or token takes, at the batch size that is served, in the same unit.

    Raises:
        ValueError: if a unit is not of energy or emissions, or the two differ.

    Reference: docs/models/products.md, break-even; Luccioni, Jernite, Strubell 2024, table 5.
    """
    inputs.in_unit("training", training, UNITS)
    inputs.in_unit("inference_per_unit", inference_per_unit, (training.unit,))
    if training.central == 0:
        return BreakEvenUnits(None, NO_TRAINING)
    if inference_per_unit.central == 0:
        return BreakEvenUnits(None, NO_UNITS)
    return BreakEvenUnits(training.over(inference_per_unit, "1"), "")


def break_even_day(training: Quantity, days: Sequence[Day]) -> BreakEvenDays:
    """Give the day on which inference so far passes training, from what was recorded.

    Args:
        training: energy [kWh] or emissions of the training.
        days: inference by day in order; a day that is missing took nothing.

    Raises:
        ValueError: if the days are out of order or twice, or a unit is not that of the training.

    Reference: docs/models/products.md, break-even.
    """
    _check(training, days)
    if training.central == 0:
        return BreakEvenDays(None, None, None, NO_TRAINING)
    return _crossing(training, days)


def forecast_break_even_day(training: Quantity, days: Sequence[Day], rate_per_day: Quantity) -> BreakEvenDays:
    """Give the day on which inference passes training: as recorded, and from the last day on at a constant rate.

    Args:
        training: energy [kWh] or emissions of the training.
        days: inference by day in order, one at least: the last one says where the forecast starts.
        rate_per_day: what inference is taken to need a day from then on, in the unit of the training.

    Raises:
        ValueError: if there is no day, the days are out of order, or a unit is not that of the training.

    Reference: docs/models/products.md, break-even.
    """
    _check(training, days)
    inputs.in_unit("rate_per_day", rate_per_day, (training.unit,))
    if not days:
        msg = "days must hold one day at least, which says where the forecast starts, not []"
        raise ValueError(msg)
    if training.central == 0:
        return BreakEvenDays(None, None, None, NO_TRAINING)
    known = _crossing(training, days)
    so_far, last = total([one.inference for one in days], training.unit), days[-1].day
    recorded = {"high": known.earliest, "central": known.central, "low": known.latest}
    found = {
        column: _forecast(training, so_far, rate_per_day, last, column) if day is None else day
        for column, day in recorded.items()
    }
    reason = NO_RATE if rate_per_day.central == 0 else BEYOND_HORIZON
    return BreakEvenDays(found["high"], found["central"], found["low"], reason if found["central"] is None else "")


def _forecast(training: Quantity, so_far: Quantity, rate: Quantity, last: int, column: str) -> int | None:
    """Give the first day after the last at which one end of the ratio is at least 1, None beyond the horizon."""
    if rate.central == 0:
        return None

    def is_passed(ahead: int) -> bool:
        """Tell whether the ratio is at least 1 so many days ahead."""
        return bool(_end(training, so_far.plus(rate.scaled(float(ahead))), column) >= 1)

    low, high = 0, inputs.MAX_DAYS
    if not is_passed(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_passed(middle) else (middle, high)
    return last + high


def _crossing(training: Quantity, days: Sequence[Day]) -> BreakEvenDays:
    """Give the first recorded days at which high, central and low of the ratio are at least 1."""
    found: dict[str, int] = {}
    so_far = Quantity(0.0, training.unit)
    for one in days:
        so_far = so_far.plus(one.inference)
        for column in ("high", "central", "low"):
            if column not in found and _end(training, so_far, column) >= 1:
                found[column] = one.day
    reason = "" if "central" in found else NOT_REACHED
    return BreakEvenDays(found.get("high"), found.get("central"), found.get("low"), reason)


def _end(training: Quantity, so_far: Quantity, column: str) -> float:
    """Give one end of the ratio of inference so far to training [1]; errors that both share cancel."""
    return float(getattr(so_far.over(training, "1"), column))


def _check(training: Quantity, days: Sequence[Day]) -> None:
    """Refuse units that differ and days that are out of order."""
    inputs.in_unit("training", training, UNITS)
    for one in days:
        inputs.in_unit(f"inference of day {one.day}", one.inference, (training.unit,))
    for before, after in pairwise(days):
        if after.day <= before.day:
            msg = f"days must rise, each once: day {after.day!r} follows day {before.day!r}"
            raise ValueError(msg)
