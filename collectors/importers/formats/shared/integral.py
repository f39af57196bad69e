"""Energy of power readings over an interval, for the figures that importers report.

What belongs here: the trapezoid over readings of one device. What must not be here: which readings count, or any
format. The ledger's own energy comes from the sample kernel of the warehouse, never from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

GAP_LIMIT_MS = 30_000
"""Longest distance of two readings that is bridged [ms]; the publishers' own evaluations of these logs bridge 30 s."""
UJ_PER_J = 1_000_000


class Integral(NamedTuple):
    """Energy of one device over an interval.

    Attributes:
        energy_j: energy over what the readings cover [J].
        covered_ms: how much of the interval they cover [ms].
    """

    energy_j: float
    covered_ms: int


def integrate(
    readings: Iterable[tuple[int, int]], start_ms: int, end_ms: int, gap_limit_ms: int = GAP_LIMIT_MS
) -> Integral:
    """Return the energy over an interval: linear between readings and at its edges, nothing beyond the readings.

    Args:
        readings: time [epoch ms] and power [mW], in order of time, each time once.
        start_ms: start of the interval [epoch ms].
        end_ms: its end [epoch ms].
        gap_limit_ms: readings farther apart are not connected [ms].

    Returns:
        Energy and the time that is covered.
    """
    doubled_uj = covered_ms = 0  # whole numbers: mW times ms is uJ, so that nothing is rounded between the edges
    edges_uj = 0.0
    for (before_ms, before_mw), (after_ms, after_mw) in pairwise(readings):
        length_ms = after_ms - before_ms
        if length_ms > gap_limit_ms or after_ms <= start_ms or before_ms >= end_ms:
            continue
        if before_ms >= start_ms and after_ms <= end_ms:
            doubled_uj += (before_mw + after_mw) * length_ms
            covered_ms += length_ms
            continue
        first_ms, last_ms = max(before_ms, start_ms), min(after_ms, end_ms)
        slope = (after_mw - before_mw) / length_ms
        middle_mw = before_mw + slope * ((first_ms + last_ms) / 2 - before_ms)
        edges_uj += middle_mw * (last_ms - first_ms)
        covered_ms += last_ms - first_ms
    return Integral((doubled_uj / 2 + edges_uj) / UJ_PER_J, covered_ms)
