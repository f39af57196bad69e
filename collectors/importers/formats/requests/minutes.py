"""Requests by the minute.

What belongs here: sums of requests in whole minutes, and the edges of a log. What must not be here: files, fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .fields import Request, Who

MINUTE_MS = 60_000
WHOLE, CUT = "whole", "cut"
"""What becomes of the first and the last minute of a log."""


class RequestMinutes:
    """Sums of requests; the memory grows with the minutes, not with the requests.

    Attributes:
        untold_n: answered requests that do not tell their tokens, though others do: input, output.
        first_ms: the first request [epoch ms], ``None`` before it.
        last_ms: the last one [epoch ms].
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self._sums: dict[tuple[int, Who], list[int | None]] = {}
        self._is_told = [False, False]
        self._untold = [0, 0]
        self.first_ms: int | None = None
        self.last_ms: int | None = None

    @property
    def untold_n(self) -> tuple[int, int]:
        """See the class."""
        inputs, outputs = (count if told else 0 for told, count in zip(self._is_told, self._untold, strict=True))
        return inputs, outputs

    def add(self, request: Request) -> None:
        """Take a request."""
        sums = self._sums.setdefault((request.at_ms // MINUTE_MS, request.who), [0, None, None])
        sums[0] = (sums[0] or 0) + request.is_answered
        for place, count in enumerate((request.input_tokens_n, request.output_tokens_n)):
            if count is not None:
                sums[place + 1] = (sums[place + 1] or 0) + count
                self._is_told[place] = True
            elif request.is_answered:
                self._untold[place] += 1
        self.first_ms = request.at_ms if self.first_ms is None else min(self.first_ms, request.at_ms)
        self.last_ms = request.at_ms if self.last_ms is None else max(self.last_ms, request.at_ms)

    def rows(self, edges: str) -> Iterator[dict[str, Any]]:
        """Yield rows of ``work_counter`` in order of time.

        Args:
            edges: ``WHOLE`` or ``CUT``.
        """
        # None and text have no order, and the same log must give the same rows.
        order = sorted(self._sums, key=lambda key: (key[0], str(key[1])))
        for minute, who in order:
            requests_n, inputs_n, outputs_n = self._sums[minute, who]
            start_ms, end_ms = minute * MINUTE_MS, (minute + 1) * MINUTE_MS
            if edges == CUT and self.first_ms is not None and self.last_ms is not None:
                start_ms, end_ms = max(start_ms, self.first_ms), min(end_ms, self.last_ms + 1)
            yield {
                "start_ms": start_ms,
                "end_ms": end_ms,
                **who._asdict(),
                "requests_n": requests_n,
                "input_tokens_n": inputs_n,
                "output_tokens_n": outputs_n,
            }
