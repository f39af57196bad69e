"""The front holds what no run beats (by looking at all pairs), and a point of quality has a price or a reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.comparison.pareto import Front, Metric, ScoredRun, pareto_front, price
from models.uncertain import exactly

ACCURACY = Metric("accuracy", "test set 1", "percent", "higher")
LOSS = Metric("loss", "test set 1", "nat", "lower")


def run(name: str, quality: float | None, kg: float | None, metric: Metric = ACCURACY) -> ScoredRun:
    return ScoredRun(name, metric, quality, None if kg is None else exactly(kg, "kgCO2e"))


def names(front: Front) -> list[str]:
    return [one.name for one in front.runs]


some = st.lists(st.tuples(st.none() | st.integers(0, 5), st.none() | st.integers(0, 5)), max_size=12)


@given(some, st.sampled_from([ACCURACY, LOSS]))
def test_the_front_is_what_no_other_run_beats(values: list[tuple[int | None, int | None]], metric: Metric) -> None:
    runs = [run(str(n), quality, kg, metric) for n, (quality, kg) in enumerate(values)]
    front = pareto_front(runs)
    sign = 1 if metric.better == "higher" else -1
    placed = {
        one.name: (sign * one.quality, one.carbon.central) for one in runs if None not in (one.quality, one.carbon)
    }

    def is_beaten(name: str) -> bool:
        worth, kg = placed[name]
        return any(w >= worth and k <= kg and (w, k) != (worth, kg) for w, k in placed.values())

    assert set(front.beaten) == {name for name in placed if is_beaten(name)}
    assert set(names(front)) == placed.keys() - set(front.beaten)
    assert {name for name, _ in front.gaps} == {one.name for one in runs} - placed.keys()
    assert [placed[name] for name in names(front)] == sorted(placed[name] for name in names(front))


def test_a_point_of_accuracy_by_hand() -> None:
    """From 80 % at 100 kg to 84 % at 180 kg: 80 kg / 4 points = 20 kg a point; 83 % at 200 kg is beaten."""
    front = pareto_front([run("large", 84, 180), run("waste", 83, 200), run("small", 80, 100), run("lost", None, 5)])
    assert names(front) == ["small", "large"]
    assert (front.beaten, front.gaps) == (("waste",), (("lost", "no_quality"),))
    (found,) = front.prices
    assert (found.cheaper, found.dearer, found.quality_gain, found.kgco2e_per_unit, found.reason) == (
        "small", "large", 4, 20, ""
    )  # fmt: skip


def test_where_less_is_better_the_price_is_of_a_point_less() -> None:
    found = price(run("worse", 2.5, 10, LOSS), run("better", 2.0, 40, LOSS))
    assert (found.dearer, found.kgco2e_per_unit) == ("better", pytest.approx(60))


@pytest.mark.parametrize(
    ("other", "reason"),
    [(run("b", 80, 300), "not_better"), (run("b", 85, 90), "less_carbon"), (run("b", 85, 100), "less_carbon")],
)
def test_there_is_no_price_without_a_gain_or_without_a_cost(other: ScoredRun, reason: str) -> None:
    found = price(run("a", 80, 100), other)
    assert (found.kgco2e_per_unit, found.reason) == (None, reason)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([run("a", 1, 1), run("a", 2, 2)], "the run 'a' stands 2 times"),
        (
            [run("a", 1, 1), run("b", 2, 2, LOSS)],
            "a is measured by .*accuracy.*, b by .*loss.*: they cannot be compared",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(runs: list[ScoredRun], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pareto_front(runs)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: run("a", float("nan"), 1), "a: quality must be a finite number"),
        (lambda: ScoredRun("a", ACCURACY, 1, exactly(1, "tCO2e")), "a: carbon must be in kgCO2e, not 1 tCO2e"),
        (lambda: Metric("accuracy", "x", "percent", "up"), "better"),
        (lambda: price(run("a", 1, None), run("b", 2, 2)), "a: emissions are not known"),
    ],
)
def test_bad_input_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
