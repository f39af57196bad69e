"""The kernel against its twin: the same rule in SQL, interval by interval, and a comparison of segments.

What belongs here: running the twin, naming differences. What must not be here: the kernel itself; it is not imported,
so that the two stay independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from warehouse.hourfile import SEGMENT_SCHEMA
from warehouse.kernel.rules import Rules
from warehouse.sqlfiles import sql_text

TOLERANCE = 1e-9
# Differences below a microjoule, relative to the tolerance, mean nothing.
SMALLEST_J = 1e-6

_KEY = ("host", "device", "point", "start_ms")
_ENERGY = ("energy_j", "estimated_j", "counter_j")
_EXACT = ("end_ms", "measured_ms", "gap_ms", "estimated_ms", "samples_n", "flags")


@dataclass(frozen=True, slots=True)
class Difference:
    """One value of one segment that two tables do not agree on.

    Attributes:
        host: host of the segment.
        device: device of the segment.
        point: point of the segment.
        start_ms: start of the segment [epoch ms].
        column: the column, or ``segment`` if only one table has the segment.
        left: value in the left table, or None.
        right: value in the right table, or None.
    """

    host: str
    device: str
    point: str
    start_ms: int
    column: str
    left: float | None
    right: float | None


def compare(left: pa.Table, right: pa.Table, tolerance: float = TOLERANCE) -> list[Difference]:
    """Name every difference between two tables of segments.

    Args:
        left: segments (SEGMENT_SCHEMA), each once.
        right: segments (SEGMENT_SCHEMA), each once.
        tolerance: largest difference of energies, as a fraction of the larger one, or of a microjoule if that is
            larger; times, counts and flags must be equal.

    Returns:
        Differences in the order of host, device, point and start.

    Raises:
        ValueError: if a table holds a segment twice.
    """
    sides = [_indexed(table) for table in (left, right)]
    found = [
        Difference(*key, "segment", *(float(key in side) or None for side in sides))
        for key in sides[0].keys() ^ sides[1].keys()
    ]
    shared = sorted(sides[0].keys() & sides[1].keys())
    rows = [np.array([side[key] for key in shared], np.intp) for side in sides]
    for name in (*_ENERGY, *_EXACT):
        a, b = (table[name].to_numpy()[row] for table, row in zip((left, right), rows, strict=True))
        allowed = tolerance * np.maximum(np.maximum(np.abs(a), np.abs(b)), SMALLEST_J) if name in _ENERGY else 0
        # Written so that a value that is no number is a difference.
        wrong = np.flatnonzero(~(np.abs(a - b) <= allowed))
        found += [Difference(*shared[at], name, float(a[at]), float(b[at])) for at in wrong]
    return sorted(found, key=lambda item: (item.host, item.device, item.point, item.start_ms, item.column))


def _indexed(table: pa.Table) -> dict[tuple[str, str, str, int], int]:
    keys = zip(*(table[name].to_pylist() for name in _KEY), strict=True)
    places = {key: row for row, key in enumerate(keys)}
    if len(places) != table.num_rows:
        msg = f"{table.num_rows - len(places)} segments are given twice"
        raise ValueError(msg)
    return places


def sql_segments(connection: duckdb.DuckDBPyConnection, rules: Rules, start_ms: int, end_ms: int) -> pa.Table:
    """Integrate the readings of a period by the twin in SQL.

    Args:
        connection: holds the relations ``reading`` (columns of the landing table power_sample; every row of the series
            in the period and a reach around it) and ``job_cut`` (host, cut_ms), and the macro ``exact_sum`` of
            ``warehouse.lake``. The tables of the rules are made here.
        rules: the parameters.
        start_ms: start of the period, a full hour [epoch ms].
        end_ms: end of the period, a full hour [epoch ms].

    Returns:
        Segments (SEGMENT_SCHEMA) ordered by host, device, point and start.
    """
    sources = sorted(rules.max_gap_ms)
    source_rule = pa.table(
        {
            "source": pa.array(sources, pa.string()),
            "max_gap_ms": pa.array([rules.max_gap_ms[source] for source in sources], pa.int64()),
            "counter_range_mj": pa.array([rules.counter_range_mj.get(source) for source in sources], pa.int64()),
        }
    )
    kind_rule = pa.table(
        {
            "kind": pa.array(list(rules.max_power_mw), pa.string()),
            "max_power_mw": pa.array(list(rules.max_power_mw.values()), pa.int64()),
        }
    )
    for name, rows in (("source_rule", source_rule), ("kind_rule", kind_rule)):
        connection.register("rule_rows", rows)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM rule_rows")
        connection.unregister("rule_rows")
    values = {
        "start_ms": start_ms,
        "end_ms": end_ms,
        "slot_ms": rules.slot_ms,
        "reach_ms": rules.reach_ms,
        "absent_ms": rules.absent_ms,
        "jitter_ms": rules.jitter_ms,
    }
    return connection.execute(sql_text("check", "energy_segment"), values).to_arrow_table().cast(SEGMENT_SCHEMA)
