"""SCI of models in the lake: parts by hand and by the pure function, and a reason wherever there is no score.

One GPU of 300 W; jobs of an hour, one after the other: 0.3 kWh of IT each, at a PUE of 1.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from models.products import sci
from models.uncertain import exactly
from tests.support.homes import make_home
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from warehouse.config import Config
from warehouse.engine import run_all
from warehouse.lake import Lake, open_lake

H = 3_600_000
START_MS = round(datetime(2025, 3, 3, 10, tzinfo=UTC).timestamp() * 1000)
STEP_MS = 10_000
PLACE = {"id": "dc", "zone": "DE", "pue": 1.2, "hosts": ["host-*"]}
# Job, phase, model version, what its events state.
JOBS = (
    ("train", "training", "1", {"tokens_n": 5_000_000, "parameters_n": 1_000}),
    ("serve", "inference", "1", {}),
    ("serve-uncounted", "inference", "2", {}),
    ("serve-nobody", "inference", "3", {}),
    ("train-untold", "training", "2", {}),
    ("unknown", "unknown", "1", {}),
    ("eval", "evaluation", "1", {}),
)
WORK = {"1": (4_000, 1_500_000, 500_000), "3": (0, 0, 0)}


def land(config: Config, table: str, rows: list[dict[str, Any]]) -> None:
    content = landed_bytes(table, rows, written_ms=START_MS + 10 * H)
    put(config.landing_path, landed_name(table, START_MS, "a"), content)


def work(version: str, requests_n: int, input_n: int, output_n: int) -> dict[str, Any]:
    position = next(n for n, (_, phase, of, _) in enumerate(JOBS) if (phase, of) == ("inference", version))
    return {
        "start_ms": START_MS + position * H,
        "end_ms": START_MS + (position + 1) * H,
        "job_id": JOBS[position][0],
        "service": None,
        "model": "m",
        "model_version": version,
        "requests_n": requests_n,
        "input_tokens_n": input_n,
        "output_tokens_n": output_n,
        "other_unit": None,
        "other_n": None,
        "instance": None,
    }


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    config = make_home(tmp_path_factory.mktemp("sci") / "home", facility=[PLACE])
    times = range(START_MS, START_MS + len(JOBS) * H + 1, STEP_MS)
    events, held = [], []
    for position, (job_id, phase, version, stated) in enumerate(JOBS):
        start_ms, end_ms = START_MS + position * H, START_MS + (position + 1) * H
        said = {"model_version": version} | stated
        events += [
            job_event(start_ms, job_id, "started", phase, **said),
            job_event(end_ms, job_id, "ended", phase, state="completed", **said),
        ]
        held.append(job_device(job_id, start_ms, end_ms=end_ms))
    land(config, "power_sample", [sample(at_ms) for at_ms in times])
    land(config, "job_event", events)
    land(config, "job_device", held)
    land(config, "work_counter", [work(version, *counts) for version, counts in WORK.items()])
    with open_lake(config) as opened:
        run_all(opened)
        yield opened


def parts(lake: Lake, *jobs: str) -> tuple[float, float]:
    """Give O and M of some jobs as core.emission has them [g]."""
    asked = "select coalesce(sum(gco2e), 0) from core.emission where list_contains($jobs, job_id) and component in "
    values = {"jobs": list(jobs)}
    found = [
        float(lake.value(asked + some, values)) for some in ("('it', 'overhead')", "('chip', 'server', 'building')")
    ]
    return found[0], found[1]


def scored(lake: Lake, version: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    asked = (
        "select persona, unit, basis, units_n, gco2e_per_unit, reason, low_gco2e_per_unit <= gco2e_per_unit and "
        "gco2e_per_unit <= high_gco2e_per_unit from mart.sci_ai where model_version = $version"
    )
    return {(row[0], row[1]): row[2:] for row in lake.rows(asked, {"version": version})}


def test_operational_emissions_are_those_of_the_whole_energy(lake: Lake) -> None:
    asked = (
        "select distinct operational_gco2e / (0.3 * 1.2) from mart.sci_monthly "
        "where model_version in ('2', '3') and persona = 'consumer'"
    )
    (intensity,) = lake.rows(asked)
    factor = lake.value("select distinct gco2e_per_kwh from core.grid_factor where zone = 'DE'")
    assert intensity[0] == pytest.approx(factor, rel=1e-9)


def test_both_personas_equal_the_pure_function(lake: Lake) -> None:
    phases = {
        phase: sci.PhaseCarbon(*(exactly(grams, "gCO2e") for grams in parts(lake, job)))
        for phase, job in (("training", "train"), ("evaluation", "eval"), ("inference", "serve"))
    }
    found = scored(lake, "1")
    for persona, unit, units_n in (
        ("consumer", "inference", 4_000),
        ("consumer", "token", 2_000_000),
        ("provider", "training_token", 5_000_000),
        ("provider", "parameter", 1_000),
    ):
        basis = "gross" if persona == "provider" else ""
        expected = sci.sci_for_ai(persona, phases, sci.FunctionalUnit(unit, units_n, basis), sci.LOCATION_AVERAGE)
        assert expected.score is not None
        wanted = (basis or None, units_n, pytest.approx(expected.score.central, rel=1e-9), None, True)
        assert found[persona, unit] == wanted


def test_a_month_has_the_same_figures_per_request_and_token(lake: Lake) -> None:
    asked = (
        "select month, requests_n, tokens_n, gco2e_per_request, gco2e_per_1k_tokens from mart.sci_monthly "
        "where model_version = '1' and persona = 'consumer'"
    )
    grams = sum(parts(lake, "serve"))
    wanted = (date(2025, 3, 1), 4_000, 2_000_000, pytest.approx(grams / 4_000), pytest.approx(grams / 2_000))
    assert lake.rows(asked) == [wanted]


def test_no_unit_is_no_score_and_never_nothing(lake: Lake) -> None:
    assert scored(lake, "3")["consumer", "inference"] == (None, 0, None, "no_units", None)
    uncounted = scored(lake, "2")
    assert uncounted["consumer", "token"] == (None, None, None, "not_counted", None)
    assert uncounted["provider", "parameter"] == ("gross", None, None, "not_counted", None)


def test_jobs_of_an_unknown_phase_are_shown_and_in_no_score(lake: Lake) -> None:
    asked = "select persona, operational_gco2e > 0 from mart.sci_monthly where model_version = '1' order by 1"
    assert lake.rows(asked) == [("consumer", True), ("provider", True), ("unknown", True)]
    assert {persona for persona, _ in scored(lake, "1")} == {"consumer", "provider"}


def test_unlocated_energy_is_not_known_and_not_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = make_home(tmp_path_factory.mktemp("nowhere") / "home", facility=[PLACE | {"zone": "ZZ-1"}])
    land(config, "power_sample", [sample(START_MS + at_ms) for at_ms in range(0, H + 1, STEP_MS)])
    ended = job_event(START_MS + H, "serve", "ended", "inference", state="completed", model_version="1")
    land(config, "job_event", [job_event(START_MS, "serve", "started", "inference", model_version="1"), ended])
    land(config, "job_device", [job_device("serve", START_MS, end_ms=START_MS + H)])
    with open_lake(config) as opened:
        run_all(opened)
        asked = "select operational_gco2e, embodied_gco2e > 0, gco2e_per_request from mart.sci_monthly"
        assert opened.rows(asked) == [(None, True, None)]
        assert set(opened.rows("select gco2e_per_unit, reason from mart.sci_ai")) == {(None, "not_known")}
