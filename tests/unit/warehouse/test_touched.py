"""New rows touch exactly the days whose figures they can change: never one too few."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from warehouse.engine import pending, run_all, settle
from warehouse.ingest import ingest_file
from warehouse.lake import Lake
from warehouse.quarantine import discard

NOON_MS = 1_741_003_200_000  # 2025-03-03 12:00 UTC
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
MON, TUE, WED, THU, FRI = (f"2025-03-0{day}" for day in range(3, 8))


def _take(lake: Lake, table: str, rows: list[dict[str, Any]], written_ms: int = 1) -> list[str]:
    time = "start_ms" if "start_ms" in rows[0] else "ts_ms"
    name = landed_name(table, rows[0][time], f"w-{written_ms}-{abs(hash(str(rows)))}")
    content = landed_bytes(table, rows, written_ms=written_ms)
    lake.transaction(lambda inside: inside.execute("DELETE FROM lake.audit.pending"))
    outcome = ingest_file(lake, put(lake.config.landing_path, name, content))
    assert outcome.status == "loaded"
    settle(lake)
    return [key for key in pending(lake) if key != "*" and len(key) == len(MON)]


def _sample(at_ms: int, **changes: Any) -> list[dict[str, Any]]:
    return [sample(at_ms, **changes)]


def test_a_reading_touches_its_own_day(lake: Lake) -> None:
    assert _take(lake, "power_sample", _sample(NOON_MS)) == [MON]


@pytest.mark.parametrize(
    ("later_ms", "energy_mj", "days"),
    [
        (NOON_MS + 24 * HOUR_MS, 5, [MON, TUE]),  # a counter bridges up to 24 h, this and no more
        (NOON_MS + 24 * HOUR_MS + 1, 5, [TUE]),
        (NOON_MS + 13 * HOUR_MS, None, [TUE]),  # without a counter a gap counts up to an hour of silence
    ],
)
def test_a_reading_touches_the_day_before_when_the_interval_counts(
    lake: Lake, later_ms: int, energy_mj: int | None, days: list[str]
) -> None:
    _take(lake, "power_sample", _sample(NOON_MS, energy_mj=energy_mj))
    assert _take(lake, "power_sample", _sample(later_ms, energy_mj=energy_mj)) == days


@pytest.mark.parametrize(("before_ms", "days"), [(HOUR_MS, [MON, TUE]), (HOUR_MS + 1, [MON])])
def test_a_late_reading_touches_the_day_after(lake: Lake, before_ms: int, days: list[str]) -> None:
    midnight = NOON_MS + 12 * HOUR_MS
    _take(lake, "power_sample", _sample(midnight + 1))
    assert _take(lake, "power_sample", _sample(midnight + 1 - before_ms)) == days


def test_a_reading_inside_a_bridged_night_touches_both_days(lake: Lake) -> None:
    for at_ms in (NOON_MS, NOON_MS + 20 * HOUR_MS):
        _take(lake, "power_sample", _sample(at_ms, energy_mj=at_ms // 1000))
    assert _take(lake, "power_sample", _sample(NOON_MS + HOUR_MS)) == [MON, TUE]


def test_another_device_touches_nothing_of_this_one(lake: Lake) -> None:
    _take(lake, "power_sample", _sample(NOON_MS, energy_mj=1))
    other = _sample(NOON_MS + 13 * HOUR_MS, energy_mj=2, device="GPU-1")
    assert _take(lake, "power_sample", other) == [TUE]


def test_a_file_over_several_days_touches_the_neighbours_of_each(lake: Lake) -> None:
    """The end of Thursday changes although the file's first row is Monday's and its last Friday's."""
    midnight = NOON_MS + 3 * DAY_MS + 12 * HOUR_MS  # Thursday to Friday
    _take(lake, "power_sample", _sample(midnight - 5 * MINUTE_MS))
    rows = [sample(NOON_MS), sample(midnight + 5 * MINUTE_MS)]
    assert _take(lake, "power_sample", rows) == [MON, THU, FRI]


