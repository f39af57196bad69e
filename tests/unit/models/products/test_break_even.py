"""Break-even of training and inference: by hand, published, with intervals that share their errors."""

from __future__ import annotations

import re
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.estimate import Estimate
from models.products.break_even import (
    BEYOND_HORIZON,
    NO_RATE,
    NO_TRAINING,
    NO_UNITS,
    NOT_REACHED,
    Day,
    break_even_day,
    break_even_units,
    forecast_break_even_day,
)
from models.uncertain import Quantity, exactly, from_interval

TEN = exactly(10, "kWh")
GRID = from_interval("grid", Estimate(200, 400, 800, "gCO2e/kWh"))


def days(*amounts: float, start: int = 1) -> list[Day]:
    return [Day(start + at, exactly(amount, "kWh")) for at, amount in enumerate(amounts)]


def test_units_by_hand_and_as_published() -> None:
    # BLOOMz-7B, Luccioni et al. 2024, table 5: (51,686 + 7,571) kWh / 0.0001 kWh = 592,570,000 requests.
    found = break_even_units(exactly(51_686 + 7_571, "kWh"), exactly(0.0001, "kWh"))
    assert found.units_n is not None
    assert found.units_n.central == pytest.approx(592_570_000)


def test_a_grid_factor_that_both_share_cancels() -> None:
    training, request = (exactly(kwh, "kWh").times(GRID, "gCO2e") for kwh in (1_000, 0.01))
    found = break_even_units(training, request).units_n
    assert found is not None
    assert (found.low, found.central, found.high) == pytest.approx((1e5, 1e5, 1e5))
    other = from_interval("another grid", Estimate(200, 400, 800, "gCO2e/kWh"))
    apart = break_even_units(training, exactly(0.01, "kWh").times(other, "gCO2e")).units_n
    assert apart is not None
    assert apart.low < 0.5e5
    assert apart.high > 2e5


def test_no_break_even_has_a_reason() -> None:
    assert break_even_units(TEN, exactly(0, "kWh")).reason == NO_UNITS
    assert break_even_units(exactly(0, "kWh"), TEN).reason == NO_TRAINING
    assert break_even_day(TEN, days(3, 3)).reason == NOT_REACHED
    assert break_even_day(TEN, []).reason == NOT_REACHED
    assert break_even_day(exactly(0, "kWh"), days(3)).reason == NO_TRAINING
    assert forecast_break_even_day(TEN, days(3), exactly(0, "kWh")).reason == NO_RATE
    assert forecast_break_even_day(TEN, days(3), exactly(1e-9, "kWh")).reason == BEYOND_HORIZON


def test_the_day_by_hand() -> None:
    # 3 + 3 + 3 = 9 on day 3, 12 on day 4: the fourth day passes 10; an exact hit counts as reached.
    assert break_even_day(TEN, days(3, 3, 3, 3)).central == 4
    assert break_even_day(TEN, days(5, 5, 5)).central == 2


def test_the_forecast_by_hand_starts_after_the_last_day() -> None:
    # 6 of 10 by day 2; 4 more at 1.5 a day: 2.67, so the third day after, day 5.
    found = forecast_break_even_day(TEN, days(3, 3), exactly(1.5, "kWh"))
    assert (found.earliest, found.central, found.latest, found.reason) == (5, 5, 5, "")
    assert forecast_break_even_day(TEN, days(6, 6), exactly(0, "kWh")).central == 2, "what was recorded stands"


def test_an_uncertain_rate_spreads_the_day() -> None:
    # 90 % spread s = ln 2 * 1.6449 / 1.96 = 0.5817; d days ahead: (6 + d) / 10 times exp(-/+ s d / (6 + d)).
    # High: d = 2 gives 0.925, d = 3 gives 1.093. Low: d = 7 gives 0.950, d = 8 gives 1.004. Central: d = 4.
    rate = from_interval("traffic", Estimate(0.5, 1, 2, "kWh"))
    found = forecast_break_even_day(TEN, days(3, 3), rate)
    assert (found.earliest, found.central, found.latest) == (2 + 3, 2 + 4, 2 + 8)


def test_missing_days_took_nothing() -> None:
    gap = [Day(1, exactly(5, "kWh")), Day(9, exactly(5, "kWh"))]
    assert break_even_day(TEN, gap).central == 9


@given(st.floats(1, 1e6), st.lists(st.floats(0, 1e5), min_size=1, max_size=30))
def test_the_day_is_the_first_whose_running_sum_is_enough(training: float, amounts: list[float]) -> None:
    sums = [sum(amounts[: at + 1]) for at in range(len(amounts))]
    found = break_even_day(exactly(training, "kWh"), days(*amounts))
    # one part in 1e9 either way, since two orders of adding may differ in the last digit
    earliest = next((at + 1 for at, so_far in enumerate(sums) if so_far >= training * (1 - 1e-9)), None)
    latest = next((at + 1 for at, so_far in enumerate(sums) if so_far >= training * (1 + 1e-9)), None)
    assert found.central in {earliest, latest}


@given(st.floats(1, 1e6), st.floats(0.1, 1e6))
def test_the_forecast_is_the_quotient_rounded_up(training: float, rate: float) -> None:
    found = forecast_break_even_day(exactly(training, "kWh"), days(0), exactly(rate, "kWh"))
    if found.central is None:
        assert training / rate > 36_525 * (1 - 1e-9)
    else:
        ahead = found.central - 1
        assert ahead * rate >= training * (1 - 1e-9)
        assert (ahead - 1) * rate < training


@pytest.mark.parametrize(
    ("series", "words"),
    [
        ([Day(2, TEN), Day(1, TEN)], "days must rise, each once: day 1 follows day 2"),
        ([Day(2, TEN), Day(2, TEN)], "days must rise, each once: day 2 follows day 2"),
        ([Day(2, exactly(1, "gCO2e"))], "inference of day 2 must be in kWh, not 1 gCO2e"),
    ],
)
def test_bad_series_are_refused(series: list[Day], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        break_even_day(TEN, series)


def test_bad_arguments_are_refused() -> None:
    for make, words in (
        (lambda: forecast_break_even_day(TEN, [], TEN), "days must hold one day at least"),
        (lambda: forecast_break_even_day(TEN, days(1), exactly(1, "gCO2e")), "rate_per_day must be in kWh"),
        (lambda: break_even_units(exactly(1, "W"), TEN), "training must be in kWh, gCO2e, kgCO2e, tCO2e, not 1 W"),
        (lambda: Day(1.5, TEN), "day must be a whole number in [-1e+07, 1e+07], not 1.5"),  # type: ignore[arg-type]
        (lambda: Day(nan, TEN), "day must be a finite number"),  # type: ignore[arg-type]
        (lambda: Quantity(nan, "kWh"), "must be finite and not negative"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            make()
