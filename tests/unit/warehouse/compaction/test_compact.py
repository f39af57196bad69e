"""Compaction of an hour: which rows stay, whatever the order, the number and the shape of the landed files."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.hours import (
    HOUR_MS,
    Landed,
    in_groups,
    land,
    land_bytes,
    plain_compact,
    random_world,
    rows_of,
)
from tests.support.landed import sample
from warehouse.compaction import CompactedHour, CompactionError, compact_hour
from warehouse.hourfile import MS_PER_HOUR

SEEDS = range(25)


def compact(world: list[Landed], folder: Path, **settings: Any) -> CompactedHour:
    return compact_hour(HOUR_MS, [one.source for one in world], folder, **settings)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_rows_that_stay_and_the_conflicts_are_those_of_the_rule(seed: int, tmp_path: Path) -> None:
    world = random_world(seed, tmp_path / "archive")
    kept, conflicts, rows_n = plain_compact(world)
    for number, settings in enumerate(({}, {"max_series_n": 3}, {"batch_rows_n": 20}, {"batch_rows_n": 1})):
        done = compact(world, tmp_path / str(number), **settings)
        assert rows_of(done) == kept
        assert done.conflicts.to_pylist() == conflicts
        assert done.rows_n == rows_n == len(kept) + len(conflicts) + done.duplicates_n


def test_the_random_worlds_hold_what_they_are_for(tmp_path: Path) -> None:
    told = [plain_compact(random_world(seed, tmp_path)) for seed in SEEDS]
    assert sum(len(conflicts) for _, conflicts, _ in told) > 100
    assert sum(rows_n - len(kept) - len(conflicts) for kept, conflicts, rows_n in told) > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_any_order_of_the_sources_gives_the_same_bytes(seed: int, tmp_path: Path) -> None:
    world = random_world(seed, tmp_path / "archive")
    chance = random.Random(seed)
    settings = {"max_series_n": chance.choice([2, 100]), "batch_rows_n": chance.choice([1, 30, 10**6])}
    first = compact(world, tmp_path / "a", **settings)
    for _ in range(3):
        chance.shuffle(world)
        again = compact([*world, world[0]], tmp_path / "a", **settings)  # a source given twice counts once
        assert again.files == first.files
        assert again.conflicts.equals(first.conflicts)
    names = sorted(path.name for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert names == sorted({f"{file.sha256}.parquet" for file in first.files})


def test_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from tests.support.hours import *; from warehouse.compaction import *; "
        "root = pathlib.Path(sys.argv[1]); world = [one.source for one in random_world(4, root / 'archive')]; "
        "done = compact_hour(HOUR_MS, world, root / sys.argv[2], max_series_n=4, batch_rows_n=40); "
        "print(*(file.sha256 for file in done.files))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path), seed],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).resolve().parents[4],
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    assert len(said.pop().split()) > 1


def test_a_late_file_gives_what_all_files_together_give(tmp_path: Path) -> None:
    world = random_world(7, tmp_path / "archive")
    before = compact(world[:-1], tmp_path / "hours")
    after = compact(world, tmp_path / "hours")
    fresh = compact(world, tmp_path / "fresh")
    assert [file.sha256 for file in after.files] == [file.sha256 for file in fresh.files]
    assert all(file.path.is_file() for file in before.files), "what the ledger still knows must stay until it is swept"


def test_a_late_file_that_was_written_earlier_wins(tmp_path: Path) -> None:
    first = land(tmp_path, [sample(HOUR_MS, power_mw=1)], written_ms=20)
    late = land(tmp_path, [sample(HOUR_MS, power_mw=2)], written_ms=10)
    done = compact([first, late], tmp_path / "hours")
    assert [row["power_mw"] for row in rows_of(done)] == [2]
    assert done.conflicts.column("file_sha256").to_pylist() == [first.source.sha256]


def test_null_equals_null_and_differs_from_zero(tmp_path: Path) -> None:
    null = sample(HOUR_MS, energy_mj=None, util_percent=None, parent=None)
    world = [
        land(tmp_path, [null], written_ms=1),
        land(
            tmp_path,
            [null | {"energy_mj": 0}, null, null | {"parent": "node"}, null | {"util_percent": 0}],
            written_ms=2,
        ),
        land(tmp_path, [null | {"energy_mj": 0}], written_ms=3),
    ]
    done = compact(world, tmp_path / "hours")
    assert done.conflicts.column("row_number").to_pylist() == [0, 2, 3]
    assert set(done.conflicts.column("written_ms").to_pylist()) == {2}
    assert done.duplicates_n == 2


def test_an_hour_begins_at_its_first_and_ends_before_the_next_hours_first_millisecond(tmp_path: Path) -> None:
    times = [HOUR_MS - 1, HOUR_MS, HOUR_MS + MS_PER_HOUR - 1, HOUR_MS + MS_PER_HOUR]
    world = [land(tmp_path, [sample(ts_ms) for ts_ms in times], written_ms=1)]
    done = compact(world, tmp_path / "hours")
    assert [row["ts_ms"] for row in rows_of(done)] == times[1:3]
    assert (done.files[0].first_ms, done.files[0].last_ms) == (times[1], times[2])
    assert done.files[0].path.parent == tmp_path / "hours" / "date=2025-06-15" / "hour=16"
    with pytest.raises(ValueError, match="start of an hour"):
        compact_hour(HOUR_MS + 1, [], tmp_path / "hours")


def test_an_hour_without_a_row_that_counts_has_no_file(tmp_path: Path) -> None:
    other = land(tmp_path, [sample(HOUR_MS - 1)], written_ms=1)
    refused = land(tmp_path, [sample(HOUR_MS), sample(HOUR_MS + 1)], written_ms=2, refused=[0, 1])
    for world in ([], [other], [refused], [other, refused]):
        done = compact(world, tmp_path / "hours")
        assert done.files == ()
        assert done.rows_n == done.conflicts.num_rows == 0
    assert not list((tmp_path / "hours").rglob("*.*"))


def test_a_row_that_breaks_the_contract_stops_the_hour_unless_it_is_refused(tmp_path: Path) -> None:
    for name, value in (
        ("host", None),
        ("session", None),
        ("is_estimate", None),
        ("power_mw", -1),
        ("util_percent", 255),
    ):
        rows = [sample(HOUR_MS), sample(HOUR_MS + 1) | {name: value}]
        bad = land(tmp_path, rows, written_ms=1)
        with pytest.raises(CompactionError, match=bad.source.sha256):
            compact([bad], tmp_path / "hours")
        good = land(tmp_path, rows, written_ms=1, refused=[1])
        assert len(rows_of(compact([good], tmp_path / "hours"))) == 1


def test_a_missing_or_damaged_source_is_named(tmp_path: Path) -> None:
    world = [land(tmp_path, [sample(HOUR_MS + at) for at in range(200)], written_ms=1)]
    path = world[0].source.path
    data = bytearray(path.read_bytes())
    times = pq.read_metadata(path).row_group(0).column(0)
    flipped = data.copy()
    flipped[times.data_page_offset + times.total_compressed_size - 1] ^= 1
    for damage in (None, data[: len(data) // 2], b"", flipped):
        path.unlink(missing_ok=True)
        if damage is not None:
            path.write_bytes(damage)
        with pytest.raises(CompactionError, match=f"{path.name}.*put back the file"):
            compact(world, tmp_path / "hours")
    assert not list((tmp_path / "hours").rglob("*.*")), "nothing may be left of a compaction that failed"


def test_of_a_file_that_spans_a_day_only_the_hours_row_groups_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = HOUR_MS - 10 * MS_PER_HOUR
    rows = [sample(start + at * 60_000, host=f"host-{at % 3}") for at in range(24 * 60)]
    refused = [10 * 60 + 5]
    world = [land_bytes(tmp_path, in_groups(rows, 1, group_rows=50), rows, 1, refused)]
    read = []
    original = pq.ParquetFile.read_row_group

    def counting(self: pq.ParquetFile, at: int, **more: Any) -> Any:
        read.append(at)
        return original(self, at, **more)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counting)
    done = compact(world, tmp_path / "hours")
    landed_groups = [at for at in read if at]  # the hour file itself has one row group, number 0
    assert landed_groups == [12, 13]
    assert rows_of(done) == plain_compact(world)[0]
    assert sum(file.rows_n for file in done.files) == 59


def test_two_sources_of_one_content_must_say_the_same(tmp_path: Path) -> None:
    source = land(tmp_path, [sample(HOUR_MS)], written_ms=1).source
    for other in (replace(source, written_ms=2), replace(source, refused_rows=[0])):
        with pytest.raises(ValueError, match="not the same"):
            compact_hour(HOUR_MS, [source, other], tmp_path / "hours")
    assert compact_hour(HOUR_MS, [source, replace(source, refused_rows=[])], tmp_path / "hours").rows_n == 1
