"""Which landed files hold readings of which hour: noted when a file is taken in.

What belongs here: the ledger of sources. What must not be here: making hour files (``making``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from warehouse.hourfile import MS_PER_HOUR

MS_PER_S = 1000

_SOURCES = """
SELECT epoch_ms(hour_start), file_sha256, written_ms, path, refused_n FROM lake.raw.sample_source
WHERE day = $day AND list_contains($hours, epoch_ms(hour_start)) ORDER BY 1, written_ms, file_sha256
"""
_REFUSED = """
SELECT file_sha256, list(row_number ORDER BY row_number) FROM lake.raw.quarantine_row
WHERE table_name = 'power_sample' AND reason <> 'conflict' AND list_contains($files, file_sha256) GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class HourSources:
    """The landed files of an hour: content, time of writing, path, refused rows."""

    entries: tuple[tuple[str, int, str, tuple[int, ...]], ...] = ()

    @property
    def sha256(self) -> str:
        """Return the identity of the hour's content."""
        text = "\n".join(f"{sha256} {written} {refused}" for sha256, written, _, refused in self.entries)
        return hashlib.sha256(text.encode()).hexdigest()


def note_sources(inside: duckdb.DuckDBPyConnection, entries: Sequence[tuple[str, str, dict[str, int]]]) -> None:
    """Note which hours hold rows of taken-in files, and that their hour files are to do.

    Args:
        inside: a connection in the transaction that takes the files in; the rows are in the temporary table ``good``.
        entries: content hash and path under the landing root of each file, and refused rows by content hash.
    """
    columns = {
        "file_sha256": [sha256 for sha256, _, _ in entries],
        "path": [path for _, path, _ in entries],
        "n": [refused.get(sha256, 0) for sha256, _, refused in entries],
    }
    inside.register("taken_in", pa.table(columns))
    try:
        inside.execute(
            f"""
            INSERT INTO lake.raw.sample_source BY NAME
            SELECT CAST(hour_start AS DATE) AS day, * FROM (
                SELECT make_timestamptz(ts_ms // {MS_PER_HOUR} * {MS_PER_HOUR} * 1000) AS hour_start, file_sha256,
                    any_value(written_ms) AS written_ms, any_value(path) AS path, count(*) AS rows_n,
                    any_value(n) AS refused_n
                FROM good JOIN taken_in USING (file_sha256)
                GROUP BY ALL
            ) ORDER BY hour_start, file_sha256
            """
        )
        inside.execute(
            f"""
            INSERT INTO lake.audit.pending_hour
            SELECT DISTINCT make_timestamptz(ts_ms // {MS_PER_HOUR} * {MS_PER_HOUR} * 1000), file_sha256 FROM good
            """
        )
    finally:
        inside.unregister("taken_in")


def forget_source(inside: duckdb.DuckDBPyConnection, sha256: str) -> None:
    """Take a landed file out of the ledger of hours; its hours are to do again."""
    inside.execute(
        "INSERT INTO lake.audit.pending_hour SELECT hour_start, 'judged again ' || file_sha256 "
        "FROM lake.raw.sample_source WHERE file_sha256 = $sha256",
        {"sha256": sha256},
    )
    inside.execute("DELETE FROM lake.raw.sample_source WHERE file_sha256 = $sha256", {"sha256": sha256})


def read_sources(connection: duckdb.DuckDBPyConnection, hours_ms: list[int]) -> dict[int, HourSources]:
    """Return the landed files of some hours of one day.

    Args:
        connection: a connection with the lake.
        hours_ms: the hours [epoch ms], all of the same UTC day.
    """
    day = datetime.fromtimestamp(hours_ms[0] / MS_PER_S, UTC).date()
    rows = connection.execute(_SOURCES, {"day": day, "hours": hours_ms}).fetchall()
    with_refused = sorted({sha256 for _, sha256, _, _, refused_n in rows if refused_n})
    refused = dict(connection.execute(_REFUSED, {"files": with_refused}).fetchall()) if with_refused else {}
    found: dict[int, list[tuple[str, int, str, tuple[int, ...]]]] = {hour_ms: [] for hour_ms in hours_ms}
    for hour_ms, sha256, written_ms, path, _ in rows:
        found[hour_ms].append((sha256, written_ms, path, tuple(refused.get(sha256, ()))))
    return {hour_ms: HourSources(tuple(entries)) for hour_ms, entries in found.items()}
