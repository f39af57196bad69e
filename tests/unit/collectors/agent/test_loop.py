"""The schedule, the clock, the hand-over from one collector to the next, and what a death costs."""

from __future__ import annotations

import io
import itertools
import os
import threading

import pytest

from collectors.agent.loop import SamplingLoop
from collectors.agent.run import run_agent
from collectors.agent.sampling import SamplerLock
from collectors.clock import TickClock
from collectors.jobs.execute import JobLife
from collectors.jobs.job import Job
from tests.support.measuring import FakeSource, LandHere, landed, settings_of


def _loop(tmp_path, clock, source=None, stderr=None, **changes):
    settings = settings_of(tmp_path, **changes)
    source = source or FakeSource(clock.monotonic_ns)
    return SamplingLoop(settings, [source], clock=clock, child=LandHere(settings), stderr=stderr)


def _die(loop: SamplingLoop) -> None:
    """What SIGKILL leaves of a loop: files, and no locks."""
    loop._lock.release()
    if loop.spool._journal is not None:
        loop.spool._journal.close()


def _ticks(loop, clock, count, *, seconds=1.0):
    for _ in range(count):
        clock.advance_s(seconds)
        loop.sample()
        loop.keep()


def test_the_schedule_is_absolute_and_skips_what_it_missed(clock, tmp_path):
    source, stop = FakeSource(clock.monotonic_ns), threading.Event()

    def slow(reads: int) -> None:
        clock.advance_s(3.5 if reads == 3 else 0.2)  # reading costs time; the third read hangs

    source.on_read = slow
    clock.on_sleep = lambda count: stop.set() if count == 8 else None
    start = clock.ns
    run_agent(_loop(tmp_path, clock, source), stop)
    assert [(ns - start) / 1e9 for ns in clock.slept_until] == [1, 2, 6, 7, 8, 9, 10, 11]
    stamps = [sample["ts_ms"] for sample in landed(tmp_path)["power_sample"]]
    assert [stamp - stamps[0] for stamp in stamps][:4] == [0, 1000, 2000, 6000]


@pytest.mark.parametrize("name", ["interval_s", "sync_s", "flush_s"])
def test_a_time_that_is_not_positive_is_refused(clock, tmp_path, name):
    with pytest.raises(ValueError, match="must be positive"):
        _loop(tmp_path, clock, **{name: 0})


def test_a_source_that_raises_after_all_costs_only_its_own_values(tmp_path, clock):
    source, stop = FakeSource(clock.monotonic_ns), threading.Event()

    def fail(reads: int) -> None:
        if reads == 2:
            raise RuntimeError("driver bug")

    source.on_read = fail
    clock.on_sleep = lambda count: stop.set() if count == 3 else None
    run_agent(_loop(tmp_path, clock, source), stop)
    samples = landed(tmp_path)["power_sample"]
    assert [sample["gap_reason"] for sample in samples] == [None, "read_failed", None, None]


@pytest.mark.parametrize("hours", [-24, -1, 1])
def test_a_step_of_the_wall_clock_keeps_the_energy_and_gives_no_stamp_twice(clock, tmp_path, hours):
    source, stop = FakeSource(clock.monotonic_ns), threading.Event()

    def step(count: int) -> None:
        if count == 40:
            clock.wall_shift_ms = hours * 3_600_000
        if count == 100:
            stop.set()

    clock.on_sleep = step
    run_agent(_loop(tmp_path, clock, source, flush_s=30.0), stop)
    samples = landed(tmp_path)["power_sample"]
    steps = [b["ts_ms"] - a["ts_ms"] for a, b in itertools.pairwise(samples)]
    # A step back is not followed; one forth is, at the next flush, as one long interval.
    assert sorted(steps)[:-1] == [1000] * 99
    assert max(steps) == 1000 + max(hours, 0) * 3_600_000
    assert samples[-1]["energy_mj"] - samples[0]["energy_mj"] == 100_000 * 100
    assert {sample["session"] for sample in samples} == {0}
    assert [sample["gap_reason"] for sample in samples].count("clock_step") == 1


def test_the_next_collector_goes_on_with_counter_session_and_stamps(clock, tmp_path):
    """Killed between two syncs, started again an hour later with the wall clock set back: not a joule is lost."""
    first = _loop(tmp_path, clock)
    first.sample()
    _ticks(first, clock, 25)
    _die(first)
    clock.advance_s(3600)
    clock.wall_shift_ms = -7_200_000
    second = _loop(tmp_path, clock)
    second.sample()
    _ticks(second, clock, 5)
    second.finish()
    samples = landed(tmp_path)["power_sample"]
    stamps = [sample["ts_ms"] for sample in samples]
    assert stamps == sorted(set(stamps))
    # 10 s are the most that a death costs; the counter bridges them and the hour.
    assert len(samples) == 21 + 6
    assert stamps[-1] - stamps[0] == (25 + 3600 + 5) * 1000
    assert samples[-1]["energy_mj"] - samples[0]["energy_mj"] == 100_000 * (25 + 3600 + 5)
    assert len({sample["session"] for sample in samples}) == 1


