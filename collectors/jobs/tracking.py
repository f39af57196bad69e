"""``track``: measure a block of Python code, or a function, as a job.

What belongs here: the side of the tracked process. What must not be here: sampling, which happens in a process of its
own (``attach``), so that it costs the tracked one nothing and survives its death.
"""

from __future__ import annotations

import functools
import json
import os
import select
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

from .._process import python_command
from .attach import READY
from .carriers import ATTRIBUTES
from .job import JobError
from .report import ENV_REPORT

P = ParamSpec("P")
R = TypeVar("R")

START_S, END_S = 30.0, 120.0
"""Longest time to wait for the first sample, and for the end of landing [s]."""
_LANDING: list[subprocess.Popen[bytes]] = []


class track:  # noqa: N801 - it is used as a function, as a context manager and as a decorator
    """Measure a block of code or a function as a job.

    ``with track(team="vision", phase="training") as job: ...`` or ``@track(phase="training")``. Inside another tracked
    block, or under ``wattledger-collect exec``, it is no job of its own: only its phase is told, and taken back at its
    end.

    Measuring never fails the code: what goes wrong after the start is a warning. Only what the user must change is an
    error, before the code runs.
    """

    def __init__(
        self,
        *,
        landing: str | os.PathLike[str] | None = None,
        interval_s: float = 1.0,
        labels: Mapping[str, str] | None = None,
        wait: bool = True,
        **attributes: str | int | None,
    ) -> None:
        """Describe the job; nothing is started yet.

        Args:
            landing: landing folder or address of an object store; by default ``WATTLEDGER_LANDING``.
            interval_s: time between two samples [s].
            labels: free labels of the job.
            wait: whether the end waits until everything is landed.
            **attributes: attributes of the job: ``team``, ``project``, ``model``, ``phase`` and others, as in ``Job``.

        Raises:
            JobError: if there is no such attribute.
        """
        for name in attributes:
            if name not in ATTRIBUTES:
                msg = f"track has no attribute {name!r}; known are {', '.join(ATTRIBUTES)}"
                raise JobError(msg)
        self._attributes = {name: str(value) for name, value in attributes.items() if value is not None}
        self._labels = {str(name): str(value) for name, value in (labels or {}).items()}
        self._landing, self._interval_s, self._wait = landing, interval_s, wait
        self._sampler: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._report: Path | None = None
        self._phase_before: str | None = None
        self._is_inner = False

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Return a function of which every call is a job."""

        @functools.wraps(function)
        def tracked(*args: P.args, **kwargs: P.kwargs) -> R:
            with track(
                landing=self._landing,
                interval_s=self._interval_s,
                labels=self._labels,
                wait=self._wait,
                **self._attributes,
            ):
                return function(*args, **kwargs)

        return tracked

    def __enter__(self) -> track:
        """Start measuring; the block begins after the first sample.

        Raises:
            JobError: if the job cannot be measured as described: no landing folder, or an attribute that is wrong.
        """
        if outer := os.environ.get(ENV_REPORT):
            self._is_inner, self._report = True, Path(outer)
            self._phase_before = os.environ.get("WATTLEDGER_PHASE_NOW")
            if phase := self._attributes.get("phase"):
                self.phase(phase)
            return self
        self._folder = tempfile.TemporaryDirectory(prefix="wattledger-", ignore_cleanup_errors=True)
        self._report = Path(self._folder.name) / "report.jsonl"
        try:
            self._start()
        except BaseException:
            self._folder.cleanup()
            raise
        os.environ[ENV_REPORT] = str(self._report)
        os.environ["WATTLEDGER_PHASE_NOW"] = self._attributes.get("phase", "unknown")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        """End measuring; an exception of the block makes it a failed job and goes on."""
        if self._is_inner:
            if "phase" in self._attributes and self._phase_before:
                self.phase(self._phase_before)
            return
        for name in (ENV_REPORT, "WATTLEDGER_PHASE_NOW"):
            os.environ.pop(name, None)
        if kind is None or (issubclass(kind, SystemExit) and not getattr(error, "code", 1)):
            state = "completed"
        else:
            state = "cancelled" if issubclass(kind, KeyboardInterrupt) else "failed"
        self._end(state)
        if self._folder is not None:
            self._folder.cleanup()

    # ---- what the code says about itself ----

    def phase(self, phase: str) -> None:
        """Say that another phase begins now.

        Args:
            phase: life-cycle phase, one of the contract's.
        """
        self._say(phase=phase, ts_ms=time.time_ns() // 1_000_000)
        os.environ["WATTLEDGER_PHASE_NOW"] = phase

    def quality(self, metric: str, value: float) -> None:
        """Say how good the model is; the last value counts.

        Args:
            metric: for example ``accuracy``.
            value: its value.
        """
        self._say(quality_metric=metric, quality_value=value)

    def work(self, **counts: float | str) -> None:
        """Add to the work done.

        Args:
            **counts: ``requests_n``, ``input_tokens_n``, ``output_tokens_n``, and ``other_n`` with its ``other_unit``.
        """
        self._say(**counts)

    def size(self, *, parameters_n: int | None = None, tokens_n: int | None = None) -> None:
        """Say how large the model is, and how many tokens it has seen.

        Args:
            parameters_n: number of model parameters.
            tokens_n: number of tokens processed.
        """
        self._say(parameters_n=parameters_n, tokens_n=tokens_n)

    def _say(self, **line: object) -> None:
        if self._report is None:
            msg = "the job has not begun: use it inside `with track(...) as job:`"
            raise JobError(msg)
        text = json.dumps({name: value for name, value in line.items() if value is not None}) + "\n"
        try:
            # One write each: lines of several processes do not mix.
            with self._report.open("ab", buffering=0) as file:
                file.write(text.encode())
        except OSError as error:
            warnings.warn(f"wattledger: cannot report {line}: {error}", stacklevel=3)

    # ---- the sampler ----

    def _start(self) -> None:
        command = [*python_command("cli"), "attach", "--parent-pid", str(os.getpid())]
        command += ["--report", str(self._report)]
        command += ["--interval-s", str(self._interval_s)]
        if self._landing is not None:
            command += ["--landing", os.fspath(self._landing)]
        for name, value in self._attributes.items():
            command += [f"--{name.replace('_', '-')}", value]
        for name, value in self._labels.items():
            command += ["--label", f"{name}={value}"]
        try:
            # A session of its own: Ctrl-C and the end of a terminal are for the code, not for its sampler.
            sampler = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            warnings.warn(f"wattledger: nothing is measured, the sampler cannot be started: {error}", stacklevel=4)
            return
        assert sampler.stdout is not None
        assert sampler.stdin is not None
        with sampler.stdout as words:
            can_read, _, _ = select.select([words], [], [], START_S)
            is_ready = bool(can_read) and words.readline().decode(errors="replace").strip() == READY
        if not is_ready:
            sampler.stdin.close()
            if not can_read:
                sampler.kill()
            code = sampler.wait(START_S)
            if code == 2:
                msg = "nothing is measured: see the message of wattledger-collect above"
                raise JobError(msg)
            warnings.warn(f"wattledger: nothing is measured, the sampler ended with code {code}", stacklevel=4)
            return
        self._sampler = sampler

    def _end(self, state: str) -> None:
        sampler = self._sampler
        if sampler is None:
            return
        assert sampler.stdin is not None
        try:
            sampler.stdin.write(json.dumps({"state": state}).encode() + b"\n")
            sampler.stdin.close()
            if self._wait:
                sampler.wait(END_S)
            else:
                _LANDING.append(sampler)
        except (OSError, subprocess.TimeoutExpired) as error:
            warnings.warn(f"wattledger: the sampler did not end well: {error}; its journal is kept", stacklevel=4)
        finally:
            self._sampler = None
