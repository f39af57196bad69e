"""What a measured command may say about itself, through the file named in ``WATTLEDGER_REPORT``.

What belongs here: reading the file's JSON lines as they come and keeping what is usable. What must not be here: job
rows, or trust: a line that cannot be used is told and skipped, it never ends the run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

from ..closed_sets import PHASES

if TYPE_CHECKING:
    from pathlib import Path

ENV_REPORT = "WATTLEDGER_REPORT"
"""Environment variable that names the file to the command."""
MAX_READ_BYTES = 1 << 20
"""Largest part of the file that is read at one tick, and the longest line [bytes]."""
WORK_COUNTS = ("requests_n", "input_tokens_n", "output_tokens_n")
_MAX_COUNT = 2**62


@dataclass(slots=True)
class Report:
    """What the command has said so far.

    Attributes:
        phases: changes of phase: stamp [epoch ms] or ``None`` for "now", and the phase; emptied by the caller.
        last: last value of ``quality_metric``, ``quality_value``, ``parameters_n`` and ``tokens_n``.
        work: sums of the work counts; each line adds.
    """

    phases: list[tuple[int | None, str]] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)
    work: dict[str, Any] = field(default_factory=dict)


class ReportReader:
    """Follows the report file of a running command."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        """Follow a file that need not exist yet.

        Args:
            path: the file.
            tell: where unusable lines are told.
        """
        self._path = path
        self._tell = tell
        self._offset = 0
        self._rest = b""
        self.report = Report()

    def poll(self, *, final: bool = False) -> Report:
        """Read what is new.

        Args:
            final: whether the command has ended, so that a last line without line end counts and all is read.

        Returns:
            The report so far, the same object each time.
        """
        while chunk := self._read():
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._take(line)
            if len(self._rest) > MAX_READ_BYTES:
                self._tell(f"report: a line of more than {MAX_READ_BYTES} bytes is left out")
                self._rest = b""
            if not final:
                break
        if final and self._rest:
            self._take(self._rest)
            self._rest = b""
        return self.report

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                chunk = file.read(MAX_READ_BYTES)
        except OSError:
            return b""
        self._offset += len(chunk)
        return chunk

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            self._tell(f"report: a line is left out, it is no JSON object: {line[:80]!r}")
            return
        for key, value in values.items():
            if value is not None and key != "ts_ms" and not self._use(key, value, values):
                self._tell(f"report: {key}={value!r:.80} cannot be used")

    def _use(self, key: str, value: object, line: dict[str, object]) -> bool:
        """Keep one value of a line; False if it cannot be used."""
        report = self.report
        if key == "phase":
            stamp = line.get("ts_ms")
            if value in PHASES:
                report.phases.append((stamp if _is_count(stamp) else None, str(value)))
            return value in PHASES
        if key in _LAST and _LAST[key](value):
            report.last[key] = value
            return True
        if key in WORK_COUNTS and _is_count(value):
            report.work[key] = report.work.get(key, 0) + value
            return True
        # Amounts of two units have no sum; the first unit stays.
        unit = line.get("other_unit")
        if key not in ("other_unit", "other_n") or not isinstance(unit, str):
            return False
        if report.work.setdefault("other_unit", unit) != unit:
            return False
        if key == "other_n":
            if not _is_number(value) or value < 0:
                return False
            report.work[key] = report.work.get(key, 0.0) + float(value)
        return True


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_COUNT


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


_LAST: dict[str, Callable[[object], bool]] = {
    "quality_metric": _is_text,
    "quality_value": _is_number,
    "parameters_n": _is_count,
    "tokens_n": _is_count,
}
