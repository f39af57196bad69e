"""Result log of an MLPerf Training run: when it ran, when it evaluated, how good it became.

What belongs here: the keys of this log. What must not be here: power, rows of the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..shared.logfiles import LogFile
from .mllog import Record, Unread, epoch_ms, number, records

_KEPT = ("seed", "global_batch_size")


@dataclass(slots=True)
class RunLog:
    """What a result log says.

    Attributes:
        starts: stamps of ``run_start`` [epoch ms].
        stops: stamps of ``run_stop`` [epoch ms].
        status: status of the last ``run_stop``.
        changes: stamp [epoch ms] and whether an evaluation begins there.
        quality: stamp [epoch ms] and value of the last ``eval_accuracy``.
        texts: other values by key.
        unread: records that could not be read.
    """

    starts: set[int] = field(default_factory=set)
    stops: set[int] = field(default_factory=set)
    status: str | None = None
    changes: set[tuple[int, bool]] = field(default_factory=set)
    quality: tuple[int, float] | None = None
    texts: dict[str, str] = field(default_factory=dict)
    unread: int = 0

    @property
    def start_ms(self) -> int | None:
        """Start of the run [epoch ms]."""
        return min(self.starts, default=None)

    @property
    def stop_ms(self) -> int | None:
        """End of the run [epoch ms]."""
        return max(self.stops, default=None)

    def evaluations(self) -> list[tuple[int, bool]]:
        """Return when an evaluation begins or ends inside the run [epoch ms], and whether it begins.

        Stamps of several processes count once. A stamp at the end of the run is left out: the run's end ends it anyway.
        """
        if self.start_ms is None:
            return []
        # Of an end and a beginning with one stamp the beginning counts: there is no time between them.
        by_stamp = {at_ms: begins for at_ms, begins in sorted(self.changes) if self._inside(at_ms)}
        changes, evaluating = [], False
        for at_ms, begins in by_stamp.items():
            if begins != evaluating:
                changes.append((at_ms, begins))
                evaluating = begins
        return changes

    def _inside(self, at_ms: int) -> bool:
        return self.start_ms is not None and self.start_ms <= at_ms and (self.stop_ms is None or at_ms < self.stop_ms)


def read_run(log: LogFile) -> RunLog:
    """Return what a result log says."""
    run = RunLog()
    for record in records(log.lines()):
        if isinstance(record, Unread):
            run.unread += 1
            continue
        at_ms = epoch_ms(record.time_ms)
        if record.key.startswith("submission_") or record.key in _KEPT:
            run.texts.setdefault(record.key, str(record.value))
        elif at_ms is not None:
            _event(run, record, at_ms)
    return run


def _event(run: RunLog, record: Record, at_ms: int) -> None:
    if record.key == "run_start":
        run.starts.add(at_ms)
    elif record.key == "run_stop":
        run.stops.add(at_ms)
        run.status = str(record.metadata.get("status", "")) or run.status
    elif record.key in ("eval_start", "eval_stop"):
        run.changes.add((at_ms, record.key == "eval_start"))
    elif record.key == "eval_accuracy":
        value = number(record.value)
        if value is not None and (run.quality is None or at_ms >= run.quality[0]):
            run.quality = at_ms, value
