"""One server's work as rows of ``work_counter``.

What belongs here: everything of one server, from its readings to its rows. What must not be here: threads, files.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .counters import ServerCounters
from .known import KNOWN, QUANTITIES
from .minutes import Minutes
from .names import Names
from .server import instance_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .counters import Totals
    from .minutes import Span
    from .options import ModelName, WorkSettings
    from .server import WorkReading


class ServerWork:
    """The work of one server.

    Attributes:
        options: the server.
        failing: why its last reading gave nothing, or ``None``.
    """

    def __init__(
        self, options: WorkSettings, *, host: str, tell: Callable[[str], None], since_ms: int | None = None
    ) -> None:
        """Begin with a server that was not read yet.

        Args:
            options: the server.
            host: name of the host that reads it.
            tell: where trouble is told.
            since_ms: see ``ServerCounters``.
        """
        self.options = options
        self.failing: str | None = None
        self._tell_of_all = tell
        self._kind = KNOWN[options.kind]
        self._instance = instance_of(options, host)
        self._counters = ServerCounters(self._kind, since_ms=since_ms)
        self._minutes, self._names = Minutes(options.every_s), Names(options, self._tell)

    @property
    def resets_n(self) -> int:
        """How often its counters began again since the start of this process."""
        return self._counters.resets_n

    def take(self, at_ms: int, found: WorkReading | str) -> list[dict[str, Any]]:
        """Take a reading, or why there is none; return the rows that are complete.

        Args:
            at_ms: when it was taken [epoch ms].
            found: the reading, or what went wrong.
        """
        if isinstance(found, str):
            self._fail(f"{found}; what it does meanwhile is counted when it answers again, if it does not restart")
            return []
        begin_ms = self._counters.at_ms
        step = self._counters.update(at_ms, found)
        if self._counters.trouble is not None:
            self._fail(self._counters.trouble)
            return self._rows(self._minutes.close())
        if self.failing is not None:
            self.failing = None
            self._tell("it is read again")
        self._names.look((point.served, point.version) for point in found.points.values())
        if step is None:
            return []
        if step.is_reset and begin_ms is not None:
            self._tell(
                f"its counters began again between {_shown(begin_ms)} and {_shown(at_ms)}; what it did after the first "
                "of these moments and before its restart is not counted: nobody knows it"
            )
        return self._rows(self._minutes.add(step))

    def close(self) -> list[dict[str, Any]]:
        """End the row that is open; return it, if there is one."""
        return self._rows(self._minutes.close())

    def state(self) -> dict[str, Any]:
        """Return what another process needs to go on: JSON values."""
        return {
            "kind": self.options.kind,
            "counters": self._counters.state(),
            "open": self._minutes.state(),
            "names": self._names.state(),
        }

    def resume(self, state: object) -> list[dict[str, Any]]:
        """Go on where another process stopped; return the row that it had open.

        What was done while nobody looked is a row of its own.

        Args:
            state: what ``state`` returned there; anything else changes nothing.
        """
        if not isinstance(state, dict) or state.get("kind") != self.options.kind:
            return []
        self._counters.resume(state.get("counters"))
        self._names.resume(state.get("names"))
        self._minutes.resume(state.get("open"))
        return self.close()

    def _tell(self, text: str) -> None:
        self._tell_of_all(f"{self.options.url}: {text}")

    def _fail(self, text: str) -> None:
        if self.failing is None:
            self._tell(text)
        self.failing = text

    def _rows(self, spans: Iterable[Span]) -> list[dict[str, Any]]:
        return [self._row(span, name, sums) for span in spans for name, sums in self._by_name(span.work).items()]

    def _by_name(self, work: Totals) -> dict[ModelName, dict[str, int]]:
        found: dict[ModelName, dict[str, int]] = {}
        for served, sums in work.items():
            name = self._names.of(served)
            if name is not None:
                into = found.setdefault(name, {})
                for column, count in sums.items():
                    into[column] = into.get(column, 0) + count
        return found

    def _row(self, span: Span, name: ModelName, sums: dict[str, int]) -> dict[str, Any]:
        counts: dict[str, int | None] = {column: sums.get(column) for column in QUANTITIES}
        return {
            "start_ms": span.start_ms,
            "end_ms": span.end_ms,
            "job_id": self.options.job_id,
            "service": self.options.service,
            "model": name.model,
            "model_version": name.model_version,
            **counts,
            "other_unit": self._kind.other_unit if counts["other_n"] is not None else None,
            "instance": self._instance,
        }


def _shown(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))
