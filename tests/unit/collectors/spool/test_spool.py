"""The spool keeps what it can, counts what it cannot, and says so."""

from __future__ import annotations

import errno
import itertools
import os
import random
from pathlib import Path
from typing import Any

import pytest

from collectors.landing.reader import read_landed
from collectors.sources import Device
from collectors.spool.land import land
from collectors.spool.spool import Spool
from tests.support.measuring import landed

T0 = 1_795_348_800_000
CPU, GPU = Device("cpu-package-0", "cpu", "package", "rapl"), Device("GPU-a", "gpu", "board", "nvml_energy")


class _Bench:
    def __init__(self, root: Path, **limits: int) -> None:
        self.root, self.told, self.ticks = root, [], itertools.count()
        self.spool = self.make(**limits)

    def make(self, **limits: int) -> Spool:
        return Spool(
            self.root / "spool",
            host="h",
            header={"boot_id": "b", "version": "1"},
            now_ms=lambda: T0,
            tell=self.told.append,
            **limits,
        )

    def tick(self, spool: Spool | None = None, devices: tuple[Device, ...] = (CPU, GPU), noise: int = 0) -> int:
        spool = spool or self.spool
        ts_ms = T0 + 1000 * next(self.ticks)
        for device in devices:
            spool.add_sample(ts_ms, spool.number_of(device), noise, ts_ms ^ noise, 3, None, None, device.source)
        return ts_ms

    def land(self) -> dict[str, list[dict[str, Any]]]:
        report = land(self.root / "spool", str(self.root / "landing"), host="h")
        assert not report.waiting
        return landed(self.root / "landing")


@pytest.fixture
def bench(tmp_path: Path) -> _Bench:
    return _Bench(tmp_path)


def test_samples_and_rows_come_out_as_they_went_in(bench: _Bench) -> None:
    spool = bench.spool
    spool.add_sample(T0, spool.number_of(CPU), None, 7, 2, 100, "clock_step", "rapl")
    spool.add_sample(T0, spool.number_of(GPU), 0, None, 1, 0, None, "nvml_power")
    spool.add_sample(T0 + 1, spool.number_of(CPU), None, None, 2, None, "permission_denied", "rapl")
    spool.add_rows("job_event", [{"ts_ms": T0, "job_id": "j", "attempt": 1, "event": "started", "phase": "unknown"}])
    assert spool.rotate(end=True)
    tables = bench.land()
    shown = [
        tuple(row[name] for name in ("ts_ms", "device", "power_mw", "energy_mj", "session", "util_percent", "source"))
        for row in tables["power_sample"]
    ]
    assert sorted(shown, key=str) == sorted(
        [
            (T0, "cpu-package-0", None, 7, 2, 100, "rapl"),
            (T0, "GPU-a", 0, None, 1, 0, "nvml_power"),
            (T0 + 1, "cpu-package-0", None, None, 2, None, "rapl"),
        ],
        key=str,
    )
    assert sorted(str(row["gap_reason"]) for row in tables["power_sample"]) == [
        "None",
        "clock_step",
        "permission_denied",
    ]
    assert tables["job_event"][0]["job_id"] == "j"
    assert not list((bench.root / "spool").iterdir())


def test_devices_that_turn_up_later_and_many_journals_are_told_apart(bench: _Bench) -> None:
    bench.tick(devices=(CPU,))
    bench.spool.sync()
    bench.tick(devices=(GPU, CPU))
    bench.spool.rotate()
    bench.tick(devices=(GPU,))
    bench.spool.rotate(end=True)
    rows = bench.land()["power_sample"]
    assert sorted((row["device"], row["ts_ms"] - T0) for row in rows) == [
        ("GPU-a", 1000),
        ("GPU-a", 2000),
        ("cpu-package-0", 0),
        ("cpu-package-0", 1000),
    ]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_cannot_be_written_for_a_while_costs_nothing(bench: _Bench, monkeypatch: Any, code: int) -> None:
    expected = [bench.tick()]
    assert bench.spool.sync()
    fail = True

    def sync(descriptor: int) -> None:
        if fail:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fdatasync", sync)
    for _ in range(20):
        expected.append(bench.tick())
        assert not bench.spool.sync()
    fail = False
    expected.append(bench.tick())
    assert bench.spool.sync()
    bench.spool.rotate(end=True)
    assert sorted({row["ts_ms"] for row in bench.land()["power_sample"]}) == expected
    assert len(bench.told) == 2
    assert os.strerror(code) in bench.told[0]
    assert "can be written again" in bench.told[1]