def test_a_job_touches_its_last_day_and_the_days_with_readings_on_which_something_changes(lake: Lake) -> None:
    _take(lake, "power_sample", _sample(NOON_MS + DAY_MS))
    assert _take(lake, "job_event", [job_event(NOON_MS, "j", "started")]) == [MON]
    ended = [job_event(NOON_MS + 3 * DAY_MS, "j", "ended")]
    assert _take(lake, "job_event", ended) == [THU], "it holds nothing on the days before"
    assert _take(lake, "job_device", [job_device("j", NOON_MS)]) == [TUE, THU]
    later = [job_event(NOON_MS + 4 * DAY_MS, "j", "ended")]
    assert _take(lake, "job_event", later) == [FRI], "its end moved; what it held before stays"
    renamed = [job_event(NOON_MS + 4 * DAY_MS, "j", "heartbeat", team="other")]
    assert _take(lake, "job_event", renamed) == [TUE, FRI], "every row of the job has another team"
    assert _take(lake, "job_event", [job_event(NOON_MS, "other", "started")]) == [MON]


def _asset(at_ms: int, event: str, host: str | None, **changes: Any) -> list[dict[str, Any]]:
    names = {"asset_id": "a", "kind": "accelerator", "hardware_model": "NVIDIA H100 SXM", "facility": None}
    row = names | {"ts_ms": at_ms, "event": event, "host": host, "device": None, "parent_asset": None, "quantity": 1}
    return [row | {"supplier_kgco2e": None} | changes]


@pytest.fixture
def hosts(lake: Lake) -> Lake:
    """Two hosts: one with readings on Monday and Tuesday, one on Wednesday."""
    for host, at_ms in (("one", NOON_MS), ("one", NOON_MS + DAY_MS), ("two", NOON_MS + 2 * DAY_MS)):
        _take(lake, "power_sample", _sample(at_ms, host=host))
    return lake


def test_hardware_touches_the_later_days_of_its_host(hosts: Lake) -> None:
    assert _take(hosts, "asset_event", _asset(NOON_MS - DAY_MS, "in_service", "one")) == [MON, TUE]
    assert _take(hosts, "asset_event", _asset(NOON_MS + DAY_MS, "repaired", "one")) == [TUE]


def test_hardware_that_moves_touches_the_host_that_it_leaves(hosts: Lake) -> None:
    _take(hosts, "asset_event", _asset(NOON_MS - DAY_MS, "in_service", "one"))
    assert _take(hosts, "asset_event", _asset(NOON_MS + DAY_MS, "moved", "two")) == [TUE, WED]


def test_hardware_that_retires_without_a_host_touches_where_it_was(hosts: Lake) -> None:
    _take(hosts, "asset_event", _asset(NOON_MS - DAY_MS, "in_service", "one"))
    assert _take(hosts, "asset_event", _asset(NOON_MS, "retired", None)) == [MON, TUE]


def test_hardware_row_that_takes_the_place_of_another_touches_the_host_of_both(hosts: Lake) -> None:
    _take(hosts, "asset_event", _asset(NOON_MS - DAY_MS, "in_service", "one"), written_ms=200)
    earlier = _asset(NOON_MS - DAY_MS, "in_service", "two")
    assert _take(hosts, "asset_event", earlier, written_ms=100) == [MON, TUE, WED]


def test_refused_rows_touch_the_computed_day_that_counts_them(lake: Lake) -> None:
    _take(lake, "power_sample", [sample(NOON_MS + second * 1000) for second in range(60)])
    run_all(lake)
    counted = "select any_value(day_quarantined_rows_n) from mart.data_quality"
    assert lake.value(counted) == 0
    rows = [sample(NOON_MS + 61_000, power_mw=-1), sample(NOON_MS + DAY_MS), sample(NOON_MS + DAY_MS + 1)]
    assert _take(lake, "power_sample", rows) == [MON, TUE]
    run_all(lake)
    assert lake.value(f"{counted} where day = '{MON}'") == 1
    refused = lake.config.landing_path / "_rejected"
    refused.mkdir()
    row = {"table": "power_sample", "time_ms": NOON_MS, "reason": "missing_value", "detail": "d"}
    (refused / "a.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row | {"time_ms": None}) + "\n")
    run_all(lake)
    assert lake.value(f"{counted} where day = '{MON}'") == 2
    discard(lake, lake.value("select file_sha256 from raw.quarantine_row where reason = 'out_of_range'"), "known")
    assert pending(lake) == [MON]
    run_all(lake)
    assert lake.value(f"{counted} where day = '{MON}'") == 1


def test_tables_on_which_no_figure_rests_touch_nothing(lake: Lake) -> None:
    reading = {"start_ms": NOON_MS, "end_ms": NOON_MS + 1, "facility": "dc1", "it_kwh": 1.0, "total_kwh": 2.0}
    assert _take(lake, "facility_reading", [reading | {"water_l": None}]) == []