def test_another_boot_begins_anew(clock, tmp_path, monkeypatch):
    monkeypatch.setattr("collectors.agent.loop.read_boot_id", lambda: "first")
    first = _loop(tmp_path, clock)
    first.sample()
    first.finish()
    monkeypatch.setattr("collectors.agent.loop.read_boot_id", lambda: "second")
    source = FakeSource(clock.monotonic_ns)
    second = _loop(tmp_path, clock, source)
    assert source.counter.state() is None
    second.sample()
    assert source.counter.state()[3] == clock.ns


def test_a_job_whose_collector_died_ends_as_interrupted_at_its_last_sign_of_life(clock, tmp_path):
    first = _loop(tmp_path, clock, flush_s=30.0)
    life = JobLife(Job("j", team="t", phase="training"), first)
    life.start()
    for _ in range(77):
        clock.advance_s(1)
        life.go_on(first.sample(), _NO_REPORT)
        first.keep()
    _die(first)
    clock.advance_s(500)
    second = _loop(tmp_path, clock)
    second.sample()
    second.finish()
    tables = landed(tmp_path)
    last_ms = max(s["ts_ms"] for s in tables["power_sample"] if s["ts_ms"] < life.started_ms + 100_000)
    assert life.started_ms + 60_000 < last_ms <= life.started_ms + 77_000
    ended = [event for event in tables["job_event"] if event["event"] == "ended"]
    assert [(event["job_id"], event["team"], event["state"], event["ts_ms"]) for event in ended] == [
        ("j", "t", "interrupted", last_ms)
    ]
    holds = [(row["start_ms"], row["end_ms"]) for row in tables["job_device"]]
    assert holds == [(life.started_ms, life.started_ms + 60_000), (life.started_ms + 60_000, last_ms)]


def test_a_living_collectors_journal_is_left_alone(clock, tmp_path):
    first, second = _loop(tmp_path, clock), _loop(tmp_path, clock)
    life = JobLife(Job("j"), first)
    life.start()
    second.sample()
    second.finish()
    assert "job_event" not in landed(tmp_path)
    life.end(first.sample(), _NO_REPORT, "completed", 0)
    first.finish()
    assert [event["state"] for event in landed(tmp_path)["job_event"]] == [None, "completed"]


def test_one_collector_of_a_host_samples_at_a_time_and_the_next_takes_over(tmp_path):
    first, second, other = (SamplerLock(tmp_path, host) for host in ("h", "h", "h2"))
    assert first.try_acquire()
    assert first.try_acquire()
    assert not second.try_acquire()
    assert other.try_acquire()
    first.release()
    assert second.try_acquire()
    (tmp_path / "file").write_text("")
    assert SamplerLock(tmp_path / "file" / "x", "h").try_acquire()
    for lock in (second, other):
        lock.release()


def test_landing_that_fails_is_told_once_and_made_up_for(clock, tmp_path):
    errors = io.StringIO()
    loop = _loop(tmp_path, clock, stderr=errors, flush_s=30.0)
    loop.child.broken = "No space left on device"
    loop.sample()
    _ticks(loop, clock, 100)
    assert not (tmp_path / "landing").exists()
    loop.child.broken = ""
    _ticks(loop, clock, 40)
    loop.finish()
    assert len(landed(tmp_path)["power_sample"]) == 141


def test_stamps_of_an_earlier_process_that_make_no_sense_are_ignored(clock):
    ticks = TickClock(clock)
    for state in (None, [], ["a", 1, 2], [clock.ns + 1, 0, 0], {"x": 1}):
        ticks.resume(state)
    assert ticks.tick().ts_ms == clock.now_ms()


class _Silent:
    def __init__(self) -> None:
        self.phases, self.last, self.work = [], {}, {}


_NO_REPORT = _Silent()


def test_the_state_of_a_loop_is_saved_after_its_samples_never_before(clock, tmp_path, monkeypatch):
    """A state that is newer than the samples would hide the energy between them for ever."""
    loop = _loop(tmp_path, clock)
    loop.sample()
    _ticks(loop, clock, 10)
    saved = (tmp_path / "state").glob("sampler-*.json")
    before = next(saved).read_text()
    monkeypatch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    _ticks(loop, clock, 20)
    assert next((tmp_path / "state").glob("sampler-*.json")).read_text() == before
    assert loop.spool.failing
    monkeypatch.undo()
    _ticks(loop, clock, 10)
    assert loop.spool.failing is None
    loop.finish()
    samples = landed(tmp_path)["power_sample"]
    assert len(samples) == 41
