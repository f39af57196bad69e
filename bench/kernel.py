"""The sample kernel against the floors: a DuckDB sum and a pyarrow decode of the same columns of the same files.

What belongs here: these three pieces of work and their ratios. What must not be here: other ways to get segments
(``rivals``).

Run: python -m bench.kernel [full]
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import data
from bench.measure import Cost, Meter, measure
from bench.tables import COST_HEADER, Section, Table, cost_row, number

DECODED = ("session", "ts_ms", "energy_mj")
# The hour file has no number of the device; of its other whole numbers this costs a reader least.
SUM_SQL = "SELECT sum(session), sum(ts_ms), sum(energy_mj) FROM read_parquet($paths)"


def rules_of(name: str) -> dict[str, Any]:
    """Return the rules of the kernel for a fleet, as plain values."""
    from warehouse.config import Accounting
    from warehouse.energy import rules_of as configured

    ranges = {"rapl": data.RAPL_RANGE_MJ} if data.FLEETS[name] else {}
    return configured(Accounting(counter_range_mj=ranges)).to_dict()


def lean_rules(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the rules that the lean ways know (``lean_window.sql``)."""
    return {
        "slot_ms": rules["slot_ms"],
        "reach_ms": rules["reach_ms"],
        "jitter_ms": rules["jitter_ms"],
        "max_gap_ms": min(rules["max_gap_ms"].values()),
        "gpu_mw": rules["max_power_mw"]["gpu"],
        "cpu_mw": rules["max_power_mw"]["cpu"],
    }


# ---- pieces of work ----


