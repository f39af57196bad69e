"""An agent that counts work and is killed, again and again: the sum is exact, whatever the moment.

30 kills by default; WATTLEDGER_KILLS sets another number.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from collectors.spool.land import land
from tests.support.measuring import landed
from tests.support.stub_http import Reply, serving
from tests.support.work_servers import VllmStub

KILLS = int(os.environ.get("WATTLEDGER_KILLS", "30"))
WORKER = Path(__file__).resolve().parents[1] / "support" / "killed_worker.py"
KEY = ("start_ms", "end_ms", "job_id", "service", "model", "model_version", "instance")

pytestmark = pytest.mark.faults


class _Server:
    """A server that works between any two readings, and notes what it told."""

    def __init__(self) -> None:
        self.vllm, self.told = VllmStub(), []
        self._lock, self._random = threading.Lock(), random.Random(1)

    def reply(self, _: object) -> Reply:
        with self._lock:
            self.vllm.work(self._random.randrange(100), self._random.randrange(50))
            self.told.append(dict(self.vllm.engines[0]))
            return self.vllm.reply()


def _run(root: Path, url: str, rng: random.Random, signum: int) -> None:
    """Let an agent live for a moment and end it, now and then with its landing child."""
    process = subprocess.Popen([sys.executable, str(WORKER), str(root), url], stderr=subprocess.DEVNULL)
    state, deadline = root / "state", time.monotonic() + 30
    while not list(state.glob("work-*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3 + rng.random() * 0.7)
    if signum == signal.SIGKILL:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signum) if rng.random() < 0.5 else process.kill()
    else:
        process.send_signal(signum)
    process.wait(60)


def test_kills_neither_lose_nor_double_work(tmp_path):
    rng, server = random.Random(KILLS), _Server()
    with serving() as stub:
        stub.answers["/metrics"] = server.reply
        for _ in range(KILLS):
            _run(tmp_path, f"{stub.url}/metrics", rng, signal.SIGKILL)
        _run(tmp_path, f"{stub.url}/metrics", rng, signal.SIGTERM)
    spool, deadline = tmp_path / "state" / "spool", time.monotonic() + 60
    while list(spool.glob("*.journal")) and time.monotonic() < deadline:
        assert not land(spool, str(tmp_path / "landing"), host="h").waiting
    by_key = {}
    for row in landed(tmp_path / "landing")["work_counter"]:
        assert by_key.setdefault(tuple(row[name] for name in KEY), row) == row
    rows = sorted(by_key.values(), key=lambda row: row["start_ms"])
    assert len(rows) > KILLS
    assert all(before["end_ms"] <= after["start_ms"] for before, after in itertools.pairwise(rows))
    # Of what the server told, the first and the last reading that were taken are not known from outside.
    sums = [sum(row[name] for row in rows) for name in ("input_tokens_n", "output_tokens_n", "requests_n")]
    names = ("prompt", "generation", "stop")
    differences = {
        tuple(last[name] - first[name] for name in names) for first in server.told[:40] for last in server.told[-5:]
    }
    assert tuple(sums) in differences
