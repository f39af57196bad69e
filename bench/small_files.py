"""Many small landed files against the hour files that they are compacted into.

What belongs here: landing them, reading both, the cost of compaction. What must not be here: the kernel.

Run: python -m bench.small_files [full]
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from bench import data
from bench.kernel import warm_duckdb
from bench.measure import Meter, measure
from bench.tables import COST_HEADER, Section, Table, cost_row, number
from warehouse.hourfile import MS_PER_HOUR

FILES_SHORT, FILES_FULL = 1_000, 10_000
MINUTES_PER_FILE = 1
SQL = "SELECT sum(ts_ms), sum(power_mw), sum(energy_mj) FROM read_parquet($paths)"
NAMES = ("ts_ms", "power_mw", "energy_mj")


def land(files_n: int) -> Path:
    """Land an hour in small files of distinct data, if that was not done before.

    Args:
        files_n: about how many files.

    Returns:
        The folder.
    """
    import pyarrow as pa

    from bench.fleet import Fleet
    from collectors.contract import POWER_SAMPLE
    from collectors.landing.writer import LandingWriter

    folder = data.folder() / f"small-{files_n}"
    if (folder / "done").exists():
        return folder
    schema = pa.schema([field.remove_metadata() for field in POWER_SAMPLE.arrow_schema()])
    made = Fleet(-(-files_n * MINUTES_PER_FILE // 60))
    for host, written_ms, table in made.landed(data.FIRST_MS + 10 * MS_PER_HOUR, MINUTES_PER_FILE):
        writer = LandingWriter(folder / "landing", host=host, boot_id="b", collector_version="0")
        writer.write("power_sample", table.cast(schema), written_ms=written_ms)
    (folder / "done").touch()
    return folder


def _landed(folder: str) -> list[Path]:
    return sorted(Path(folder, "landing").rglob("*.parquet"))


# ---- pieces of work ----


def compact(meter: Meter, folder: str) -> dict[str, Any]:
    """Compact the hour; what ingest knows of each file is found out before."""
    import pyarrow.parquet as pq

    from warehouse.compaction import Source, compact_hour

    sources = []
    for path in _landed(folder):
        written_ms = int(pq.read_metadata(path).metadata[b"wattledger.written_ms"])
        sources.append(Source(path, hashlib.sha256(path.read_bytes()).hexdigest(), written_ms))
    with meter:
        done = compact_hour(data.FIRST_MS + 10 * MS_PER_HOUR, sources, Path(folder, "hours"))
    return {
        "paths": [str(file.path) for file in done.files],
        "rows_n": sum(file.rows_n for file in done.files),
        "size_bytes": sum(file.size_bytes for file in done.files),
        "landed_bytes": sum(source.path.stat().st_size for source in sources),
        "files_n": len(sources),
    }


def read(meter: Meter, folder: str, paths: str | None, by: str) -> dict[str, Any]:
    """Sum three columns with DuckDB, or decode them with pyarrow, of landed files or of the hour files named."""
    import duckdb
    import pyarrow.dataset as ds

    wanted = json.loads(paths) if paths else [str(path) for path in _landed(folder)]
    data.warm(wanted)
    if by == "DuckDB":
        connection = duckdb.connect(config={"threads": 2})
        warm_duckdb(connection, wanted[0])
        with meter:
            found = connection.execute(SQL, {"paths": wanted}).fetchall()[0]
        return {"sums": [str(value) for value in found]}
    with meter:
        rows_n = ds.dataset(wanted, format="parquet").to_table(columns=list(NAMES)).num_rows
    return {"rows_n": rows_n}


# ---- the comparison ----


def run(full: bool) -> Section:
    """Compare at the number of files that the form has."""
    section = Section("small_files", "Small landed files against compacted hour files")
    section.notes.append(
        f"Landed files of {MINUTES_PER_FILE} minute of a host with 10 devices, all different. Compaction reads each"
        " landed file once; after that only the hour file is read."
    )
    for files_n in (FILES_SHORT, FILES_FULL) if full else (FILES_SHORT,):
        compare(section, files_n, 3 if full else 1)
    return section


def compare(section: Section, files_n: int, repeats: int) -> None:
    """Compare at one number of files, and add a table and the figures to a section.

    Args:
        section: what to add to.
        files_n: landed files, about.
        repeats: how often each is done.

    Raises:
        ValueError: if the hour files do not hold the same as the landed files.
    """
    folder = str(land(files_n))
    compaction = measure("bench.small_files:compact", repeats, folder=folder)
    told = compaction.told
    rows_n = told["rows_n"]
    rows = [cost_row("compaction", compaction, rows_n)]
    gains = []
    for by in ("DuckDB", "pyarrow"):
        both = [
            measure("bench.small_files:read", repeats, folder=folder, paths=paths, by=by)
            for paths in (None, json.dumps(told["paths"]))
        ]
        if both[0].told != both[1].told:
            msg = f"hour files hold {both[1].told}, landed files {both[0].told}"
            raise ValueError(msg)
        rows += [
            cost_row(f"{by}, {what}", cost, rows_n) for what, cost in zip(("landed", "hour file"), both, strict=True)
        ]
        gains.append((by, number(both[0].cpu_s / both[1].cpu_s), number(both[0].cpu_s / told["files_n"] * 1e3)))
    title = (
        f"{told['files_n']:,} files, {rows_n:,} rows: {told['landed_bytes'] / rows_n:.1f} bytes a row as landed, "
        f"{told['size_bytes'] / rows_n:.2f} compacted"
    )
    section.tables.append(Table(title, COST_HEADER, rows))
    section.tables.append(
        Table(
            f"What it saves, {told['files_n']:,} files", ("reader", "landed / compacted, CPU", "ms CPU a file"), gains
        )
    )


if __name__ == "__main__":
    run("full" in sys.argv[1:]).print()
