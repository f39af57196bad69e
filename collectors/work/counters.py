"""What the counters of a server say since their last reading, and what a restart hides.

What belongs here: differences of cumulative counters, series by series. What must not be here: asking a server, rows,
whose model it is.

Nothing is counted that was not done, and nothing is ever negative. A counter that fell, or whose process or creation is
another one, began again at zero: what it did between the last reading and its end is known by nobody, and is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .known import QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .known import WorkKind
    from .server import Point, WorkReading

SAME_START_S = 1.0
"""Two statements of one moment may differ by this much [s]."""
SKEW_S = 60.0
"""The server's clock may differ from ours by this much [s]."""
MOST_FALLS, WATCH_MS = 3, 300_000
"""Counters that fell so often within so long [ms] are not those of one process that restarts."""
_MS_PER_S = 1_000

Served = tuple[str | None, str | None]
"""Name and version that a server gives a model."""
Totals = dict[Served, dict[str, int]]
"""Work by model: columns of ``work_counter``; one that is not counted is not there."""


class Step(NamedTuple):
    """What was done between two readings.

    Attributes:
        start_ms: the reading before, or the beginning of the process after it [epoch ms].
        end_ms: this reading [epoch ms].
        work: work by model.
        is_reset: whether counters began again in between.
    """

    start_ms: int
    end_ms: int
    work: Totals
    is_reset: bool = False


