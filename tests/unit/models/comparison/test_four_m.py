"""The 4M split adds up to the difference, whatever the factors, and agrees with Shapley values where they are near."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.comparison.four_m import FACTORS, RunFactors, four_m, logarithmic_mean
from models.estimate import Estimate
from models.uncertain import exactly, from_interval

positive = st.floats(1e-6, 1e6)


def run(name: str, work: float, per_work: float, pue: float, intensity: float) -> RunFactors:
    return RunFactors(
        name,
        exactly(work, "FLOP"),
        exactly(per_work, "kWh/FLOP"),
        exactly(pue, "1"),
        exactly(intensity, "gCO2e/kWh"),
    )


runs = st.builds(lambda *values: run("r", *values), positive, positive, st.floats(1, 3), positive)


@given(runs, runs)
def test_the_parts_add_up_to_the_difference(before: RunFactors, after: RunFactors) -> None:
    split = four_m(before, after)
    total = sum(effect.kgco2e for effect in split.effects)
    assert total == pytest.approx(split.difference_kgco2e, rel=1e-9, abs=1e-9 * max(before.kgco2e, after.kgco2e))
    assert [effect.factor for effect in split.effects] == list(FACTORS)


@given(runs, runs)
def test_the_other_way_round_is_the_opposite(before: RunFactors, after: RunFactors) -> None:
    there, back = four_m(before, after), four_m(after, before)
    rounding = 1e-15 * max(before.kgco2e, after.kgco2e)
    for one, other in zip(there.effects, back.effects, strict=True):
        assert one.kgco2e == pytest.approx(-other.kgco2e, rel=1e-9, abs=rounding)


def shapley(before: RunFactors, after: RunFactors) -> list[float]:
    """Average the effect of each factor over all orders in which the four can change: an independent way to split."""
    first, second = ([one.central for one in run.factors] for run in (before, after))
    sums = [0.0] * len(first)
    orders = list(permutations(range(len(first))))
    for order in orders:
        now = list(first)
        for index in order:
            was = math.prod(now)
            now[index] = second[index]
            sums[index] += (math.prod(now) - was) / 1e3
    return [one / len(orders) for one in sums]


@given(st.lists(st.floats(0.9, 1.1), min_size=4, max_size=4))
def test_small_changes_are_split_as_by_shapley_values(changes: list[float]) -> None:
    before = run("before", 100.0, 2.0, 1.5, 400.0)
    after = run("after", *(one.central * by for one, by in zip(before.factors, changes, strict=True)))
    ours = [effect.kgco2e for effect in four_m(before, after).effects]
    assert ours == pytest.approx(shapley(before, after), rel=2e-2, abs=5e-3 * before.kgco2e)


def test_two_runs_by_hand() -> None:
    """1e6 units x 1 kWh x 1.5 x 400 g = 600 t; half the work, half the energy for it, PUE 1.2, 100 g: 30 t.

    L = (600 - 30) / ln 20 = 190.271 t; model and machine L x ln 2 = 131.886 t each, PUE L x ln 1.25 = 42.458 t, map
    L x ln 4 = 263.772 t; together 570 t.
    """
    split = four_m(run("old", 1e6, 1.0, 1.5, 400.0), run("new", 5e5, 0.5, 1.2, 100.0))
    tonnes = {effect.factor: effect.kgco2e / 1e3 for effect in split.effects}
    assert tonnes == pytest.approx(
        {"model": -131.886, "machine": -131.886, "mechanisation": -42.458, "map": -263.772}, abs=1e-3
    )
    assert split.difference_kgco2e == pytest.approx(-570_000)


def test_what_both_runs_share_has_no_uncertainty() -> None:
    grid = from_interval("grid", Estimate(300.0, 400.0, 500.0, "gCO2e/kWh"))
    base = run("old", 1e6, 1.0, 1.5, 400.0)
    before = RunFactors("old", base.work, base.energy_per_work, base.pue, grid)
    after = RunFactors("new", exactly(5e5, "FLOP"), base.energy_per_work, base.pue, grid)
    by_factor = {effect.factor: effect for effect in four_m(before, after).effects}
    assert (by_factor["map"].low_kgco2e, by_factor["map"].kgco2e, by_factor["map"].high_kgco2e) == (0, 0, 0)
    other = RunFactors("new", base.work, base.energy_per_work, base.pue, exactly(400.0, "gCO2e/kWh"))
    effect = four_m(before, other).effects[3]
    assert effect.low_kgco2e < effect.kgco2e == 0 < effect.high_kgco2e


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"work": exactly(0.0, "FLOP")}, "x: work must be above 0 to be split, not 0 FLOP"),
        ({"pue": exactly(0.9, "1")}, "x: pue must be at least 1, not 0.9"),
        ({"intensity": exactly(0.4, "kgCO2e/kWh")}, "x: intensity must be in gCO2e/kWh, not 0.4 kgCO2e/kWh"),
        ({"energy_per_work": exactly(1.0, "kWh")}, "x: energy_per_work must be in kWh/FLOP, not 1 kWh"),
    ],
)
def test_what_cannot_be_split_is_refused(changes: dict[str, Any], message: str) -> None:
    good = run("x", 1.0, 1.0, 1.1, 1.0)
    fields = dict(zip(("work", "energy_per_work", "pue", "intensity"), good.factors, strict=True))
    with pytest.raises(ValueError, match=message):
        RunFactors("x", **(fields | changes))


def test_runs_of_different_work_are_not_compared() -> None:
    hours = RunFactors("h", exactly(1.0, "h"), exactly(1.0, "kWh/h"), exactly(1.1, "1"), exactly(1.0, "gCO2e/kWh"))
    with pytest.raises(ValueError, match="work of x is in FLOP, of h in h"):
        four_m(run("x", 1.0, 1.0, 1.1, 1.0), hours)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_logarithmic_mean_of_nothing_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite numbers above 0"):
        logarithmic_mean(1.0, bad)


def test_a_logarithmic_mean_of_equals() -> None:
    assert logarithmic_mean(3.0, 3.0) == 3.0
    assert logarithmic_mean(3.0, 3.0 * (1 + 1e-13)) == pytest.approx(3.0, rel=1e-12)
