"""Bytes of a row and speed of reading, by layout: the hour file against what a default writer would give.

What belongs here: the same hour in several layouts. What must not be here: what is done with the rows (``kernel``).

Run: python -m bench.layout
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import data
from bench.measure import Meter, measure
from bench.tables import Section, Table, number

VALUES = ("ts_ms", "power_mw", "energy_mj", "util_percent")
COLUMNS = ("host", "device", *VALUES)
DELTA = "DELTA_BINARY_PACKED"


@dataclass(frozen=True, slots=True)
class Layout:
    """How the same rows are written.

    Attributes:
        name: what it is called.
        by_device: rows ordered by device and time; otherwise by time alone.
        compression: codec of Parquet.
        level: level of the codec.
        encoding: encoding of whole numbers; None for dictionaries as pyarrow makes them, PLAIN for none.
        in_watts: power in watts as a double, not in milliwatts.
    """

    name: str
    by_device: bool
    compression: str
    level: int | None = None
    encoding: str | None = None
    in_watts: bool = False


LAYOUTS = (
    Layout("time-sorted, snappy, plain, double W (a default writer)", False, "snappy", None, "PLAIN", in_watts=True),
    Layout("time-sorted, zstd 3, plain", False, "zstd", 3, "PLAIN"),
    Layout("device-sorted, snappy, dictionaries", True, "snappy"),
    Layout("device-sorted, zstd 3, plain", True, "zstd", 3, "PLAIN"),
    Layout("device-sorted, deltas, not compressed", True, "none", None, DELTA),
    Layout("device-sorted, deltas, lz4", True, "lz4", None, DELTA),
    Layout("device-sorted, deltas, zstd 3", True, "zstd", 3, DELTA),
)


def write(fleet: str, folder: Path) -> dict[str, str]:
    """Write the first hour of a fleet in every layout.

    Args:
        fleet: unwrapped or wraps.
        folder: where to.

    Returns:
        Path by name of the layout.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    hour = data.load(fleet, 1).hours[0]
    table = pq.read_table(hour.path, columns=list(COLUMNS), read_dictionary=["host", "device"]).unify_dictionaries()
    by_time = table.take(pc.sort_indices(table["ts_ms"]))
    paths = {}
    for number_of, layout in enumerate(LAYOUTS):
        rows = table if layout.by_device else by_time
        if layout.in_watts:
            watts = pc.divide(pc.cast(rows["power_mw"], pa.float64()), 1000.0)
            rows = rows.set_column(rows.schema.get_field_index("power_mw"), "power_mw", watts)
        texts = ["host", "device"]
        plain = {name: layout.encoding for name in VALUES if layout.encoding and not _is_byte(rows, name, layout)}
        paths[layout.name] = str(folder / f"{number_of}.parquet")
        pq.write_table(
            rows,
            paths[layout.name],
            row_group_size=260_000,
            compression=layout.compression,
            compression_level=layout.level,
            use_dictionary=texts if layout.encoding else True,
            column_encoding=plain or None,
            store_schema=False,
        )
    return paths


def _is_byte(rows: Any, name: str, layout: Layout) -> bool:  # noqa: ANN401
    """Tell whether a column cannot have the encoding: doubles have no deltas."""
    return layout.encoding == DELTA and str(rows.schema.field(name).type) == "double"


def scan(meter: Meter, path: str, by: str) -> dict[str, Any]:
    """Sum three values of a file with DuckDB, or decode them with pyarrow; one thread."""
    import duckdb
    import pyarrow.parquet as pq

    data.warm([path])
    if by == "DuckDB":
        connection = duckdb.connect(config={"threads": 1})
        sql = "SELECT sum(ts_ms), sum(power_mw), sum(energy_mj) FROM read_parquet($path)"
        connection.execute(sql, {"path": path}).fetchall()  # the second reading finds everything ready
        with meter:
            connection.execute(sql, {"path": path}).fetchall()
    else:
        names = ["ts_ms", "power_mw", "energy_mj"]
        pq.read_table(path, columns=names, use_threads=False)
        with meter:
            pq.read_table(path, columns=names, use_threads=False)
    return {}


def run(full: bool) -> Section:
    """Write every layout and read it."""
    data.ensure(data.HOURS_DAY)
    return compare(3 if full else 1)


def compare(repeats: int) -> Section:
    """Compare the layouts.

    Args:
        repeats: how often each file is read.
    """
    section = Section("layout", "Bytes a row and speed of reading, by layout")
    section.notes += [
        "One hour of 1,000 devices. The hour file holds 15 columns: the four values that differ from row to row (time,"
        " power, counter, utilisation), what a series says of itself, and for every row where it came from; the others"
        " hold host, device and the four values.",
    ]
    hour = data.load("unwrapped", 1).hours[0]
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        paths = {"hour file as written (15 columns)": hour.path} | write("unwrapped", Path(folder))
        for name, path in paths.items():
            scans = [measure("bench.layout:scan", repeats, path=path, by=by) for by in ("DuckDB", "pyarrow")]
            size = Path(path).stat().st_size / hour.rows_n
            speeds = (number(hour.rows_n / cost.cpu_s / 1e6) for cost in scans)
            rows.append((name, f"{size:.2f}", *(f"{part:.2f}" for part in _by_column(path, hour.rows_n)), *speeds))
    header = (
        *("layout", "bytes a row", "time", "power", "counter", "util"),
        *("DuckDB, M rows a CPU s", "pyarrow, M rows a CPU s"),
    )
    section.tables.append(Table(f"{hour.rows_n:,} rows, unwrapped", header, rows))
    for fleet in data.FLEETS:
        found = data.load(fleet, data.HOURS_SMALL)
        section.figures[f"bytes_{fleet}"] = sum(one.size_bytes for one in found.hours) / found.rows_n
    return section


def _by_column(path: str, rows_n: int) -> list[float]:
    """Return bytes a row of each of the four values."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path)
    sizes = dict.fromkeys(VALUES, 0)
    for group in range(metadata.num_row_groups):
        for at in range(metadata.num_columns):
            column = metadata.row_group(group).column(at)
            if column.path_in_schema in sizes:
                sizes[column.path_in_schema] += column.total_compressed_size
    return [size / rows_n for size in sizes.values()]


if __name__ == "__main__":
    run("full" in sys.argv[1:]).print()
