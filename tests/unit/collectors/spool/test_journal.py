"""A journal gives back what was written, and of a damaged one everything that is whole."""

from __future__ import annotations

import errno
import os
import random
from array import array
from pathlib import Path
from typing import Any

import pytest

from collectors.spool import journal
from collectors.spool.journal_reader import read_journal

T0 = 1_795_348_800_000
HEADER = {"host": "h", "boot_id": "b", "version": "1", "at_ms": T0, "will": []}
NAMES = {"devices": {0: {"device": "a"}, 1: {"device": "b"}}, "texts": {0: "rapl"}}


def _block(rng: random.Random, rows: int) -> dict[str, array[int]]:
    limits = {"q": (-1, 2**62), "i": (0, 2**31 - 1), "H": (0, 1), "B": (0, 255)}
    columns = {
        name: array(code, (rng.randint(*limits[code]) for _ in range(rows))) for name, code in journal.COLUMNS.items()
    }
    columns["ts_ms"] = array("q", (T0 + rng.randint(0, 10**6) for _ in range(rows)))
    return columns


def _frames(rng: random.Random, count: int) -> list[tuple[bytes, Any]]:
    frames: list[tuple[bytes, Any]] = []
    for number in range(count):
        if rng.random() < 0.6:
            block = _block(rng, rng.randint(1, 40))
            frames.append((journal.pack_samples(block), block))
        else:
            row = {"ts_ms": T0 + number, "text": "x\0ü" * rng.randint(0, 5)}
            frames.append((journal.pack_json(journal.ROWS, {"table": "t", "rows": [row]}), row))
    return frames


def _head() -> bytes:
    return journal.pack_json(journal.HEADER, HEADER) + journal.pack_json(journal.NAMES, NAMES)


def _told(found: Any) -> list[Any]:
    return [found.samples, [row for _, row in found.rows]]


def _expected(frames: list[tuple[bytes, Any]]) -> list[Any]:
    values = [value for _, value in frames]
    return [[value for value in values if "device" in value], [value for value in values if "device" not in value]]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_written_is_read(seed: int) -> None:
    frames = _frames(random.Random(seed), 12)
    found = read_journal(_head() + b"".join(frame for frame, _ in frames) + journal.pack(journal.END, b"0"))
    assert _told(found) == _expected(frames)
    assert (found.header, found.devices[1], found.texts) == (HEADER, {"device": "b"}, {0: "rapl"})
    assert (found.is_whole, found.torn_bytes) == (True, 0)


def test_cut_anywhere_every_whole_frame_is_there_and_nothing_else() -> None:
    frames = _frames(random.Random(1), 6)
    head, data = _head(), b"".join(frame for frame, _ in frames)
    ends = [len(head)]
    for frame, _ in frames:
        ends.append(ends[-1] + len(frame))
    for cut in range(len(head), len(head) + len(data)):
        found = read_journal((head + data)[:cut])
        whole = max(index for index, end in enumerate(ends) if end <= cut)
        assert _told(found) == _expected(frames[:whole])
        assert found.torn_bytes == cut - ends[whole]
        assert not found.is_whole


@pytest.mark.parametrize("seed", range(40))
def test_pages_that_never_reached_the_disk_cost_only_their_own_frames(seed: int) -> None:
    rng = random.Random(seed)
    frames = _frames(rng, 10)
    data = bytearray(_head() + b"".join(frame for frame, _ in frames))
    victim = rng.randrange(len(frames))
    start = len(_head()) + sum(len(frame) for frame, _ in frames[:victim])
    hole = rng.randint(1, len(frames[victim][0]))
    data[start : start + hole] = bytes(hole) if seed % 2 else rng.randbytes(hole)
    found = read_journal(bytes(data))
    assert _told(found) == _expected(frames[:victim] + frames[victim + 1 :])
    assert found.torn_bytes == len(frames[victim][0])


def test_samples_of_a_device_that_was_never_told_are_no_samples() -> None:
    frame = journal.pack_samples(_block(random.Random(3), 50))
    found = read_journal(journal.pack_json(journal.HEADER, HEADER) + frame)
    assert (found.samples, found.torn_bytes) == ([], len(frame))


def test_counts_of_drops_add_up() -> None:
    drops = [{0: [3, T0 + 5, T0 + 9]}, {0: [2, T0 + 1, T0 + 7], 1: [1, T0, T0]}]
    data = _head() + b"".join(journal.pack_json(journal.DROPPED, drop) for drop in drops)
    assert read_journal(data).dropped == {0: [5, T0 + 1, T0 + 9], 1: [1, T0, T0]}


@pytest.mark.parametrize("data", [b"", b"x" * 1000, b"WLJ1" * 50, b"\0" * 4096])
def test_what_is_no_journal_holds_nothing(data: bytes) -> None:
    found = read_journal(data)
    assert (found.header, found.samples, found.rows, found.torn_bytes) == ({}, [], [], len(data))


def test_a_write_that_fails_in_the_middle_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "j"
    writer = journal.JournalWriter(path, HEADER)
    before = path.read_bytes()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 5:
            return write(descriptor, data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        writer.append(journal.pack(journal.ROWS, b"12345"))
    assert path.read_bytes() == before
    monkeypatch.undo()
    frame = journal.pack_json(journal.ROWS, {"table": "t", "rows": [{}]})
    writer.append(frame)
    writer.close()
    assert path.read_bytes() == before + frame


def test_an_existing_file_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"kept")
    with pytest.raises(FileExistsError):
        journal.JournalWriter(tmp_path / "j", HEADER)
    assert (tmp_path / "j").read_bytes() == b"kept"
