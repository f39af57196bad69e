"""Merging landed rows into a raw table so that the outcome does not depend on the order in which files arrive.

The rule: of several rows with the same key, the one in the earliest written file stays (``written_ms``, then content
hash, then position). A row with the same key and the same values is a duplicate and leaves no trace. A row with other
values is a conflict: for every distinct other value its earliest row is kept in quarantine.

What belongs here: this rule in SQL. What must not be here: reading of files and judging of single rows.
"""

from __future__ import annotations

import duckdb

from collectors.contract import LandingTable

CONFLICT_DETAIL = "an earlier written file, or an earlier row, states another value under the same key"
_ORIGIN = "day, file_sha256, row_number, written_ms"
_PRECEDENCE = "written_ms, file_sha256, row_number"


def _key_of_columns(table: LandingTable) -> str:
    parts = ", ".join(f"coalesce(to_json(\"{name}\"), 'null'::JSON)" for name in table.key)
    return f"CAST(to_json([{parts}]) AS VARCHAR)"


def _key_of_json(table: LandingTable) -> str:
    parts = ", ".join(f"coalesce(json_extract(row_json, '$.{name}'), 'null'::JSON)" for name in table.key)
    return f"CAST(to_json([{parts}]) AS VARCHAR)"


def _row_json(table: LandingTable) -> str:
    fields = ", ".join(f'"{column.name}" := "{column.name}"' for column in table.columns)
    return f"CAST(to_json(struct_pack({fields})) AS VARCHAR)"


def _days(connection: duckdb.DuckDBPyConnection) -> str:
    days = [f"DATE '{day}'" for (day,) in connection.execute("SELECT DISTINCT day FROM good ORDER BY day").fetchall()]
    return ", ".join(days)


def merge(connection: duckdb.DuckDBPyConnection, table: LandingTable) -> list[str]:
    """Merge the rows of the temporary table ``good`` into the raw table, in the caller's transaction.

    Args:
        connection: a connection with the lake attached and in a transaction.
        table: the landing table. ``good`` has its columns and those of origin.

    Returns:
        Days (ISO 8601) whose rows in quarantine changed: the data quality of a day counts them.
    """
    days = _days(connection)
    if not days:
        return []
    if _find_twice(connection, table, days):
        _find_contested(connection, table, days)
        _apply(connection, table, days)
        changed = connection.execute(
            "SELECT DISTINCT CAST(make_timestamp(time_ms * 1000) AS DATE) FROM contested "
            "WHERE (stands_in = 'quarantine') <> (belongs_in = 'quarantine')"
        )
        return sorted(str(day) for (day,) in changed.fetchall())
    _insert(connection, table, "SELECT * FROM good")
    return []


