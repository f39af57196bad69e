"""Running: a fresh clone, no pickles, one writer at a time, files that wait, a change of configuration."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from pipelines.definitions import build_defs, defs
from pipelines.resources import Installation
from pipelines.sensors import landing_digest
from tests.pipelines.conftest import MARCH_3_MS, Driver, make_driver
from tests.support.homes import write_config
from tests.support.landed import job_event
from tests.support.readings import count_readings
from warehouse.lake import open_lake

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Driver]:
    yield from make_driver(tmp_path)


def test_a_fresh_clone_shows_the_graph_and_says_what_is_missing() -> None:
    # The module-level function is what `dagster dev` loads; WATTLEDGER_HOME names an empty place here.
    graph = defs().resolve_asset_graph()
    assert len(graph.get_all_asset_keys()) > 30
    with dg.DagsterInstance.ephemeral() as instance:
        for sensor in ("landing_sensor", "ledger_sensor"):
            context = dg.build_sensor_context(instance=instance, resources={"installation": Installation()})
            answer = build_defs().resolve_sensor_def(sensor)(context)
            assert "no configuration at" in answer.skip_message
            assert "wattledger init" in answer.skip_message
        result = build_defs().resolve_job_def("ingest").execute_in_process(instance=instance, raise_on_error=False)
        failure = next(event for event in result.all_events if event.is_step_failure)
        assert "wattledger init" in failure.step_failure_data.error.to_string()


def test_files_that_wait_are_one_request_and_the_cursor_holds_no_names(fresh: Driver) -> None:
    fresh.land_job("job")
    found = fresh.look("landing_sensor")
    (request,) = found.run_requests
    assert request.tags["wattledger/files"] == "3"
    assert len(found.cursor) < 100
    again = fresh.look("landing_sensor")
    assert "asked already for the 3 files" in again.skip_message
    fresh.land("job_event", [{**row, "job_id": "other"} for row in other_events()])
    (second,) = fresh.look("landing_sensor").run_requests
    assert second.run_key != request.run_key


def other_events() -> list[dict]:
    return [job_event(MARCH_3_MS, "x", "started")]


def test_hidden_files_do_not_wait(fresh: Driver) -> None:
    folder = fresh.config.landing_path / "power_sample" / "date=2025-03-03" / "hour=11"
    folder.mkdir(parents=True)
    (folder / ".w-1.parquet.host.123.tmp").write_bytes(b"half")
    assert landing_digest(fresh.config.landing_path)[0] == 0
    assert "nothing waits" in fresh.look("landing_sensor").skip_message


def test_a_request_that_came_to_nothing_is_made_again_in_the_next_hour(
    fresh: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.land_job("job")
    (first,) = fresh.look("landing_sensor").run_requests
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    (second,) = fresh.look("landing_sensor").run_requests
    assert first.run_key != second.run_key


def test_while_a_run_goes_on_nothing_more_is_asked_for(fresh: Driver) -> None:
    fresh.land_job("job")
    run = fresh.instance.create_run_for_job(fresh.defs.resolve_job_def("ingest"), status=dg.DagsterRunStatus.STARTED)
    assert "goes on" in fresh.look("landing_sensor").skip_message
    assert "goes on" in fresh.look("ledger_sensor").skip_message
    fresh.instance.report_run_canceled(run)
    assert fresh.look("landing_sensor").run_requests


def test_another_configuration_asks_for_all_days_again(fresh: Driver) -> None:
    fresh.compute_headless()
    assert "nothing is to do" in str(fresh.look("ledger_sensor").skip_reason)
    write_config(fresh.config.home, organisation={"name": "Another"})
    (request,) = fresh.look("ledger_sensor").run_requests
    assert request.job_name == "ingest", "its step notes the days"
    fresh.run("ingest")
    (request,) = fresh.look("ledger_sensor").run_requests
    assert (request.job_name, *request.tags.values()) == ("compute_days", "2025-03-03", "2025-03-03")


def test_one_table_of_a_day_alone_keeps_the_rest_and_notes_the_month(fresh: Driver) -> None:
    fresh.compute_headless()
    selection = [dg.AssetKey(["mart", "footprint_daily"])]
    result = fresh.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=fresh.instance, partition_key="2025-03-03", asset_selection=selection
    )
    assert {event.asset_key for event in result.get_asset_materialization_events()} == set(selection)
    (request,) = fresh.look("ledger_sensor").run_requests
    assert (request.job_name, *request.tags.values()) == ("compute_months", "2025-03-01", "2025-03-01")


def test_an_asset_that_returns_an_object_is_refused(fresh: Driver) -> None:
    @dg.asset
    def careless() -> list[int]:
        return [1]

    resources = {"io_manager": fresh.defs.resources["io_manager"]}
    with pytest.raises(TypeError, match="writes through the lake and returns metadata"):
        dg.materialize([careless], instance=fresh.instance, resources=resources)

    @dg.asset
    def curious(careless: list[int]) -> None:
        """Asks for an object."""

    outside = dg.AssetSpec("careless")
    with pytest.raises(TypeError, match="reads from the lake and names what it reads in deps"):
        dg.materialize([outside, curious], instance=fresh.instance, resources=resources)


def test_the_instance_file_is_accepted_and_states_what_it_must(tmp_path: Path) -> None:
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_max_runtime_seconds == settings["run_monitoring"]["max_runtime_seconds"]
        assert instance.run_retries_max_retries == 1
        assert instance.event_log_storage.get_pool_limits() == []
    assert settings["concurrency"]["pools"]["default_limit"] == 1


@pytest.mark.slow
def test_two_runs_at_once_leave_the_same_figures(tmp_path: Path) -> None:
    # Two processes take in and compute the same day at the same time; the lock of the lake lets one write at a time.
    driver = next(generator := make_driver(tmp_path))
    driver.land_job("job")
    generator.close()
    code = (
        "import sys, dagster as dg\n"
        "from pipelines.definitions import build_defs\n"
        "tags = {f'dagster/asset_partition_range_{end}': '2025-03-03' for end in ('start', 'end')}\n"
        "defs = build_defs()\n"
        "with dg.DagsterInstance.ephemeral() as instance:\n"
        "    for job, more in (('ingest', {}), ('compute_days', tags)):\n"
        "        result = defs.resolve_job_def(job).execute_in_process(instance=instance, tags=more)\n"
        "        assert result.success\n"
    )
    environ = {**os.environ, "WATTLEDGER_HOME": str(driver.config.home), "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen([sys.executable, "-c", code], env=environ, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        assert process.wait(120) == 0, process.stderr.read().decode()[-2000:]
        process.stderr.close()
    with open_lake(driver.config, read_only=True) as lake:
        assert count_readings(lake) == 61
        assert lake.value("select sum(energy_j) from core.device_energy") == pytest.approx(300 * 600, rel=1e-9)
        assert lake.value("select count(*) from audit.pending where partition_key = '2025-03-03'") == 0
