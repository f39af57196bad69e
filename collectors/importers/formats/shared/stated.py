"""Figures that another tool states, as rows of ``stated_figure``.

What belongs here: the one shape of such a row. What must not be here: what a tool's columns mean, or any arithmetic: a
stated figure lands as it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "unknown"
"""Version of a tool whose files do not tell it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What one source says about one thing over one interval.

    Attributes:
        source: who states it.
        method: by which method, in the source's words.
        subject_kind: kind of thing that it speaks of, one of the contract's.
        subject: the thing, unique in the source.
        start_ms: start of the interval [epoch ms].
        end_ms: its end [epoch ms].
        version: version of the tool or method.
        job_id: job that it speaks of, if it is one.
        provider: cloud provider.
        region: cloud region.
        labels: whatever else the source says about it.
    """

    source: str
    method: str
    subject_kind: str
    subject: str
    start_ms: int
    end_ms: int
    version: str = UNKNOWN
    job_id: str | None = None
    provider: str | None = None
    region: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def figure(
        self, quantity: str, value: float, unit: str, *, low: float | None = None, high: float | None = None
    ) -> dict[str, Any]:
        """Return one figure as a row.

        Args:
            quantity: what is stated, one of the contract's.
            value: the figure, in ``unit``.
            unit: its unit, for example ``kWh``.
            low: low bound that the source states, in ``unit``.
            high: high bound that the source states, in ``unit``.
        """
        return {
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "source": self.source,
            "method": self.method,
            "version": self.version,
            "subject_kind": self.subject_kind,
            "subject": self.subject,
            "quantity": quantity,
            "scope": None,
            "value": value,
            "low": low,
            "high": high,
            "unit": unit,
            "job_id": self.job_id,
            "provider": self.provider,
            "region": self.region,
            "service": None,
            "labels": sorted(self.labels.items()) or None,
        }
