"""Tidying merges files and changes no row, neither of today nor of any earlier snapshot."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from warehouse import tidy as tidy_module
from warehouse.lake import Lake
from warehouse.tidy import FEW, MANY, due, tidy

FIRST = date(2025, 3, 1)
TABLE = "lake.raw.job_device"
ROWS_N = 50
"""More than DuckLake would keep in its catalog instead of in a file."""
SERVICE = "s"


def _add(lake: Lake, day: date, *, service: bool = False, rows_n: int = ROWS_N) -> None:
    """Write a file of some rows of a day; a service has one row, which each file states anew."""

    def work(inside: duckdb.DuckDBPyConnection) -> None:
        if service:
            inside.execute(f"DELETE FROM {TABLE} WHERE job_id = '{SERVICE}'")
        inside.execute(
            f"INSERT INTO {TABLE} BY NAME SELECT 'j' || i AS job_id, 1 AS attempt, 'h' AS host, 'd' AS device, "
            "i AS start_ms, $day AS day, 'f' AS file_sha256, i AS row_number, 1 AS written_ms FROM range($n) AS r (i) "
            f"UNION ALL BY NAME SELECT '{SERVICE}' AS job_id, 1 AS attempt, 'h' AS host, 'd' AS device, 0 AS start_ms, "
            "$day AS day, 'f' AS file_sha256, 0 AS row_number, 1 AS written_ms WHERE $service",
            {"day": day, "n": rows_n, "service": service},
        )

    lake.transaction(work)


def _files(lake: Lake) -> int:
    return len(lake.rows("FROM ducklake_list_files('lake', 'job_device', schema => 'raw')"))


def _newest(lake: Lake) -> int:
    return int(lake.value("SELECT max(snapshot_id) FROM lake.snapshots()"))


def _states(lake: Lake, first: int, last: int) -> list[tuple[object, ...]]:
    """Return rows and a hash of the table as it was in each of some snapshots."""
    sql = (
        "SELECT count(*), sha256(string_agg(md5(t::VARCHAR), '' ORDER BY t::VARCHAR)) "
        f"FROM (FROM {TABLE} AT (VERSION => {{}})) AS t"
    )
    return [lake.rows(sql.format(version))[0] for version in range(first, last + 1)]


def test_a_month_that_is_over_becomes_one_file(lake: Lake) -> None:
    for back in range(FEW):
        _add(lake, FIRST + timedelta(days=back))
    assert due(lake) == [], "more days may come"
    _add(lake, date(2025, 4, 1))
    assert {(schema, name) for schema, name, _ in due(lake)} == {("raw", "job_device")}
    assert tidy(lake) == FEW
    assert (_files(lake), lake.value(f"SELECT count(*) FROM {TABLE}")) == (2, (FEW + 1) * ROWS_N)
    assert due(lake) == []


def test_files_are_merged_also_where_a_few_rows_were_written_beside_them(lake: Lake) -> None:
    first = _newest(lake) + 1
    for number in range(2 * MANY):
        _add(lake, FIRST, service=True, rows_n=number % 2 * ROWS_N + 2)
    before = _states(lake, first, _newest(lake))
    assert tidy(lake) >= MANY
    assert _states(lake, first, first + len(before) - 1) == before
    assert _states(lake, _newest(lake), _newest(lake)) == before[-1:]


@pytest.mark.parametrize("service", [False, True])
def test_many_files_of_the_newest_month_are_merged_and_every_snapshot_stays(lake: Lake, *, service: bool) -> None:
    first = _newest(lake) + 1
    for _ in range(2 * MANY):
        _add(lake, FIRST, service=service)
    last = _newest(lake)
    before = _states(lake, first, last)
    assert tidy(lake) >= MANY
    assert _files(lake) < MANY
    assert _states(lake, first, last) == before
    assert _states(lake, _newest(lake), _newest(lake)) == before[-1:]
    snapshot = _newest(lake)
    assert tidy(lake) == 0
    assert _newest(lake) == snapshot


def test_a_day_of_a_merged_month_can_be_replaced(lake: Lake) -> None:
    days = [FIRST + timedelta(days=back) for back in range(FEW)]
    for day in [*days, date(2025, 4, 1)]:
        _add(lake, day)
    tidy(lake)
    lake.transaction(lambda inside: inside.execute(f"DELETE FROM {TABLE} WHERE day = $day", {"day": days[1]}) and None)
    _add(lake, days[1], service=True)
    found = dict(lake.rows(f"SELECT day, count(*) FROM {TABLE} GROUP BY day"))
    assert found == {day: ROWS_N + (day == days[1]) for day in [*days, date(2025, 4, 1)]}
    assert tidy(lake) == 0


def test_merged_files_are_removed_once_no_reader_wants_them(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def on_disk() -> int:
        return len(list(Path(lake.config.lake_data).rglob("raw/job_device/**/*.parquet")))

    for _ in range(MANY):
        _add(lake, FIRST)
    tidy(lake)
    assert on_disk() == MANY + 1, "a reader that began before may want them"
    monkeypatch.setattr(tidy_module, "KEPT_INTERVAL", "0 DAY")
    for _ in range(MANY):
        _add(lake, FIRST)
    tidy(lake)
    assert on_disk() == _files(lake)
    assert lake.value(f"SELECT count(*) FROM {TABLE}") == 2 * MANY * ROWS_N
