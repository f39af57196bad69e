"""Working out jobs anew of which rows landed: their attributes, phases and holds, and the days that change by it.

What belongs here: the tables that have a row for a job and not for a day. What must not be here: their SQL
(``warehouse/sql/core``), energy.

Only the jobs with new rows are worked out, whatever the length of the history: ingest notes them in the transaction
that takes the rows in. A day is touched only if something changes in it: the end of a long job that moves on by an hour
does not touch the months before.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb

from warehouse.lake import Lake
from warehouse.registry import table
from warehouse.sqlfiles import sql_text
from warehouse.touched import note_days

JOB_TABLES = ("core.job", "core.job_phase", "core.job_hold")
NOTING_TABLES = frozenset({"job_event", "job_device"})

_NOTED = """
SELECT job_id, attempt, list(cause ORDER BY cause) AS causes, min(from_day) AS from_day, max(to_day) AS to_day
FROM lake.audit.pending_job GROUP BY ALL
"""
_DAY_OF = "CAST(make_timestamp({} * 1000) AS DATE)"


def note_jobs(inside: duckdb.DuckDBPyConnection) -> None:
    """Note the jobs of the rows in the temporary table ``good`` as to do, in the transaction that merges them."""
    inside.execute(
        "INSERT INTO lake.audit.pending_job "
        "SELECT job_id, attempt, file_sha256, min(day), max(day) FROM good GROUP BY job_id, attempt, file_sha256"
    )


def forget_rows(inside: duckdb.DuckDBPyConnection, table_name: str, sha256: str) -> None:
    """Note the jobs of a taken-in file as to do, because its rows are about to be judged again."""
    inside.execute(
        "INSERT INTO lake.audit.pending_job "
        "SELECT job_id, attempt, 'judged again ' || file_sha256, min(day), max(day) "
        f"FROM lake.raw.{table_name} WHERE file_sha256 = $sha256 GROUP BY job_id, attempt, file_sha256",
        {"sha256": sha256},
    )


def note_jobs_of_days(lake: Lake, cause: str, first_ms: int | None = None, end_ms: int | None = None) -> None:
    """Note all jobs, or those of an interval, as to do.

    Args:
        lake: an open, writable lake.
        cause: why.
        first_ms: start of the interval [epoch ms].
        end_ms: its end [epoch ms].
    """

    def work(inside: duckdb.DuckDBPyConnection) -> None:
        inside.execute(
            f"""
            INSERT INTO lake.audit.pending_job
            SELECT job_id, attempt, $cause, {_DAY_OF.format("first_ms")}, {_DAY_OF.format("last_ms")} FROM lake.core.job
            WHERE ($end IS NULL OR first_ms < $end) AND ($first IS NULL OR last_ms >= $first)
              AND (job_id, attempt) NOT IN (SELECT (job_id, attempt) FROM lake.audit.pending_job WHERE cause = $cause)
            """,
            {"cause": cause, "first": first_ms, "end": end_ms},
        )

    lake.transaction(work)


def settle_jobs(lake: Lake) -> int:
    """Work out the jobs that are to do, in one transaction, and note the days that they touch.

    Args:
        lake: an open, writable lake.

    Returns:
        How many job attempts were worked out.
    """
    if not lake.value("SELECT count(*) FROM (FROM audit.pending_job LIMIT 1)"):
        return 0
    return lake.transaction(_settle)


def _settle(inside: duckdb.DuckDBPyConnection) -> int:
    noted = inside.execute(_NOTED).fetchall()
    if not noted:
        return 0
    inside.execute(f"CREATE OR REPLACE TEMP TABLE noted_job AS {_NOTED}")
    inside.execute("CREATE OR REPLACE TEMP TABLE touched_job AS SELECT job_id, attempt FROM noted_job")
    for name, source in (("old_job", "core.job"), ("old_hold", "core.job_hold")):
        inside.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS FROM lake.{source} SEMI JOIN touched_job USING (job_id, attempt)"
        )
    bounds = inside.execute(
        f"""
        SELECT min(least(from_day, {_DAY_OF.format("first_ms")})), max(greatest(to_day, {_DAY_OF.format("last_ms")}))
        FROM noted_job LEFT JOIN old_job USING (job_id, attempt)
        """
    ).fetchall()[0]
    for name in JOB_TABLES:
        fill_jobs(inside, name, *bounds)
    days = inside.execute(sql_text("ingest", "touched_by_jobs")).fetchall()
    note_days(inside, sorted(str(day) for (day,) in days), f"jobs {noted[0][2][0]}")
    inside.execute(
        "DELETE FROM lake.audit.pending_job WHERE (job_id, attempt, cause) IN "
        "(SELECT (job_id, attempt, cause) FROM (SELECT job_id, attempt, unnest(causes) AS cause FROM noted_job))"
    )
    for name in ("noted_job", "touched_job", "old_job", "old_hold"):
        inside.execute(f"DROP TABLE temp.{name}")
    return len(noted)


def fill_jobs(inside: duckdb.DuckDBPyConnection, name: str, first_job_day: date, last_job_day: date) -> int:
    """Replace the rows of some jobs in one table by what its SQL gives, in the caller's transaction.

    Args:
        inside: a connection in a transaction, with the temporary table ``touched_job``.
        name: one of ``JOB_TABLES``.
        first_job_day: first day on which a row of these jobs lies.
        last_job_day: the last one.

    Returns:
        Rows that were written.
    """
    entry = table(name)
    text = sql_text(entry.schema, entry.name)
    values: dict[str, Any] = {"first_job_day": first_job_day, "last_job_day": last_job_day}
    used = {key: value for key, value in values.items() if f"${key}" in text}
    inside.execute(f"DELETE FROM lake.{name} WHERE (job_id, attempt) IN (SELECT (job_id, attempt) FROM touched_job)")
    columns = ", ".join(f'"{column}"' for column in entry.column_names)
    written = inside.execute(f"INSERT INTO lake.{name} BY NAME SELECT {columns} FROM ({text})", used)
    return int(written.fetchall()[0][0])
