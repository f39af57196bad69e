"""Checks: critical ones stop what follows, the others warn, Great Expectations sees the monthly mart."""

from __future__ import annotations

import subprocess
import sys

import dagster as dg
import pytest

from pipelines import checks
from pipelines.assets import mart, published
from pipelines.checks import build_checks, days_of_run, validate
from pipelines.resources import Installation, NoPickles
from tests.pipelines.conftest import MARCH_3_MS, Driver
from tests.support.landed import job_event
from warehouse import engine
from warehouse.audits import all_checks
from warehouse.config import CONFIG_NAME
from warehouse.lake import open_lake
from warehouse.publish import ORGANISATION
from warehouse.transform import MONTHLY

HALF = "UPDATE lake.mart.training_vs_inference_monthly SET it_kwh = it_kwh / 2"


@pytest.fixture(scope="module")
def settled(driver: Driver) -> Driver:
    driver.compute_headless()
    return driver


def spoiled(lake: object, run: object, month: str, *, good=engine.compute_month) -> dict:
    """Compute a month, then halve it, as a defect of ours would."""
    rows = good(lake, run, month)
    lake.connection.execute(HALF)
    return rows


def test_a_blocking_check_stops_what_follows_in_the_run(settled: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    target = settled.config.published_path / ORGANISATION
    before = target.stat().st_mtime_ns
    monkeypatch.setattr(engine, "compute_month", spoiled)
    month_checks = [one for one in build_checks() if one.node_def.name == "audit_months"]
    result = dg.materialize(
        [mart.months, published.organisation, *month_checks],
        partition_key="2025-03-01",
        instance=settled.instance,
        resources={
            "installation": Installation(config_path=str(settled.config.home / CONFIG_NAME)),
            "io_manager": NoPickles(),
        },
        raise_on_error=False,
    )
    assert not result.success
    assert [one.passed for one in result.get_asset_check_evaluations()] == [False]
    assert {".".join(key.path) for key in materialised(result)} == set(MONTHLY)
    assert target.stat().st_mtime_ns == before


def materialised(result: dg.ExecuteInProcessResult) -> set[dg.AssetKey]:
    return {event.asset_key for event in result.get_asset_materialization_events()}


def test_an_open_critical_finding_refuses_every_later_publication(settled: Driver) -> None:
    target = settled.config.published_path / ORGANISATION
    before = target.stat().st_mtime_ns
    result = settled.run("publish", raise_on_error=False)
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "critical findings are open; nothing is published" in failure.step_failure_data.user_failure_data.description
    assert target.stat().st_mtime_ns == before
    assert "blocking findings are open" in str(settled.look("ledger_sensor").skip_reason)


def test_computing_the_month_again_heals_and_publishes(settled: Driver) -> None:
    with open_lake(settled.config) as lake:
        engine.note_days(lake, ["2025-03"], "test")
    (request,) = settled.look("ledger_sensor").run_requests
    assert settled.run(request.job_name, dict(request.tags)).success
    assert [one.job_name for one in settled.look("ledger_sensor").run_requests] == ["publish"]


def test_the_daily_audit_runs_every_check_and_warns_without_failing(settled: Driver) -> None:
    settled.land("job_event", ended_job("unmeasured"))
    with open_lake(settled.config) as lake:
        engine.run_all(lake)
    result = settled.run("audit")
    assert result.success
    outcomes = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert set(outcomes) == {check.id for check in all_checks()} | {"expectations"}
    assert outcomes["expectations"].passed, outcomes["expectations"].metadata
    failed = {name for name, one in outcomes.items() if not one.passed}
    assert failed == {"job_without_energy"}
    assert outcomes["job_without_energy"].severity == dg.AssetCheckSeverity.WARN
    assert "unmeasured" in outcomes["job_without_energy"].description


def ended_job(name: str) -> list[dict]:
    later = MARCH_3_MS + 60_000
    return [job_event(MARCH_3_MS, name, "started"), job_event(later, name, "ended", state="completed")]


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"coverage_fraction": 1.5}, "coverage_fraction"),
        ({"low_kgco2e": 1e9}, "total_kgco2e, low_kgco2e"),
        ({"phase_group": "trainig"}, "phase_group"),
        ({"it_kwh": -1.0}, "it_kwh"),
        ({"embodied_difference_kgco2e": 0.5}, "embodied_difference_kgco2e"),
    ],
)
def test_the_suite_finds_a_wrong_value(settled: Driver, change: dict, column: str) -> None:
    with open_lake(settled.config, read_only=True) as lake:
        frame = lake.connection.execute(checks._FRAME_SQL, {"rows": 100}).df()
    assert len(frame)
    for name, value in change.items():
        frame[name] = value
    failed = {one["column"] for one in validate(frame)["results"] if not one["success"]}
    assert column in failed


def test_great_expectations_is_imported_by_its_check_only() -> None:
    # Every run process imports the definitions; the package alone would cost each of them seconds.
    code = "import sys, pipelines.definitions as d; d.build_defs(); sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_audits_the_days_of_its_partitions() -> None:
    assert days_of_run({}) is None
    assert days_of_run({"dagster/partition": "2025-03-03"}) == ["2025-03-03"]
    first, last = checks.RANGE_TAGS
    assert days_of_run({first: "2025-02-28", last: "2025-03-01"}) == ["2025-02-28", "2025-03-01"]
