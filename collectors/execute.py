"""Running one command as a measured job, and sampling a host without one.

What belongs here: the schedule, the child process and its signals, and the rows of a job's life. What must not be here:
command lines, how a device is read, or how a file is written.

Whatever happens to sampling or landing, the child runs on and its exit code is passed through.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ._child import Child
from ._report import ENV_REPORT, Report, ReportReader
from .assets import AssetMemory
from .clock import NS_PER_S, Clock, SystemClock, Tick, TickClock
from .landing import LandingWriter, sweep
from .sampling import MAX_SAMPLES, LandingBuffer, Sampler, SamplerLock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .jobs import Job
    from .sources import PowerSource

RETRY_S = 10.0
"""Time between two attempts to land rows while landing cannot be written [s]."""
FINAL_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What became of a measured command.

    Attributes:
        exit_code: exit code to pass on; 128 + N where signal N ended the command.
        state: state on the ended event: completed, failed or cancelled.
        started_ms: stamp of the first sample and the started event [epoch ms].
        ended_ms: stamp of the last sample and the ended event [epoch ms].
        samples_n: samples taken by this process.
        measured: whether a device gave a measured value, not only estimates.
        landed: files written.
        unlanded_n: rows that could not be written anywhere.
    """

    exit_code: int
    state: str
    started_ms: int
    ended_ms: int
    samples_n: int
    measured: bool
    landed: tuple[Path, ...]
    unlanded_n: int


