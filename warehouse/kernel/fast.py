"""The fast ways: series in which every row is a reading of the same kind, by counter or by power.

What belongs here: finding the few intervals that need a look, and sums over all others by one subtraction. What must
not be here: the rule for one interval (``intervals``), series with holes (``general``).

By counter: the energy of the intervals that lie inside a segment is the last counter less the first. That holds where
each interval is a plausible rise of one session; one pass over the differences finds those that are not. By power: the
same with the sum of the trapezoids, which holds where no interval is too long for one. Intervals for which it does not
hold are taken out again and judged one by one, like those that a cut divides: a few for every series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from warehouse.kernel.grid import Places
from warehouse.kernel.hourreader import HourReader, Piece
from warehouse.kernel.intervals import COUNTER, NONE, Bools, Intervals, Ints, judge, limit_mj, may_bridge
from warehouse.kernel.ledger import Ledger
from warehouse.kernel.rules import Rules
from warehouse.kernel.sums import Sums, ranges

T = TypeVar("T")

_NO_ROWS: Places = np.empty(0, np.intp)


@dataclass(frozen=True, slots=True)
class Marks:
    """Where the cuts of each series fall among its rows; one entry a cut, series after series.

    A value is a counter [mJ] or a power [mW], by the way that the series takes. Where there is no row before or after a
    cut, the nearest row of the series stands for it.

    Attributes:
        after: first row of the file at or after the cut, among the rows of the series.
        before_ms: time of the row before that [epoch ms].
        after_ms: time of that row [epoch ms].
        before_value: value of the row before.
        after_value: value of that row.
        same_session: both are of one session.
        step_half_uj: trapezoid between the two [half microjoules]; by power only, else 0.
        sum_half_uj: trapezoids from that row to the same row of the next cut [half microjoules]; likewise.
    """

    after: Places
    before_ms: Ints
    after_ms: Ints
    before_value: Ints
    after_value: Ints
    same_session: Bools
    step_half_uj: Ints
    sum_half_uj: Ints


@dataclass(frozen=True, slots=True)
class Singles:
    """Intervals that are judged one by one: divided by a cut, or odd; one entry an interval.

    Attributes:
        row: row of the first reading in the file; the second reading is the next row.
        series: row of the series in the ledger.
        is_divided: a cut divides it; else a run contains it.
        from_ms: time of the first reading [epoch ms].
        to_ms: time of the second reading [epoch ms].
        from_value: counter [mJ] or power [mW] of the first reading, by the way that its series takes.
        to_value: the same of the second reading.
        same_session: both are of one session.
    """

    row: Places
    series: Places
    is_divided: Bools
    from_ms: Ints
    to_ms: Ints
    from_value: Ints
    to_value: Ints
    same_session: Bools


@dataclass(frozen=True, slots=True)
class Found:
    """What the series of a piece that take one of the fast ways say.

    Attributes:
        series: their rows in the ledger.
        marks: their cuts.
        odd: their intervals that are judged one by one also where no cut divides them; None if there are none.
    """

    series: Places
    marks: Marks
    odd: Singles | None


def read_fast(piece: Piece, rules: Rules) -> list[Found]:
    """Return what the series of a piece that take a fast way say, one entry for each way.

    Args:
        piece: whole series of the file.
        rules: the parameters.

    Raises:
        KernelError: if the piece is damaged.
    """
    span = slice(piece.first, piece.last)
    counter = piece.first + np.flatnonzero(piece.ledger.by_counter[span])
    power = piece.first + np.flatnonzero(piece.ledger.by_power[span])
    names = (["energy_mj"] if len(counter) else []) + (["power_mw"] if len(power) else [])
    piece.load(*(["ts_ms"] if names else []), *names)
    found = []
    if len(counter):
        value = piece.ints("energy_mj")
        odd = _singles(piece, _odd_rises(piece, counter, value, rules), value)
        found.append(Found(counter, _marks(piece, counter, value, None), odd))
    if len(power):
        value = piece.ints("power_mw")
        trapezoid, rows = _trapezoids(piece, power, value)
        found.append(Found(power, _marks(piece, power, value, trapezoid), _singles(piece, rows, value)))
    return found


def _odd_rises(piece: Piece, which: Places, energy_mj: Ints, rules: Rules) -> Places:
    """Return the rows that begin an interval which is no plausible rise of one session."""
    max_power_mw, time = piece.ledger.max_power_mw, piece.ints("ts_ms")
    odd = []
    limit = limit_mj(max_power_mw[which], np.ones(1, np.int64), rules.jitter_ms)
    if large := _large_rises(piece, which, energy_mj, limit):
        row = np.concatenate(large)
        limit = limit_mj(max_power_mw[piece.series_of(row)], time[row + 1] - time[row], rules.jitter_ms)
        rise = energy_mj[row + 1] - energy_mj[row]
        odd.append(row[(rise < 0) | (rise > limit)])
    for series in which[~piece.ledger.one_session[which]].tolist():
        begin, end = piece.rows_of(series)
        session = piece.ints("session")[begin:end]
        odd.append(begin + (session[1:] != session[:-1]).nonzero()[0])
    return np.concatenate(odd) if odd else _NO_ROWS


def _large_rises(piece: Piece, which: Places, energy_mj: Ints, limit: Ints) -> list[Places]:
    """Return the rows from which the counter falls, or rises by more than is plausible in a millisecond.

    No interval is shorter than that: all others are plausible without a look at the time.
    """
    limits = np.full(len(piece.starts), np.iinfo(np.uint64).max, np.uint64)
    limits[which - piece.first] = limit.view(np.uint64)
    rows = []
    for first, last in piece.blocks():
        starts, origin, end = piece.starts[first:last], int(piece.starts[first]), int(piece.ends[last - 1])
        steps = piece.scratch(0, end - origin)
        np.subtract(energy_mj[origin + 1 : end], energy_mj[origin : end - 1], out=steps[:-1])
        steps[piece.ends[first:last] - (origin + 1)] = 0
        # A fall is a very large rise without sign, so that one maximum finds both.
        rises = steps.view(np.uint64)
        largest = np.maximum.reduceat(rises, starts - origin)
        for number in (first + (largest > limits[first:last]).nonzero()[0]).tolist():
            begin = int(piece.starts[number])
            above = rises[begin - origin : piece.ends[number] - origin] > limits[number]
            rows.append(begin + above.nonzero()[0])
    return rows


def _trapezoids(piece: Piece, which: Places, power_mw: Ints) -> tuple[Ints, Places]:
    """Return the trapezoid from each row to the next [half microjoules], and the rows for which it is too long."""
    rows_n, time = len(power_mw), piece.ints("ts_ms")
    length, energy = piece.scratch(0, rows_n), piece.scratch(1, rows_n)
    np.subtract(time[1:], time[:-1], out=length[:-1])
    length[piece.ends - 1] = 0
    max_gap_ms = piece.ledger.max_gap_ms[which]
    longest = np.maximum.reduceat(length, piece.starts)[which - piece.first]
    odd = [_NO_ROWS]
    for number in np.flatnonzero(longest > max_gap_ms).tolist():
        begin, end = piece.rows_of(which[number])
        odd.append(begin + (~may_bridge(length[begin:end], max_gap_ms[number])).nonzero()[0])
    rows = np.concatenate(odd)
    np.add(power_mw[1:], power_mw[:-1], out=energy[:-1])
    energy[-1] = 0
    np.multiply(energy, length, out=energy)
    energy[rows] = 0
    return energy, rows


def _marks(piece: Piece, which: Places, value: Ints, trapezoid: Ints | None) -> Marks:
    time, ledger = piece.ints("ts_ms"), piece.ledger
    begin, end = piece.starts[which - piece.first], piece.ends[which - piece.first]
    spans = zip(begin.tolist(), end.tolist(), ledger.host[which].tolist(), strict=True)
    after = np.concatenate([time[a:b].searchsorted(ledger.edges[host]) for a, b, host in spans])
    counts = ledger.segments_n[which] + 1
    begin = np.repeat(begin, counts)
    after += begin
    at = np.minimum(after, np.repeat(end, counts) - 1)
    before = np.maximum(after - 1, begin)
    none = np.zeros(len(after), np.int64)
    session = piece.ints("session") if piece.has("session") else None
    return Marks(
        after=after + ledger.row_offset[piece.first],
        before_ms=time[before],
        after_ms=time[at],
        before_value=value[before],
        after_value=value[at],
        same_session=np.ones(len(at), np.bool_) if session is None else session[before] == session[at],
        step_half_uj=none if trapezoid is None else trapezoid[before],
        # The last row of a piece begins no interval: to sum up to it is to sum to the end.
        sum_half_uj=none if trapezoid is None else np.add.reduceat(trapezoid, np.minimum(after, len(time) - 1)),
    )


def _singles(piece: Piece, row: Places, value: Ints) -> Singles | None:
    if not len(row):
        return None
    time = piece.ints("ts_ms")
    session = piece.ints("session") if piece.has("session") else None
    return Singles(
        row=row + piece.ledger.row_offset[piece.first],
        series=piece.series_of(row),
        is_divided=np.zeros(len(row), np.bool_),
        from_ms=time[row],
        to_ms=time[row + 1],
        from_value=value[row],
        to_value=value[row + 1],
        same_session=np.ones(len(row), np.bool_) if session is None else session[row] == session[row + 1],
    )


def add_fast(sums: Sums, ledger: Ledger, reader: HourReader, found: Sequence[Found], rules: Rules) -> None:
    """Add what the series of a file that take a fast way say.

    Args:
        sums: what is added to.
        ledger: the series of the file.
        reader: the file, from which powers are read where a counter is no help.
        found: results of ``read_fast``.
        rules: the parameters.

    Raises:
        KernelError: if a series has readings outside its hour.
    """
    if not found:
        return
    which = np.concatenate([part.series for part in found])
    divided = _add_runs(sums, ledger, reader, which, _joined([part.marks for part in found]))
    singles = _distinct(_joined([divided, *(part.odd for part in found if part.odd)]))
    _take_out(sums, ledger, singles)
    intervals = _intervals(ledger, singles)
    verdict = judge(intervals, rules)
    is_short = may_bridge(intervals.to_ms - intervals.from_ms, intervals.max_gap_ms)
    lacks_power = np.flatnonzero((verdict.rule != COUNTER) & is_short & ledger.by_counter[singles.series])
    if len(lacks_power):
        row = singles.row[lacks_power]
        intervals.from_power_mw[lacks_power] = reader.values_at("power_mw", row)
        intervals.to_power_mw[lacks_power] = reader.values_at("power_mw", row + 1)
        verdict = judge(intervals, rules)
    host = ledger.host[intervals.series]
    sums.spread(ledger.grid, host, ledger.shift[intervals.series], intervals, verdict)


def _add_runs(sums: Sums, ledger: Ledger, reader: HourReader, which: Places, marks: Marks) -> Singles:
    """Add all intervals that lie between two cuts; return those that a cut divides."""
    segments_n = ledger.segments_n[which]
    first = np.cumsum(segments_n + 1) - segments_n - 1
    series = np.repeat(which, segments_n + 1)
    begin = ledger.row_offset[series]
    end = begin + ledger.rows_n[series]
    if (marks.after[first] != begin[first]).any() or (marks.after != end)[first + segments_n].any():
        reader.refuse("it has readings outside its hour")
    cut_ms = ledger.grid.edges_ms[ranges(ledger.grid.first_edge[ledger.host[which]], segments_n + 1)]
    is_between = (marks.after_ms != cut_ms) | (marks.after == end)
    is_divided = is_between & (marks.after > begin) & (marks.after < end)

    left = ranges(first, segments_n)  # the cut at which each segment begins
    intervals_n = (marks.after - is_between)[left + 1] - marks.after[left]
    kept = np.flatnonzero(intervals_n > 0)
    left = left[kept]
    right, by_power = left + 1, ledger.by_power[series[left]]
    last_ms = np.where(is_between, marks.before_ms, marks.after_ms)[right]
    last_value = np.where(is_between, marks.before_value, marks.after_value)[right]
    sums.add_runs(
        ranges(ledger.segment[which], segments_n)[kept],
        ledger.is_estimate[series[left]],
        np.where(by_power, 0, last_value - marks.after_value[left]),
        marks.sum_half_uj[left] - marks.step_half_uj[right] * is_divided[right],
        last_ms - marks.after_ms[left],
        intervals_n[kept],
    )
    at = np.flatnonzero(is_divided)
    return Singles(
        row=marks.after[at] - 1,
        series=series[at],
        is_divided=np.ones(len(at), np.bool_),
        from_ms=marks.before_ms[at],
        to_ms=marks.after_ms[at],
        from_value=marks.before_value[at],
        to_value=marks.after_value[at],
        same_session=marks.same_session[at],
    )


def _take_out(sums: Sums, ledger: Ledger, singles: Singles) -> None:
    """Take what is judged by itself out of the runs that contain it."""
    which = np.flatnonzero(~singles.is_divided)
    series, from_ms, to_ms = singles.series[which], singles.from_ms[which], singles.to_ms[which]
    place, _ = ledger.grid.touched(ledger.host[series], from_ms, to_ms)
    none = np.zeros(len(which), np.int64)
    # An interval too long for a trapezoid was added as zero.
    counter = np.where(ledger.by_power[series], 0, singles.from_value[which] - singles.to_value[which])
    segment = place + ledger.shift[series]
    sums.add_whole(segment, ledger.is_estimate[series], counter, none, from_ms - to_ms, none - 1)


def _intervals(ledger: Ledger, singles: Singles) -> Intervals:
    """Return the intervals, without the powers of series that go by counter."""
    series = singles.series
    by_power = ledger.by_power[series]
    return Intervals(
        series=series,
        from_ms=singles.from_ms,
        to_ms=singles.to_ms,
        from_power_mw=np.where(by_power, singles.from_value, NONE),
        to_power_mw=np.where(by_power, singles.to_value, NONE),
        from_energy_mj=np.where(by_power, NONE, singles.from_value),
        to_energy_mj=np.where(by_power, NONE, singles.to_value),
        same_session=singles.same_session,
        is_estimate=ledger.is_estimate[series],
        max_power_mw=ledger.max_power_mw[series],
        max_gap_ms=ledger.max_gap_ms[series],
        range_mj=ledger.range_mj[series],
    )


def _distinct(singles: Singles) -> Singles:
    """Return each interval once, in the order of the file; one that is odd and divided is divided."""
    order = np.lexsort((~singles.is_divided, singles.row))
    order = order[np.diff(singles.row[order], prepend=-1) > 0]
    return Singles(**{field.name: getattr(singles, field.name)[order] for field in fields(singles)})


def _joined(parts: Sequence[T]) -> T:
    """Return the arrays of several parts one after another."""
    names = [field.name for field in fields(parts[0])]  # type: ignore[arg-type]
    return type(parts[0])(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
