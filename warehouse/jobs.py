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
    _read_old_jobs(inside)
    _read_going_on(inside)
    inside.execute(f"DELETE FROM temp.touched_job WHERE {_AMONG.format('going_on')}")
    least = _read_old_rows(inside)
    bounds = inside.execute(_BOUNDS).fetchall()[0]
    for name in JOB_TABLES:
        _work_out(inside, name, *bounds)
    for name in JOB_TABLES:
        inside.execute(f"INSERT INTO {_NEW[name]} {_GOING_ON[name]}")
        if least:
            condition = _GONE_JOB if name == "core.job" else _GONE_ROW
            inside.execute(f"DELETE FROM lake.{name} WHERE {condition}", {"least": least[name]})
        inside.execute(f"INSERT INTO lake.{name} FROM {_NEW[name]}")
    days = inside.execute(sql_text("ingest", "touched_by_jobs")).fetchall()
    note_days(inside, sorted(str(day) for (day,) in days), f"jobs {noted[0][2][0]}")
    inside.execute(
        "DELETE FROM lake.audit.pending_job WHERE (job_id, attempt, cause) IN "
        "(SELECT (job_id, attempt, cause) FROM (SELECT job_id, attempt, unnest(causes) AS cause FROM noted_job))"
    )
    for name in ("noted_job", "touched_job", "going_on", *_OLD.values(), *_NEW.values()):
        inside.execute(f"DROP TABLE temp.{name}")
    return len(noted)


_NEW = {"core.job": "new_job", "core.job_phase": "new_phase", "core.job_hold": "new_hold"}
_OLD = {"core.job": "old_job", "core.job_phase": "old_phase", "core.job_hold": "old_hold"}
_AMONG = "(job_id, attempt) IN (SELECT (job_id, attempt) FROM temp.{})"
# Rows to be replaced; the time is stated so that files with older rows alone are not read.
_GONE_JOB = f"last_ms >= $least AND {_AMONG.format('old_job')}"
_GONE_ROW = f"""
end_ms >= $least AND ({_AMONG.format("touched_job")}
    OR (job_id, attempt, end_ms) IN (SELECT (job_id, attempt, was_end_ms) FROM temp.going_on))
"""
# First and last day of the rows of the jobs that are worked out from all their rows.
_BOUNDS = f"""
SELECT min(least(from_day, {_DAY_OF.format("first_ms")})), max(greatest(to_day, {_DAY_OF.format("last_ms")}))
FROM noted_job SEMI JOIN touched_job USING (job_id, attempt) LEFT JOIN old_job USING (job_id, attempt)
"""
# Of a job that goes on, the last phase and what is held until the end last longer.
_LONGER = "SELECT old.* REPLACE (going_on.end_ms AS end_ms) FROM {} AS old JOIN going_on USING (job_id, attempt)"
_GOING_ON = {
    "core.job": "SELECT * EXCLUDE (was_end_ms) FROM going_on",
    "core.job_phase": _LONGER.format("old_phase"),
    "core.job_hold": _LONGER.format("old_hold"),
}


def _read_old_jobs(inside: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table ``old_job``: the noted jobs as they were worked out before."""
    jobs = "lake.core.job SEMI JOIN touched_job USING (job_id, attempt)"
    # Keys first: all columns are then read only of the files in which jobs end as late.
    least = inside.execute(f"SELECT min(last_ms) FROM {jobs}").fetchall()[0][0]
    where = "WHERE false" if least is None else f"WHERE last_ms >= {int(least)}"
    inside.execute(f"CREATE OR REPLACE TEMP TABLE old_job AS SELECT * FROM {jobs} {where}")


def _read_going_on(inside: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table ``going_on``: the new rows of those noted jobs that only went on."""
    text = sql_text("core", "job_going_on")
    ends = f"SELECT min(from_day), max(to_day), min({_DAY_OF.format('end_ms')}) FILTER (WHERE state = 'running') "
    first, last, ended = inside.execute(f"{ends} FROM noted_job LEFT JOIN old_job USING (job_id, attempt)").fetchall()[
        0
    ]
    values = {"first_job_day": min(first, ended or first), "last_job_day": last}
    inside.execute(f"CREATE OR REPLACE TEMP TABLE going_on AS {text}", values)


def _read_old_rows(inside: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Make the temporary tables ``old_phase`` and ``old_hold``: what is to be replaced of phases and holds.

    Returns:
        By table, before which time [epoch ms] no row ends that is to be replaced; empty if there is no such row.
    """
    job_ms, row_ms = inside.execute(
        "SELECT min(old_job.last_ms), min(coalesce(was_end_ms, old_job.first_ms)) "
        "FROM old_job LEFT JOIN going_on USING (job_id, attempt)"
    ).fetchall()[0]
    for name in ("core.job_phase", "core.job_hold"):
        rows, values = (f"WHERE {_GONE_ROW}", {"least": row_ms}) if row_ms is not None else ("WHERE false", {})
        inside.execute(f"CREATE OR REPLACE TEMP TABLE {_OLD[name]} AS SELECT * FROM lake.{name} {rows}", values)
    return {} if job_ms is None else {"core.job": job_ms, "core.job_phase": row_ms, "core.job_hold": row_ms}


def _work_out(inside: duckdb.DuckDBPyConnection, name: str, first_job_day: date, last_job_day: date) -> None:
    """Make the temporary table with the rows of the jobs in ``touched_job`` that the SQL of a table gives."""
    entry = table(name)
    text = sql_text(entry.schema, entry.name)
    values: dict[str, Any] = {"first_job_day": first_job_day, "last_job_day": last_job_day}
    used = {key: value for key, value in values.items() if f"${key}" in text}
    columns = ", ".join(f'"{column.name}" :: {column.type} AS "{column.name}"' for column in entry.columns)
    inside.execute(f"CREATE OR REPLACE TEMP TABLE {_NEW[name]} AS SELECT {columns} FROM ({text})", used)


def fill_jobs(inside: duckdb.DuckDBPyConnection, name: str, first_job_day: date, last_job_day: date) -> int:
    """Replace the rows of some jobs in one table by what its SQL gives, in the caller's transaction.

    Args:
        inside: a connection in a transaction, with the temporary table ``touched_job``.
        name: one of ``JOB_TABLES``; those before it were filled for the same jobs.
        first_job_day: first day on which a row of these jobs lies.
        last_job_day: the last one.

    Returns:
        Rows that were written.
    """
    _work_out(inside, name, first_job_day, last_job_day)
    inside.execute(f"DELETE FROM lake.{name} WHERE {_AMONG.format('touched_job')}")
    return int(inside.execute(f"INSERT INTO lake.{name} FROM {_NEW[name]}").fetchall()[0][0])