class ServerCounters:
    """The counters of one server.

    Attributes:
        at_ms: the last reading [epoch ms], ``None`` before the first.
        resets_n: how often counters began again.
        trouble: why the last reading could not be counted, or ``None``.
    """

    def __init__(self, kind: WorkKind, *, since_ms: int | None = None) -> None:
        """Begin with a server that was not read yet.

        Args:
            kind: what kind of server it is.
            since_ms: work of a process that began after it counts from zero at the first reading [epoch ms]; ``None``
                if only what is done from the first reading on is wanted.
        """
        self._kind, self._since_ms = kind, since_ms
        self.at_ms: int | None = None
        self.resets_n = 0
        self.trouble: str | None = None
        self._start_s: float | None = None
        self._values: dict[str, tuple[int, float | None]] = {}
        self._ranks: dict[str, int] = {}
        self._falls_ms: list[int] = []
        self._is_fallen = False

    def update(self, at_ms: int, reading: WorkReading) -> Step | None:
        """Take a reading; return what was done since the one before, ``None`` if that is not known.

        Args:
            at_ms: moment of the reading [epoch ms].
            reading: what the server said.
        """
        self.trouble = None
        begin_ms, before_s = self.at_ms, self._start_s
        # A relay's process is not the one that counts.
        start_s = reading.start_s if self._kind.is_own else None
        is_restarted = start_s is not None and before_s is not None and abs(start_s - before_s) > SAME_START_S
        if is_restarted and begin_ms is not None and (start_s or 0) < begin_ms / _MS_PER_S - SKEW_S:
            self.trouble = (
                "another process answers than before, and it was running then already: its counters are not those of "
                "the first one, and nothing is counted; name every process in a [[work]] of its own, not what "
                "distributes requests to them"
            )
            self._keep(at_ms, reading)
            return None
        if is_restarted:
            self._ranks.clear()
        known_ms = self._since_ms if begin_ms is None else begin_ms
        work: Totals = {}
        resets, self._is_fallen = is_restarted, False
        for name, point in self._chosen(reading):
            done, is_reset = self._done(name, point, start_s, known_ms, is_restarted=is_restarted)
            resets |= is_reset
            if done is None:
                continue
            sums = work.setdefault((point.served, point.version), {})
            sums[point.metric.quantity] = sums.get(point.metric.quantity, 0) + done
        self._keep(at_ms, reading)
        self.resets_n += resets
        if self._is_flapping(at_ms):
            self.trouble = (
                f"its counters fell {len(self._falls_ms)} times in {WATCH_MS // 60_000} minutes: several processes "
                "answer at this address, or it ends again and again; nothing is counted until they rise so long; name "
                "every process in a [[work]] of its own, not what distributes requests to them"
            )
            return None
        if begin_ms is None and (self._since_ms is None or not any(sums.values() for sums in work.values())):
            return None
        born_ms = None if start_s is None else round(start_s * _MS_PER_S)
        first_ms = begin_ms if begin_ms is not None else (self._since_ms or at_ms)
        if (resets or begin_ms is None) and born_ms is not None and first_ms < born_ms < at_ms:
            first_ms = born_ms
        # A clock that was set back must neither lose the work nor turn the interval round.
        return Step(first_ms if first_ms < at_ms else at_ms - 1, at_ms, work, resets)

    def state(self) -> dict[str, Any]:
        """Return what another process needs to go on: JSON values."""
        return {
            "at_ms": self.at_ms,
            "start_s": self._start_s,
            "ranks": self._ranks,
            "values": {name: list(found) for name, found in self._values.items()},
        }

    def resume(self, state: object) -> None:
        """Go on where another process stopped.

        Args:
            state: what ``state`` returned there; anything else changes nothing.
        """
        if not isinstance(state, dict):
            return
        try:
            at_ms, start_s = state["at_ms"], state["start_s"]
            values = {str(name): (int(value), created_s) for name, (value, created_s) in state["values"].items()}
            ranks = {name: int(rank) for name, rank in state["ranks"].items() if name in QUANTITIES}
        except (KeyError, TypeError, ValueError, AttributeError):
            return
        if isinstance(at_ms, int):
            self.at_ms, self._start_s, self._values, self._ranks = at_ms, start_s, values, ranks

    def _chosen(self, reading: WorkReading) -> Iterable[tuple[str, Point]]:
        """Yield the series of the metrics that fill each column: of several that say the same, those of one rank.

        The rank stays once it is chosen, until it disappears.
        """
        there: dict[str, set[int]] = {}
        for point in reading.points.values():
            there.setdefault(point.metric.quantity, set()).add(point.metric.rank)
        for quantity, ranks in there.items():
            if quantity not in self._ranks or self._ranks[quantity] not in ranks:
                self._ranks[quantity] = min(ranks)
        for name, point in reading.points.items():
            if point.metric.rank == self._ranks[point.metric.quantity]:
                yield name, point

    def _done(
        self, name: str, point: Point, start_s: float | None, known_ms: int | None, *, is_restarted: bool
    ) -> tuple[int | None, bool]:
        """Return what a series counted since the last reading, ``None`` if nobody knows, and whether it was reset.

        Args:
            name: the series.
            point: what it says now.
            start_s: when the process began [epoch s].
            known_ms: moment up to which everything is counted already [epoch ms], ``None`` before the first reading.
            is_restarted: whether the process is another one than at the last reading.
        """
        before = self._values.get(name)
        if before is not None:
            value, created_s = before
            is_new = point.created_s is not None and created_s is not None and abs(point.created_s - created_s) > 1e-3
            if is_restarted or is_new or point.value < value:
                self._is_fallen |= not (is_restarted or is_new)
                return point.value, True
            return point.value - value, False
        born_s = max((moment for moment in (start_s, point.created_s) if moment is not None), default=None)
        is_born_after = born_s is not None and known_ms is not None and born_s * _MS_PER_S > known_ms
        if is_born_after or (self._kind.is_own and self.at_ms is not None):
            return point.value, False
        return (0, False) if self.at_ms is not None else (None, False)

    def _is_flapping(self, at_ms: int) -> bool:
        """Return whether counters fell too often of late, told by nothing but their values."""
        self._falls_ms = [fall_ms for fall_ms in self._falls_ms if 0 <= at_ms - fall_ms < WATCH_MS]
        if self._is_fallen:
            self._falls_ms.append(at_ms)
        return len(self._falls_ms) >= MOST_FALLS

    def _keep(self, at_ms: int, reading: WorkReading) -> None:
        kept = {} if self._kind.is_own else self._values
        self._values = {**kept, **{name: (point.value, point.created_s) for name, point in reading.points.items()}}
        self._start_s = reading.start_s if self._kind.is_own else None
        self.at_ms = at_ms
