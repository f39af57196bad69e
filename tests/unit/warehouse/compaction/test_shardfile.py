"""An hour file is there whole or not at all, and holds what was written."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.hours import HOUR_MS, Landed, land, random_world
from tests.support.landed import sample
from warehouse.compaction import CompactionError, compact_hour, encoding, shardfile
from warehouse.files import sync_file


def hashes(world: list[Landed], folder: Path, max_series_n: int = 100) -> list[str]:
    done = compact_hour(HOUR_MS, [one.source for one in world], folder, max_series_n=max_series_n)
    assert all(hashlib.sha256(file.path.read_bytes()).hexdigest() == file.sha256 for file in done.files)
    assert all(file.path.stat().st_size == file.size_bytes for file in done.files)
    return [file.sha256 for file in done.files]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# Runs a compaction that is killed at the n-th call of a function on its way.
KILLED = """
import os, pathlib, signal, sys
from tests.support.hours import HOUR_MS, random_world
from warehouse.compaction import compact_hour, shardfile
archive, hours, step, number = *sys.argv[1:4], int(sys.argv[4])
name = step.rpartition(".")[2]
owner = shardfile.ShardFile if "." in step else shardfile
original, calls = getattr(owner, name), []
def at_last(*arguments):
    calls.append(name)
    if len(calls) == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)
setattr(owner, name, at_last)
sources = [one.source for one in random_world(4, pathlib.Path(archive))]
compact_hour(HOUR_MS, sources, pathlib.Path(hours), max_series_n=4)
"""


@pytest.mark.parametrize(
    ("step", "number", "finished_n"),
    [
        ("ShardFile.add", 1, 0),
        ("ShardFile.finish", 2, 1),
        ("sync_file", 1, 0),
        ("ShardFile._verify", 2, 1),
        ("sha256_of", 1, 0),
        ("sync_folder", 4, 1),  # three folders are new, then the first file has its name
    ],
)
def test_a_kill_leaves_a_temporary_or_a_whole_file_and_the_next_try_gives_the_same(
    step: str, number: int, finished_n: int, tmp_path: Path
) -> None:
    world = random_world(4, tmp_path / "archive")
    wanted = hashes(world, tmp_path / "undisturbed", max_series_n=4)
    assert len(wanted) > 2
    places = [str(tmp_path / "archive"), str(tmp_path / "hours")]
    command = [sys.executable, "-c", KILLED, *places, step, str(number)]
    assert subprocess.run(command, check=False, cwd=Path(__file__).resolve().parents[4]).returncode == -signal.SIGKILL
    left = names(tmp_path / "hours")
    assert [name for name in left if name[0] != "."] == [f"{one}.parquet" for one in wanted[:finished_n]]
    assert all(name.endswith(".tmp") for name in left if name[0] == ".")
    assert hashes(world, tmp_path / "hours", max_series_n=4) == wanted
    assert [name for name in names(tmp_path / "hours") if name[0] != "."] == sorted(f"{one}.parquet" for one in wanted)


@pytest.mark.parametrize("calls", [("replace",), ("fsync",), ("replace", "unlink")])
def test_an_error_of_the_disk_leaves_no_name_that_is_not_whole(
    calls: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = random_world(3, tmp_path / "archive")
    wanted = hashes(world, tmp_path / "undisturbed")

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        for call in calls:
            broken.setattr(os, call, fails)
        with pytest.raises(OSError, match="No space left"):
            hashes(world, tmp_path / "hours")
    assert not [name for name in names(tmp_path / "hours") if name[0] != "."]
    if "unlink" not in calls:
        assert not names(tmp_path / "hours"), "a writer that lives on removes its temporary"
    assert hashes(world, tmp_path / "hours") == wanted


@pytest.mark.parametrize("seed", range(8))
def test_a_bit_that_flips_after_writing_is_noticed(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = [land(tmp_path, [sample(HOUR_MS + at, energy_mj=at * at) for at in range(300)], written_ms=1)]
    sound = compact_hour(HOUR_MS, [world[0].source], tmp_path / "sound").files[0]
    # Pages only: nothing but the name of the file, its hash, covers what the footer says beside the row groups.
    end = sound.size_bytes - 8 - int.from_bytes(sound.path.read_bytes()[-8:-4], "little")

    def damaging(path: Path) -> None:
        sync_file(path)
        data = bytearray(path.read_bytes())
        data[4 + (end - 4) * seed // 8] ^= 1 << seed
        path.write_bytes(data)

    monkeypatch.setattr(shardfile, "sync_file", damaging)
    with pytest.raises(CompactionError, match="damaged right after writing"):
        hashes(world, tmp_path / "hours")
    assert not names(tmp_path / "hours")


def altered(column: pa.Array) -> pa.Array:
    """Return a column whose last value is another one."""
    values = column.to_pylist()
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind):
        values[-1] = "other"
    else:
        values[-1] = not values[-1] if pa.types.is_boolean(kind) else (values[-1] or 0) + 1
    array = pa.array(values, kind)
    return array.dictionary_encode() if pa.types.is_dictionary(column.type) else array


@pytest.mark.parametrize("column", encoding.CODED_SCHEMA.names)
def test_a_value_that_is_written_otherwise_than_meant_is_noticed(
    column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = [land(tmp_path, [sample(HOUR_MS + at, host=f"host-{at % 2}") for at in range(9)], written_ms=1)]
    original = pq.ParquetWriter.write_batch

    def otherwise(self: pq.ParquetWriter, batch: pa.RecordBatch, row_group_size: int) -> None:
        place = batch.schema.get_field_index(column)
        original(self, batch.set_column(place, batch.schema.field(place), altered(batch.column(place))), row_group_size)

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", otherwise)
    with pytest.raises(CompactionError, match=f"\\({column} differ"):
        hashes(world, tmp_path / "hours")
    assert not names(tmp_path / "hours")


def test_an_hour_file_that_lost_a_row_group_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = [land(tmp_path, [sample(HOUR_MS)], written_ms=1)]
    monkeypatch.setattr(pq.ParquetWriter, "write_batch", lambda *_, **__: None)
    with pytest.raises(CompactionError, match="number of row groups differ"):
        hashes(world, tmp_path / "hours")


def test_a_damaged_copy_under_the_final_name_is_replaced(tmp_path: Path) -> None:
    world = random_world(3, tmp_path / "archive")
    wanted = hashes(world, tmp_path / "hours")
    path = next((tmp_path / "hours").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    assert hashes(world, tmp_path / "hours") == wanted
