"""The sample kernel against other ways to the same result: pandas, a DuckDB window, and others where installed.

What belongs here: these pieces of work, the check that they give the same, the ratios. What must not be here: bare
scans (``kernel``).

Run: python -m bench.rivals [full]
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import data
from bench.kernel import SIZES, lean_rules, rules_of
from bench.measure import Cost, Meter, UnfinishedError, WorkError, measure
from bench.tables import COST_HEADER, Section, Table, cost_row, number
from warehouse.hourfile import MS_PER_HOUR

TOLERANCE = 1e-9
SMALLEST_J = 1e-6
LIMIT_S = 300.0
"""Wall time that a rival may take for a piece of work that takes the kernel seconds [s]."""
LEAN = Path(__file__).with_name("lean_window.sql")
# ---- pieces of work ----


def duckdb_lean(meter: Meter, hours_n: int, rules: dict[str, Any], out: str) -> dict[str, Any]:
    """Sum energy by device and slot with a window over the partition of a series."""
    import duckdb

    found = data.load("unwrapped", hours_n)
    data.warm(found.paths)
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET preserve_insertion_order = false")
        _view_readings(connection, found.paths)
        connection.execute(f"SET temp_directory = '{spill}'")
        with meter:
            table = connection.execute(LEAN.read_text(encoding="utf-8"), lean_rules(rules)).to_arrow_table()
    _keep(table, out)
    return {"segments_n": table.num_rows}


def duckdb_careful(meter: Meter, hours_n: int, rules: dict[str, Any], out: str) -> dict[str, Any]:
    """Make the segments by the twin of the kernel in SQL: exact, with cuts at jobs, flags and estimates."""
    import duckdb
    import pyarrow as pa

    from warehouse.kernel import Rules
    from warehouse.kernel.check import sql_segments
    from warehouse.lake import MACROS

    found = data.load("unwrapped", hours_n)
    data.warm(found.paths)
    rows = [(host, cut) for host, cuts in found.cuts.items() for cut in cuts]
    with tempfile.TemporaryDirectory() as spill, duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"SET temp_directory = '{spill}'")
        for macro in MACROS:
            connection.execute(macro)
        cuts = pa.table({"host": [host for host, _ in rows], "cut_ms": [cut for _, cut in rows]})
        connection.register("job_cut", cuts)
        _view_readings(connection, found.paths)
        end_ms = data.FIRST_MS + hours_n * MS_PER_HOUR
        with meter:
            table = sql_segments(connection, Rules(**rules), data.FIRST_MS, end_ms)
    _keep(table, out)
    return {"segments_n": table.num_rows}


def _view_readings(connection: Any, paths: list[str]) -> None:  # noqa: ANN401
    listed = ", ".join(f"'{path}'" for path in paths)
    connection.execute(f"CREATE TEMP VIEW reading AS FROM read_parquet([{listed}])")


def _keep(table: Any, out: str) -> None:  # noqa: ANN401
    import pyarrow.parquet as pq

    pq.write_table(table, out)


# ---- the check: everybody found the same ----

_OURS = """
CREATE TEMP TABLE ours AS
SELECT host, device, point, {start} AS start_ms, sum(energy_j) AS energy_j, sum(measured_ms) AS measured_ms,
    sum(gap_ms) AS gap_ms
FROM kernel GROUP BY ALL
"""
_WORST = """
SELECT count(*), max(abs(ours.energy_j - theirs.energy_j) / greatest(abs(ours.energy_j), {smallest})),
    count(*) FILTER (ours.energy_j IS NULL OR theirs.energy_j IS NULL)
