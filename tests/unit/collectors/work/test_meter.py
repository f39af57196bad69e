"""The agent with [[work]]: rows beside samples, restarts of server and agent, crashes at any moment."""

from __future__ import annotations

import itertools
import random
import time
from contextlib import contextmanager

import pytest

from collectors.agent.loop import SamplingLoop
from collectors.clock import SystemClock, Tick
from collectors.work.meter import WorkMeter
from collectors.work.options import ModelName, WorkSettings
from tests.support.measuring import FakeSource, LandHere, landed, settings_of
from tests.support.stub_http import Reply, serving
from tests.support.work_servers import VllmStub


class Host:
    """One host: an agent that can die and begin again, and a vLLM server with books of its own."""

    def __init__(self, root, clock, stub, **options):
        self.root, self.clock, self.told, self.seen = root, clock, [], []
        self.server = VllmStub(start_s=clock.now_ms() / 1000 - 500)
        stub.answers["/metrics"] = self.server.reply
        self.options = WorkSettings(f"{stub.url}/metrics", "vllm", "llama", service="chat", **options)
        self.begin()

    def begin(self):
        settings = settings_of(self.root, flush_s=60.0)
        self.meter = WorkMeter(
            [self.options],
            host="gpu-1",
            state_dir=settings.state_dir,
            tell=self.told.append,
            clock=self.clock,
            is_threaded=False,
        )
        source = FakeSource(self.clock.monotonic_ns)
        self.loop = SamplingLoop(settings, [source], clock=self.clock, child=LandHere(settings), work=self.meter)

    def run(self, seconds, on_second=lambda _: None):
        for second in range(seconds):
            self.clock.advance_s(1)
            on_second(second)
            if self.clock.now_ms() % 15_000 < 1000:
                self.seen.append(self.server.engines[0]["generation"])
                self.meter.poll()
            self.loop.sample()
            self.loop.keep()

    def die(self):
        """What SIGKILL leaves: files, and no locks."""
        self.loop._lock.release()
        self.meter.close()
        if self.loop.spool._journal is not None:
            self.loop.spool._journal.close()

    def rows(self):
        """Landed rows, as the ledger takes them: one of each key, and no other value for it."""
        by_key = {}
        for row in landed(self.root / "landing").get("work_counter", []):
            key = tuple(row[name] for name in ("start_ms", "end_ms", "service", "model", "model_version", "instance"))
            assert by_key.setdefault(key, row) == row
        return sorted(by_key.values(), key=lambda row: row["start_ms"])


@pytest.fixture
def stub():
    with serving() as found:
        yield found


@pytest.fixture
def host(tmp_path, clock, stub):
    return Host(tmp_path, clock, stub)


def tokens(rows):
    return sum(row["output_tokens_n"] for row in rows)


