"""Intervals that keep correlation: by hand, against Monte Carlo, and as properties over random inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.estimate import Estimate
from models.pedigree import Scores
from models.uncertain import Z_90, Quantity, Spread, exactly, from_interval, from_pedigree, total

DRAWS = 200_000
centrals = st.floats(min_value=1e-3, max_value=1e6)
reaches = st.floats(min_value=0, max_value=0.7)


def quantity(name: str, central: float, down: float, up: float, unit: str = "kWh") -> Quantity:
    return Quantity(central, unit, spreads={name: Spread(down, up)})


@st.composite
def quantities(draw: st.DrawFn) -> Quantity:
    """Draw one of four named inputs, each with the spread that belongs to its name."""
    name = draw(st.sampled_from("abcd"))
    down = 0.1 * (1 + "abcd".index(name))
    return quantity(name, draw(centrals), down, 1.5 * down)


def test_a_thousand_jobs_under_one_grid_factor_keep_its_relative_interval_whole() -> None:
    # 400 g/kWh, -10 %/+12 %. 1,000 jobs of 5 kWh: 5,000 kWh x 400 g = 2,000 kg, and still -10 %/+12 %.
    factor = from_interval("grid", Estimate(360, 400, 448, "gCO2e/kWh"), level=0.90)
    jobs = [exactly(5, "kWh").times(factor, "gCO2e") for _ in range(1_000)]
    added = total(jobs, "gCO2e")
    assert (added.low, added.central, added.high) == pytest.approx((1.8e6, 2.0e6, 2.24e6), rel=1e-12)


def test_a_thousand_independent_errors_average_out() -> None:
    # each +-20 % of its own: ln 1.2 / sqrt(1000) = 0.18232 / 31.623 = 0.0057655, so +0.578 %
    jobs = [quantity(f"meter {n}", 5, math.log(1.2), math.log(1.2)) for n in range(1_000)]
    added = total(jobs, "kWh")
    assert added.high / added.central == pytest.approx(math.exp(0.0057655), rel=1e-6)


def test_a_common_factor_outlives_the_independent_errors_beside_it() -> None:
    factor = quantity("grid", 0.4, 0.1, 0.1, "kgCO2e/kWh")
    jobs = [quantity(f"meter {n}", 5, 0.3, 0.3).times(factor, "kgCO2e") for n in range(400)]
    added = total(jobs, "kgCO2e")
    # sqrt(0.1^2 + (0.3 / 20)^2) = sqrt(0.01 + 0.000225) = 0.1011187
    assert math.log(added.high / added.central) == pytest.approx(0.1011187, rel=1e-6)


def test_what_is_divided_by_itself_is_exact() -> None:
    power = quantity("power", 330, 0.2, 0.3, "W")
    ratio = power.over(power, "1")
    assert (ratio.low, ratio.central, ratio.high) == (1, 1, 1)


def test_a_greater_divisor_makes_a_smaller_result() -> None:
    # 100 / (50, -10 %/+30 % in ln) -> low = 2 exp(-0.3), high = 2 exp(0.1)
    days = exactly(100, "FLOP").over(quantity("speed", 50, 0.1, 0.3, "FLOP/s"), "s")
    assert (days.low, days.high) == pytest.approx((2 * math.exp(-0.3), 2 * math.exp(0.1)))


def test_pedigree_scores_stand_in_where_no_range_is_published() -> None:
    # scores 2, 1, 3, 1, 2: v = 0.0006 + 0 + 0.002 + 0 + 0.0006 = 0.0032; 1.6449 sqrt(v) = 0.093049
    held = from_pedigree("pue", 1.2, "1", Scores(2, 1, 3, 1, 2))
    assert held.high == pytest.approx(1.2 * math.exp(0.093049), rel=1e-5)
    assert held.low == pytest.approx(1.2 * math.exp(-0.093049), rel=1e-5)


def test_a_95_percent_interval_is_narrowed_to_90() -> None:
    # ln(1.5) x 1.6449 / 1.96 = 0.405465 x 0.839235 = 0.340280
    held = from_interval("x", Estimate(1 / 1.5, 1, 1.5, "kg"), level=0.95)
    assert math.log(held.high) == pytest.approx(0.340280, rel=1e-5)


@pytest.mark.parametrize(("down", "up"), [(0.05, 0.05), (0.2, 0.2), (0.3, 0.3)])
def test_product_and_sum_agree_with_monte_carlo(down: float, up: float) -> None:
    # Jobs a and b share the grid factor g; 5 % and 95 % of lognormal draws. First order: within 2.5 % at 30 % spreads.
    rng = np.random.default_rng(11)
    g, a, b = (np.exp(rng.normal(0, up / Z_90, DRAWS)) for _ in range(3))
    drawn = 30 * a * 0.4 * g + 10 * b * 0.4 * g
    grid = quantity("g", 0.4, down, up, "kg/kWh")
    held = total(
        (quantity("a", 30, down, up).times(grid, "kg"), quantity("b", 10, down, up).times(grid, "kg")),
        "kg",
    )
    low, high = np.quantile(drawn, (0.05, 0.95))
    assert held.low == pytest.approx(low, rel=0.025)
    assert held.high == pytest.approx(high, rel=0.025)


def test_a_quotient_with_a_common_input_agrees_with_monte_carlo() -> None:
    rng = np.random.default_rng(12)
    g, a, b = (np.exp(rng.normal(0, 0.2 / Z_90, DRAWS)) for _ in range(3))
    held = quantity("a", 6, 0.2, 0.2).times(quantity("g", 2, 0.2, 0.2), "x")
    held = held.over(quantity("b", 3, 0.2, 0.2).times(quantity("g", 2, 0.2, 0.2), "x"), "1")
    low, high = np.quantile(6 * a * g / (3 * b * g), (0.05, 0.95))
    assert (held.low, held.high) == pytest.approx((low, high), rel=0.01)


@given(quantities())
def test_a_plus_a_is_exactly_twice_a(a: Quantity) -> None:
    assert a.plus(a) == a.scaled(2)


@given(st.lists(quantities(), min_size=1, max_size=6), st.randoms())
def test_the_order_of_a_sum_does_not_matter(parts: list[Quantity], order: object) -> None:
    shuffled = list(parts)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = total(parts, "kWh"), total(shuffled, "kWh")
    assert (one.low, one.central, one.high) == pytest.approx((other.low, other.central, other.high), rel=1e-12)


@given(quantities(), st.floats(min_value=0, max_value=1e6))
def test_a_known_factor_scales_the_three_values_alike(a: Quantity, factor: float) -> None:
    scaled = a.scaled(factor)
    expected = (a.low * factor, a.central * factor, a.high * factor)
    assert (scaled.low, scaled.central, scaled.high) == pytest.approx(expected, rel=1e-12)


@given(st.lists(quantities(), min_size=1, max_size=6))
def test_a_sum_is_ordered_and_never_wider_than_its_parts_moved_together(parts: list[Quantity]) -> None:
    added = total(parts, "kWh")
    assert added.low <= added.central <= added.high
    widest = max(part.high / part.central for part in parts)
    assert added.high / added.central <= widest * (1 + 1e-12)


@settings(max_examples=50)
@given(centrals, reaches, reaches, reaches)
def test_a_wider_input_never_narrows_the_result(central: float, down: float, up: float, more: float) -> None:
    other = quantity("other", 3, 0.1, 0.1)
    narrow = quantity("x", central, down, up).times(other, "y")
    wide = quantity("x", central, down + more, up + more).times(other, "y")
    assert wide.low <= narrow.low * (1 + 1e-12)
    assert wide.high >= narrow.high * (1 - 1e-12)


def test_nothing_adds_up_to_zero_and_zero_adds_no_spread() -> None:
    assert total((), "kWh") == exactly(0, "kWh")
    assert exactly(0, "kWh").plus(quantity("a", 2, 0.1, 0.2)).spreads == quantity("a", 2, 0.1, 0.2).spreads


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_an_impossible_value_or_spread_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        exactly(value, "kWh")
    with pytest.raises(ValueError, match="finite and not negative"):
        Spread(value, 0.1)
    with pytest.raises(ValueError, match="finite and not negative"):
        exactly(1, "kWh").scaled(value)


def test_one_name_with_two_spreads_is_refused() -> None:
    with pytest.raises(ValueError, match="'a' has two spreads"):
        quantity("a", 1, 0.1, 0.1).plus(quantity("a", 1, 0.2, 0.1))


def test_units_levels_zero_ends_and_zero_divisors_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot add J to kWh"):
        exactly(1, "kWh").plus(exactly(1, "J"))
    with pytest.raises(ValueError, match="level"):
        from_interval("x", Estimate(1, 2, 3, "kg"), level=0.5)
    with pytest.raises(ValueError, match="x: the low end must be above 0 kg"):
        from_interval("x", Estimate(0, 2, 3, "kg"))
    with pytest.raises(ValueError, match="divide by 0 s"):
        exactly(1, "J").over(exactly(0, "s"), "W")
    assert from_interval("x", Estimate(0, 0, 0, "kg")) == exactly(0, "kg")
