"""From what was done between two readings to what was done in a minute.

What belongs here: which readings make a row. What must not be here: counters, or the names in a row.

A row begins and ends at a reading: what happened between two of them is not divided. Rows end at the readings nearest
to the whole minutes; readings are taken at whole minutes, so that a row is a minute but for the delay of an answer.
After an outage, and with readings rarer than once a minute, a row lasts as long as nobody looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .counters import Step, Totals

MINUTE_MS = 60_000


class Span(NamedTuple):
    """Work of an interval.

    Attributes:
        start_ms: reading at which it begins [epoch ms].
        end_ms: reading at which it ends [epoch ms].
        work: work by model.
    """

    start_ms: int
    end_ms: int
    work: Totals


class Minutes:
    """Joins the steps of one server into spans."""

    def __init__(self, every_s: float) -> None:
        """Begin with nothing.

        Args:
            every_s: time between two readings [s].
        """
        self._slack_ms = min(round(every_s * 500), MINUTE_MS // 2)
        self._open: Span | None = None

    def add(self, step: Step) -> list[Span]:
        """Take a step; return the spans that are complete.

        Args:
            step: what was done between two readings.
        """
        done: list[Span] = []
        before: Span | None = self._open
        if before is not None and self._parts(before, step):
            done += self.close()
            before = None
        if before is None:
            now = Span(step.start_ms, step.end_ms, _copy(step.work))
        else:
            now = Span(before.start_ms, step.end_ms, _sum(before.work, step.work))
        self._open = now
        if now.end_ms + self._slack_ms >= self._edge_ms(now):
            done += self.close()
        return done

    def close(self) -> list[Span]:
        """End the span that is open and return it, if there is one."""
        before = [] if self._open is None else [self._open]
        self._open = None
        return before

    def state(self) -> list[Any] | None:
        """Return the span that is open, as JSON values."""
        span = self._open
        return None if span is None else [span.start_ms, span.end_ms, [[*who, sums] for who, sums in span.work.items()]]

    def resume(self, state: object) -> None:
        """Go on with the open span of another process.

        Args:
            state: what ``state`` returned there; anything else changes nothing.
        """
        self._open = None
        if isinstance(state, list) and len(state) == 3:
            start_ms, end_ms, work = state
            totals: Totals = {(served, version): dict(sums) for served, version, sums in work}
            self._open = Span(int(start_ms), int(end_ms), totals)

    def _parts(self, before: Span, step: Step) -> bool:
        """Return whether a step does not belong to the open span."""
        if step.is_reset or step.start_ms != before.end_ms or step.end_ms - step.start_ms >= MINUTE_MS:
            return True
        edge_ms = self._edge_ms(before)
        return step.end_ms > edge_ms and edge_ms - step.start_ms < step.end_ms - edge_ms

    def _edge_ms(self, span: Span) -> int:
        """Return the whole minute at which a span is to end [epoch ms]; a little early counts as on time."""
        return ((span.start_ms + self._slack_ms) // MINUTE_MS + 1) * MINUTE_MS


def _copy(work: Totals) -> Totals:
    return {who: dict(sums) for who, sums in work.items()}


def _sum(first: Totals, second: Totals) -> Totals:
    found = _copy(first)
    for who, sums in second.items():
        into: dict[str, int] = found.setdefault(who, {})
        for name, count in sums.items():
            into[name] = into.get(name, 0) + count
    return found
