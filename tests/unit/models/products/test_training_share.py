"""Training over inference: four policies by hand, and nothing lost or made in any of three ledgers."""

from __future__ import annotations

import re
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.estimate import Estimate
from models.products.training_share import POLICIES, Service, TrainingLedger, training_ledger

TRAINING = Estimate(800, 1_000, 1_500, "kgCO2e")
THREE = (Service(10, 100), Service(10, 300), Service(20, 0))


def charges(ledger: TrainingLedger) -> list[float]:
    return [one.charged.central for one in ledger.charges]


def test_none_leaves_training_where_it_is() -> None:
    ledger = training_ledger("none", TRAINING, THREE, is_retired=True)
    assert charges(ledger) == [0, 0, 0]
    assert (ledger.remaining, ledger.written_off.central) == (TRAINING, 0)
    assert all(one.per_unit is None for one in ledger.charges)


def test_cumulative_charges_all_of_it_to_what_was_served_so_far() -> None:
    # 1,000 kg over 100 units is 10 kg each; over 400 units 2.5 kg each: period one is restated to 250, two takes 750.
    first = training_ledger("cumulative", TRAINING, THREE[:1])
    assert first.charges[0].per_unit is not None
    assert first.charges[0].per_unit.central == pytest.approx(10)
    ledger = training_ledger("cumulative", TRAINING, THREE)
    assert charges(ledger) == pytest.approx([250, 750, 0])
    assert {one.per_unit and one.per_unit.central for one in ledger.charges} == {2.5, None}


def test_cumulative_keeps_the_training_while_nothing_is_served() -> None:
    ledger = training_ledger("cumulative", TRAINING, [Service(5, 0)])
    assert (ledger.charged.central, ledger.remaining.central) == (0, 1_000)


def test_expected_charges_the_rate_of_the_forecast() -> None:
    # 1,000 kg over 1,000 expected units: 1 kg each, 100 + 300 charged, 600 remain; retired early they are written off.
    service = (Service(10, 100, 1_000), *THREE[1:])
    ledger = training_ledger("expected", TRAINING, service)
    assert charges(ledger) == pytest.approx([100, 300, 0])
    assert (ledger.remaining.central, ledger.remaining.high) == pytest.approx((600, 900))
    retired = training_ledger("expected", TRAINING, service, is_retired=True)
    assert (retired.remaining.central, retired.written_off.central) == pytest.approx((0, 600))


def test_a_new_forecast_spreads_the_balance_and_leaves_what_was_charged() -> None:
    # 100 of 1,000 units charge 100 kg; then 400 in all: the balance of 900 kg over 300 units is 3 kg each.
    ledger = training_ledger("expected", TRAINING, [Service(10, 100, 1_000), Service(10, 300, 400)])
    assert charges(ledger) == pytest.approx([100, 900])
    assert (ledger.remaining.central, ledger.over_absorbed.central) == pytest.approx((0, 0), abs=1e-9)


def test_more_units_than_the_forecast_said_are_shown_as_over_absorbed() -> None:
    ledger = training_ledger("expected", TRAINING, [Service(10, 250, 200)])
    assert ledger.charged.central == pytest.approx(1_250)
    assert (ledger.over_absorbed.central, ledger.remaining.central) == pytest.approx((250, 0))
    again = training_ledger("expected", TRAINING, [Service(10, 250, 200), Service(10, 50, 300)])
    assert charges(again)[1] == 0, "nothing is left to charge"


def test_window_is_a_straight_line_in_days_whatever_is_served() -> None:
    # 1,000 kg over 30 days: 333.3 for 10 days; the third period of 20 days has 10 days of the window left.
    ledger = training_ledger("window", TRAINING, THREE, window_days=30)
    assert charges(ledger) == pytest.approx([1_000 / 3] * 3)
    assert ledger.charges[1].per_unit is not None
    assert ledger.charges[1].per_unit.central == pytest.approx(1_000 / 3 / 300)
    assert ledger.charges[2].per_unit is None, "a charge without a unit stands by itself"
    early = training_ledger("window", TRAINING, THREE[:2], window_days=40, is_retired=True)
    assert early.written_off.central == pytest.approx(500)


def test_a_version_that_absorbed_all_of_it_has_no_balance_of_the_last_digit() -> None:
    ledger = training_ledger("window", TRAINING, [Service(0.1, 1)] * 10, window_days=1.0, is_retired=True)
    assert (ledger.charged, ledger.written_off.high, ledger.over_absorbed.high) == (TRAINING, 0, 0)


@given(
    policy=st.sampled_from(POLICIES),
    ends=st.tuples(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9)).map(sorted),
    periods=st.lists(st.tuples(st.floats(0.01, 1_000), st.integers(0, 10**9)), max_size=12),
    expected=st.integers(1, 10**9),
    window=st.floats(0.1, 3_000),
    is_retired=st.booleans(),
)
def test_charged_and_the_rest_are_the_training_in_each_ledger(
    *, policy: str, ends: list[float], periods: list[tuple[float, int]], expected: int, window: float, is_retired: bool
) -> None:
    training = Estimate(*ends, "kgCO2e")
    service = [Service(days, units, expected if at == 0 else None) for at, (days, units) in enumerate(periods)]
    ledger = training_ledger(
        policy, training, service, window_days=window if policy == "window" else None, is_retired=is_retired
    )
    scale = max(1.0, ledger.charged.central / training.central if training.central else 1.0)
    assert ledger.closure_error() <= 1e-12 * scale
    summed = sum(one.charged.high for one in ledger.charges)
    assert summed == pytest.approx(ledger.charged.high, rel=1e-12, abs=0)
    assert not (ledger.remaining.central and ledger.written_off.central), "either it remains or it is written off"


@pytest.mark.parametrize(
    ("policy", "changes", "words"),
    [
        ("units", {}, "unknown policy 'units'; known: none, cumulative, expected, window"),
        ("expected", {}, "expected_units_n of service[0] must be given for the policy 'expected'"),
        ("window", {}, "window_days must be given for the policy 'window', in (0, 36525] days, not None"),
        ("window", {"window_days": 0}, "window_days must be a finite number in [1e-06, 36525] days, not 0"),
        ("window", {"window_days": nan}, "window_days must be a finite number"),
        ("none", {"window_days": 3}, "window_days belongs to the policy 'window' only"),
        ("none", {"training": Estimate(1, 1, 1, "J")}, "unknown unit of the training 'J'"),
        ("none", {"training": Estimate(-1, 1, 1, "kWh")}, "training.low must be a finite number in [0, 1e+15]"),
        (
            "expected",
            {"service": [Service(1, 50, 100), Service(1, 1, 40)]},
            "expected_units_n of service[1] must be above the 50 units served before, not 40",
        ),
    ],
)  # fmt: skip
def test_bad_plans_are_refused_with_field_value_and_range(policy: str, changes: dict[str, Any], words: str) -> None:
    given_: dict[str, Any] = {"training": TRAINING, "service": THREE} | changes
    with pytest.raises(ValueError, match=re.escape(words)):
        training_ledger(policy, **given_)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 1), "days must be a finite number in (0, 36525] days, not 0"),
        ((1, -1), "units_n must be a finite number in [0, 1e+30], not -1"),
        ((1, 1, 0), "expected_units_n must be a finite number in (0, 1e+30], not 0"),
    ],
)
def test_bad_periods_are_refused(arguments: tuple[float, ...], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Service(*arguments)
