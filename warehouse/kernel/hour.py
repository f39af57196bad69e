"""From an hour file to segments: the intervals inside the hour.

What belongs here: which rows form intervals, and the fast ways for series without surprises. What must not be here: the
rule for one interval (``intervals``), intervals between two hours (``stitch``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from warehouse.kernel.fast import add_fast, read_fast
from warehouse.kernel.general import add_general
from warehouse.kernel.hourreader import HourReader
from warehouse.kernel.intervals import Ints
from warehouse.kernel.ledger import Ledger
from warehouse.kernel.rules import Rules
from warehouse.kernel.sums import Sums, ranges


def hour_segments(path: Path, series: pa.Table, hour_ms: int, cuts: Mapping[str, Ints], rules: Rules) -> pa.Table:
    """Integrate the intervals between neighbouring readings of one hour file.

    Args:
        path: the hour file (HOUR_SCHEMA).
        series: its ledger (SERIES_SCHEMA), in file order.
        hour_ms: start of the hour [epoch ms].
        cuts: times at which energy is divided, by host, ascending [epoch ms]; slot edges are added, and those outside
            the hour do not count.
        rules: the parameters.

    Returns:
        Segments (SEGMENT_SCHEMA) in the order of the series, then of time.

    Raises:
        KernelError: if the file is missing, damaged or not what the ledger states.
    """
    ledger = Ledger(series, hour_ms, cuts, rules)
    sums = Sums(int(ledger.segments_n.sum()))
    with HourReader(path, ledger) as reader:
        found = []
        for piece in reader.pieces():
            found += read_fast(piece, rules)
            add_general(sums, piece, rules)
        add_fast(sums, ledger, reader, found, rules)
    edge = ranges(ledger.grid.first_edge[ledger.host], ledger.segments_n)
    owner = np.repeat(np.arange(len(ledger.host)), ledger.segments_n)
    return sums.table(series, owner, ledger.grid.edges_ms[edge], ledger.grid.edges_ms[edge + 1])
