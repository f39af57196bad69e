"""Units, intervals and data-quality scores."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import pedigree, units
from models.estimate import Estimate
from models.pedigree import Scores

masses = st.floats(min_value=0, max_value=1e6, allow_nan=False)


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    """Draw an ordered interval in kilograms."""
    low, central, high = sorted(draw(st.tuples(masses, masses, masses)))
    return Estimate(low, central, high, "kgCO2e", "T3", ("a",))


def test_one_kilowatt_hour_is_three_point_six_megajoule() -> None:
    assert units.kwh_from_j(3.6e6) == 1
    assert units.j_from_kwh(1) == 3.6e6


def test_egrid_pounds_per_megawatt_hour_become_grams_per_kilowatt_hour() -> None:
    # eGRID2022, US average: 823.1 lb/MWh, which EPA also gives as 373.4 g/kWh
    assert units.g_per_kwh_from_lb_per_mwh(823.1) == pytest.approx(373.4, abs=0.06)


def test_masses_and_lives_convert() -> None:
    assert units.t_from_kg(units.kg_from_g(units.g_from_kg(1_312))) == 1.312
    assert units.hours_from_years(5) == 43_800


@pytest.mark.parametrize(
    ("low", "central", "high"),
    [(2, 1, 3), (1, 3, 2), (-1, 0, 1), (float("nan"), 1, 2), (0, 1, float("inf"))],
)
def test_an_interval_that_is_not_ordered_finite_or_possible_is_refused(low: float, central: float, high: float) -> None:
    with pytest.raises(ValueError, match="Estimate"):
        Estimate(low, central, high, "kgCO2e")


def test_a_difference_may_be_negative_in_another_unit() -> None:
    assert Estimate(-1, 0, 1, "ratio").low == -1


@given(estimates(), estimates())
def test_fully_correlated_sums_conserve_each_column(one: Estimate, other: Estimate) -> None:
    total = one.plus(other)
    assert (total.low, total.central, total.high) == (
        one.low + other.low,
        one.central + other.central,
        one.high + other.high,
    )


@given(estimates(), st.floats(min_value=0, max_value=1))
def test_two_shares_of_an_estimate_add_up_to_it(whole: Estimate, share: float) -> None:
    parts = whole.scaled(share).plus(whole.scaled(1 - share))
    assert parts.high == pytest.approx(whole.high)
    assert parts.central == pytest.approx(whole.central)
    assert parts.low == pytest.approx(whole.low)


def test_a_sum_keeps_the_worse_tier_and_every_source_once() -> None:
    total = Estimate(1, 1, 1, "kgCO2e", "T1", ("a", "b")).plus(Estimate(1, 1, 1, "kgCO2e", "T4", ("b", "c")))
    assert (total.tier, total.source_ids) == ("T4", ("a", "b", "c"))


def test_unlike_units_and_negative_factors_are_refused() -> None:
    one = Estimate(1, 1, 1, "kgCO2e")
    with pytest.raises(ValueError, match="cannot add"):
        one.plus(Estimate(1, 1, 1, "gCO2e"))
    with pytest.raises(ValueError, match="factor"):
        one.scaled(-1)


def test_the_published_worked_pedigree_example_is_reproduced() -> None:
    # ecoinvent report 1(v3), table 10.5, scores (2,3,1,1,5): 0.0006 + 0.0006 + 0.12
    scores = Scores(2, 3, 1, 1, 5)
    assert scores.variance() == pytest.approx(0.1212)
    low, high = pedigree.spread(100, scores)
    assert high == pytest.approx(100 * math.exp(1.96 * 0.348138), rel=1e-5)
    assert low * high == pytest.approx(100**2)


def test_perfect_scores_leave_no_spread_and_a_measured_deviation_widens_it() -> None:
    best = Scores(1, 1, 1, 1, 1)
    assert pedigree.spread(50, best) == (50, 50)
    low, high = pedigree.spread(50, best, extra_sd_ln=0.1)
    assert math.log(high / low) == pytest.approx(2 * 1.96 * 0.1)


@given(st.tuples(*[st.integers(1, 5)] * 5), st.integers(0, 4))
def test_a_worse_score_never_narrows_the_interval(scores: tuple[int, int, int, int, int], axis: int) -> None:
    worse = list(scores)
    worse[axis] = min(5, worse[axis] + 1)
    assert Scores(*worse).variance() >= Scores(*scores).variance()


@pytest.mark.parametrize(("age", "score"), [(0, 1), (2, 1), (3, 2), (5, 2), (6, 3), (10, 4), (14, 4), (15, 5), (40, 5)])
def test_the_temporal_score_follows_the_ecoinvent_limits(age: int, score: int) -> None:
    assert pedigree.temporal_score(age) == score


def test_impossible_scores_and_ages_are_refused() -> None:
    with pytest.raises(ValueError, match="reliability"):
        Scores(6, 1, 1, 1, 1).variance()
    with pytest.raises(ValueError, match="age"):
        pedigree.temporal_score(-1)
    with pytest.raises(ValueError, match="negative"):
        pedigree.spread(-1, Scores(1, 1, 1, 1, 1))
