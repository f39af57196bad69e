"""A late file for an old day changes that day and its months, and nothing else."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from tests.pipelines.conftest import MARCH_3_MS, MS_PER_DAY, Driver
from warehouse.publish import ORGANISATION
from warehouse.transform import DAILY

DAYS = ["2025-03-03", "2025-03-04", "2025-04-10"]


def published(driver: Driver, sql: str) -> list[tuple]:
    with duckdb.connect(str(driver.config.published_path / ORGANISATION), read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def history(driver: Driver) -> Driver:
    """Two neighbouring days in March and one in April, ingested and published."""
    driver.land_job("job")
    for days in (1, 38):
        driver.land_readings(MARCH_3_MS + days * MS_PER_DAY)
    return driver


def test_files_are_coalesced_into_ranges_of_days_and_months(history: Driver) -> None:
    runs = history.settle()
    assert runs[0] == ("ingest", None, None), "five files, one run"
    assert runs[1:] == [
        ("compute_days", "2025-03-03", "2025-03-04"),
        ("compute_days", "2025-04-10", "2025-04-10"),
        ("compute_months", "2025-03-01", "2025-04-01"),
        ("publish", None, None),
    ]
    assert all(result.success for result in history.results)
    assert published(history, "select count(*) from mart.job") == [(1,)]
    assert published(history, "select round(sum(it_kwh), 9) from mart.footprint_daily") == [(0.15,)]


@pytest.mark.parametrize("table", DAILY)
def test_each_day_of_each_daily_table_is_materialised(history: Driver, table: str) -> None:
    assert history.partitions_of_runs(table) == set(DAYS)


def test_landed_tables_show_the_hours_and_days_that_came(history: Driver) -> None:
    assert history.partitions_of_runs("raw.sample_hour") == {f"{day}-11:00" for day in DAYS}
    assert history.partitions_of_runs("raw.job_event") == {"2025-03-03"}


def test_a_late_file_computes_its_day_and_its_month_only(history: Driver) -> None:
    before = published(history, "select day, sum(it_kwh) from mart.footprint_daily group by day order by day")
    computed = dict(published(history, "select partition_key, max(computed_at) from audit.materialisation group by 1"))
    since = len(history.results)
    history.land_readings(MARCH_3_MS + 3_600_000)
    assert history.settle() == [
        ("ingest", None, None),
        ("compute_days", "2025-03-03", "2025-03-03"),
        ("compute_months", "2025-03-01", "2025-03-01"),
        ("publish", None, None),
    ]
    for table in DAILY:
        assert history.partitions_of_runs(table, since) == {"2025-03-03"}, table
    assert history.partitions_of_runs("mart.training_vs_inference_monthly", since) == {"2025-03-01"}
    after = published(history, "select day, sum(it_kwh) from mart.footprint_daily group by day order by day")
    assert after[0][1] > before[0][1], "the old day has grown"
    assert after[1:] == before[1:], "the other days have not"
    now = dict(published(history, "select partition_key, max(computed_at) from audit.materialisation group by 1"))
    assert {key for key in now if now[key] != computed[key]} == {"2025-03-03", "2025-03", "*"}


def test_the_same_file_again_computes_nothing(history: Driver) -> None:
    sequence = history.sequence
    history.sequence = 0
    history.land_job("job")
    history.sequence = sequence
    assert history.settle() == [("ingest", None, None)]


def test_nothing_is_asked_for_when_nothing_has_changed(history: Driver) -> None:
    assert history.settle() == []
    assert "has not changed" in str(history.look("ledger_sensor").skip_message)


def test_rows_and_calculation_are_told(history: Driver) -> None:
    event = history.instance.get_latest_materialization_event(dg.AssetKey(["core", "device_energy"]))
    metadata = event.asset_materialization.metadata
    assert metadata["dagster/row_count"].value > metadata["dagster/partition_row_count"].value > 0
    assert len(metadata["calc_run_id"].value) == 16
    report = history.instance.get_latest_materialization_event(dg.AssetKey(["published", "report"]))
    assert report.asset_materialization.metadata["path"].value.endswith("report.html")


def pickles(folder: Path) -> list[str]:
    """Names of the files that begin as a pickle does."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.read_bytes()[:1] == b"\x80"]


def test_no_pickle_was_written(history: Driver) -> None:
    everything = history.config.home.parent
    assert pickles(everything) == []

    @dg.asset
    def careless() -> list[int]:
        return [1]

    dg.materialize([careless], instance=history.instance)
    assert pickles(everything) == ["careless"], "the test looks where Dagster would leave one"
