"""Looking after hour files: which are gone or damaged, which nobody refers to, making them again.

What belongs here: checks of hour files against the ledger. What must not be here: advice to people (``doctor``).
"""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

from warehouse import files
from warehouse.lake import Lake
from warehouse.samples.places import hour_file

_LISTED = "SELECT epoch_ms(hour_start), file_sha256, size_bytes FROM raw.sample_hour ORDER BY 1, shard"


def damaged_hours(lake: Lake, *, deep: bool = False) -> dict[int, str]:
    """Return the hours [epoch ms] whose hour file is gone or is not what the ledger says, with what is wrong.

    Args:
        lake: an open lake.
        deep: hash every file; otherwise only its size is compared.
    """
    found = {}
    for hour_ms, sha256, size_bytes in lake.rows(_LISTED):
        path = hour_file(lake.config, hour_ms, sha256)
        if not path.exists():
            found[hour_ms] = f"{path} is missing"
        elif path.stat().st_size != size_bytes:
            found[hour_ms] = f"{path} has {path.stat().st_size} bytes, the ledger states {size_bytes}"
        elif deep and files.sha256_of(path) != sha256:
            found[hour_ms] = f"{path} has another content than its name says"
    return found


def unreferenced(lake: Lake, older_than_s: float) -> list[Path]:
    """Return hour files that the ledger does not name, older than some seconds: superseded, or of a crash.

    Args:
        lake: an open lake.
        older_than_s: a younger file may be about to be entered [s].
    """
    known = {sha256 for _, sha256, _ in lake.rows(_LISTED)}
    before = time.time() - older_than_s
    paths = lake.config.samples_path.rglob("*.parquet") if lake.config.samples_path.is_dir() else ()
    return sorted(path for path in paths if path.stem not in known and path.stat().st_mtime < before)


def make_again(lake: Lake, hours_ms: list[int]) -> None:
    """Note hours as to do although their landed files are the same; their damaged hour files are removed.

    Args:
        lake: an open, writable lake.
        hours_ms: the hours [epoch ms].
    """

    def work(inside: duckdb.DuckDBPyConnection) -> list[tuple[int, str]]:
        gone = inside.execute(
            "SELECT epoch_ms(hour_start), file_sha256 FROM lake.raw.sample_hour "
            "WHERE list_contains($hours, epoch_ms(hour_start))",
            {"hours": hours_ms},
        ).fetchall()
        inside.execute(
            "UPDATE lake.raw.sample_hour SET sources_sha256 = '' WHERE list_contains($hours, epoch_ms(hour_start))",
            {"hours": hours_ms},
        )
        inside.execute(
            "INSERT INTO lake.audit.pending_hour SELECT make_timestamptz(unnest($hours) * 1000), 'damaged'",
            {"hours": hours_ms},
        )
        return gone

    for hour_ms, sha256 in lake.transaction(work):
        hour_file(lake.config, hour_ms, sha256).unlink(missing_ok=True)
