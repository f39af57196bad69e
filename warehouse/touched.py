"""Which days must be computed again because of newly landed rows.

What belongs here: the rule that connects landed rows with days. What must not be here: computing the days.

Work counters touch their own day, delivered volumes theirs if it is computed. Hardware rows touch the later days of
their host. Readings touch days once their hour files are made (``samples``), job rows once their jobs are worked out
(``jobs``).
"""

from __future__ import annotations

import duckdb

from warehouse.sqlfiles import sql_text

_RULES = {
    "work_counter": "touched_by_work",
    "asset_event": "touched_by_assets",
    "instrument_volume": "touched_by_volumes",
}


def touched_days(connection: duckdb.DuckDBPyConnection, table_name: str) -> list[str]:
    """Return the days (ISO 8601) that the rows in the temporary table ``good`` touch; call it after they are merged.

    Args:
        connection: a connection in the transaction that merges the rows.
        table_name: landing table of the rows. A table that no figure rests on yet touches no day.
    """
    name = _RULES.get(table_name)
    return _days(connection.execute(sql_text("ingest", name)).fetchall()) if name else []


def touched_wholes(table_name: str) -> list[str]:
    """Return the partition of the tables without partitions if they rest on a landing table itself, not on its days.

    Args:
        table_name: landing table. Assets are booked, and forecasts stand, also where no day has readings of them.
    """
    return ["*"] if table_name in {"asset_event", "forecast"} else []


def days_of_rows(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the days (ISO 8601) of the rows in the temporary table ``good``."""
    return _days(connection.execute("SELECT DISTINCT day FROM good").fetchall())


def refused_days(connection: duckdb.DuckDBPyConnection, hashes: list[str]) -> list[str]:
    """Return the computed days (ISO 8601) into which refused rows of files fall: the data quality of a day counts them.

    Args:
        connection: a connection in a transaction.
        hashes: content hashes of the files. A day that is not computed yet counts their rows once it is.
    """
    return _days(connection.execute(sql_text("ingest", "touched_by_refused"), {"hashes": hashes}).fetchall())


def computed_among(connection: duckdb.DuckDBPyConnection, days: list[str]) -> list[str]:
    """Return those of some days (ISO 8601) that are computed; another day counts its rows once it is."""
    sql = (
        "SELECT partition_key FROM lake.audit.materialisation "
        "WHERE table_name = 'mart.data_quality' AND list_contains($days, partition_key)"
    )
    return _days(connection.execute(sql, {"days": days}).fetchall()) if days else []


def _days(rows: list[tuple[object]]) -> list[str]:
    return sorted(str(day) for (day,) in rows)


def note_days(connection: duckdb.DuckDBPyConnection, days: list[str], cause: str) -> None:
    """Note days as to do, in the caller's transaction."""
    if days:
        values = {"days": days, "cause": cause}
        connection.execute("INSERT INTO lake.audit.pending SELECT unnest($days), $cause, now()", values)
