"""What exact sums cost: ``exact_sum`` against decimals and against plain doubles in one run, in CPU seconds.

Run: python bench/exact_sum.py [millions of rows]
"""

from __future__ import annotations

import sys
import time

import duckdb

from warehouse.lake import MACROS

REPEATS = 5


def cpu_s(connection: duckdb.DuckDBPyConnection, sql: str) -> float:
    """Return the least CPU time of several runs of a query [s]."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        connection.execute(sql).fetchall()
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Print both times and their ratio, for one sum and for sums by 10,000 groups."""
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    connection = duckdb.connect()
    for macro in MACROS:
        connection.execute(macro)
    connection.execute(
        "create table reading as select hash(i) / 1e15 as energy_j, i // 1000 as segment "
        f"from range({int(millions * 1e6)}) as numbers (i)"
    )
    for what, tail in (("one sum", ""), ("by segment of 1,000", " group by segment")):
        plain = cpu_s(connection, f"select sum(energy_j) from reading{tail}")
        exact = cpu_s(connection, f"select exact_sum(energy_j) from reading{tail}")
        print(f"{what}: sum {plain:.3f} s, exact_sum {exact:.3f} s, ratio {exact / plain:.1f} ({millions:g} M rows)")


if __name__ == "__main__":
    main()
