"""Which days must be computed again because of newly landed rows.

What belongs here: the rule that connects landed rows with days. What must not be here: computing the days.

Readings touch their own day, and the day of a neighbouring reading when the interval between them counts (it is
bridged or is a gap). Job rows touch the days between the job's start and end that have readings, and the days of start
and end themselves. Hardware rows touch the later days of their host.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import duckdb

from warehouse.config import Accounting
from warehouse.sqlfiles import sql_text

MS_PER_HOUR = 3_600_000
MS_PER_S = 1000


def _sample_days(connection: duckdb.DuckDBPyConnection, rules: Accounting) -> list[str]:
    reach_ms = int(rules.max_counter_gap_h * MS_PER_HOUR)
    first, last = connection.execute("SELECT min(ts_ms), max(ts_ms) FROM good").fetchall()[0]
    if first is None:
        return []
    from_day, to_day = (datetime.fromtimestamp(ms / MS_PER_S, UTC).date() for ms in (first - reach_ms, last + reach_ms))
    parameters = {
        "reach_ms": reach_ms,
        "absent_ms": int(rules.absent_after_s * MS_PER_S),
        "from_day": from_day,
        "to_day": to_day,
    }
    return [str(day) for (day,) in connection.execute(sql_text("ingest", "touched_by_samples"), parameters).fetchall()]


def _by_query(name: str) -> Callable[[duckdb.DuckDBPyConnection, Accounting], list[str]]:
    def days(connection: duckdb.DuckDBPyConnection, _: Accounting) -> list[str]:
        return [str(day) for (day,) in connection.execute(sql_text("ingest", name)).fetchall()]

    return days


_RULES: dict[str, Callable[[duckdb.DuckDBPyConnection, Accounting], list[str]]] = {
    "power_sample": _sample_days,
    "job_event": _by_query("touched_by_jobs"),
    "job_device": _by_query("touched_by_jobs"),
    "work_counter": _by_query("touched_by_work"),
    "asset_event": _by_query("touched_by_assets"),
}


def touched_days(connection: duckdb.DuckDBPyConnection, table_name: str, rules: Accounting) -> list[str]:
    """Return the days (ISO 8601) that the rows in the temporary table ``good`` touch; call it after they are merged.

    Args:
        connection: a connection in the transaction that merges the rows.
        table_name: landing table of the rows. A table that no figure rests on yet touches no day.
        rules: the accounting rules of the configuration.
    """
    rule = _RULES.get(table_name)
    return sorted(rule(connection, rules)) if rule else []


def refused_days(connection: duckdb.DuckDBPyConnection, hashes: list[str]) -> list[str]:
    """Return the computed days (ISO 8601) into which refused rows of files fall: the data quality of a day counts them.

    Args:
        connection: a connection in a transaction.
        hashes: content hashes of the files. A day that is not computed yet counts their rows once it is.
    """
    days = connection.execute(sql_text("ingest", "touched_by_refused"), {"hashes": hashes}).fetchall()
    return sorted(day for (day,) in days)


def note_days(connection: duckdb.DuckDBPyConnection, days: list[str], cause: str) -> None:
    """Note days as to do, in the caller's transaction."""
    if days:
        values = {"days": days, "cause": cause}
        connection.execute("INSERT INTO lake.audit.pending SELECT unnest($days), $cause, now()", values)
