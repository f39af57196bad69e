"""The general way: series of which the ledger promises nothing, interval by interval.

What belongs here: readings and their neighbours. What must not be here: the rule for one interval (``intervals``).
"""

from __future__ import annotations

import numpy as np

from warehouse.kernel.arrow import codes, numbers
from warehouse.kernel.grid import Places
from warehouse.kernel.hourreader import Piece
from warehouse.kernel.intervals import NONE, Intervals, Ints, judge
from warehouse.kernel.ledger import limits_of
from warehouse.kernel.rules import Rules
from warehouse.kernel.sums import Sums, ranges


def add_general(sums: Sums, piece: Piece, rules: Rules) -> None:
    """Add the intervals of the series of a piece that take the general way.

    Args:
        sums: what is added to.
        piece: whole series of the file.
        rules: the parameters.
    """
    ledger = piece.ledger
    which = piece.first + np.flatnonzero(ledger.general[piece.first : piece.last])
    if not len(which):
        return
    intervals = _intervals(piece, which, rules)
    series = intervals.series
    sums.spread(ledger.grid, ledger.host[series], ledger.shift[series], intervals, judge(intervals, rules))


def _intervals(piece: Piece, which: Places, rules: Rules) -> Intervals:
    ledger = piece.ledger
    names = ("ts_ms", "power_mw", "energy_mj", "session")
    piece.load(*names)
    row = ranges(ledger.row_offset[which] - ledger.row_offset[piece.first], ledger.rows_n[which])
    owner = np.repeat(which, ledger.rows_n[which])
    is_reading = (piece.ints("power_mw")[row] != NONE) | (piece.ints("energy_mj")[row] != NONE)
    row, owner = row[is_reading], owner[is_reading]
    is_pair = owner[1:] == owner[:-1]
    a, b, series = row[:-1][is_pair], row[1:][is_pair], owner[1:][is_pair]
    time, power, energy, session = (piece.ints(name) for name in names)
    modelled = numbers(piece.column("is_estimate")) == 1
    max_power_mw, max_gap_ms, range_mj = _limits(piece, series, b, rules)
    return Intervals(
        series=series,
        from_ms=time[a],
        to_ms=time[b],
        from_power_mw=power[a],
        to_power_mw=power[b],
        from_energy_mj=energy[a],
        to_energy_mj=energy[b],
        same_session=session[a] == session[b],
        is_estimate=modelled[a] | modelled[b],
        max_power_mw=max_power_mw,
        max_gap_ms=max_gap_ms,
        range_mj=range_mj,
    )


def _limits(piece: Piece, series: Places, row: Places, rules: Rules) -> tuple[Ints, Ints, Ints]:
    ledger = piece.ledger
    found = ledger.max_power_mw[series], ledger.max_gap_ms[series], ledger.range_mj[series]
    mixed = np.flatnonzero(ledger.is_mixed[series])
    if len(mixed):
        kind, kinds = codes(piece.column("kind"))
        source, sources = codes(piece.column("source"))
        by_kind = limits_of(kinds, rules.max_power_mw, of="max_power_mw")
        by_gap = limits_of(sources, rules.max_gap_ms, of="max_gap_ms")
        by_range = limits_of(sources, rules.counter_range_mj, of="counter_range_mj", missing=NONE)
        found[0][mixed] = by_kind[kind[row[mixed]]]
        found[1][mixed] = by_gap[source[row[mixed]]]
        found[2][mixed] = by_range[source[row[mixed]]]
    return found
