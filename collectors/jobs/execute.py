"""Running one command as a measured job.

What belongs here: the course of such a job and the rows of its life. What must not be here: command lines, how a device
is read, when rows reach the disk, or the child process itself.

Whatever happens to sampling or landing, the child runs on and its exit code is passed through. If the collector dies,
its journal holds what is needed to end the job as interrupted.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..agent.loop import LoopSettings, SamplingLoop
from .child import Child, Measured
from .cputime import CpuTime
from .holds import Hold, HostHold, ShareHold
from .report import ENV_REPORT, Report, ReportReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..clock import Clock, Tick
    from ..sources.common import PowerSource
    from ..spool.landing_child import LandingChild
    from ..work.meter import WorkMeter
    from .job import Job

HEARTBEAT_S = 60.0
"""Time between two heartbeat events of a job [s]."""


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What became of a measured command.

    Attributes:
        exit_code: exit code to pass on; 128 + N where signal N ended the command; ``None`` where there was none.
        state: state on the ended event: completed, failed, cancelled or interrupted.
        started_ms: stamp of the first sample and the started event [epoch ms].
        ended_ms: stamp of the last sample and the ended event [epoch ms].
        samples_n: samples taken by this process.
        measured: whether a device gave a measured value, not only estimates.
        landed: files written at the end; earlier ones are not listed.
        waiting: journals that wait in the spool because landing could not be written.
        has_loss: whether rows could not be written anywhere.
    """

    exit_code: int | None
    state: str
    started_ms: int
    ended_ms: int
    samples_n: int
    measured: bool
    landed: tuple[str, ...]
    waiting: tuple[str, ...]
    has_loss: bool


def run_job(
    command: Sequence[str],
    job: Job,
    settings: LoopSettings,
    sources: Sequence[PowerSource],
    *,
    heartbeat_s: float = HEARTBEAT_S,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    stderr: TextIO | None = None,
    landing_child: LandingChild | None = None,
    hold: str = "host",
    gpus: str | None = None,
    work: WorkMeter | None = None,
) -> ExecResult:
    """Run a command, sample the host meanwhile, and land samples and job events.

    The job's interval begins and ends exactly at a sample.

    Args:
        command: program and arguments.
        job: attributes of the job.
        settings: how the host is sampled.
        sources: sources to read.
        heartbeat_s: time between two heartbeat events [s].
        clock: where the time comes from.
        environ: environment of the command; by default this process's.
        stderr: where trouble is told.
        landing_child: what turns journals into landing files; by default a short-lived process.
        hold: ``host``, all of it, or ``share``, by the CPU time that the command and its descendants use.
        gpus: with ``share``, indices or UUIDs of the GPUs that it was given; by default ``CUDA_VISIBLE_DEVICES``.
        work: what counts the work of the command, if it serves models. It is asked a last time before a signal that
            ends the command is passed on.

    Returns:
        What became of the command.

    Raises:
        UsageError: if this host has no such GPU; the command is not started.
    """
    loop = SamplingLoop(settings, sources, clock=clock, stderr=stderr, child=landing_child, work=work)
    with tempfile.TemporaryDirectory(prefix="wattledger-") as folder:
        report = Path(folder) / "report.jsonl"
        environ = os.environ if environ is None else environ
        cpu = CpuTime() if hold == "share" else None
        last_words = None if work is None else work.poll_at_once
        joins = cpu.join if cpu else None
        child = Child(command, {**environ, ENV_REPORT: str(report)}, join=joins, before_signal=last_words)
        held: Hold = HostHold(job, settings.host)
        if cpu is not None:
            loop.child.watcher = cpu  # landing is ours, not the job's
            gpus = environ.get("CUDA_VISIBLE_DEVICES") if gpus is None else gpus
            held = ShareHold(job, settings.host, lambda: loop.sampler.devices.values(), cpu, gpus)
            if gpus is None and any(device.kind == "gpu" for device in loop.sampler.devices.values()):
                loop.tell("the job holds no GPU: nobody said which; give --gpus or set CUDA_VISIBLE_DEVICES")
        # Under the signal handlers to the end: a second SIGTERM must not lose what the first one ended.
        try:
            with child.signals_passed_through():
                return measure(child, job, loop, report, heartbeat_s=heartbeat_s, hold=held)
        finally:
            if cpu is not None:
                cpu.close()