FROM ours FULL JOIN read_parquet($theirs) AS theirs
USING (host, device, point, start_ms)
WHERE ours.energy_j <> 0 OR theirs.energy_j <> 0
"""


def difference(ours: str, theirs: str, slot_ms: int | None = None) -> float:
    """Return the greatest relative difference of energy in a segment.

    Args:
        ours: segments of the kernel, an Arrow file.
        theirs: segments of the rival, a Parquet file.
        slot_ms: length of the slots, if the rival has slots in place of segments [ms].

    Raises:
        ValueError: if one of them has energy in a segment that the other does not have, or they differ by more than
            ``TOLERANCE``.
    """
    import duckdb
    import pyarrow as pa

    with pa.OSFile(ours) as file, duckdb.connect() as connection:
        connection.register("kernel", pa.ipc.open_file(file).read_all())
        start = f"start_ms // {slot_ms} * {slot_ms}" if slot_ms else "start_ms"
        connection.execute(_OURS.format(start=start))
        rows = connection.execute(_WORST.format(smallest=SMALLEST_J), {"theirs": theirs}).fetchall()
    compared, worst, alone = rows[0]
    if alone or not compared or worst > TOLERANCE:
        msg = f"{theirs}: {compared} segments, {alone} of them on one side only, worst difference {worst}"
        raise ValueError(msg)
    return float(worst)


# ---- the comparison ----


def run(full: bool) -> Section:
    """Compare at 10M rows, and in the long form at 86M."""
    data.ensure(data.HOURS_DAY)
    section = Section("rivals", "Samples to segments against other ways to do it")
    section.notes += [
        "pandas: vectorised groupby, shift and merge_asof, exact in cuts at slots and jobs (`bench/rival_pandas.py`).",
        "DuckDB window, careful: the independent twin of the kernel in SQL, with exact sums"
        " (`warehouse/sql/check/energy_segment.sql`).",
        "DuckDB window, lean: intervals and slots alone, without cuts at jobs: it does less than the kernel.",
        f"Every result is held against that of the kernel: no segment differs by more than {TOLERANCE:g} of its"
        " energy.",
    ]
    compare(section, data.HOURS_SMALL, ("pandas", "DuckDB window, careful", "DuckDB window, lean"))
    if full:
        compare(section, data.HOURS_DAY, ("DuckDB window, lean",))
        compare(section, data.HOURS_DAY, tuple(_others(section)))
    return section


WAYS: dict[str, tuple[str, bool]] = {
    "pandas": ("bench.rival_pandas:segments", False),
    "DuckDB window, careful": ("bench.rivals:duckdb_careful", False),
    "DuckDB window, lean": ("bench.rivals:duckdb_lean", True),
    "polars": ("bench.rival_others:polars_lean", True),
    "ClickHouse (chdb)": ("bench.rival_others:clickhouse_lean", True),
}
OTHERS = {"polars": "polars", "ClickHouse (chdb)": "chdb"}


def _others(section: Section) -> list[str]:
    present = [name for name, module in OTHERS.items() if importlib.util.find_spec(module)]
    section.notes += [f"{name}: not installed." for name in OTHERS if name not in present]
    return present


def compare(section: Section, hours_n: int, names: tuple[str, ...], repeats: int = 1) -> None:
    """Measure some ways at one size, and add a table and the figures to a section.

    Args:
        section: what to add to.
        hours_n: hours of data.
        names: names of ``WAYS``.
        repeats: how often each is done.
    """
    if not names:
        return
    rules = rules_of("unwrapped")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ours = str(Path(folder) / "ours.arrow")
        where: dict[str, Any] = {"hours_n": hours_n, "rules": rules}
        kernel = measure("bench.kernel:segments", max(repeats, 2), fleet="unwrapped", processes=None, out=None, **where)
        measure("bench.kernel:segments", fleet="unwrapped", processes=1, out=ours, **where)
        rows_n = data.load("unwrapped", hours_n).rows_n
        rows = [(*cost_row("kernel", kernel, rows_n), "1", "1", "")]
        for name in names:
            work, is_lean = WAYS[name]
            theirs = str(Path(folder) / "theirs.parquet")
            try:
                cost = measure(work, repeats, LIMIT_S, out=theirs, **where)
            except UnfinishedError as error:
                # What it cost until then is the least that it costs: its ratios are lower bounds.
                cost, told = error.cost, f"stopped after {LIMIT_S:.0f} s"
            except WorkError as error:
                section.notes.append(f"{name} at {SIZES[hours_n]}: no result: {error}.")
                continue
            else:
                told = f"{difference(ours, theirs, rules['slot_ms'] if is_lean else None):.0e}"
            rows.append((*cost_row(name, cost, rows_n), *_ratios(cost, kernel), told))
            section.figures |= _figures(name, hours_n, cost, kernel)
    header = (*COST_HEADER, "CPU against the kernel", "memory against the kernel", "worst difference")
    section.tables.append(Table(f"{SIZES[hours_n]}, unwrapped: {rows_n:,} rows", header, rows))


def _ratios(cost: Cost, kernel: Cost) -> tuple[str, str]:
    return f"{number(cost.cpu_s / kernel.cpu_s)}x", f"{number(cost.peak_mb / kernel.peak_mb)}x"


def _figures(name: str, hours_n: int, cost: Cost, kernel: Cost) -> dict[str, float]:
    if name == "pandas":
        return {"pandas_cpu": cost.cpu_s / kernel.cpu_s, "pandas_memory": cost.peak_mb / kernel.peak_mb}
    known = {"DuckDB window, lean": "window_cpu", "polars": "polars_cpu", "ClickHouse (chdb)": "clickhouse_cpu"}
    if name in known and hours_n == data.HOURS_DAY:
        return {known[name]: cost.cpu_s / kernel.cpu_s}
    return {}


if __name__ == "__main__":
    run("full" in sys.argv[1:]).print()
