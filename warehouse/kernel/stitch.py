"""Intervals between two hour files: from the last reading of one to the first reading of a later one.

What belongs here: making segments of pairs of readings. What must not be here: files; which readings are neighbours is
for the caller to know.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from warehouse.kernel.arrow import codes, numbers, to_arrow
from warehouse.kernel.grid import Grid, Places
from warehouse.kernel.intervals import NONE, NOTHING, Intervals, Ints, judge
from warehouse.kernel.ledger import limits_of
from warehouse.kernel.rules import Rules
from warehouse.kernel.sums import Sums, ranges

_KEY = ("host", "device", "point")


def stitch_segments(pairs: pa.Table, start_ms: int, end_ms: int, cuts: Mapping[str, Ints], rules: Rules) -> pa.Table:
    """Integrate intervals between hour files, as far as they lie in a period.

    Args:
        pairs: host, device, point; from_ and to_ each with ts_ms, power_mw, energy_mj, session, is_estimate; to_kind
            and to_source. One row an interval; intervals of a series do not overlap.
        start_ms: start of the period, a full hour [epoch ms].
        end_ms: end of the period, a full hour [epoch ms].
        cuts: times at which energy is divided, by host, ascending [epoch ms]; slot edges are added.
        rules: the parameters.

    Returns:
        Segments (SEGMENT_SCHEMA) ordered by host, device, point and start. A reading counts only if it ends its
        interval after the start of the period and not after its end.

    Raises:
        KernelError: if a kind or source has no parameter in the rules.
    """
    from_ms, to_ms = numbers(pairs["from_ts_ms"]), numbers(pairs["to_ts_ms"])
    touching = np.flatnonzero((from_ms < to_ms) & (to_ms > start_ms) & (from_ms < end_ms))
    pairs = pairs.take(to_arrow(touching))
    order, number = _ordered(pairs)
    pairs, series = pairs.take(to_arrow(order)), number[order]
    intervals = _intervals(pairs, series, rules)
    verdict = judge(intervals, rules)
    host, hosts = codes(pairs["host"])
    grid = Grid(start_ms, end_ms, rules.slot_ms, hosts, cuts)
    first, last = grid.touched(host, np.maximum(intervals.from_ms, start_ms), np.minimum(intervals.to_ms, end_ms))
    # Only segments that an interval touches get a number, in the order of series and time.
    segments_n = np.where(verdict.rule == NOTHING, 0, last - first + 1)
    key = np.unique(np.repeat(series, segments_n) * len(grid.edges_ms) + ranges(first, segments_n))
    shift = np.searchsorted(key, series * len(grid.edges_ms) + first) - first
    sums = Sums(len(key))
    sums.spread(grid, host, shift, intervals, verdict)
    owner, edge = np.divmod(key, max(len(grid.edges_ms), 1))
    return sums.table(pairs, np.searchsorted(series, owner), grid.edges_ms[edge], grid.edges_ms[edge + 1])


def _ordered(pairs: pa.Table) -> tuple[Places, Places]:
    """Return the rows in the order of series and time, and the number of each row's series in that order."""
    number: Places = np.zeros(pairs.num_rows, np.intp)
    for name in _KEY:
        code, names = codes(pairs[name])
        # UTF-8 sorts like its bytes, as in the hour file.
        rank = np.argsort(np.argsort(np.array([text.encode() for text in names], dtype=object)))
        number = np.unique(number * (len(names) + 1) + rank[code], return_inverse=True)[1]
    return np.lexsort((numbers(pairs["from_ts_ms"]), number)), number


def _intervals(pairs: pa.Table, series: Places, rules: Rules) -> Intervals:
    kind, kinds = codes(pairs["to_kind"])
    source, sources = codes(pairs["to_source"])
    return Intervals(
        series=series,
        from_ms=numbers(pairs["from_ts_ms"]),
        to_ms=numbers(pairs["to_ts_ms"]),
        from_power_mw=numbers(pairs["from_power_mw"]),
        to_power_mw=numbers(pairs["to_power_mw"]),
        from_energy_mj=numbers(pairs["from_energy_mj"]),
        to_energy_mj=numbers(pairs["to_energy_mj"]),
        same_session=numbers(pairs["from_session"]) == numbers(pairs["to_session"]),
        is_estimate=(numbers(pairs["from_is_estimate"]) == 1) | (numbers(pairs["to_is_estimate"]) == 1),
        max_power_mw=limits_of(kinds, rules.max_power_mw, of="max_power_mw")[kind],
        max_gap_ms=limits_of(sources, rules.max_gap_ms, of="max_gap_ms")[source],
        range_mj=limits_of(sources, rules.counter_range_mj, of="counter_range_mj", missing=NONE)[source],
    )
