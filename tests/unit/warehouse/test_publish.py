"""What is published is what the lake holds, replaced in one step."""

from __future__ import annotations

import os

import pytest

from tests.support.landed import job_event, landed_bytes, landed_name, put, sample
from tests.support.worlds import EVENING_MS as T
from warehouse import publish as publishing
from warehouse.config import Config
from warehouse.engine import note_days, run_all
from warehouse.lake import Lake
from warehouse.publish import (
    PublishError,
    is_current,
    open_published,
    publish,
    published_snapshot,
    published_tables,
    settled_snapshot,
    sweep_unfinished,
)


@pytest.fixture
def filled(lake: Lake) -> Lake:
    rows = [sample(T + number * 1000) for number in range(60)]
    put(lake.config.landing_path, landed_name("power_sample", T, "w"), landed_bytes("power_sample", rows, written_ms=T))
    jobs = [job_event(T, "j", "started"), job_event(T + 30_000, "j", "ended")]
    put(lake.config.landing_path, landed_name("job_event", T, "w"), landed_bytes("job_event", jobs, written_ms=T))
    run_all(lake)
    return lake


def test_the_file_holds_the_rows_and_words_of_the_lake(filled: Lake) -> None:
    with open_published(filled.config.published_path) as connection:
        for entry in published_tables():
            rows = connection.execute(f"select * from {entry.qualified} order by all").fetchall()
            assert rows == filled.rows(f"select * from lake.{entry.qualified} order by all")
        words = (
            "select count(*) from duckdb_columns() "
            "where not internal and comment is null and table_name <> 'publication'"
        )
        assert connection.execute(words).fetchall() == [(0,)]
        assert connection.execute("select count(*) > 0 from mart.footprint_daily").fetchall() == [(True,)]


def test_it_is_built_again_only_when_something_changed(filled: Lake) -> None:
    assert is_current(filled)
    file = filled.config.published_path / "organisation.duckdb"
    before = file.stat().st_ino
    assert run_all(filled).published == file
    assert file.stat().st_ino == before
    note_days(filled, ["2025-03-03"], "test")
    assert not is_current(filled)
    run_all(filled)
    assert file.stat().st_ino != before


def test_a_failure_leaves_the_old_file_and_nothing_else(filled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = published_snapshot(filled.config.published_path)

    def failing(*_: object) -> None:
        msg = "rows differ"
        raise PublishError(msg)

    monkeypatch.setattr(publishing, "_copy", failing)
    with pytest.raises(PublishError):
        publish(filled)
    assert published_snapshot(filled.config.published_path) == shown
    assert list(filled.config.published_path.glob(".*")) == []
    monkeypatch.undo()
    publish(filled)  # and the connection is free for the next


def test_months_that_wait_are_not_shown_beside_newer_days(filled: Lake) -> None:
    settled = settled_snapshot(filled)
    note_days(filled, ["2025-03"], "2025-03-03")  # as after a day that another process computed
    newest = filled.value("select max(snapshot_id) from lake.snapshots()")
    (filled.config.published_path / "organisation.duckdb").unlink()
    assert newest > settled
    assert settled_snapshot(filled) == settled
    publish(filled)
    assert published_snapshot(filled.config.published_path) == settled


def test_what_a_dead_process_began_is_removed(config: Config) -> None:
    folder = config.published_path
    folder.mkdir()
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    ours = [folder / f".organisation.duckdb.{dead}.building{ending}" for ending in ("", ".wal")]
    other = folder / f".organisation.duckdb.{os.getppid()}.building"
    for path in (*ours, other):
        path.touch()
    assert sweep_unfinished(folder) == sorted(ours)
    assert other.exists()


def test_nothing_published_says_what_to_do(config: Config) -> None:
    assert published_snapshot(config.published_path) is None
    with pytest.raises(FileNotFoundError, match="wattledger run"):
        open_published(config.published_path)


def test_a_damaged_file_is_built_anew(filled: Lake) -> None:
    file = filled.config.published_path / "organisation.duckdb"
    file.write_bytes(b"nonsense")
    assert not is_current(filled)
    run_all(filled)
    assert is_current(filled)
