"""Stamps: strictly growing, true intervals, whatever the wall clock does."""

from __future__ import annotations

import itertools
import signal
import threading
import time
import uuid

import pytest

from collectors.clock import SystemClock, TickClock, Wake, boot_id

HOUR_MS = 3_600_000


@pytest.mark.parametrize("shift_ms", [HOUR_MS, -HOUR_MS, 86_400_000, -86_400_000, 1_001, -1_001])
def test_a_step_of_the_wall_clock_changes_no_interval_and_marks_one_tick(clock, shift_ms):
    ticks = TickClock(clock)
    stamps = []
    for second in range(6):
        if second == 3:
            clock.wall_shift_ms = shift_ms
        stamps.append(ticks.tick())
        clock.advance_s(1)
    assert [b.ts_ms - a.ts_ms for a, b in itertools.pairwise(stamps)] == [1000] * 5
    assert [tick.stepped for tick in stamps] == [False, False, False, True, False, False]


def test_small_corrections_are_no_step(clock):
    ticks = TickClock(clock)
    for _ in range(20):
        clock.wall_shift_ms += 40
        clock.advance_s(60)
        assert not ticks.tick().stepped


def test_stamps_of_one_millisecond_still_grow(clock):
    ticks = TickClock(clock)
    assert [ticks.tick().ts_ms - ticks.tick().ts_ms for _ in range(3)] == [-1, -1, -1]


def test_the_agent_follows_the_wall_clock_forward_but_never_back(clock):
    ticks = TickClock(clock)
    first = ticks.tick().ts_ms
    clock.wall_shift_ms = -HOUR_MS
    ticks.tick()
    ticks.follow_forward()
    clock.advance_s(1)
    assert ticks.tick().ts_ms == first + 1000
    clock.wall_shift_ms = HOUR_MS
    assert ticks.tick().stepped
    ticks.follow_forward()
    clock.advance_s(1)
    tick = ticks.tick()
    assert (tick.ts_ms, tick.stepped) == (first + 2000 + HOUR_MS, False)


@pytest.mark.parametrize("kind", [threading.Event, Wake])
def test_system_clock_sleeps_until_the_deadline_or_the_event(kind):
    clock, wake = SystemClock(), kind()
    assert abs(clock.now_ms() - time.time() * 1000) < 1000
    start = clock.monotonic_ns()
    assert not clock.sleep_until(start + 20_000_000, wake)
    assert not clock.sleep_until(start + 30_000_000)
    assert clock.monotonic_ns() - start >= 30_000_000
    assert not clock.sleep_until(start)
    wake.set()
    before = time.monotonic()
    assert clock.sleep_until(clock.monotonic_ns() + 10_000_000_000, wake)
    assert time.monotonic() - before < 5


def test_a_signal_ends_a_sleep_at_once_and_any_number_of_them_does_no_harm():
    wake = Wake()
    before = signal.signal(signal.SIGALRM, lambda *_: wake.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        started = time.monotonic()
        assert wake.wait(30)
        assert time.monotonic() - started < 5
    finally:
        signal.signal(signal.SIGALRM, before)
    for _ in range(100_000):  # more than a pipe holds
        wake.set()
    assert wake.wait(30)


def test_boot_id_is_the_kernels_or_random(tmp_path, monkeypatch):
    folder = tmp_path / "sys" / "kernel" / "random"
    folder.mkdir(parents=True)
    (folder / "boot_id").write_text("be922593-534c-4dbd-bb85-9f4c5b2310e7\n")
    monkeypatch.setenv("WATTLEDGER_PROCFS_ROOT", str(tmp_path))
    assert boot_id() == "be922593-534c-4dbd-bb85-9f4c5b2310e7"
    ids = {boot_id(tmp_path / "none") for _ in range(2)}
    assert len(ids) == 2
    assert all(uuid.UUID(value) for value in ids)
