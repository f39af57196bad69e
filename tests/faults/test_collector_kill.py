"""A collector that is killed, again and again: what is lost, what is there twice, and what the counters say.

100 kills by default; WATTLEDGER_KILLS sets another number (1,000 take some ten minutes).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collectors.spool.land import land
from tests.support.killed_meter import COUNTER, INTERVAL_S, SYNC_S, WATTS
from tests.support.measuring import landed

KILLS = int(os.environ.get("WATTLEDGER_KILLS", "100"))
METER = Path(__file__).resolve().parents[1] / "support" / "killed_meter.py"
# Readings that one death can cost: those since the last sync, and the two at its edges.
MOST_LOST = round(SYNC_S / INTERVAL_S) + 2

pytestmark = pytest.mark.faults


class _Host:
    def __init__(self, root: Path) -> None:
        self.root, self.count = root, root / "count"
        self.count.write_bytes(COUNTER.pack(0))

    @property
    def taken_n(self) -> int:
        return COUNTER.unpack(self.count.read_bytes())[0]

    def start(self, *job: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(METER), str(self.root), str(self.count), *job]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def run_until(self, readings: int, signum: int, rng: random.Random, *job: str) -> None:
        """Start a collector, let it take some readings, and end it."""
        process, before = self.start(*job), self.taken_n
        deadline = time.monotonic() + 60
        while self.taken_n < before + readings and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.02)
        if signum == signal.SIGKILL:
            # The whole group now and then, as the end of a container does: landing dies with the agent.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signum) if rng.random() < 0.5 else process.kill()
        else:
            process.send_signal(signum)
        process.wait(60)

    def unsynced(self, rng: random.Random) -> None:
        """What a power cut leaves of the newest journal: its last pages as zeros, as rubbish, or half a frame."""
        journals = sorted((self.root / "state" / "spool").glob("*.journal"), key=lambda path: path.stat().st_mtime)
        if journals:
            with journals[-1].open("ab") as file:
                file.write(rng.choice([bytes(rng.randint(1, 5000)), rng.randbytes(300), b"WLJ1S\0\0\0\xff\0\0\0abcd"]))

    def land(self) -> list[dict]:
        deadline = time.monotonic() + 120
        while list((self.root / "state" / "spool").glob("*.journal")):
            report = land(self.root / "state" / "spool", str(self.root / "landing"), host="h")
            assert not report.waiting, report.problems
            assert time.monotonic() < deadline
        return landed(self.root / "landing").get("power_sample", [])


def test_kills_lose_at_most_what_was_not_synced_and_no_energy(tmp_path):
    rng, host, cuts_n = random.Random(KILLS), _Host(tmp_path), 0
    for kill in range(KILLS):
        host.run_until(rng.randint(1, 60), signal.SIGKILL, rng)
        if kill % 4 == 0:
            host.unsynced(rng)
            cuts_n += 1
    rows = host.land()
    # One collector may have been killed and have written while another landed the same journal again: equal rows only.
    stamps = [row["ts_ms"] for row in rows]
    by_stamp = {}
    for row in rows:
        assert by_stamp.setdefault(row["ts_ms"], row) == row
    samples = sorted(by_stamp.values(), key=lambda row: row["ts_ms"])
    lost = host.taken_n - len(samples)
    assert 0 <= lost <= KILLS * MOST_LOST
    assert len(stamps) == len(samples)
    assert {row["session"] for row in samples} == {samples[0]["session"]}
    for before, after in itertools.pairwise(samples):
        joules = (after["energy_mj"] - before["energy_mj"]) / 1000
        # The counter is read some time after the stamp is taken; on a busy machine that may be long.
        assert joules >= 0
    whole_s = (samples[-1]["ts_ms"] - samples[0]["ts_ms"]) / 1000
    whole_j = (samples[-1]["energy_mj"] - samples[0]["energy_mj"]) / 1000
    assert whole_j == pytest.approx(WATTS * whole_s, abs=WATTS * 0.5)


def test_a_collector_that_is_asked_to_stop_loses_nothing(tmp_path):
    rng, host = random.Random(5), _Host(tmp_path)
    for _ in range(5):
        host.run_until(rng.randint(1, 60), signal.SIGTERM, rng)
    assert len(host.land()) == host.taken_n


def test_a_job_whose_collector_is_killed_ends_as_interrupted(tmp_path):
    rng, host = random.Random(6), _Host(tmp_path)
    for number in range(5):
        host.run_until(rng.randint(20, 60), signal.SIGKILL, rng, f"job-{number}")
    host.land()
    tables = landed(tmp_path / "landing")
    stamps = {row["ts_ms"] for row in tables["power_sample"]}
    for number in range(5):
        events = {row["event"]: row for row in tables["job_event"] if row["job_id"] == f"job-{number}"}
        assert set(events) == {"started", "ended"}
        assert events["ended"]["state"] == "interrupted"
        assert events["ended"]["ts_ms"] in stamps
        holds = [(row["start_ms"], row["end_ms"]) for row in tables["job_device"] if row["job_id"] == f"job-{number}"]
        assert holds in ([(events["started"]["ts_ms"], events["ended"]["ts_ms"])], [])
