"""Making the hour files that are to do, and writing them into the ledger.

What belongs here: the transactions around compaction. What must not be here: how a file is made (``compaction``).

An hour file is a pure function of the landed files of its hour, is named by its content and is written before the
ledger points to it, so a crash anywhere costs a repetition and nothing else.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from collectors.contract import POWER_SAMPLE
from warehouse.compaction import CompactedHour, CompactionError, Source, compact_hour, sweep
from warehouse.config import Accounting, Config
from warehouse.hourfile import MS_PER_HOUR, SERIES_SCHEMA
from warehouse.lake import Lake
from warehouse.merge import CONFLICT_DETAIL
from warehouse.samples.places import hour_folder
from warehouse.samples.sources import HourSources, read_sources
from warehouse.sqlfiles import sql_text
from warehouse.touched import note_days

MS_PER_S = 1000
# Hours of a day that are written into the ledger together.
HOURS_A_COMMIT = 24
ATTEMPTS = 8
# A superseded hour file may be open in a computation that began before; after this it is removed.
SUPERSEDED_S = 3600.0

Progress = Callable[[int, int, str], None]

_NOTED = "SELECT epoch_ms(hour_start), list(cause ORDER BY cause) FROM audit.pending_hour GROUP BY 1 ORDER BY 1"


class _ChangedError(Exception):
    """Another process took in a file of the hour meanwhile."""


def compact_pending(lake: Lake, *, progress: Progress | None = None) -> list[int]:
    """Make the hour files that are to do, and note the days that they touch.

    Args:
        lake: an open, writable lake.
        progress: called with hours done, hours in all and the hour at hand.

    Returns:
        The hours [epoch ms] whose hour files changed.

    Raises:
        CompactionError: if a landed file of an hour is gone or damaged; the hour stays to do.
    """
    noted = lake.rows(_NOTED)
    changed: list[int] = []
    done = 0
    for batch in _batches([hour_ms for hour_ms, _ in noted]):
        causes = {hour_ms: why for hour_ms, why in noted if hour_ms in batch}

        def tell(number: int, hour_ms: int, before: int = done) -> None:
            if progress:
                name = f"{datetime.fromtimestamp(hour_ms / MS_PER_S, UTC):%Y-%m-%d %H:%M}"
                progress(before + number, len(noted), name)

        changed += _compact_together(lake, causes, tell)
        done += len(batch)
    if progress and noted:
        progress(len(noted), len(noted), "")
    return changed


def _batches(hours_ms: list[int]) -> Iterator[list[int]]:
    by_day: dict[int, list[int]] = defaultdict(list)
    for hour_ms in hours_ms:
        by_day[hour_ms // (24 * MS_PER_HOUR)].append(hour_ms)
    for hours in by_day.values():
        for start in range(0, len(hours), HOURS_A_COMMIT):
            yield hours[start : start + HOURS_A_COMMIT]


def _compact_together(lake: Lake, causes: dict[int, list[str]], tell: Callable[[int, int], None]) -> list[int]:
    """Make the files of some hours of a day and write them into the ledger in one transaction."""
    for _ in range(ATTEMPTS):
        sources = read_sources(lake.connection, list(causes))
        known = _made_of(lake.connection, list(causes))
        made: dict[int, CompactedHour] = {}
        for number, hour_ms in enumerate(causes):
            tell(number, hour_ms)
            if known.get(hour_ms) != sources[hour_ms].sha256:
                made[hour_ms] = _compact(lake.config, hour_ms, sources[hour_ms])

        def work(inside: duckdb.DuckDBPyConnection) -> None:
            if read_sources(inside, list(causes)) != sources:  # noqa: B023 - runs before the next turn
                raise _ChangedError
            _write_ledger(inside, made, sources, lake.config.accounting)  # noqa: B023
            for hour_ms, why in causes.items():
                inside.execute(
                    "DELETE FROM lake.audit.pending_hour "
                    "WHERE hour_start = make_timestamptz($hour_ms * 1000) AND list_contains($causes, cause)",
                    {"hour_ms": hour_ms, "causes": why},
                )

        try:
            lake.transaction(work)
        except _ChangedError:
            continue
        for hour_ms, hour in made.items():
            keep = {file.sha256 for file in hour.files}
            sweep(hour_folder(lake.config, hour_ms), keep, SUPERSEDED_S)
        return list(made)
    msg = f"files keep landing for {len(causes)} hours faster than they are compacted; run again"
    raise CompactionError(msg)


def _made_of(connection: duckdb.DuckDBPyConnection, hours_ms: list[int]) -> dict[int, str]:
    day = datetime.fromtimestamp(hours_ms[0] / MS_PER_S, UTC).date()
    sql = "SELECT DISTINCT epoch_ms(hour_start), sources_sha256 FROM lake.raw.sample_hour WHERE day = $day"
    return dict(connection.execute(sql, {"day": day}).fetchall())


def _compact(config: Config, hour_ms: int, sources: HourSources) -> CompactedHour:
    places = [
        Source(_place(config, path, sha256), sha256, written_ms, refused)
        for sha256, written_ms, path, refused in sources.entries
    ]
    return compact_hour(hour_ms, places, config.samples_path)


def _place(config: Config, relative: str, sha256: str) -> Path:
    """Return where a taken-in file lies: in the archive, or on its way there after a crash."""
    archived = config.archive_path / Path(relative).parent / f"{sha256}.parquet"
    released = config.archive_path / "released" / f"{sha256}.parquet"
    kept = config.quarantine_path.glob(f"*/{sha256}*") if not archived.exists() and not released.exists() else ()
    places: tuple[Path, ...] = (archived, released, config.landing_path / relative, *kept)
    for place in places:
        if place.exists():
            return place
    return archived


def _write_ledger(
    inside: duckdb.DuckDBPyConnection,
    made: dict[int, CompactedHour],
    sources: dict[int, HourSources],
    rules: Accounting,
) -> None:
    """Replace the ledger entries of some hours of a day, and note the days whose figures rest on them."""
    if not made:
        return
    hours = list(made)
    day = datetime.fromtimestamp(hours[0] / MS_PER_S, UTC).date()
    bound = {"day": day, "hours": hours}
    inside.register("new_series", pa.concat_tables([_series_rows(hour_ms, hour) for hour_ms, hour in made.items()]))
    inside.register("new_hour", _hour_rows(made, sources))
    try:
        inside.execute(
            "CREATE OR REPLACE TEMP TABLE old_series AS FROM lake.raw.sample_series "
            "WHERE day = $day AND list_contains($hours, epoch_ms(hour_start))",
            bound,
        )
        for name in ("sample_series", "sample_hour"):
            inside.execute(
                f"DELETE FROM lake.raw.{name} WHERE day = $day AND list_contains($hours, epoch_ms(hour_start))", bound
            )
        for name in ("series", "hour"):
            inside.execute(
                f"INSERT INTO lake.raw.sample_{name} BY NAME "
                "SELECT $day AS day, make_timestamptz(hour_ms * 1000) AS hour_start, * EXCLUDE (hour_ms) "
                f"FROM new_{name}",
                {"day": day},
            )
        _write_conflicts(inside, made)
        touched = inside.execute(sql_text("ingest", "touched_by_hours"), _reach(rules, hours)).fetchall()
        # The figures of an hour rest on its content even where no edge moved.
        days = {str(day), *(str(other) for (other,) in touched)}
        note_days(inside, sorted(days), f"readings {_cause(sources, hours)}")
    finally:
        inside.unregister("new_series")
        inside.unregister("new_hour")
        inside.execute("DROP TABLE IF EXISTS temp.old_series")


def _cause(sources: dict[int, HourSources], hours_ms: list[int]) -> str:
    digest = hashlib.sha256("\n".join(f"{hour} {sources[hour].sha256}" for hour in hours_ms).encode())
    return digest.hexdigest()


def _reach(rules: Accounting, hours_ms: list[int]) -> dict[str, Any]:
    reach = timedelta(hours=rules.max_counter_gap_h, seconds=rules.absent_after_s)
    first, last = (datetime.fromtimestamp(at / MS_PER_S, UTC) for at in (min(hours_ms), max(hours_ms) + MS_PER_HOUR))
    return {
        "reach_ms": rules.max_counter_gap_h * MS_PER_HOUR,
        "absent_ms": int(rules.absent_after_s * MS_PER_S),
        "from_day": (first - reach).date(),
        "to_day": (last + reach).date(),
    }


def _series_rows(hour_ms: int, hour: CompactedHour) -> pa.Table:
    parts = [
        file.series.append_column("shard", pa.array([file.shard] * file.series.num_rows, pa.int32()))
        for file in hour.files
    ]
    empty = SERIES_SCHEMA.append(pa.field("shard", pa.int32())).empty_table()
    table = pa.concat_tables(parts) if parts else empty
    return table.append_column("hour_ms", pa.array([hour_ms] * table.num_rows, pa.int64()))


def _hour_rows(made: dict[int, CompactedHour], sources: dict[int, HourSources]) -> pa.Table:
    rows = [
        {
            "hour_ms": hour_ms,
            "shard": file.shard,
            "file_sha256": file.sha256,
            "sources_sha256": sources[hour_ms].sha256,
            "size_bytes": file.size_bytes,
            "rows_n": file.rows_n,
            "series_n": file.series.num_rows,
            "first_ms": file.first_ms,
            "last_ms": file.last_ms,
        }
        for hour_ms, hour in made.items()
        for file in hour.files
    ]
    names = ("hour_ms", "size_bytes", "rows_n", "series_n", "first_ms", "last_ms")
    kinds = {"shard": pa.int32(), "file_sha256": pa.string(), "sources_sha256": pa.string()}
    return pa.Table.from_pylist(rows, schema=pa.schema({**dict.fromkeys(names, pa.int64()), **kinds}))


def _write_conflicts(inside: duckdb.DuckDBPyConnection, made: dict[int, CompactedHour]) -> None:
    """Bring the conflicts of some hours in quarantine to what compaction found; what somebody decided stays."""
    fields = ", ".join(f'"{column.name}" := "{column.name}"' for column in POWER_SAMPLE.columns)
    inside.register("conflict", pa.concat_tables([hour.conflicts for hour in made.values()]))
    try:
        inside.execute(
            f"""
            DELETE FROM lake.raw.quarantine_row
            WHERE table_name = 'power_sample' AND reason = 'conflict'
              AND list_contains($hours, time_ms // {MS_PER_HOUR})
              AND (file_sha256, row_number) NOT IN (SELECT (file_sha256, row_number) FROM conflict)
            """,
            {"hours": [hour_ms // MS_PER_HOUR for hour_ms in made]},
        )
        inside.execute(
            f"""
            INSERT INTO lake.raw.quarantine_row BY NAME
            SELECT file_sha256, row_number, 'power_sample' AS table_name, written_ms, ts_ms AS time_ms,
                'conflict' AS reason, $detail AS detail, CAST(to_json(struct_pack({fields})) AS VARCHAR) AS row_json,
                'open' AS state, NULL AS note, now() AS first_seen
            FROM conflict
            WHERE (file_sha256, row_number) NOT IN (
                SELECT (file_sha256, row_number) FROM lake.raw.quarantine_row
                WHERE table_name = 'power_sample' AND reason = 'conflict'
            )
            """,
            {"detail": CONFLICT_DETAIL},
        )
    finally:
        inside.unregister("conflict")
