"""Solar noon against almanac figures, and the middle of a day's generation against it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.solar import day_of_year, equation_of_time_h, hours_from_noon, solar_noon_utc_h, zone_longitudes


@pytest.mark.parametrize(
    ("month", "day", "minutes"),
    # Extremes and zeros of the equation of time, to the half minute in which years differ.
    [
        (2, 11, -14.2),
        (4, 15, 0.0),
        (5, 14, 3.7),
        (6, 13, 0.0),
        (7, 26, -6.5),
        (9, 1, 0.0),
        (11, 3, 16.4),
        (12, 25, 0.0),
    ],
)
def test_the_equation_of_time_is_that_of_an_almanac(month: int, day: int, minutes: float) -> None:
    assert equation_of_time_h(datetime(2023, month, day, tzinfo=UTC).timetuple().tm_yday) * 60 == pytest.approx(
        minutes, abs=0.5
    )


def test_the_day_of_the_year_is_that_of_the_calendar() -> None:
    first = datetime(1970, 1, 1, tzinfo=UTC)
    for number in range(0, 47_000, 7):
        assert day_of_year(number) == (first + timedelta(days=number)).timetuple().tm_yday


def test_noon_comes_an_hour_later_every_fifteen_degrees_west() -> None:
    # 15 April: the sundial and the clock agree.
    assert solar_noon_utc_h(0, 105) == pytest.approx(12, abs=0.01)
    assert solar_noon_utc_h(-90, 105) == pytest.approx(18, abs=0.01)
    assert solar_noon_utc_h(-180, 105) == pytest.approx(24, abs=0.01)


@given(st.floats(-180, 180), st.integers(1, 366), st.floats(-5, 5))
def test_a_day_of_sun_moved_by_hours_is_found_moved_by_them(longitude_deg: float, day: int, moved_h: float) -> None:
    midnight = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day - 1)
    noon = midnight + timedelta(hours=solar_noon_utc_h(longitude_deg, day))
    steps = [(hour, math.cos(math.pi * hour / 12)) for hour in (-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5)]
    sun = [(round((noon + timedelta(hours=moved_h + hour)).timestamp() * 1000), amount) for hour, amount in steps]
    # A day has its own noon: across midnight the next one counts, half a minute later at most.
    assert hours_from_noon(longitude_deg, sun) == pytest.approx(moved_h, abs=0.02)


def test_no_sun_says_nothing() -> None:
    assert hours_from_noon(0, []) is None
    assert hours_from_noon(0, [(0, 0.0)]) is None


@pytest.mark.parametrize(("longitude_deg", "day"), [(181.0, 1), (math.nan, 1), (0.0, 0), (0.0, 367)])
def test_impossible_places_and_days_are_refused(longitude_deg: float, day: int) -> None:
    with pytest.raises(ValueError, match=r"longitude_deg|day must"):
        solar_noon_utc_h(longitude_deg, day)


def test_every_longitude_is_of_a_zone_that_there_is() -> None:
    assert set(zone_longitudes()) == {"US-CAL-CISO", "US-MIDA-PJM", "US-SW-AZPS", "US-TEX-ERCO"}
