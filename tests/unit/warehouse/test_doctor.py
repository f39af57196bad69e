"""The doctor finds what is broken, and repair mends it from the archive without losing a figure."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.landed import landed_bytes, landed_name, put, sample
from tests.support.worlds import EVENING_MS as T
from tests.support.worlds import World, all_hashes, differing, make_home
from warehouse import doctor, quarantine
from warehouse.config import Config
from warehouse.doctor import Finding, examine, repair
from warehouse.engine import pending, run_all
from warehouse.lake import LakeError, open_lake
from warehouse.repair import stale_temporaries

MIDNIGHT_MS = 1_741_046_400_000


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """An installation that ran over a world with refused rows, a refused, a released and a discarded file."""
    config = make_home(tmp_path_factory.mktemp("filled") / "home", ingest={"max_rows": 500})
    World.small(51, gpus=1, jobs=1, hours=1.0, start_ms=MIDNIGHT_MS - 1_800_000).land(config)
    put(config.landing_path, landed_name("power_sample", T, "empty"), b"")
    put(config.landing_path, landed_name("power_sample", T, "page"), b"<html>")
    many = [sample(T + number, host="host-7") for number in range(501)]
    put(config.landing_path, landed_name("power_sample", T, "many"), landed_bytes("power_sample", many, written_ms=T))
    with open_lake(config) as lake:
        run_all(lake)
        page = lake.value("select file_sha256 from raw.quarantine_file where reason = 'not_parquet'")
        quarantine.discard(lake, page, "an error page of the proxy")
        conflict = lake.value("select file_sha256 from raw.quarantine_row where reason = 'conflict' order by 1")
        quarantine.discard(lake, conflict, "known")
        assert pending(lake) != []
    config = make_home(config.home, fresh=True)
    with open_lake(config) as lake:
        assert [outcome.status for outcome in quarantine.retry(lake)] == ["quarantined", "loaded"]
        run_all(lake)
    return config


@pytest.fixture
def home(filled: Config, tmp_path: Path) -> Config:
    """A copy of that installation, at another place."""
    shutil.copytree(filled.home, tmp_path / "home", symlinks=True)
    return make_home(tmp_path / "home", fresh=True)


def _hashes(config: Config) -> dict[str, str]:
    with open_lake(config, read_only=True) as lake:
        return all_hashes(lake)


def _worst(findings: list[Finding]) -> dict[str, str]:
    return {entry.what: entry.level for entry in findings if entry.level != "ok"}


def test_a_sound_installation_is_sound_also_at_another_place(home: Config) -> None:
    found = examine(home, deep=True)
    assert _worst(found) == {"quarantine": "warning"}  # the empty file is open
    assert {"archive content", "computation", "published", "rows", "to compute", "DuckDB"} <= {e.what for e in found}
    assert doctor.worst(found) == "warning"


def test_examining_changes_nothing(home: Config) -> None:
    def state() -> list[tuple[str, int]]:
        return sorted((str(path), path.stat().st_size) for path in home.home.rglob("*.parquet"))

    before, hashes = state(), _hashes(home)
    examine(home, deep=True)
    assert state() == before
    assert differing(hashes, _hashes(home)) == {}


def test_a_lost_lake_comes_back_to_the_same_tables(home: Config) -> None:
    before = _hashes(home)
    for path in home.home.glob("lake.sqlite*"):
        path.unlink()
    shutil.rmtree(home.lake_data)
    assert _worst(examine(home))["lake"] == "error"
    with open_lake(home) as lake, pytest.raises(LakeError, match="wattledger repair"):
        run_all(lake)
    done = repair(home)
    assert "error" not in {entry.level for entry in done}
    assert differing(before, _hashes(home)) == {}
    assert _worst(examine(home, deep=True)) == {"quarantine": "warning"}


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[: len(content) // 2] = os.urandom(len(content) // 2)
    path.write_bytes(content)


def _without_log(config: Config) -> Path:
    catalog = config.home / "lake.sqlite"
    with sqlite3.connect(catalog) as database:
        database.execute("pragma wal_checkpoint(truncate)")
    database.close()
    return catalog


def _data_files(config: Config) -> list[Path]:
    """Return the files that the newest snapshot reads; those that were merged into others stay for a while as well."""
    with contextlib.closing(sqlite3.connect(config.home / "lake.sqlite")) as catalog:
        rows = catalog.execute("SELECT path FROM ducklake_data_file WHERE end_snapshot IS NULL").fetchall()
    names = {Path(path).name for (path,) in rows}
    return sorted(path for path in Path(config.lake_data).rglob("*.parquet") if path.name in names)


BREAKS: dict[str, Callable[[Config], object]] = {
    "catalog overwritten": lambda config: _flip(_without_log(config)),
    "catalog cut off": lambda config: os.truncate(_without_log(config), 5000),
    "catalog gone": lambda config: _without_log(config).unlink(),
    "data gone": lambda config: shutil.rmtree(config.lake_data),
    "one data file gone": lambda config: _data_files(config)[0].unlink(),
    "one data file cut off": lambda config: os.truncate(_data_files(config)[-1], 100),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", BREAKS)
def test_a_damaged_lake_is_moved_aside_and_built_anew(home: Config, kind: str) -> None:
    before = _hashes(home)
    BREAKS[kind](home)
    found = _worst(examine(home))
    assert found["lake"] == "error"
    done = repair(home)
    assert "moved aside" in next(entry.detail for entry in done if entry.what == "lake")
    assert differing(before, _hashes(home)) == {}
    assert list(home.home.glob("*.damaged-*")) != []
    assert _worst(examine(home)) == {"quarantine": "warning"}


def test_an_archived_file_that_the_ledger_lacks_is_taken_in_again(home: Config) -> None:
    before = _hashes(home)
    with open_lake(home) as lake:
        sha256 = lake.value("select file_sha256 from raw.ingest_file where table_name = 'job_event' order by 1")

        def forget(connection: object) -> None:
            for table in ("ingest_file", "job_event", "quarantine_row"):
                connection.execute(f"delete from lake.raw.{table} where file_sha256 = '{sha256}'")

        lake.transaction(forget)
    found = {entry.what: entry for entry in examine(home)}
    assert found["archive"].level == "error"
    assert sha256 in found["archive"].detail
    assert "wattledger repair" in found["archive"].advice
    repair(home)
    assert differing(before, _hashes(home)) == {}


def test_rows_that_do_not_fit_the_ledger_are_found(home: Config) -> None:
    with open_lake(home) as lake:
        lake.transaction(
            lambda connection: connection.execute("delete from lake.raw.ingest_file where rows_total > 400")
        )
    assert {"archive", "rows"} <= _worst(examine(home)).keys()


def test_a_lost_archived_file_is_found(home: Config) -> None:
    next(home.archive_path.rglob("*.parquet")).unlink()
    found = {entry.what: entry for entry in examine(home)}
    assert (found["archive"].level, "backup" in found["archive"].advice) == ("error", True)
    assert any(entry.level == "error" and entry.what == "archive" for entry in repair(home))


def test_a_changed_archived_file_is_found_by_looking_deep(home: Config) -> None:
    _flip(next(home.archive_path.rglob("*.parquet")))
    assert "archive content" not in _worst(examine(home))
    assert _worst(examine(home, deep=True))["archive content"] == "error"


def test_a_changed_figure_is_found_by_looking_deep(home: Config) -> None:
    with open_lake(home) as lake:
        change = "update lake.core.device_energy set energy_j = energy_j + 1e-9"
        lake.transaction(lambda connection: connection.execute(change))
    assert _worst(examine(home, deep=True))["computation"] == "error"


def test_what_a_dead_process_left_is_found_and_removed(home: Config) -> None:
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    left = home.published_path / f".organisation.duckdb.{dead}.building"
    left.write_bytes(b"x")
    alive = home.published_path / f".organisation.duckdb.{os.getppid()}.building"
    alive.write_bytes(b"x")
    orphan = Path(home.lake_data) / "raw" / "job_event" / "ducklake-orphan.parquet"
    shutil.copy(next(Path(home.lake_data).rglob("*.parquet")), orphan)
    os.utime(orphan, (1, 1))
    assert stale_temporaries(home) == [left]
    found = _worst(examine(home))
    assert (found["temporaries"], found["lake files"]) == ("warning", "warning")
    repair(home)
    assert not left.exists()
    assert not orphan.exists()
    assert alive.exists()


def test_what_waits_is_found(home: Config) -> None:
    path = put(home.landing_path, landed_name("power_sample", T, "late"), b"x")
    os.utime(path, (1, 1))
    with open_lake(home) as lake:
        note = "insert into lake.audit.pending values ('2025-03-03', 'x', now() - interval 2 hour)"
        lake.transaction(lambda connection: connection.execute(note))
    found = _worst(examine(home))
    assert (found["landing"], found["to compute"], found["published"]) == ("warning", "warning", "warning")


def test_a_table_of_another_shape_is_found_and_built_anew(home: Config) -> None:
    before = _hashes(home)
    with open_lake(home) as lake:
        change = "alter table lake.core.job add column extra integer"
        lake.transaction(lambda connection: connection.execute(change))
    entry = next(entry for entry in examine(home) if entry.what == "lake")
    assert (entry.level, "core.job" in entry.detail, "extra" in entry.detail) == ("error", True, True)
    repair(home)
    assert differing(before, _hashes(home)) == {}


def test_a_new_installation_is_told_to_run(tmp_path: Path) -> None:
    config = make_home(tmp_path / "home", fresh=True)
    entry = examine(config)[-1]
    assert (entry.what, entry.level) == ("lake", "warning")
    assert "wattledger run" in entry.advice
    assert not (config.home / "lake.sqlite").exists()


def test_a_home_that_everybody_may_write_is_an_error(tmp_path: Path) -> None:
    config = make_home(tmp_path / "home", fresh=True, facility=[])
    config.home.chmod(0o777)
    found = _worst(examine(config))
    assert (found["home"], found["configuration"]) == ("error", "warning")
