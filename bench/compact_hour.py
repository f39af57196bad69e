"""What compaction of an hour costs: CPU time and bytes a row, and the greatest memory, in a process of its own.

Run: python bench/compact_hour.py [hosts, of 10 devices each] [minutes a landed file]
"""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HOUR_MS = 486_112 * 3_600_000


def land(folder: Path, hosts_n: int, minutes: int) -> None:
    """Land an hour of a made-up fleet."""
    import pyarrow as pa

    from bench.fleet import Fleet
    from collectors.contract import POWER_SAMPLE
    from collectors.landing.writer import LandingWriter

    schema = pa.schema([field.remove_metadata() for field in POWER_SAMPLE.arrow_schema()])
    for host, written_ms, table in Fleet(hosts_n).landed(HOUR_MS, minutes):
        writer = LandingWriter(folder, host=host, boot_id="b", collector_version="0")
        writer.write("power_sample", table.cast(schema), written_ms=written_ms)


def compact(folder: Path) -> None:
    """Compact what has landed and print what it cost."""
    import pyarrow.parquet as pq

    from warehouse.compaction import Source, compact_hour

    sources = []
    for path in folder.rglob("*.parquet"):
        written_ms = int(pq.read_metadata(path).metadata[b"wattledger.written_ms"])
        sources.append(Source(path, hashlib.sha256(path.read_bytes()).hexdigest(), written_ms))
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = time.perf_counter(), time.process_time()
    done = compact_hour(HOUR_MS, sources, folder.with_name("hours"))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows_n = sum(file.rows_n for file in done.files)
    size = sum(file.size_bytes for file in done.files)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(sources)} files, {rows_n} rows: {cpu / rows_n * 1e6:.2f} us CPU a row, {wall:.1f} s wall, "
        f"{size / rows_n:.3f} bytes a row, {sum(file.row_groups_n for file in done.files)} row groups, "
        f"peak {peak_mb:.0f} MB ({before_mb:.0f} MB before)"
    )


def main() -> None:
    """Land in one process, compact in another: a child begins with the greatest memory of its parent."""
    if len(sys.argv) == 5 and sys.argv[1] == "land":
        land(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
        return
    if len(sys.argv) == 5 and sys.argv[1] == "compact":
        compact(Path(sys.argv[2]))
        return
    hosts_n = sys.argv[1] if len(sys.argv) > 1 else "100"
    minutes = sys.argv[2] if len(sys.argv) > 2 else "6"
    with tempfile.TemporaryDirectory() as name:
        for step in ("land", "compact"):
            subprocess.run([sys.executable, __file__, step, f"{name}/landing", hosts_n, minutes], check=True)


if __name__ == "__main__":
    main()
