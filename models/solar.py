"""When the sun stands highest over a grid zone: a check of the clock of solar generation.

What belongs here: solar noon by longitude, and how far solar generation lies from it. What must not be here: what
follows for a feed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

from models import bounds
from models.factors import sourced_rows

DEGREES_PER_HOUR = 15.0
"""The Earth turns by this in an hour [degrees/h]."""
HOURS_PER_DAY = 24.0
"""Hours in one day [h/d]."""
DAYS_PER_YEAR = 365
"""Days after which the equation of time is taken to repeat [d]."""


def day_of_year(days_since_1970: int) -> int:
    """Give the day of the year, 1 to 366, of a day counted from 1 January 1970 (0); right from 1970 to 2099."""
    # Four years from 1970: the third of them, 1972, is the leap year.
    in_cycle = days_since_1970 % 1461
    for length in (365, 365, 366):
        if in_cycle < length:
            break
        in_cycle -= length
    return in_cycle + 1


def equation_of_time_h(day: int) -> float:
    """Give by how much a sundial is ahead of a clock.

    Args:
        day: day of the year, 1 (1 January) to 366.

    Returns:
        Apparent less mean solar time [h], within 0.28.

    Raises:
        ValueError: if the day is none of a year.

    Reference: Spencer, Fourier series representation of the position of the sun, Search 2 (1971), 172.
    """
    bounds.whole("day", day, 1, DAYS_PER_YEAR + 1)
    angle = 2 * math.pi * (day - 1) / DAYS_PER_YEAR
    radians = (
        0.000075
        + 0.001868 * math.cos(angle)
        - 0.032077 * math.sin(angle)
        - 0.014615 * math.cos(2 * angle)
        - 0.040849 * math.sin(2 * angle)
    )
    return radians * HOURS_PER_DAY / (2 * math.pi)


def solar_noon_utc_h(longitude_deg: float, day: int) -> float:
    """Give when the sun stands highest over a longitude.

    Args:
        longitude_deg: longitude, east positive [degrees], -180 to 180.
        day: day of the year, 1 (1 January) to 366.

    Returns:
        Hours after midnight UTC [h]; below 0 or above 24 far from Greenwich.

    Raises:
        ValueError: if an argument is out of range.
    """
    bounds.number("longitude_deg", longitude_deg, -180.0, 180.0, "degrees")
    return HOURS_PER_DAY / 2 - longitude_deg / DEGREES_PER_HOUR - equation_of_time_h(day)


def hours_from_noon(longitude_deg: float, generation: Iterable[tuple[int, float]]) -> float | None:
    """Give how long after solar noon the middle of solar generation lies.

    Args:
        longitude_deg: longitude, east positive [degrees].
        generation: middle of an interval [epoch ms UTC] and what was generated in it [any unit], not negative.

    Returns:
        Centre of mass of the generation, counted from the solar noon that is nearest to each interval [h]; negative
        before noon; None where nothing was generated.
    """
    total = moment = 0.0
    noon_of: dict[int, float] = {}
    for middle_ms, amount in generation:
        day, rest_ms = divmod(middle_ms, 86_400_000)
        if day not in noon_of:
            noon_of[day] = solar_noon_utc_h(longitude_deg, day_of_year(day))
        off_h = rest_ms / 3.6e6 - noon_of[day]
        total += amount
        moment += amount * ((off_h + HOURS_PER_DAY / 2) % HOURS_PER_DAY - HOURS_PER_DAY / 2)
    return moment / total if total > 0 else None


@cache
def zone_longitudes() -> dict[str, float]:
    """Give the longitude of the middle of those zones of which it is known [degrees]; do not change the result."""
    return {row.text("zone"): row.number("longitude_deg", -180.0, 180.0) for row in sourced_rows("zone_longitude.csv")}