def test_a_minute_of_work_is_a_row_beside_the_samples(host):
    host.run(186, lambda _: host.server.work(7, 3, 1))
    host.loop.finish()
    rows = host.rows()
    assert [(row["end_ms"] - row["start_ms"]) // 1000 for row in rows] == [45, 60, 60]
    assert [row["end_ms"] % 60_000 for row in rows] == [0, 0, 0]
    assert {row["output_tokens_n"] for row in rows[1:]} == {180}
    assert rows[1]["input_tokens_n"] == 420
    assert rows[1]["requests_n"] == 60
    assert rows[1] | {"start_ms": 0, "end_ms": 0} == {
        "start_ms": 0, "end_ms": 0, "job_id": None, "service": "chat", "model": "llama", "model_version": None,
        "requests_n": 60, "input_tokens_n": 420, "output_tokens_n": 180, "other_unit": None, "other_n": None,
        "instance": f"gpu-1/{host.options.url.split('/')[2]}",
    }  # fmt: skip
    assert len(landed(host.root / "landing")["power_sample"]) == 186
    assert host.told == []


def test_a_quiet_server_is_known_to_have_done_nothing(host):
    host.run(120)
    host.loop.finish()
    assert {(row["requests_n"], row["output_tokens_n"]) for row in host.rows()} == {(0, 0)}


def test_a_server_that_is_down_is_one_row_over_the_outage(host, stub):
    host.run(60, lambda _: host.server.work(1, 1))
    stub.answers["/metrics"] = Reply(b"", 503)
    host.run(600, lambda _: host.server.work(1, 1))
    assert host.meter.failing_n == 1
    stub.answers["/metrics"] = host.server.reply
    host.run(60, lambda _: host.server.work(1, 1))
    host.loop.finish()
    assert [(row["end_ms"] - row["start_ms"]) // 1000 for row in host.rows()] == [45, 615, 45]
    assert tokens(host.rows()) == 705
    assert ["status 503" in text for text in host.told] == [True, False]
    assert "is read again" in host.told[1]


def test_the_work_while_the_agent_was_down_is_one_row(host):
    host.run(75, lambda _: host.server.work(1, 1))
    host.loop.finish()
    for _ in range(3600):
        host.clock.advance_s(1)
        host.server.work(1, 1)
    host.begin()
    host.run(75, lambda _: host.server.work(1, 1))
    host.loop.finish()
    rows = host.rows()
    # 15 s before its first reading are not the agent's to know.
    assert tokens(rows) == 75 + 3600 + 75 - 15
    assert max(row["end_ms"] - row["start_ms"] for row in rows) == 3_615_000
    assert all(before["end_ms"] == after["start_ms"] for before, after in itertools.pairwise(rows))


def test_a_restart_of_the_server_hides_what_nobody_read_and_that_is_told(host):
    host.run(60, lambda _: host.server.work(1, 1))
    host.run(7, lambda _: host.server.work(1, 1))  # hidden
    host.server.restart(host.clock.now_ms() / 1000)
    host.run(60, lambda _: host.server.work(2, 2))
    host.loop.finish()
    rows = host.rows()
    assert tokens(rows) == 45 + 2 * 53
    # No row covers the seconds of which nobody knows.
    assert [after["start_ms"] - before["end_ms"] for before, after in itertools.pairwise(rows)] == [7_000]
    assert "began again between 2026-11-22T12:01:00Z and 2026-11-22T12:01:15Z" in host.told[0]
    assert host.meter.resets_n == 1


@pytest.mark.parametrize("seed", range(6))
def test_whenever_the_agent_is_killed_the_sum_is_exact(host, seed):
    """Kills at random seconds, and right between the state and the journal."""
    chance = random.Random(seed)

    def work(_):
        count = chance.randrange(50)
        host.server.work(count, count)

    host.run(20, work)
    for _ in range(12):
        host.run(chance.randrange(1, 130), work)
        way = chance.randrange(3)
        if way > 0:
            host.loop._gather()  # the state is saved, and says that these rows may not be written yet
        if way > 1:
            host.loop.spool.sync()  # they are
        host.die()
        host.begin()
    host.run(16, work)
    host.loop.finish()
    rows = host.rows()
    assert tokens(rows) == host.seen[-1] - host.seen[0]
    assert all(before["end_ms"] <= after["start_ms"] for before, after in itertools.pairwise(rows))


def test_rows_wait_in_memory_while_the_state_cannot_be_written(host, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(host.meter._state, "save", full)
        host.run(130, lambda _: host.server.work(1, 1))
        assert "work_counter" not in landed(host.root / "landing")
        assert sum("No space left" in text for text in host.told) == 1
    host.run(65, lambda _: host.server.work(1, 1))
    host.loop.finish()
    assert tokens(host.rows()) == 195 - 15


@pytest.mark.parametrize("dies", [False, True])
def test_rows_that_no_journal_takes_are_not_forgotten(host, monkeypatch, dies):
    """The state can be written and the journal cannot: what is in neither landing nor journal stays in the state."""

    def full():
        raise OSError(28, "No space left on device")

    host.run(30, lambda _: host.server.work(1, 1))
    with monkeypatch.context() as broken:
        broken.setattr(host.loop.spool, "_write", full)
        host.run(200, lambda _: host.server.work(1, 1))
        if dies:
            host.die()
    if dies:
        host.begin()
    host.run(65, lambda _: host.server.work(1, 1))
    host.loop.finish()
    assert tokens(host.rows()) == host.seen[-1] - host.seen[0]


def test_one_of_two_agents_of_a_host_counts(host, clock):
    other = WorkMeter(
        [host.options], host="gpu-1", state_dir=host.root / "state", tell=print, clock=clock, is_threaded=False
    )
    host.run(1)
    other.poll()
    other.take(Tick(clock.now_ms(), clock.monotonic_ns()))
    assert other.to_sync() == []
    host.loop.finish()
    other.take(Tick(clock.now_ms(), clock.monotonic_ns()))
    assert other._is_counting
    other.close()


def test_a_damaged_state_is_kept_aside_and_told(host):
    host.run(30, lambda _: host.server.work(1, 1))
    host.die()
    host.meter._state.path.write_bytes(b"{")
    host.begin()
    host.run(1)
    assert "kept as" in host.told[-1]
    assert list((host.root / "state").glob("work-*.damaged"))


@contextmanager
def _threads(options, root):
    meter = WorkMeter(options, host="h", state_dir=root, tell=lambda _: None)
    yield meter
    meter.close()


def test_servers_are_read_in_threads_and_one_that_hangs_delays_nobody(tmp_path):
    with serving() as stub, serving() as hanging:
        server = VllmStub()
        stub.answers["/metrics"] = server.reply
        hanging.answers["/metrics"] = lambda _: time.sleep(3) or server.reply()
        settings = [
            WorkSettings(f"{one.url}/metrics", "vllm", models={server.model: ModelName("m")}, every_s=0.05)
            for one in (stub, hanging)
        ]
        with _threads(settings, tmp_path) as meter:
            clock, rows, longest_s = SystemClock(), [], 0.0
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                began = time.monotonic()
                server.work(1, 2)
                meter.take(Tick(clock.now_ms(), clock.monotonic_ns()))
                longest_s = max(longest_s, time.monotonic() - began)
                time.sleep(0.02)
            rows = meter.to_sync(end=True)
        assert longest_s < 0.5
        assert sum(row["output_tokens_n"] for row in rows) > 0
        assert {row["model"] for row in rows} == {"m"}
