"""Utilisation: from published runs, from one's own, and scored on runs that it never saw."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from models.prediction import validation
from models.prediction.efficiency import EFFECTS, OWN, Case, OwnRun, case_of, utilisation, utilisation_forecast
from models.prediction.inputs import InputError
from models.prediction.regression import RANKED_AT_LEAST, Effects
from models.prediction.tables import training_runs
from models.prediction.validation import Scored, score_energy, score_time, summary

ROOT = Path(__file__).resolve().parents[4]
PLANNED = Case("planned", "hopper", 8e9, devices_n=512)


@pytest.fixture(scope="module", params=[False, True], ids=["without the run", "without its family"])
def timed(request: pytest.FixtureRequest) -> list[Scored]:
    return score_time(by_family=request.param)


def test_utilisation_follows_from_tokens_and_device_hours() -> None:
    # LLaMA-65B: 6 x 65.2e9 x 1.4e12 / (1,022,362 h x 3600 x 312e12) = 5.4768e23 / 1.14832e24 = 0.4769
    run = next(run for run in training_runs() if run.run == "LLaMA-65B")
    assert utilisation(run) == pytest.approx(0.4769, abs=1e-4)


def test_coverage_of_runs_left_out_is_honest(timed: list[Scored]) -> None:
    found = summary(timed)
    assert found.scored_n >= 50
    assert 0.80 <= found.coverage <= 0.97
    assert found.median_absolute_error < 0.25
    assert abs(found.bias) < 0.15


def test_measured_energy_of_runs_left_out_is_held_as_promised() -> None:
    found = summary(score_energy())
    assert found.scored_n >= 10
    assert 0.80 <= found.coverage <= 0.97
    assert found.median_absolute_error < 0.35


def test_the_scored_row_is_never_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    # Whatever a run reached, its own forecast stays the same.
    scored = next(one for one in score_time() if one.run == "BLOOM 176B")
    changed = tuple(
        run if run.run != "BLOOM 176B" else _with(run, device_hours=1e5, energy_kwh=1.0) for run in training_runs()
    )
    monkeypatch.setattr(validation, "training_runs", lambda: changed)
    again = next(one for one in score_time() if one.run == "BLOOM 176B")
    assert again.actual != scored.actual
    assert (again.low, again.central, again.high) == pytest.approx((scored.low, scored.central, scored.high))


def test_the_closed_form_of_leaving_out_is_what_leaving_out_gives() -> None:
    # The inverse gives every leave-one-out error at once; here each is made the long way.
    known = [(case_of(run), math.log(seen)) for run in training_runs() if (seen := utilisation(run))][:12]
    alone: Effects[Case] = Effects(EFFECTS.covariance, lambda case: str(id(case)), EFFECTS.mean_ln, EFFECTS.noise_sd_ln)
    cases, seen = [case for case, _ in known], [value for _, value in known]
    inverse = alone._inverse(cases)
    weighed = inverse @ (np.array(seen) - alone.mean_ln)
    for index, case in enumerate(cases):
        rest = [n for n in range(len(cases)) if n != index]
        long_way = alone.forecast([cases[n] for n in rest], [seen[n] for n in rest], case)
        assert seen[index] - long_way.central_ln == pytest.approx(weighed[index] / inverse[index, index], abs=1e-9)


def test_one_own_run_moves_the_forecast_and_many_take_it_over() -> None:
    before = math.exp(utilisation_forecast(PLANNED).central_ln)
    own_case = Case(OWN, "hopper", 8e9, devices_n=512)
    forecasts = [utilisation_forecast(own_case, [OwnRun(own_case, 0.50)] * n) for n in (1, 5, 40)]
    centres = [math.exp(found.central_ln) for found in forecasts]
    assert before < centres[0] < centres[1] < centres[2]
    assert centres[2] == pytest.approx(0.50, rel=0.03)
    assert forecasts[2].reach_ln < utilisation_forecast(PLANNED).reach_ln


def test_the_interval_recalibrates_from_own_runs_once_they_can_be_ranked() -> None:
    # Nine own runs with scatter of 5 % give a far narrower interval than published runs of everybody.
    rng = np.random.default_rng(5)
    case = Case(OWN, "hopper", 8e9, devices_n=512)
    runs = [OwnRun(case, 0.4 * math.exp(rng.normal(0, 0.05))) for _ in range(RANKED_AT_LEAST)]
    few, enough = utilisation_forecast(case, runs[:-1]), utilisation_forecast(case, runs)
    assert (few.width_from, enough.width_from) == ("residuals", "own residuals")
    assert enough.reach_ln < 0.6 * few.reach_ln


def test_own_intervals_hold_nine_of_ten_new_runs() -> None:
    rng = np.random.default_rng(6)
    case, held, tried = Case(OWN, "hopper", 8e9, devices_n=512), 0, 60
    for _ in range(tried):
        *known, new = (0.4 * np.exp(rng.normal(0, 0.15, 15))).tolist()
        found = utilisation_forecast(case, [OwnRun(case, value) for value in known])
        held += abs(math.log(new) - found.central_ln) <= found.reach_ln
    assert 0.80 <= held / tried <= 0.99


def test_experts_are_less_well_known_than_dense_models() -> None:
    dense, experts = utilisation_forecast(PLANNED), utilisation_forecast(Case("planned", "hopper", 8e9, True, 512))
    assert experts.reach_ln > dense.reach_ln


def test_without_any_run_the_prior_alone_speaks() -> None:
    found = utilisation_forecast(PLANNED, published=())
    assert (found.informed_by_n, found.width_from) == (0, "normal")
    assert math.exp(found.central_ln) == pytest.approx(0.33)


def test_an_impossible_own_run_is_refused() -> None:
    with pytest.raises(InputError, match=r"utilisation_fraction = 40 is outside \[0.001, 1\].* not a percentage"):
        utilisation_forecast(PLANNED, [OwnRun(PLANNED, 40.0)])


def test_the_validation_page_in_docs_is_up_to_date() -> None:
    page = (ROOT / "docs" / "models" / "prediction-validation.md").read_text(encoding="utf-8")
    assert page == validation.report(), "run `make docs`"


def _with(run: object, **changes: float) -> object:
    from dataclasses import replace

    return replace(run, **changes)  # type: ignore[type-var]
