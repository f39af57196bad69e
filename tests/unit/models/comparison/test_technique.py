"""What a technique saved, from measured pairs only."""

from __future__ import annotations

from typing import Any

import pytest

from models.comparison.technique import Measured, experience, saving
from models.estimate import Estimate
from models.uncertain import exactly, from_interval

GOOD: dict[str, Any] = {
    "technique": "quantisation",
    "before_run": "fp16",
    "after_run": "int8",
    "work": "request",
    "before": exactly(0.004, "kWh/request"),
    "after": exactly(0.003, "kWh/request"),
    "how": "nvml_energy",
    "quality_before": 71.0,
    "quality_after": 70.5,
    "metric": "accuracy, percent",
}


def pair(**changes: Any) -> Measured:
    return Measured(**(GOOD | changes))


def test_a_pair_by_hand() -> None:
    """3 Wh instead of 4 Wh a request: a quarter is saved, half a point of accuracy is lost."""
    found = saving(pair())
    assert (found.saving_fraction, found.quality_change) == (pytest.approx(0.25), -0.5)
    assert (found.low_fraction, found.high_fraction) == (pytest.approx(0.25), pytest.approx(0.25))


def test_what_both_share_cancels_and_what_they_do_not_stays() -> None:
    grid = from_interval("grid", Estimate(300.0, 400.0, 500.0, "gCO2e/kWh"))
    emitted = {
        "before": exactly(0.004, "kWh/request").times(grid, "gCO2e/request"),
        "after": exactly(0.003, "kWh/request").times(grid, "gCO2e/request"),
    }
    found = saving(pair(**emitted))
    assert (found.low_fraction, found.high_fraction) == (pytest.approx(0.25), pytest.approx(0.25))
    elsewhere = saving(pair(**(emitted | {"after": exactly(1.2, "gCO2e/request")})))
    assert elsewhere.saving_fraction == pytest.approx(0.25)
    assert elsewhere.low_fraction < 0.25 < elsewhere.high_fraction


def test_several_pairs_have_a_geometric_mean() -> None:
    """Half and double are no saving on the whole: sqrt(0.5 x 2) = 1."""
    pairs = [
        pair(after=exactly(0.002, "kWh/request")),
        pair(after=exactly(0.008, "kWh/request"), quality_after=None),
        pair(technique="pruning"),
    ]
    pruning, quantisation = experience(pairs)
    assert (pruning.technique, pruning.pairs_n, pruning.saving_fraction) == ("pruning", 1, pytest.approx(0.25))
    assert (quantisation.pairs_n, quantisation.quality_unknown_n) == (2, 1)
    assert quantisation.saving_fraction == pytest.approx(0, abs=1e-12)
    assert (quantisation.least_fraction, quantisation.most_fraction) == (pytest.approx(-1), pytest.approx(0.5))
    assert experience([]) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"technique": "magic"}, "technique"),
        ({"after_run": "fp16"}, "before and after are the same run"),
        ({"after": exactly(3.0, "gCO2e/request")}, "after is in gCO2e/request; both must be in one of"),
        ({"work": "epoch"}, "before is in kWh/request; both must be in one of kWh/epoch"),
        ({"before": exactly(0.0, "kWh/request")}, "must be above 0"),
        ({"how": " "}, "what was not measured is a prior and no entry"),
        ({"quality_after": float("nan")}, "quality must be finite"),
        ({"metric": ""}, "quality needs its metric"),
    ],
)
def test_what_is_no_measured_pair_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pair(**changes)