def segments(
    meter: Meter,
    fleet: str,
    hours_n: int,
    rules: Mapping[str, Any],
    processes: int | None,
    out: str | None = None,
) -> dict[str, Any]:
    """Make the segments of all hours and of the intervals between them, with job cuts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from warehouse.hourfile import MS_PER_HOUR, SEGMENT_SCHEMA
    from warehouse.kernel import HourTask, Rules, run_hours, stitch_segments

    found = data.load(fleet, hours_n)
    data.warm(found.paths)
    cuts = data.as_arrays(found.cuts)
    kept: list[pa.Table] = []
    rows_n, energy_j = 0, 0.0
    with meter:
        rule = Rules(**rules)
        ledgers = [data.series_of(hour) for hour in found.hours]
        tasks = [
            HourTask(Path(hour.path), ledger, hour.hour_ms, cuts)
            for hour, ledger in zip(found.hours, ledgers, strict=True)
        ]
        for _, table in run_hours(tasks, rule, processes=processes):
            rows_n += table.num_rows
            energy_j += pc.sum(table["energy_j"]).as_py()
            if out:
                kept.append(table)
        end_ms = found.hours[-1].hour_ms + MS_PER_HOUR
        stitched = stitch_segments(pairs_between(ledgers), found.hours[0].hour_ms, end_ms, cuts, rule)
    rows_n += stitched.num_rows
    energy_j += pc.sum(stitched["energy_j"]).as_py()
    if out:
        with pa.OSFile(out, "wb") as sink, pa.ipc.new_file(sink, SEGMENT_SCHEMA) as writer:
            for table in (*kept, stitched):
                writer.write_table(table)
    return {"segments_n": rows_n, "energy_j": energy_j}


def pairs_between(ledgers: list[Any]) -> Any:  # noqa: ANN401
    """Return neighbouring readings in different hour files, as ``stitch_segments`` wants them.

    Args:
        ledgers: the ledger of each file (SERIES_SCHEMA).
    """
    import numpy as np
    import pyarrow as pa

    from warehouse.hourfile import SERIES_KEY
    from warehouse.kernel.arrow import codes, numbers, to_arrow

    ends = [name for name in ledgers[0].column_names if name.startswith(("first_", "last_"))]
    wanted = [*SERIES_KEY, *ends]
    table = pa.concat_tables(
        [ledger.select(wanted).take(to_arrow(np.flatnonzero(numbers(ledger["readings_n"])))) for ledger in ledgers]
    ).combine_chunks()
    table = table.sort_by([(name, "ascending") for name in (*SERIES_KEY, "first_ts_ms")])
    keys = np.stack([codes(table[name])[0] for name in SERIES_KEY])
    first = np.flatnonzero((keys[:, 1:] == keys[:, :-1]).all(axis=0))
    before, after = table.take(to_arrow(first)), table.take(to_arrow(first + 1))
    columns = {name: after[name] for name in SERIES_KEY}
    columns |= {f"from_{name.removeprefix('last_')}": before[name] for name in ends if name.startswith("last_")}
    columns |= {f"to_{name.removeprefix('first_')}": after[name] for name in ends if name.startswith("first_")}
    return pa.table(columns)


def duckdb_sum(meter: Meter, fleet: str, hours_n: int, threads: int = 2) -> dict[str, Any]:
    """Sum three columns with DuckDB."""
    import duckdb

    paths = data.load(fleet, hours_n).paths
    data.warm(paths)
    connection = duckdb.connect(config={"threads": threads})
    warm_duckdb(connection, paths[0])
    with meter:
        sums = connection.execute(SUM_SQL, {"paths": paths}).fetchall()[0]
    return {"sums": [str(value) for value in sums]}


def warm_duckdb(connection: Any, path: str) -> None:  # noqa: ANN401
    """Let DuckDB import what it imports with the first Parquet file: pandas, which is no part of a scan."""
    connection.execute("SELECT 1 FROM read_parquet($path) LIMIT 1", {"path": path}).fetchall()


def pyarrow_decode(meter: Meter, fleet: str, hours_n: int, threads: bool = True) -> dict[str, Any]:
    """Decode three columns with pyarrow, file by file, and let go of them."""
    import pyarrow.parquet as pq

    paths = data.load(fleet, hours_n).paths
    data.warm(paths)
    rows_n = 0
    with meter:
        for path in paths:
            with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
                rows_n += file.read(columns=list(DECODED), use_threads=threads).num_rows
    return {"rows_n": rows_n}


# ---- the comparison ----

SIZES = {data.HOURS_SMALL: "10M", data.HOURS_DAY: "86M", data.HOURS_LONG: "260M"}


def run(full: bool) -> Section:
    """Compare at each size that the form has."""
    sizes = list(SIZES) if full else [data.HOURS_SMALL, data.HOURS_DAY]
    data.ensure_each({"unwrapped": sizes[-1], "wraps": data.HOURS_DAY})
    return compare(sizes, repeats=3 if full else 1)


def compare(sizes: list[int], repeats: int) -> Section:
    """Compare at some sizes.

    Args:
        sizes: hours of data, the smallest first.
        repeats: how often each piece of work is done; at the smallest size twice as often.
    """
    section = Section("kernel", "Samples to segments against the floors")
    section.notes += [
        "CPU seconds of the work with all its processes; the least of several runs, each in a fresh process.",
        f"DuckDB: `{SUM_SQL}`, 2 threads. The hour file has no number of the device; `session` stands in for it, which"
        " costs DuckDB and pyarrow least of all whole numbers in the file. pyarrow: decode of the same three columns.",
        "What DuckDB imports with the first Parquet file is not counted; worker processes of the kernel are, with their"
        " start.",
        "The kernel verifies the checksum of every page that it reads, cuts at slots and jobs, and joins the hours.",
    ]
    per_row: dict[int, float] = {}
    ratios: list[tuple[str, ...]] = []
    for hours_n in sizes:
        for fleet in data.FLEETS if hours_n <= data.HOURS_DAY else ("unwrapped",):
            costs, rows_n = _measure(fleet, hours_n, repeats * 2 if hours_n == data.HOURS_SMALL else repeats)
            title = f"{SIZES[hours_n]}, {fleet}: {rows_n:,} rows"
            section.tables.append(
                Table(title, COST_HEADER, [cost_row(what, cost, rows_n) for what, cost in costs.items()])
            )
            kernel, one, scan, decode = (costs[name] for name in _NAMES)
            row = (kernel.cpu_s / scan.cpu_s, one.cpu_s / scan.cpu_s, kernel.cpu_s / decode.cpu_s)
            ratios.append((SIZES[hours_n], fleet, *map(number, row), number(one.cpu_s / decode.cpu_s)))
            if fleet == "unwrapped":
                per_row[hours_n] = kernel.cpu_s / rows_n
            if hours_n == data.HOURS_DAY:
                section.figures |= _figures(fleet, costs)
    header = (
        "rows",
        "counters",
        "kernel / DuckDB",
        "one process / DuckDB",
        "kernel / pyarrow",
        "one process / pyarrow",
    )
    section.tables.insert(0, Table("Ratios of CPU", header, ratios))
    if data.HOURS_LONG in per_row:
        section.figures["linearity"] = max(per_row.values()) / min(per_row.values())
    section.profile = [profile(data.HOURS_DAY if data.HOURS_DAY in sizes else sizes[0])]
    return section


_NAMES = ("kernel", "kernel, one process", "DuckDB sum", "pyarrow decode")


def _measure(fleet: str, hours_n: int, repeats: int) -> tuple[dict[str, Cost], int]:
    where: dict[str, Any] = {"fleet": fleet, "hours_n": hours_n}
    rules = rules_of(fleet)
    costs = [
        measure("bench.kernel:segments", repeats, rules=rules, processes=None, **where),
        measure("bench.kernel:segments", repeats, rules=rules, processes=1, **where),
        measure("bench.kernel:duckdb_sum", repeats, **where),
        min((_decode(where, repeats, threads) for threads in (True, False)), key=lambda cost: cost.cpu_s),
    ]
    return dict(zip(_NAMES, costs, strict=True)), data.load(fleet, hours_n).rows_n


def _decode(where: dict[str, Any], repeats: int, threads: bool) -> Cost:
    return measure("bench.kernel:pyarrow_decode", repeats, threads=threads, **where)


def _figures(fleet: str, costs: dict[str, Cost]) -> dict[str, float]:
    kernel, _, scan, decode = (costs[name] for name in _NAMES)
    return {
        f"scan_{fleet}": kernel.cpu_s / scan.cpu_s,
        f"decode_{fleet}": kernel.cpu_s / decode.cpu_s,
        f"kernel_peak_{fleet}_mb": kernel.peak_mb,
    }


def profile(hours_n: int) -> Table:
    """Return where the time of the kernel goes, by function, in one process."""
    told = measure("bench.kernel:profiled", fleet="wraps", hours_n=hours_n, rules=rules_of("wraps")).told
    rows = [tuple(row) for row in told["rows"]]
    return Table(
        f"Kernel, {SIZES[hours_n]} rows with wraps, one process: own time by function",
        ("function", "own s", "of the whole", "calls"),
        rows,
    )


def profiled(meter: Meter, fleet: str, hours_n: int, rules: Mapping[str, Any]) -> dict[str, Any]:
    """Make segments under the profiler of Python; its own cost is inside, so shares count and not seconds."""
    import cProfile
    import pstats

    watch = cProfile.Profile()
    watch.runcall(segments, meter, fleet, hours_n, rules, 1)
    stats: dict[tuple[str, int, str], tuple[int, int, float, float, Any]] = pstats.Stats(watch).stats  # type: ignore[attr-defined]
    ours = {key: value for key, value in stats.items() if "warm" not in key[2]}
    whole = sum(value[2] for value in ours.values())
    ordered = sorted(ours.items(), key=lambda item: -item[1][2])[:12]
    rows = [
        (f"{Path(file).stem}.{name}" if line else name, number(own), f"{own / whole:.0%}", str(calls))
        for (file, line, name), (_, calls, own, _, _) in ordered
    ]
    return {"rows": rows}


if __name__ == "__main__":
    run("full" in sys.argv[1:]).print()