@pytest.mark.parametrize("seed", range(10))
def test_every_sample_is_landed_or_counted_whatever_fails(tmp_path: Path, monkeypatch: Any, seed: int) -> None:
    """The conservation law of the spool, under small limits, random failures and landing in between."""
    rng = random.Random(seed)
    bench = _Bench(tmp_path, max_bytes=6_000, memory_bytes=3_000)
    fail = False

    def sync(descriptor: int) -> None:
        if fail:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdatasync", sync)
    given = 0
    for _ in range(150):
        for _ in range(rng.randint(1, 30)):
            bench.tick(noise=rng.getrandbits(33))
            given += 2
        fail = rng.random() < 0.3
        bench.spool.sync()
        if rng.random() < 0.1:
            bench.spool.rotate()
        if rng.random() < 0.05:
            bench.land()
    fail = False
    bench.land()
    bench.spool.rotate()
    bench.spool.rotate(end=True)
    rows = bench.land()["power_sample"]
    files = (tmp_path / "landing").rglob("*.parquet")
    counted = sum(int(read_landed(path).metadata.get("wattledger.dropped_n", 0)) for path in files)
    measured = [row for row in rows if row["gap_reason"] is None]
    assert counted == bench.spool.dropped_n > 0
    assert len(measured) + counted == given
    # Wherever samples were dropped, a row says so.
    assert {row["device"] for row in rows if row["gap_reason"] == "dropped"} == {"cpu-package-0", "GPU-a"}
    assert all(row["energy_mj"] is None for row in rows if row["gap_reason"] == "dropped")


def test_a_full_spool_still_takes_the_rows_of_jobs(tmp_path: Path) -> None:
    bench = _Bench(tmp_path, max_bytes=1_000)
    rng = random.Random(1)
    for _ in range(100):
        bench.tick(noise=rng.getrandbits(33))
    bench.spool.sync()
    bench.spool.add_rows(
        "job_event", [{"ts_ms": T0, "job_id": "j", "attempt": 1, "event": "ended", "phase": "unknown"}]
    )
    bench.spool.sync()
    bench.spool.rotate(end=True)
    assert [row["job_id"] for row in bench.land()["job_event"]] == ["j"]
    assert bench.spool.dropped_n == 200
    assert "is full" in bench.told[0]


def test_size_counts_what_others_left_and_room_comes_back_with_landing(tmp_path: Path) -> None:
    bench = _Bench(tmp_path, max_bytes=3_000)
    rng = random.Random(2)
    while not bench.spool.dropped_n:
        bench.tick(noise=rng.getrandbits(33))
        bench.spool.sync()
    other = bench.make(max_bytes=3_000)
    bench.tick(other, noise=rng.getrandbits(33))
    for _ in range(50):
        bench.tick(other, noise=rng.getrandbits(33))
    other.sync()
    assert other.dropped_n > 0
    bench.spool.rotate(end=True)
    bench.land()
    before = other.dropped_n
    other.sync()
    bench.tick(other)
    other.sync()
    assert other.dropped_n == before


def test_a_crash_between_landing_and_deleting_gives_the_same_files(bench: _Bench) -> None:
    for _ in range(5):
        bench.tick()
    bench.spool.add_rows(
        "job_event", [{"ts_ms": T0, "job_id": "j", "attempt": 1, "event": "ended", "phase": "unknown"}]
    )
    bench.spool.rotate(end=True)
    journal = next((bench.root / "spool").iterdir())
    data = journal.read_bytes()
    first = bench.land()
    files = {path: path.read_bytes() for path in (bench.root / "landing").rglob("*.parquet")}
    journal.write_bytes(data)
    assert bench.land() == first
    assert {path: path.read_bytes() for path in (bench.root / "landing").rglob("*.parquet")} == files


def test_a_row_that_breaks_the_contract_is_set_aside_and_costs_no_other(bench: _Bench) -> None:
    bench.tick()
    bench.spool.add_sample(5, bench.spool.number_of(CPU), 1, 1, 0, None, None, "rapl")
    bench.tick()
    bench.spool.rotate(end=True)
    report = land(bench.root / "spool", str(bench.root / "landing"), host="h")
    assert (len(report.problems), report.waiting) == (1, ())
    assert len(landed(bench.root / "landing")["power_sample"]) == 4
    refused = list((bench.root / "landing" / "_rejected").glob("*.jsonl"))
    assert len(refused) == 1
    assert '"ts_ms": 5' in refused[0].read_text()


def test_a_file_that_is_no_journal_is_kept_aside_and_an_empty_one_goes(bench: _Bench) -> None:
    bench.tick()
    bench.spool.rotate(end=True)
    path = next((bench.root / "spool").iterdir())
    (path.parent / path.name.replace("000001", "000002")).write_bytes(b"no journal")
    (path.parent / path.name.replace("000001", "000003")).write_bytes(b"")
    report = land(bench.root / "spool", str(bench.root / "landing"), host="h")
    assert (len(report.problems), report.waiting, report.landed_n) == (1, (), 1)
    assert [left.suffix for left in (bench.root / "spool").iterdir()] == [".damaged"]


def test_journals_of_another_host_are_left_to_it(bench: _Bench) -> None:
    bench.tick()
    bench.spool.rotate(end=True)
    assert land(bench.root / "spool", str(bench.root / "landing"), host="other").landed_n == 0
    assert land(bench.root / "spool", str(bench.root / "landing")).landed_n == 1