def _find_twice(connection: duckdb.DuckDBPyConnection, table: LandingTable, days: str) -> bool:
    """Make the temporary table ``twice`` of the keys that several rows state; tell whether there is any.

    A key with rows in quarantine has one in the raw table as well: the one that they conflict with.
    """
    raw = f"lake.raw.{table.name}"
    keys = ", ".join(f'"{name}"' for name in table.key)
    both = " AND ".join(f'g."{name}" IS NOT DISTINCT FROM r."{name}"' for name in table.key)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE twice AS
        SELECT {keys} FROM good GROUP BY ALL HAVING count(*) > 1
        UNION
        SELECT {", ".join(f'g."{name}"' for name in table.key)}
        FROM good AS g JOIN {raw} AS r ON {both}
        WHERE r.day IN ({days})
        """
    )
    return bool(connection.execute("SELECT count(*) FROM twice").fetchall()[0][0])


def _find_contested(connection: duckdb.DuckDBPyConnection, table: LandingTable, days: str) -> None:
    raw = f"lake.raw.{table.name}"
    in_twice = " AND ".join(f't."{name}" IS NOT DISTINCT FROM g."{name}"' for name in table.key)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE contested AS
        WITH candidate AS (
            SELECT {_row_json(table)} AS row_json, {_ORIGIN}, "{table.time_column}" AS time_ms, 'good' AS stands_in
            FROM good AS g WHERE EXISTS (SELECT 1 FROM twice AS t WHERE {in_twice})
            UNION ALL
            SELECT {_row_json(table)} AS row_json, {_ORIGIN}, "{table.time_column}" AS time_ms, 'raw' AS stands_in
            FROM {raw} AS g WHERE g.day IN ({days}) AND EXISTS (SELECT 1 FROM twice AS t WHERE {in_twice})
            UNION ALL
            SELECT row_json, NULL, file_sha256, row_number, written_ms, time_ms, 'quarantine' AS stands_in
            FROM lake.raw.quarantine_row
            WHERE table_name = '{table.name}' AND reason = 'conflict'
              AND {_key_of_json(table)} IN (SELECT {_key_of_columns(table)} FROM twice)
        ),
        keyed AS (SELECT *, {_key_of_json(table)} AS key_json FROM candidate),
        ranked AS (
            SELECT *,
                -- A file that is judged again meets its own rows: the fresh one may win, the old one stays as it is.
                row_number() OVER (PARTITION BY key_json ORDER BY {_PRECEDENCE}, stands_in) AS key_rank,
                row_number() OVER (
                    PARTITION BY key_json, row_json ORDER BY {_PRECEDENCE}, stands_in DESC
                ) AS value_rank,
                first_value(row_json) OVER (PARTITION BY key_json ORDER BY {_PRECEDENCE}) AS winning_json
            FROM keyed
        )
        SELECT *,
            CASE
                WHEN key_rank = 1 THEN 'raw'
                WHEN row_json <> winning_json AND value_rank = 1 THEN 'quarantine'
                ELSE 'nowhere'
            END AS belongs_in
        FROM ranked
        """
    )


def _insert(connection: duckdb.DuckDBPyConnection, table: LandingTable, chosen: str) -> None:
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    keys = ", ".join(f'"{name}"' for name in table.key)
    connection.execute(
        f"INSERT INTO lake.raw.{table.name} ({columns}, {_ORIGIN}) "
        f"SELECT {columns}, {_ORIGIN} FROM ({chosen}) ORDER BY {keys}"
    )


def _apply(connection: duckdb.DuckDBPyConnection, table: LandingTable, days: str) -> None:
    raw = f"lake.raw.{table.name}"
    in_twice = " AND ".join(f't."{name}" IS NOT DISTINCT FROM g."{name}"' for name in table.key)
    leaving = "SELECT (file_sha256, row_number) FROM contested WHERE stands_in = 'raw' AND belongs_in <> 'raw'"
    if connection.execute(f"SELECT count(*) FROM ({leaving})").fetchall()[0][0]:
        connection.execute(f"DELETE FROM {raw} WHERE day IN ({days}) AND (file_sha256, row_number) IN ({leaving})")
    _insert(
        connection,
        table,
        f"""
        SELECT * FROM good AS g
        WHERE NOT EXISTS (SELECT 1 FROM twice AS t WHERE {in_twice})
           OR (file_sha256, row_number) IN (
               SELECT (file_sha256, row_number) FROM contested WHERE stands_in = 'good' AND belongs_in = 'raw'
           )
        """,
    )
    superseded = (
        "SELECT (file_sha256, row_number) FROM contested WHERE stands_in = 'quarantine' AND belongs_in <> 'quarantine'"
    )
    if connection.execute(f"SELECT count(*) FROM ({superseded})").fetchall()[0][0]:
        connection.execute(
            f"""
            DELETE FROM lake.raw.quarantine_row
            WHERE reason = 'conflict' AND table_name = '{table.name}' AND (file_sha256, row_number) IN ({superseded})
            """
        )
    connection.execute(
        """
        INSERT INTO lake.raw.quarantine_row BY NAME
        SELECT file_sha256, row_number, $table_name AS table_name, written_ms, time_ms, 'conflict' AS reason,
            $detail AS detail, row_json, 'open' AS state, NULL AS note, now() AS first_seen
        FROM contested
        WHERE stands_in <> 'quarantine' AND belongs_in = 'quarantine'
        """,
        {"table_name": table.name, "detail": CONFLICT_DETAIL},
    )
