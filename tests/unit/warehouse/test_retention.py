"""Old states of the lake are forgotten by their age; what stays, stays to the last digit."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from warehouse import retention, tidy
from warehouse.config import Config
from warehouse.lake import Lake, open_lake
from warehouse.retention import forget, forgettable

NOW = datetime.now(UTC)
TABLE = "lake.raw.job_device"
HOURS_N = 24 * 100
WRITES_N = 12


def _newest(lake: Lake) -> int:
    return int(lake.value("SELECT max(snapshot_id) FROM lake.snapshots()"))


def _write(lake: Lake, number: int) -> None:
    """Replace a day as a new hour does, and add some rows that stay."""
    day = f"2025-0{1 + number % 3}-01"

    def work(inside: duckdb.DuckDBPyConnection) -> None:
        inside.execute(f"DELETE FROM {TABLE} WHERE host = 'replaced'")
        for host in ("replaced", f"kept-{number}"):
            inside.execute(
                f"INSERT INTO {TABLE} BY NAME SELECT 'j' || i || '-{number}' AS job_id, 1 AS attempt, "
                f"'{host}' AS host, 'd' AS device, i AS start_ms, CAST($day AS DATE) AS day, 'f' AS file_sha256, "
                "i AS row_number, 1 AS written_ms FROM range(60) AS r (i)",
                {"day": day},
            )

    lake.transaction(work)


def _state(lake: Lake, snapshot: int) -> tuple[object, ...]:
    rows = f"FROM {TABLE} AT (VERSION => {snapshot})"
    sql = f"SELECT count(*), sha256(string_agg(md5(t::VARCHAR), '' ORDER BY t::VARCHAR)) FROM ({rows}) AS t"
    return tuple(lake.rows(sql)[0])


def _age(config: Config, taken: dict[int, datetime]) -> None:
    """Say when snapshots were taken."""
    with contextlib.closing(sqlite3.connect(config.home / "lake.sqlite")) as catalog, catalog:
        for snapshot, moment in taken.items():
            told = moment.strftime("%Y-%m-%d %H:%M:%S.%f+00")
            catalog.execute("UPDATE ducklake_snapshot SET snapshot_time = ? WHERE snapshot_id = ?", (told, snapshot))


def _should_stay(taken: dict[int, datetime], published: int) -> set[int]:
    """Choose by hand what the module chooses in SQL."""
    stays = {max(taken), published} & set(taken)
    for snapshot, moment in taken.items():
        later = [other for one, other in taken.items() if one > snapshot]
        if moment >= NOW - timedelta(days=1):
            stays.add(snapshot)
        if moment >= NOW - timedelta(days=31) and all(other.date() != moment.date() for other in later):
            stays.add(snapshot)
        if all((other.year, other.month) != (moment.year, moment.month) for other in later):
            stays.add(snapshot)
    return stays


@pytest.fixture
def aged(config: Config) -> Iterator[tuple[Lake, dict[int, datetime]]]:
    """A lake whose snapshots were taken over a hundred days, some near each other."""
    with open_lake(config) as lake:
        for number in range(WRITES_N):
            _write(lake, number)
        snapshots = [int(row[0]) for row in lake.rows("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1")]
    every_h = HOURS_N / len(snapshots)
    taken = {one: NOW - timedelta(hours=HOURS_N - at * every_h, minutes=7) for at, one in enumerate(snapshots)}
    for near, one in enumerate(reversed(snapshots[-12:])):
        taken[one] = NOW - timedelta(hours=near * 3, minutes=7)
    _age(config, taken)
    with open_lake(config) as lake:
        yield lake, taken


def test_what_stays_is_all_of_late_then_one_a_day_then_one_a_month(aged: tuple[Lake, dict[int, datetime]]) -> None:
    lake, taken = aged
    gone = forgettable(lake)
    assert gone == sorted(set(taken) - _should_stay(taken, 0))
    assert 0 < len(gone) < len(taken)


def test_the_published_state_stays(aged: tuple[Lake, dict[int, datetime]], monkeypatch: pytest.MonkeyPatch) -> None:
    lake, taken = aged
    published = forgettable(lake)[3]
    monkeypatch.setattr(retention, "published_snapshot", lambda _: published)
    assert set(taken) - set(forgettable(lake)) == _should_stay(taken, published)


def test_states_that_stay_are_what_they_were_also_after_merging(
    aged: tuple[Lake, dict[int, datetime]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, taken = aged
    monkeypatch.setattr(retention, "FEWEST", 1)
    monkeypatch.setattr(tidy, "KEPT_INTERVAL", "0 SECONDS")
    monkeypatch.setattr(tidy, "MANY", 2)
    monkeypatch.setattr(tidy, "FEW", 2)
    stays = sorted(set(taken) - set(forgettable(lake)))
    with_rows = [one for one in stays if one > max(taken) - WRITES_N]
    assert len(with_rows) > 2
    before = [_state(lake, one) for one in with_rows]
    files_n = len(list(Path(lake.config.lake_data).rglob("job_device/**/*.parquet")))
    assert tidy.tidy(lake) > 0
    assert [_state(lake, one) for one in with_rows] == before
    assert _state(lake, _newest(lake)) == before[-1]
    assert {int(row[0]) for row in lake.rows("SELECT snapshot_id FROM lake.snapshots()")} >= set(stays)
    assert len(list(Path(lake.config.lake_data).rglob("job_device/**/*.parquet"))) < files_n


def test_a_few_are_not_worth_it(aged: tuple[Lake, dict[int, datetime]]) -> None:
    lake, taken = aged
    assert len(forgettable(lake)) < retention.FEWEST
    assert forget(lake) == 0
    assert lake.value("SELECT count(*) FROM lake.snapshots()") == len(taken)
