"""Sweeping an hour's folder takes what nobody knows and nobody works on, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.hours import HOUR_MS, random_world
from warehouse.compaction import compact_hour, sweep

NOW_S = 1_000_000.0


def put(folder: Path, name: str, age_s: float) -> Path:
    path = folder / name
    path.write_bytes(b"x")
    os.utime(path, (NOW_S - age_s, NOW_S - age_s))
    return path


def test_unknown_files_and_temporaries_go_once_they_are_old(tmp_path: Path) -> None:
    known, unknown = "a" * 64, "b" * 64
    put(tmp_path, f"{known}.parquet", 1e6)
    old = [put(tmp_path, f"{unknown}.parquet", 101), put(tmp_path, ".shard-00000.00ff00ff.17.tmp", 101)]
    for name in (f"{'c' * 64}.parquet", ".shard-00001.00ff00ff.17.tmp"):
        put(tmp_path, name, 99)
    for foreign in ("notes.txt", "part-0.parquet", ".hidden", f"{unknown}.parquet.bak"):
        put(tmp_path, foreign, 1e6)
    assert sweep(tmp_path, {known}, 100, now_s=NOW_S) == sorted(old)
    assert sweep(tmp_path, {known}, 100, now_s=NOW_S) == []
    assert len(list(tmp_path.iterdir())) == 7


def test_what_compaction_leaves_behind_has_the_names_that_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [one.source for one in random_world(1, tmp_path / "archive")]
    (file,) = compact_hour(HOUR_MS, sources, tmp_path / "hours").files
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", lambda _: 1 / 0)
        broken.setattr(os, "unlink", lambda *_, **__: None)
        with pytest.raises(ZeroDivisionError):
            compact_hour(HOUR_MS, sources[:1], tmp_path / "hours")
    folder = file.path.parent
    assert len(list(folder.iterdir())) == 2
    removed = sweep(folder, {file.sha256}, -1)
    assert [path.suffix for path in removed] == [".tmp"]
    assert list(folder.iterdir()) == [file.path]
    assert sweep(folder, set(), -1) == [file.path]


def test_something_to_keep_that_is_no_hash_stops_the_sweep(tmp_path: Path) -> None:
    path = put(tmp_path, f"{'a' * 64}.parquet", 1e6)
    with pytest.raises(ValueError, match="no SHA-256"):
        sweep(tmp_path, {path.name}, 0)
    assert path.exists()


def test_an_hour_without_a_folder_has_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path / "hour=03", set(), 0) == []