def measure(
    child: Measured,
    job: Job,
    loop: SamplingLoop,
    report_path: Path,
    *,
    heartbeat_s: float = HEARTBEAT_S,
    hold: Hold | None = None,
) -> ExecResult:
    """Measure something that starts and ends as a job.

    Args:
        child: what is measured.
        job: attributes of the job.
        loop: the sampling loop.
        report_path: file in which it reports about itself.
        heartbeat_s: time between two heartbeat events [s].
        hold: what the job holds; by default all of the host.

    Returns:
        What became of it.
    """
    reader = ReportReader(report_path, loop.tell)
    life = JobLife(job, loop, heartbeat_s, hold)
    life.start()
    child.start(loop.tell)
    while not loop.wait(child.ended):
        life.go_on(loop.sample(), reader.poll())
        loop.keep()
    report = reader.poll(final=True)
    end = loop.sample()
    state = child.state()
    life.end(end, report, state, child.exit_code)
    landed = loop.finish()
    return ExecResult(
        exit_code=child.exit_code,
        state=state,
        started_ms=life.started_ms,
        ended_ms=end.ts_ms,
        samples_n=loop.sampler.samples_n,
        measured=loop.sampler.measured,
        landed=landed.landed,
        waiting=landed.waiting,
        has_loss=landed.has_loss,
    )


class JobLife:
    """Writes the rows of a job's life into the loop's spool.

    The job's hold on its devices is written in pieces that follow one another, the newest at each heartbeat, so that a
    job of months is visible while it runs and a job that dies holds nothing after its death.

    Attributes:
        started_ms: stamp of the job's start [epoch ms].
    """

    def __init__(
        self, job: Job, loop: SamplingLoop, heartbeat_s: float = HEARTBEAT_S, hold: Hold | None = None
    ) -> None:
        """Begin with a job that has not started.

        Args:
            job: attributes of the job.
            loop: the sampling loop.
            heartbeat_s: time between two heartbeat events [s].
            hold: what the job holds; by default all of the host.
        """
        self._job, self._loop = job, loop
        self._hold = hold or HostHold(job, loop.settings.host)
        self._heartbeat_ms = int(heartbeat_s * 1000)
        self._phase = job.phase
        self._last_ms = self._phase_ms = self.started_ms = 0

    def start(self) -> None:
        """Take the first sample and begin the job at its stamp."""
        self.started_ms = self._last_ms = self._phase_ms = self._loop.sample().ts_ms
        self._tell("job_event", self._job.event_row(self.started_ms, "started"))
        self._leave()
        # On disk before the command runs: whatever kills it must find the job begun.
        self._loop.sync()

    def go_on(self, tick: Tick, report: Report) -> None:
        """Write what happened since the tick before."""
        self._change_phase(tick, report)
        if tick.ts_ms - self._last_ms >= self._heartbeat_ms:
            self._hold_until(tick.ts_ms)
            self._tell("job_event", self._job.event_row(tick.ts_ms, "heartbeat", phase=self._phase))
            self._leave()

    def end(self, tick: Tick, report: Report, state: str, exit_code: int | None) -> None:
        """Write the end of the job."""
        self._change_phase(tick, report)
        self._hold_until(tick.ts_ms)
        known = {**report.last, "phase": self._phase, "state": state, "exit_code": exit_code}
        self._tell("job_event", self._job.event_row(tick.ts_ms, "ended", **known))
        if report.work:
            self._tell("work_counter", self._job.work_row(self.started_ms, tick.ts_ms, report.work))
        self._loop.spool.leave([])

    def _tell(self, table: str, row: dict[str, Any]) -> None:
        self._loop.spool.add_rows(table, [row])

    def _hold_until(self, end_ms: int) -> None:
        if end_ms > self._last_ms:
            self._loop.spool.add_rows("job_device", self._hold.rows(self._last_ms, end_ms))
        self._last_ms = end_ms

    def _leave(self) -> None:
        """Say how the job is to be ended if this process dies."""
        ended = self._job.event_row(0, "ended", phase=self._phase, state="interrupted")
        holds = [("job_device", row, "end_ms") for row in self._hold.open_rows(self._last_ms)]
        self._loop.spool.leave([("job_event", ended, "ts_ms"), *holds])

    def _change_phase(self, tick: Tick, report: Report) -> None:
        changes: dict[int, str] = {}
        for stamp, phase in report.phases:
            # A stamp outside the time since the last change is no time at which the phase can have changed.
            ts_ms = stamp if stamp is not None and self._phase_ms < stamp <= tick.ts_ms else tick.ts_ms
            self._phase_ms = ts_ms
            changes[ts_ms] = phase
        for ts_ms, phase in changes.items():
            self._phase = phase
            self._tell("job_event", self._job.event_row(ts_ms, "phase_changed", phase=phase))
        report.phases.clear()
        if changes:
            self._leave()
