"""The sums: energy, covered time and readings of every segment, and how an interval is divided among segments.

What belongs here: adding whole intervals and pieces of cut ones. What must not be here: the rule (``intervals``),
files.

Whole intervals are added as integers, so that their sum is exact in any order; only pieces of cut intervals, at most
two for each segment and flagged interval, are floating point. All terms are positive: nothing cancels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from warehouse.hourfile import SEGMENT_SCHEMA
from warehouse.kernel.arrow import to_arrow
from warehouse.kernel.grid import Grid, Places
from warehouse.kernel.intervals import COUNTER, GAP, NOTHING, TRAPEZOID, Bools, Intervals, Ints, Verdict

Floats = npt.NDArray[np.float64]

MJ_PER_J = 1e3
HALF_UJ_PER_J = 2e6


def counter_piece_j(counter_mj: Ints, length_ms: Ints, x_ms: Ints, y_ms: Ints) -> Floats:
    """Return the energy of parts of counter intervals [J]: pro rata in time.

    Args:
        counter_mj: energy of the whole interval [mJ].
        length_ms: length of the interval [ms].
        x_ms: start of the part, from the start of the interval [ms].
        y_ms: end of the part, from the start of the interval [ms].
    """
    return counter_mj * ((y_ms - x_ms) / length_ms) / MJ_PER_J


def trapezoid_piece_j(from_mw: Ints, to_mw: Ints, length_ms: Ints, x_ms: Ints, y_ms: Ints) -> Floats:
    """Return the energy of parts of trapezoid intervals [J]: under the straight line between the two powers.

    Args:
        from_mw: power at the start of the interval [mW].
        to_mw: power at its end [mW].
        length_ms: length of the interval [ms].
        x_ms: start of the part, from the start of the interval [ms].
        y_ms: end of the part, from the start of the interval [ms].
    """
    weight = (x_ms + y_ms) / (2 * length_ms)  # place of the middle of the part in the interval
    rest = (2 * length_ms - x_ms - y_ms) / (2 * length_ms)
    return (from_mw * rest + to_mw * weight) * (y_ms - x_ms) * (2 / HALF_UJ_PER_J)


class Sums:
    """Sums of numbered segments.

    Estimated and measured parts are kept apart: entry ``n + segment`` of an array of ``2 n`` is the estimated part.
    """

    def __init__(self, segments_n: int) -> None:
        """Begin with nothing in each of the segments."""
        self.segments_n = segments_n
        self._counter_mj = np.zeros(2 * segments_n, np.int64)
        self._power_half_uj = np.zeros(2 * segments_n, np.int64)
        self._measured_ms = np.zeros(2 * segments_n, np.int64)
        self._counter_piece_j = np.zeros(2 * segments_n)
        self._power_piece_j = np.zeros(2 * segments_n)
        self._gap_ms = np.zeros(segments_n, np.int64)
        self._samples_n = np.zeros(segments_n, np.int64)
        self._flags = np.zeros(segments_n, np.int16)

    def add_runs(
        self, segment: Places, is_estimate: Bools, counter_mj: Ints, power_half_uj: Ints, measured_ms: Ints, n: Ints
    ) -> None:
        """Add runs of whole intervals, at most one for each segment.

        Args:
            segment: number of the segment; none comes twice.
            is_estimate: the energy is estimated.
            counter_mj: energy by counter [mJ].
            power_half_uj: energy by trapezoid [half microjoules].
            measured_ms: covered time [ms].
            n: number of readings that end them.
        """
        place = segment + self.segments_n * is_estimate
        self._counter_mj[place] += counter_mj
        self._power_half_uj[place] += power_half_uj
        self._measured_ms[place] += measured_ms
        self._samples_n[segment] += n

    def add_whole(
        self, segment: Places, is_estimate: Bools, counter_mj: Ints, power_half_uj: Ints, measured_ms: Ints, n: Ints
    ) -> None:
        """Add whole intervals that lie inside a segment, any number for each; negative numbers take them out again.

        Args: as of ``add_runs``.
        """
        place = segment + self.segments_n * is_estimate
        np.add.at(self._counter_mj, place, counter_mj)
        np.add.at(self._power_half_uj, place, power_half_uj)
        np.add.at(self._measured_ms, place, measured_ms)
        np.add.at(self._samples_n, segment, n)

    def spread(self, grid: Grid, host: Places, shift: Places, intervals: Intervals, verdict: Verdict) -> None:
        """Divide intervals among the segments that they overlap.

        Args:
            grid: the cuts.
            host: number of each interval's host in the grid.
            shift: what to add to a place in the grid for the number of the series' segment, for each interval.
            intervals: the intervals.
            verdict: what the rule says about them.
        """
        low = np.maximum(intervals.from_ms, grid.start_ms)
        high = np.minimum(intervals.to_ms, grid.end_ms)
        kept = np.flatnonzero((verdict.rule != NOTHING) & (low < high))
        first, last = grid.touched(host[kept], low[kept], high[kept])
        whole = (first == last) & (low[kept] == intervals.from_ms[kept]) & (high[kept] == intervals.to_ms[kept])
        self._spread_whole(kept[whole], first[whole] + shift[kept[whole]], intervals, verdict)
        cut = kept[~whole]
        pieces_n = (last - first + 1)[~whole]
        edge = ranges(first[~whole], pieces_n)
        owner = np.repeat(cut, pieces_n)
        x_ms = np.maximum(low[owner], grid.edges_ms[edge])
        y_ms = np.minimum(high[owner], grid.edges_ms[edge + 1])
        self._spread_pieces(owner, edge + shift[owner], x_ms, y_ms, intervals, verdict)

    def _spread_whole(self, which: Places, segment: Places, intervals: Intervals, verdict: Verdict) -> None:
        length = (intervals.to_ms - intervals.from_ms)[which]
        rule = verdict.rule[which]
        power = np.where(rule == TRAPEZOID, (intervals.from_power_mw[which] + intervals.to_power_mw[which]) * length, 0)
        measured = np.where(rule == GAP, 0, length)
        one = np.ones(len(which), np.int64)
        self.add_whole(segment, intervals.is_estimate[which], verdict.counter_mj[which], power, measured, one)
        np.add.at(self._gap_ms, segment, length - measured)
        self._add_flags(segment, verdict.flags[which])

    def _spread_pieces(
        self, owner: Places, segment: Places, x_ms: Ints, y_ms: Ints, intervals: Intervals, verdict: Verdict
    ) -> None:
        place = segment + self.segments_n * intervals.is_estimate[owner]
        begin = intervals.from_ms[owner]
        length = intervals.to_ms[owner] - begin
        rule = verdict.rule[owner]
        x, y, n = x_ms - begin, y_ms - begin, self.segments_n
        if len(by := np.flatnonzero(rule == COUNTER)):
            energy = counter_piece_j(verdict.counter_mj[owner[by]], length[by], x[by], y[by])
            self._counter_piece_j += np.bincount(place[by], energy, 2 * n)
        if len(by := np.flatnonzero(rule == TRAPEZOID)):
            powers = intervals.from_power_mw[owner[by]], intervals.to_power_mw[owner[by]]
            self._power_piece_j += np.bincount(place[by], trapezoid_piece_j(*powers, length[by], x[by], y[by]), 2 * n)
        # Times as floating point are exact far beyond any period.
        covered = np.bincount(place, y - x, 2 * n)
        if len(by := np.flatnonzero(rule == GAP)):
            gap = np.bincount(segment[by], (y - x)[by], n)
            self._gap_ms += gap.astype(np.int64)
            covered -= np.bincount(place[by], (y - x)[by], 2 * n)
        self._measured_ms += covered.astype(np.int64)
        self._samples_n += np.bincount(segment[y == length], minlength=n)
        self._add_flags(segment, verdict.flags[owner])

    def _add_flags(self, segment: Places, flags: npt.NDArray[np.int16]) -> None:
        flagged = np.flatnonzero(flags)
        np.bitwise_or.at(self._flags, segment[flagged], flags[flagged])

    def table(self, names: pa.Table, series: Places, start_ms: Ints, end_ms: Ints) -> pa.Table:
        """Return the segments that an interval overlaps, in the order of their numbers, as a SEGMENT_SCHEMA table.

        Args:
            names: host, device and point of every series.
            series: row of ``names`` for every segment.
            start_ms: start of every segment [epoch ms].
            end_ms: end of every segment [epoch ms].
        """
        n = self.segments_n
        counter_j = self._counter_mj / MJ_PER_J + self._counter_piece_j
        total_j = counter_j + (self._power_half_uj / HALF_UJ_PER_J + self._power_piece_j)
        measured = self._measured_ms[:n] + self._measured_ms[n:]
        kept = np.flatnonzero(measured + self._gap_ms)
        who = names.select(["host", "device", "point"]).take(to_arrow(series[kept]))
        columns = {
            "start_ms": start_ms[kept],
            "end_ms": end_ms[kept],
            "energy_j": (total_j[:n] + total_j[n:])[kept],
            "measured_ms": measured[kept],
            "gap_ms": self._gap_ms[kept],
            "estimated_ms": self._measured_ms[n:][kept],
            "estimated_j": total_j[n:][kept],
            "counter_j": (counter_j[:n] + counter_j[n:])[kept],
            "samples_n": self._samples_n[kept].astype(np.int32),
            "flags": self._flags[kept],
        }
        arrays = [*who.columns, *(to_arrow(values) for values in columns.values())]
        return pa.Table.from_arrays(arrays, schema=SEGMENT_SCHEMA)


def ranges(starts: Places, counts: Places) -> Places:
    """Return ``start, start + 1, ...`` of each range, one after another.

    Args:
        starts: first number of each range.
        counts: length of each range.
    """
    before = np.cumsum(counts) - counts
    found: Places = np.arange(counts.sum(), dtype=np.intp) + np.repeat(starts - before, counts)
    return found
