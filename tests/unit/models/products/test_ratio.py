"""Ratios of phases: both sides named, none where nothing stands below the line."""

from __future__ import annotations

import re

import pytest

from models.estimate import Estimate
from models.products.ratio import NONE_IN_DENOMINATOR, phase_ratio, training_to_inference
from models.uncertain import exactly, from_interval

# RM1 of Wu et al. 2022 with one more phase: data 31, experimentation 9, training 20, inference 40.
PHASES = {
    name: exactly(kwh, "kWh")
    for name, kwh in (("data_processing", 31), ("experimentation", 9), ("training", 20), ("inference", 40))
}


def test_training_to_inference_with_and_without_development() -> None:
    # (31 + 9 + 20) / 40 = 1.5; 20 / 40 = 0.5
    whole = training_to_inference(PHASES, with_development=True)
    final = training_to_inference(PHASES, with_development=False)
    assert whole.value is not None
    assert final.value is not None
    assert (whole.value.central, final.value.central) == pytest.approx((1.5, 0.5))
    assert whole.numerator == ("data_processing", "experimentation", "training", "fine_tuning", "evaluation")


def test_a_grid_factor_of_both_sides_cancels() -> None:
    grid = from_interval("grid", Estimate(200, 400, 800, "gCO2e/kWh"))
    found = phase_ratio({k: v.times(grid, "gCO2e") for k, v in PHASES.items()}, ["training"], ["inference"]).value
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.5, 0.5))


def test_nothing_below_the_line_gives_none_with_a_reason() -> None:
    found = training_to_inference(PHASES | {"inference": exactly(0, "kWh")}, with_development=True)
    assert (found.value, found.reason) == (None, NONE_IN_DENOMINATOR)


def test_bad_sides_are_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("numerator must name a phase of ['data_processing'")):
        phase_ratio(PHASES, ["deployment"], ["inference"])
    with pytest.raises(ValueError, match="one unit, not kWh and gCO2e"):
        phase_ratio(PHASES | {"inference": exactly(1, "gCO2e")}, ["training"], ["inference"])
