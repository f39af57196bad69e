"""The ledger of an hour file, as columns: which series take which way through the kernel, and by which limits.

What belongs here: what is known of a series without opening its file. What must not be here: readings.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from warehouse.kernel.arrow import codes, numbers, to_arrow
from warehouse.kernel.grid import Grid, Places
from warehouse.kernel.intervals import NONE, Bools, Ints
from warehouse.kernel.rules import MS_PER_HOUR, KernelError, Rules


def limits_of(names: list[str], values: Mapping[str, int], *, of: str, missing: int | None = None) -> Ints:
    """Return the parameter of each kind or source.

    Args:
        names: kinds or sources.
        values: parameter by name.
        of: which parameter, for the message.
        missing: what stands for a name without a parameter; by default there must be none.

    Raises:
        KernelError: if a name has no parameter.
    """
    if missing is None and (unknown := sorted(set(names) - set(values))):
        msg = f"the rules state no {of} for {', '.join(unknown)}; add it to the rules"
        raise KernelError(msg)
    return np.array([values.get(name, missing) for name in names], np.int64)


class Ledger:
    """The series of one hour file; arrays have one entry a series, in the order of the file.

    A series of one kind and source in which every row is a reading, and all or none is estimated, takes a fast way: by
    its counter if every reading has one, by its power if every reading has only that. All others take the general way.

    Attributes:
        names: the table itself (host, device, point).
        grid: the cuts of the hour.
        edges: the cuts of each host [epoch ms].
        host: number of the host in the grid.
        row_offset: first row in the file.
        rows_n: rows.
        by_counter: takes the fast way by counter.
        by_power: takes the fast way by power.
        general: takes the general way.
        one_session: all readings are of one session.
        is_mixed: kind and source must be read for each row.
        is_estimate: the readings are modelled; holds for the fast ways.
        max_power_mw: largest plausible power [mW].
        max_gap_ms: longest interval for a trapezoid [ms].
        range_mj: largest value of the counter [mJ], or NONE.
        segment: number of its first segment.
        segments_n: number of its segments.
        shift: what to add to a place in the grid's cuts for the number of the segment that begins there.
    """

    def __init__(self, series: pa.Table, hour_ms: int, cuts: Mapping[str, Ints], rules: Rules) -> None:
        """Plan the work.

        Args:
            series: ledger of the file (SERIES_SCHEMA), in file order.
            hour_ms: start of the hour [epoch ms].
            cuts: cuts by host [epoch ms].
            rules: the parameters.
        """
        self.names = series
        self.host, hosts = codes(series["host"])
        self.grid = Grid(hour_ms, hour_ms + MS_PER_HOUR, rules.slot_ms, hosts, cuts)
        self.edges = [self.grid.edges_of(host) for host in range(len(hosts))]
        self.row_offset, self.rows_n = numbers(series["row_offset"]), numbers(series["rows_n"])
        self.is_mixed: Bools = numbers(series["is_mixed"]) == 1
        self.one_session: Bools = numbers(series["sessions_n"]) <= 1
        self._choose(series, rules)
        self._limit(series, rules)
        self.segments_n = self.grid.segments_n()[self.host]
        self.segment: Places = np.cumsum(self.segments_n) - self.segments_n
        self.shift: Places = self.segment - self.grid.first_edge[self.host]

    def _choose(self, series: pa.Table, rules: Rules) -> None:
        readings_n, counter_n = numbers(series["readings_n"]), numbers(series["counter_n"])
        estimated_n = numbers(series["estimated_n"])
        self.is_estimate: Bools = estimated_n == self.rows_n
        is_usable = readings_n >= 2
        is_even = ~self.is_mixed & (self.is_estimate | (estimated_n == 0))
        self.by_counter: Bools = is_usable & is_even & (counter_n == self.rows_n) & (rules.reach_ms >= MS_PER_HOUR)
        self.by_power: Bools = is_usable & is_even & (counter_n == 0) & (readings_n == self.rows_n)
        self.general: Bools = is_usable & ~self.by_counter & ~self.by_power

    def _limit(self, series: pa.Table, rules: Rules) -> None:
        used = np.flatnonzero(self.by_counter | self.by_power | (self.general & ~self.is_mixed))
        shape = len(self.rows_n)
        self.max_power_mw, self.max_gap_ms = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self.range_mj = np.full(shape, NONE, np.int64)
        rows = to_arrow(used)
        kind, kinds = codes(series["kind"].take(rows))
        source, sources = codes(series["source"].take(rows))
        self.max_power_mw[used] = limits_of(kinds, rules.max_power_mw, of="max_power_mw")[kind]
        self.max_gap_ms[used] = limits_of(sources, rules.max_gap_ms, of="max_gap_ms")[source]
        self.range_mj[used] = limits_of(sources, rules.counter_range_mj, of="counter_range_mj", missing=NONE)[source]