class SamplingLoop:
    """Samples all sources on absolute deadlines of one clock pair and lands what it has from time to time."""

    def __init__(
        self,
        sources: Sequence[PowerSource],
        landing: LandingWriter,
        *,
        interval_s: float = 1.0,
        flush_s: float = 300.0,
        clock: Clock | None = None,
        state_dir: Path | None = None,
        facility: str | None = None,
        max_samples: int = MAX_SAMPLES,
        stderr: TextIO | None = None,
    ) -> None:
        """Set up the loop; nothing is read yet.

        Args:
            sources: sources to read at each tick.
            landing: where the rows go; its host name is the rows'.
            interval_s: time between two ticks [s].
            flush_s: time between two landings [s].
            clock: where the time comes from.
            state_dir: folder of lock and asset memory; by default ``collector-state`` beside the landing folder.
            facility: facility id for asset events, if known.
            max_samples: samples to hold at most.
            stderr: where trouble is told.

        Raises:
            ValueError: if an interval is not positive.
        """
        if not (interval_s > 0 and flush_s > 0):
            msg = f"interval_s {interval_s} and flush_s {flush_s} must be positive"
            raise ValueError(msg)
        self._clock: Clock = clock or SystemClock()
        self._interval_ns, self._flush_ns = int(interval_s * NS_PER_S), int(flush_s * NS_PER_S)
        state_dir = state_dir or landing.root.resolve().parent / "collector-state"
        self._facility = facility
        self._ticks = TickClock(self._clock)
        self._lock = SamplerLock(state_dir, landing.host)
        self._assets = AssetMemory(state_dir, landing.host)
        self._asset_rows: list[dict[str, Any]] | None = None
        self.sampler = Sampler(sources, landing.host)
        self.buffer = LandingBuffer(landing, max_samples=max_samples, stderr=stderr)
        self.samples_n = 0
        self._deadline_ns = self._clock.monotonic_ns()
        self._flush_at_ns = self._deadline_ns + self._flush_ns

    def sample(self) -> Tick:
        """Read every source once, unless another collector of this host does, and return the tick."""
        tick = self._ticks.tick()
        if self._lock.try_acquire():
            samples = self.sampler.sample(tick)
            self.samples_n += len(samples)
            self.buffer.add_samples(samples)
        if self._asset_rows is None:
            self._asset_rows = self._assets.first_seen(self.sampler.devices.values(), tick.ts_ms, self._facility)
            self.buffer.add("asset_event", *self._asset_rows)
        return tick

    def wait(self, wake: threading.Event) -> bool:
        """Sleep until the next deadline; missed ones are skipped, not made up for.

        Args:
            wake: event that ends the sleep early.

        Returns:
            True if the event is set.
        """
        behind_ns = max(self._clock.monotonic_ns() - self._deadline_ns, 0)
        self._deadline_ns += (behind_ns // self._interval_ns + 1) * self._interval_ns
        return self._clock.sleep_until(self._deadline_ns, wake)

    @property
    def flush_due(self) -> bool:
        """Whether it is time to land the rows."""
        return self._clock.monotonic_ns() >= self._flush_at_ns

    def flush(self) -> bool:
        """Land the rows; True if none is left."""
        done = self.buffer.flush()
        pause_ns = self._flush_ns if done else min(self._flush_ns, int(RETRY_S * NS_PER_S))
        self._flush_at_ns = self._clock.monotonic_ns() + pause_ns
        if done and self._asset_rows:
            with contextlib.suppress(OSError):
                self._assets.remember(self._asset_rows)
            self._asset_rows = []
        return done

    def finish(self) -> int:
        """Land the rest, elsewhere if landing cannot be written; return how many rows are lost."""
        self._lock.release()
        for attempt in range(FINAL_ATTEMPTS):
            if attempt:
                self._clock.sleep_until(self._clock.monotonic_ns() + NS_PER_S)
            if self.flush():
                return 0
        return self.buffer.rescue()

    def follow_wall_clock(self) -> None:
        """Take over a forward step of the wall clock; for processes that run for months."""
        self._ticks.follow_forward()


def run_job(
    command: Sequence[str],
    job: Job,
    sources: Sequence[PowerSource],
    landing: LandingWriter,
    *,
    interval_s: float = 1.0,
    flush_s: float = 300.0,
    heartbeat_s: float = 60.0,
    clock: Clock | None = None,
    state_dir: Path | None = None,
    environ: Mapping[str, str] | None = None,
    max_samples: int = MAX_SAMPLES,
    stderr: TextIO | None = None,
) -> ExecResult:
    """Run a command, sample the host meanwhile, and land samples and job events.

    The job's interval begins and ends exactly at a sample. It holds all devices of the host.

    Args:
        command: program and arguments.
        job: attributes of the job.
        sources: sources to read.
        landing: where the rows go.
        interval_s: time between two samples [s].
        flush_s: time between two landings [s].
        heartbeat_s: time between two heartbeat events [s].
        clock: where the time comes from.
        state_dir: folder of lock and asset memory; by default ``collector-state`` beside the landing folder.
        environ: environment of the command; by default this process's.
        max_samples: samples to hold while landing cannot be written.
        stderr: where trouble is told.

    Returns:
        What became of the command.
    """
    loop = SamplingLoop(
        sources,
        landing,
        interval_s=interval_s,
        flush_s=flush_s,
        clock=clock,
        state_dir=state_dir,
        facility=job.facility,
        max_samples=max_samples,
        stderr=stderr,
    )
    with tempfile.TemporaryDirectory(prefix="wattledger-") as folder:
        reader = ReportReader(Path(folder) / "report.jsonl", loop.buffer.tell)
        child = Child(command, {**(os.environ if environ is None else environ), ENV_REPORT: f"{folder}/report.jsonl"})
        life = _JobLife(job, loop, landing.host, heartbeat_s)
        with child.signals_passed_through():
            life.start()
            child.start(loop.buffer.tell)
            while not loop.wait(child.ended):
                life.go_on(loop.sample(), reader.poll())
            report = reader.poll(final=True)
            end = loop.sample()
            state = life.end(end, report, child)
            # Still under the signal handlers: a second SIGTERM must not lose what the first one ended.
            unlanded_n = loop.finish()
    return ExecResult(
        exit_code=child.exit_code,
        state=state,
        started_ms=life.started_ms,
        ended_ms=end.ts_ms,
        samples_n=loop.samples_n,
        measured=loop.sampler.measured,
        landed=tuple(loop.buffer.landed),
        unlanded_n=unlanded_n,
    )


def run_agent(loop: SamplingLoop, stop: threading.Event, *, landing: LandingWriter) -> int:
    """Sample the host until told to stop.

    Args:
        loop: the sampling loop.
        stop: event that ends it.
        landing: its landing writer; abandoned temporaries there are removed first.

    Returns:
        Rows that could not be written anywhere.
    """
    with contextlib.suppress(OSError):
        sweep(landing.root, host=landing.host)
    loop.sample()
    while not loop.wait(stop):
        loop.sample()
        if loop.flush_due:
            loop.flush()
            loop.follow_wall_clock()
    loop.sample()
    return loop.finish()


class _JobLife:
    """Writes the rows of a job's life into the loop's buffer."""

    def __init__(self, job: Job, loop: SamplingLoop, host: str, heartbeat_s: float) -> None:
        self._job, self._loop, self._host = job, loop, host
        self._heartbeat_ms = int(heartbeat_s * 1000)
        self._phase = job.phase
        self._phase_row: dict[str, Any] | None = None
        self._device_told = False
        self._last_ms = self._phase_ms = self.started_ms = 0

    def start(self) -> None:
        """Take the first sample and begin the job at its stamp."""
        self.started_ms = self._last_ms = self._phase_ms = self._loop.sample().ts_ms
        self._loop.buffer.add("job_event", self._job.event_row(self.started_ms, "started"))

    def go_on(self, tick: Tick, report: Report) -> None:
        """Write what happened since the tick before, and land it if it is time."""
        self._change_phase(tick, report)
        if tick.ts_ms - self._last_ms >= self._heartbeat_ms:
            self._last_ms = tick.ts_ms
            self._loop.buffer.add("job_event", self._job.event_row(tick.ts_ms, "heartbeat", phase=self._phase))
        if self._loop.flush_due:
            if not self._device_told:
                # Landed open once; from then on the ended event closes it, because a row is never written twice.
                self._loop.buffer.add("job_device", self._job.device_row(self._host, self.started_ms))
                self._device_told = True
            self._loop.flush()

    def end(self, tick: Tick, report: Report, child: Child) -> str:
        """Write the end of the job and return its state."""
        self._change_phase(tick, report)
        state = child.state()
        known = {**report.last, "phase": self._phase, "state": state, "exit_code": child.exit_code}
        buffer = self._loop.buffer
        buffer.add("job_event", self._job.event_row(tick.ts_ms, "ended", **known))
        if not self._device_told:
            buffer.add("job_device", self._job.device_row(self._host, self.started_ms, tick.ts_ms))
        if report.work:
            buffer.add("work_counter", self._job.work_row(self.started_ms, tick.ts_ms, report.work))
        return state

    def _change_phase(self, tick: Tick, report: Report) -> None:
        for stamp, phase in report.phases:
            # A stamp outside the time since the last change is no time at which the phase can have changed.
            ts_ms = stamp if stamp is not None and self._phase_ms < stamp <= tick.ts_ms else tick.ts_ms
            self._phase = phase
            if self._phase_row is not None and ts_ms == self._phase_ms:
                self._phase_row["phase"] = phase
                continue
            self._phase_ms = ts_ms
            self._phase_row = self._job.event_row(ts_ms, "phase_changed", phase=phase)
            self._loop.buffer.add("job_event", self._phase_row)
        report.phases.clear()
