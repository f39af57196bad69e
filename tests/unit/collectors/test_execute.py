"""A measured command: its exit code, its samples, its events, whatever goes wrong around it."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from collectors.execute import SamplingLoop, run_agent, run_job
from collectors.jobs import Job
from collectors.landing import LandingWriter
from collectors.reader import read_landed
from collectors.sampling import SAMPLE_COLUMNS, LandingBuffer, SamplerLock
from collectors.sources import Device, PowerSource, Reading

NOON_MS = 1_795_348_800_000


class FakeSource(PowerSource):
    """A device that uses exactly 100 W by a counter."""

    name = "fake"

    def __init__(self, monotonic_ns=time.monotonic_ns) -> None:
        self._ns, self.reads, self.on_read = monotonic_ns, 0, None

    def devices(self) -> list[Device]:
        return [Device("cpu-package-0", "cpu", "package", "rapl", hardware_model="Test CPU")]

    def read(self) -> list[Reading]:
        self.reads += 1
        if self.on_read is not None:
            self.on_read(self.reads)
        return [Reading("cpu-package-0", energy_mj=self._ns() // 10_000)]


class BrokenLanding(LandingWriter):
    """A landing folder that is full for the first ``failures`` writes."""

    failures = 10**9

    def write(self, table, rows, *, written_ms=None):
        if self.failures > 0:
            self.failures -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(table, rows, written_ms=written_ms)


def _landed(root: Path) -> dict[str, list[dict]]:
    tables: dict[str, list[dict]] = {}
    for path in sorted(root.rglob("*.parquet")):
        file = read_landed(path)
        tables.setdefault(file.table, []).extend(file.rows.to_pylist())
    return tables


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_real_command_is_measured_from_start_to_end(writer, tmp_path):
    result = run_job(
        ["bash", "-c", "sleep 0.35; exit 7"],
        Job("j", team="t", model="m", phase="training"),
        [FakeSource()],
        writer,
        interval_s=0.1,
        state_dir=tmp_path / "state",
    )
    tables = _landed(writer.root)
    assert (result.exit_code, result.state, result.measured, result.unlanded_n) == (7, "failed", True, 0)
    samples = tables["power_sample"]
    assert len(samples) == result.samples_n >= 4
    stamps = [sample["ts_ms"] for sample in samples]
    assert stamps == sorted(set(stamps))
    events = {event["event"]: event for event in tables["job_event"]}
    assert set(events) == {"started", "ended"}
    assert (stamps[0], stamps[-1]) == (events["started"]["ts_ms"], events["ended"]["ts_ms"])
    assert (events["ended"]["state"], events["ended"]["exit_code"], events["ended"]["team"]) == ("failed", 7, "t")
    assert [(d["device"], d["start_ms"], d["end_ms"]) for d in tables["job_device"]] == [("*", stamps[0], stamps[-1])]
    assert tables["asset_event"][0]["hardware_model"] == "Test CPU"
    assert "work_counter" not in tables
    # 100 W by the counter over the job's own interval, from nothing but what was landed.
    joules = (samples[-1]["energy_mj"] - samples[0]["energy_mj"]) / 1000
    assert joules == pytest.approx(100 * (stamps[-1] - stamps[0]) / 1000, rel=0.15)
    assert set(result.landed) == set(writer.root.rglob("*.parquet"))


def test_the_commands_own_report_reaches_the_tables(writer, tmp_path):
    code = (
        "import json, os, time\n"
        "out = open(os.environ['WATTLEDGER_REPORT'], 'a')\n"
        "time.sleep(0.1)\n"
        "say = lambda **line: (out.write(json.dumps(line) + '\\n'), out.flush())\n"
        "say(phase='evaluation', ts_ms=int(time.time() * 1000))\n"
        "say(requests_n=2, input_tokens_n=10)\n"
        "say(requests_n=3, output_tokens_n=5, other_unit='row', other_n=4)\n"
        "say(other_unit='image', other_n=4)\n"
        "say(requests_n=-1, nonsense=1, quality_value=float('nan'), phase='party')\n"
        "out.write('no json\\n[1]\\n')\n"
        "say(quality_metric='accuracy', quality_value=0.97, parameters_n=70, tokens_n=9)\n"
        "out.write('{\"requests_n\": 1}')\n"
    )
    errors = io.StringIO()
    job = Job("j", model="m", phase="training")
    result = run_job(
        _python(code), job, [FakeSource()], writer, interval_s=0.05, state_dir=tmp_path / "s", stderr=errors
    )
    tables = _landed(writer.root)
    events = {event["event"]: event for event in tables["job_event"]}
    assert result.exit_code == 0
    assert result.started_ms < events["phase_changed"]["ts_ms"] < result.ended_ms
    assert events["phase_changed"]["phase"] == events["ended"]["phase"] == "evaluation"
    assert events["started"]["phase"] == "training"
    ended = events["ended"]
    assert (ended["quality_metric"], ended["quality_value"], ended["parameters_n"], ended["tokens_n"]) == (
        "accuracy",
        0.97,
        70,
        9,
    )
    work = tables["work_counter"]
    assert len(work) == 1
    assert (work[0]["requests_n"], work[0]["input_tokens_n"], work[0]["output_tokens_n"]) == (6, 10, 5)
    assert (work[0]["other_unit"], work[0]["other_n"]) == ("row", 4.0)
    assert (work[0]["start_ms"], work[0]["end_ms"]) == (result.started_ms, result.ended_ms)
    for told in ("requests_n=-1", "nonsense", "quality_value=nan", "party", "no json", "other_n=4"):
        assert told in errors.getvalue()


@pytest.mark.parametrize(("command", "code"), [(["/no/such/program"], 127), (["/etc/passwd"], 126)])
def test_a_command_that_cannot_start_is_a_failed_job(writer, tmp_path, command, code):
    errors = io.StringIO()
    result = run_job(command, Job("j"), [FakeSource()], writer, state_dir=tmp_path / "s", stderr=errors)
    assert (result.exit_code, result.state) == (code, "failed")
    assert command[0] in errors.getvalue()
    assert {event["event"] for event in _landed(writer.root)["job_event"]} == {"started", "ended"}


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_passed_on_and_the_job_is_cancelled(writer, tmp_path, signum):
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signum))
    timer.start()
    before = signal.getsignal(signum)
    result = run_job(["sleep", "20"], Job("j"), [FakeSource()], writer, interval_s=0.1, state_dir=tmp_path / "s")
    timer.join()
    assert (result.exit_code, result.state) == (128 + signum, "cancelled")
    assert result.ended_ms - result.started_ms < 5000
    assert _landed(writer.root)["job_event"][-1]["exit_code"] == 128 + signum
    assert signal.getsignal(signum) is before


def test_a_command_that_handles_the_signal_and_succeeds_is_completed(writer, tmp_path):
    code = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print('x', flush=True); time.sleep(20)"
    timer = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    result = run_job(_python(code), Job("j"), [FakeSource()], writer, interval_s=0.1, state_dir=tmp_path / "s")
    timer.join()
    assert (result.exit_code, result.state) == (0, "completed")


def test_a_full_disk_does_not_touch_the_command_and_loses_nothing(tmp_path):
    errors = io.StringIO()
    landing = BrokenLanding(tmp_path / "landing", "w", host="h", boot_id="b", collector_version="1")
    landing.failures = 3
    result = run_job(
        ["sleep", "0.6"],
        Job("j"),
        [FakeSource()],
        landing,
        interval_s=0.05,
        flush_s=0.1,
        state_dir=tmp_path / "s",
        stderr=errors,
    )
    tables = _landed(landing.root)
    assert (result.exit_code, result.unlanded_n) == (0, 0)
    assert len({sample["ts_ms"] for sample in tables["power_sample"]}) == result.samples_n
    assert "No space left" in errors.getvalue()
    assert "written again" in errors.getvalue()
    # Landed open while the job ran; the ended event ends it.
    assert [row["end_ms"] for row in tables["job_device"]] == [None]
    assert [event["event"] for event in tables["job_event"]][-1] == "ended"


def test_a_landing_folder_that_never_works_is_replaced_by_one_that_is_named(tmp_path, monkeypatch, clock):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "file").write_text("in the way")
    landing = LandingWriter(tmp_path / "file" / "landing", "w", host="h", collector_version="1")
    errors = io.StringIO()
    clock.on_sleep = lambda _: time.sleep(0.01)
    result = run_job(["true"], Job("j"), [FakeSource()], landing, clock=clock, state_dir=tmp_path / "s", stderr=errors)
    assert (result.exit_code, result.unlanded_n) == (0, 0)
    rescued = next(tmp_path.glob("wattledger-unlanded-*"))
    assert str(rescued) in errors.getvalue()
    assert {event["event"] for event in _landed(rescued)["job_event"]} == {"started", "ended"}


def test_the_schedule_is_absolute_and_skips_what_it_missed(writer, clock, tmp_path):
    source, stop = FakeSource(clock.monotonic_ns), threading.Event()

    def slow(reads: int) -> None:
        clock.advance_s(3.5 if reads == 3 else 0.2)  # reading costs time; the third read hangs

    source.on_read = slow
    clock.on_sleep = lambda count: stop.set() if count == 8 else None
    start = clock.ns
    loop = SamplingLoop([source], writer, interval_s=1.0, clock=clock, state_dir=tmp_path / "s")
    assert run_agent(loop, stop, landing=writer) == 0
    assert [(ns - start) / 1e9 for ns in clock.slept_until] == [1, 2, 6, 7, 8, 9, 10, 11]
    stamps = [sample["ts_ms"] for sample in _landed(writer.root)["power_sample"]]
    assert [stamp - stamps[0] for stamp in stamps][:4] == [0, 1000, 2000, 6000]


def test_a_wall_clock_step_during_a_run_keeps_energy_and_marks_one_sample(writer, clock, tmp_path):
    source, stop = FakeSource(clock.monotonic_ns), threading.Event()

    def step(count: int) -> None:
        if count == 4:
            clock.wall_shift_ms = -86_400_000
        if count == 10:
            stop.set()

    clock.on_sleep = step
    loop = SamplingLoop([source], writer, interval_s=1.0, clock=clock, state_dir=tmp_path / "s")
    run_agent(loop, stop, landing=writer)
    samples = _landed(writer.root)["power_sample"]
    steps = [b["ts_ms"] - a["ts_ms"] for a, b in itertools.pairwise(samples)]
    assert steps == [1000] * 10
    assert samples[-1]["energy_mj"] - samples[0]["energy_mj"] == 100_000 * 10
    assert [sample["gap_reason"] for sample in samples].count("clock_step") == 1
    assert samples[4]["gap_reason"] == "clock_step"


def test_heartbeats_tell_that_a_long_job_lives(writer, clock, tmp_path):
    clock.on_sleep = lambda _: time.sleep(0.002)
    result = run_job(
        ["sleep", "0.4"],
        Job("j"),
        [FakeSource(clock.monotonic_ns)],
        writer,
        clock=clock,
        flush_s=100,
        state_dir=tmp_path / "s",
    )
    events = _landed(writer.root)["job_event"]
    beats = sorted(event["ts_ms"] for event in events if event["event"] == "heartbeat")
    assert len(beats) == (result.ended_ms - result.started_ms - 1000) // 60_000
    assert all(b - a == 60_000 for a, b in itertools.pairwise(beats))


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


def _sample(ts_ms: int, device: str = "d", gap: str | None = None) -> tuple:
    row = {"ts_ms": ts_ms, "host": "h", "device": device, "kind": "cpu", "point": "package", "energy_mj": ts_ms}
    row |= {"session": 0, "source": "rapl", "is_estimate": False, "gap_reason": gap}
    return tuple(row.get(name) for name in SAMPLE_COLUMNS)


def test_a_full_buffer_drops_the_oldest_counts_them_and_marks_the_cut(tmp_path):
    errors = io.StringIO()
    landing = BrokenLanding(tmp_path / "landing", "w", host="h", collector_version="1")
    buffer = LandingBuffer(landing, max_samples=10, stderr=errors)
    for i in range(13):
        buffer.add_samples([_sample(NOON_MS + i, "a"), _sample(NOON_MS + i, "b")])
        assert not buffer.flush() or landing.failures == 0
    assert (len(buffer), buffer.dropped_n) == (10, 16)
    landing.failures = 0
    assert buffer.flush()
    samples = _landed(landing.root)["power_sample"]
    assert sorted({sample["ts_ms"] - NOON_MS for sample in samples}) == [8, 9, 10, 11, 12]
    marked = {(s["device"], s["ts_ms"] - NOON_MS) for s in samples if s["gap_reason"] == "dropped"}
    assert {device for device, _ in marked} == {"a", "b"}
    assert errors.getvalue().count("No space left") == 1
    assert "16 samples dropped" in errors.getvalue()


def test_a_row_that_breaks_the_contract_does_not_hold_up_the_others(writer):
    errors = io.StringIO()
    buffer = LandingBuffer(writer, stderr=errors)
    buffer.add_samples([_sample(NOON_MS), _sample(5), _sample(NOON_MS + 1, gap="tired"), _sample(NOON_MS + 2)])
    assert buffer.flush()
    assert [s["ts_ms"] - NOON_MS for s in _landed(writer.root)["power_sample"]] == [0, 2]
    assert "tired" in errors.getvalue()


def test_a_source_that_raises_after_all_costs_only_its_own_values(writer, tmp_path, clock):
    source, stop = FakeSource(clock.monotonic_ns), threading.Event()

    def fail(reads: int) -> None:
        if reads == 2:
            raise RuntimeError("driver bug")

    source.on_read = fail
    clock.on_sleep = lambda count: stop.set() if count == 3 else None
    run_agent(SamplingLoop([source], writer, clock=clock, state_dir=tmp_path / "s"), stop, landing=writer)
    samples = _landed(writer.root)["power_sample"]
    assert [sample["gap_reason"] for sample in samples] == [None, "read_failed", None, None]


def test_the_environment_names_the_report_and_keeps_the_rest(writer, tmp_path):
    out = tmp_path / "out.json"
    code = f"import json, os; json.dump(dict(os.environ), open({str(out)!r}, 'w'))"
    run_job(
        _python(code), Job("j"), [], writer, environ={"A": "1", "PATH": os.environ["PATH"]}, state_dir=tmp_path / "s"
    )
    environ = json.loads(out.read_text())
    assert environ["A"] == "1"
    assert environ["WATTLEDGER_REPORT"].endswith("report.jsonl")
    assert "HOME" not in environ
