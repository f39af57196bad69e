"""Forecasts against what their jobs used: scored by hand where they can be, and the reason where they cannot.

One GPU of 300 W on a host of its own; jobs of an hour, one after the other, from 3 March 2025 10:00. So an hour is
0.3 kWh of IT and, at a PUE of 1.2, 0.36 kWh of the facility.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import make_home
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from warehouse.config import Config
from warehouse.engine import run_all
from warehouse.lake import Lake, open_lake

H = 3_600_000
START_MS = round(datetime(2025, 3, 3, 10, tzinfo=UTC).timestamp() * 1000)
BEFORE_MS = START_MS - H
STEP_MS = 10_000
PLACE = {"id": "dc", "zone": "DE", "pue": 1.2, "hosts": ["host-*"]}
JOBS = ("plain", "late", "tuned-1", "tuned-2", "two-phases", "gap", "goes-on")


def line(forecast_id: str, component: str, central: float, **changes: Any) -> dict[str, Any]:
    return {
        "made_ms": BEFORE_MS,
        "forecast_id": forecast_id,
        "method": "by hand",
        "method_version": "1",
        "run": forecast_id,
        "job_id": None,
        "model": None,
        "model_version": None,
        "device": "H100 SXM5 80GB",
        "phase": "training",
        "component": component,
        "low": central * 0.8,
        "central": central,
        "high": central * 1.25,
        "unit": "kWh",
        "tier": "T3",
        "source_ids": "",
        "inputs_json": "{}",
        "assumed_json": "[]",
    } | changes


FORECASTS = [
    line("plain", "energy_it", 0.33),
    line("plain", "energy_facility", 0.5),
    line("plain", "days", 1 / 24, unit="d"),
    line("plain", "device_hours", 2.0, unit="h"),
    line("plain", "tokens", 1e9, unit="tokens"),
    line("plain", "energy_it", 0.33, phase="all"),
    line("linked", "energy_it", 0.15, job_id="plain", device=None),
    line("made-late", "energy_it", 0.3, job_id="late", made_ms=START_MS + H + 1),
    line("of-model", "energy_it", 0.6, model="tuned", model_version="7", phase="fine_tuning"),
    line("of-model", "energy_it", 0.9, model="tuned", model_version="7", phase="inference"),
    line("of-model", "energy_it", 1.5, model="tuned", model_version="7", phase="all"),
    line("mixed", "energy_it", 0.3, job_id="two-phases"),
    line("mixed", "energy_it", 0.3, job_id="two-phases", phase="all"),
    line("gap", "energy_it", 0.3),
    line("goes-on", "energy_it", 0.3),
    line("nobody", "energy_it", 0.3),
]


def events(position: int, job_id: str) -> list[dict[str, Any]]:
    start_ms, end_ms = START_MS + position * H, START_MS + (position + 1) * H
    tuned = job_id.startswith("tuned")
    phase, stated = ("fine_tuning", {"model": "tuned", "model_version": "7"}) if tuned else ("training", {})
    found = [job_event(start_ms, job_id, "started", phase, **stated)]
    if job_id == "two-phases":
        found.append(job_event(start_ms + H // 2, job_id, "phase_changed", "evaluation", **stated))
    if job_id == "goes-on":
        return [*found, job_event(end_ms, job_id, "heartbeat", phase, **stated)]
    last_phase = "evaluation" if job_id == "two-phases" else phase
    return [*found, job_event(end_ms, job_id, "ended", last_phase, state="completed", **stated)]


def land(config: Config, table: str, rows: list[dict[str, Any]], name: str = "a") -> None:
    content = landed_bytes(table, rows, written_ms=START_MS + 10 * H)
    put(config.landing_path, landed_name(table, START_MS, name), content)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    config = make_home(tmp_path_factory.mktemp("scored") / "home", facility=[PLACE])
    holed = JOBS.index("gap")
    times = range(START_MS, START_MS + len(JOBS) * H + 1, STEP_MS)
    samples = [sample(at_ms) for at_ms in times if not 0.25 <= (at_ms - START_MS) / H - holed <= 0.75]
    land(config, "power_sample", samples)
    land(config, "job_event", [row for position, job_id in enumerate(JOBS) for row in events(position, job_id)])
    held = [job_device(job_id, START_MS + n * H, end_ms=START_MS + (n + 1) * H) for n, job_id in enumerate(JOBS)]
    land(config, "job_device", held)
    land(config, "forecast", FORECASTS)
    # A link that was stated wrong is put right by recording the same forecast again.
    land(config, "forecast", [line("plain", "energy_it", 0.33, job_id="plain", made_ms=START_MS + 9 * H)], "again")
    with open_lake(config) as lake:
        run_all(lake)
        yield lake


def score(lake: Lake, forecast_id: str, component: str = "energy_it", phase: str = "training") -> dict[str, Any]:
    names = ("state", "linked_by", "jobs_n", "actual", "error_fraction", "is_inside", "coverage_fraction")
    asked = f"select {', '.join(names)} from mart.prediction_score where (forecast_id, component, phase) = ($1, $2, $3)"
    (row,) = lake.connection.execute(asked, [forecast_id, component, phase]).fetchall()
    return dict(zip(names, row, strict=True))


def test_energy_time_and_devices_by_hand(scored: Lake) -> None:
    found = score(scored, "plain")
    assert (found["state"], found["linked_by"], found["jobs_n"], found["is_inside"]) == ("scored", "job", 1, True)
    assert found["actual"] == pytest.approx(0.3, rel=1e-9)
    assert found["error_fraction"] == pytest.approx(0.33 / 0.3 - 1, rel=1e-9)
    facility = score(scored, "plain", "energy_facility")
    assert (facility["actual"], facility["is_inside"]) == (pytest.approx(0.36, rel=1e-9), False)
    assert score(scored, "plain", "days")["error_fraction"] == pytest.approx(0, abs=1e-9)
    assert score(scored, "plain", "device_hours")["actual"] == pytest.approx(1.0, rel=1e-9)
    assert score(scored, "plain", phase="all")["state"] == "scored"


def test_what_is_not_measured_here_is_held_against_nothing(scored: Lake) -> None:
    assert scored.value("select count(*) from mart.prediction_score where component = 'tokens'") == 0
    assert scored.value("select count(*) from raw.forecast where component = 'tokens'") == 1


@pytest.mark.parametrize(
    ("forecast_id", "phase", "state"),
    [
        ("linked", "training", "scored"),
        ("made-late", "training", "made_late"),
        ("of-model", "fine_tuning", "scored"),
        ("of-model", "inference", "no_job"),
        ("of-model", "all", "phase_missing"),
        ("mixed", "training", "mixed_phases"),
        ("mixed", "all", "scored"),
        ("gap", "training", "incomplete"),
        ("goes-on", "training", "running"),
        ("nobody", "training", "no_job"),
    ],
)
def test_a_forecast_is_scored_or_says_why_not(scored: Lake, forecast_id: str, phase: str, state: str) -> None:
    found = score(scored, forecast_id, phase=phase)
    assert found["state"] == state
    assert (found["error_fraction"] is None) == (found["is_inside"] is None) == (state != "scored")


def test_a_model_has_all_of_its_jobs(scored: Lake) -> None:
    found = score(scored, "of-model", phase="fine_tuning")
    assert (found["linked_by"], found["jobs_n"]) == ("model", 2)
    assert found["actual"] == pytest.approx(0.6, rel=1e-9)


def test_error_bias_and_coverage_over_forecasts(scored: Lake) -> None:
    asked = (
        "select device, forecasts_n, median_error_fraction, median_absolute_error_fraction, bias_fraction, inside_n, "
        "inside_fraction from mart.prediction_accuracy where phase = 'training' and component = 'energy_it' order by 1"
    )
    rows = {row[0]: row[1:] for row in scored.rows(asked)}
    # 0.33 and 0.15 against 0.3: +10 % and -50 %; the interval of the second ends at 0.1875.
    bias = math.sqrt(1.1 * 0.5) - 1
    assert rows["*"] == pytest.approx((2, -0.2, 0.3, bias, 1, 0.5), rel=1e-9)
    assert rows["H100 SXM5 80GB"] == pytest.approx((1, 0.1, 0.1, 0.1, 1, 1.0), rel=1e-9)
    assert rows["none"] == pytest.approx((1, -0.5, 0.5, -0.5, 0, 0.0), rel=1e-9)


def test_a_forecast_alone_is_reason_enough_to_compute(tmp_path: Path) -> None:
    config = make_home(tmp_path / "home")
    land(config, "forecast", [line("nobody", "energy_it", 1.0)])
    with open_lake(config) as lake:
        run_all(lake)
        assert score(lake, "nobody")["state"] == "no_job"
