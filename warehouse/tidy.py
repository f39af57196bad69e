"""Keeping the lake's files few: small files of a table and month are merged, and what is left over is removed.

What belongs here: when files are merged, and doing it. What must not be here: which rows are in them.

Every statement on the lake reads the list of all its files from the catalog, so that a file a day, or an hour, for each
table would make each new hour dearer than the one before. Merging changes no row and no snapshot: DuckLake keeps for
each row in which snapshot it came, so that time travel shows the same as before.
"""

from __future__ import annotations

from warehouse.lake import CATALOG, Lake
from warehouse.retention import forget

# Files of a table and month are merged once so many are below a size, so that a row is written again only a few times:
# in a month that is over, few, as no more will come; in the newest one some days or hours.
FEW, MANY = 4, 12
SIZES_BYTES = (1_000_000, 16_000_000, 256_000_000)
# Files of which rows were deleted cannot be merged before they are written again without these; of a large file, with
# some rows of jobs that go on, only once it pays.
MIN_DELETED_FRACTION = 0.0005
# Files that were merged, or that only forgotten snapshots had, stay as long as a reader that began before may want
# them.
KEPT_INTERVAL = "1 DAY"

_META = f"__ducklake_metadata_{CATALOG}"
_DUE_SQL = f"""
WITH part AS (
    SELECT data_file_id, string_agg(lpad(partition_value, 4, '0'), '-' ORDER BY partition_key_index) AS month
    FROM {_META}.ducklake_file_partition_value GROUP BY data_file_id
),
placed AS (
    SELECT table_id, file_size_bytes, month, month < max(month) OVER (PARTITION BY table_id) AS is_over
    FROM {_META}.ducklake_data_file LEFT JOIN part USING (data_file_id)
    WHERE end_snapshot IS NULL
),
counted AS (
    SELECT table_id, month, is_over, size_bytes, count(*) AS files_n
    FROM placed JOIN (SELECT unnest($sizes) AS size_bytes) ON file_size_bytes < size_bytes
    GROUP BY ALL
)
SELECT DISTINCT schema_name, table_name, size_bytes
FROM counted
JOIN {_META}.ducklake_table AS named USING (table_id)
JOIN {_META}.ducklake_schema USING (schema_id)
WHERE files_n >= CASE WHEN is_over THEN $few ELSE $many END AND named.end_snapshot IS NULL
ORDER BY ALL
"""


def due(lake: Lake) -> list[tuple[str, str, int]]:
    """Return schema and name of each table that has many small files, and below which size they are [bytes]."""
    values = {"sizes": list(SIZES_BYTES), "few": FEW, "many": MANY}
    return [(schema, name, size) for schema, name, size in lake.rows(_DUE_SQL, values)]


def tidy(lake: Lake) -> int:
    """Forget old snapshots, merge small files where there are many, remove files that nobody needs any more.

    Args:
        lake: an open, writable lake.

    Returns:
        Files that were merged.
    """
    forgotten = forget(lake)
    merged = 0
    # What became of the smaller files may be one of many larger ones.
    for size in SIZES_BYTES:
        for schema, name in [(schema, name) for schema, name, below in due(lake) if below == size]:
            merged += _merge(lake, schema, name, size)
    if merged or forgotten:
        with lake.locked():
            lake.rows(f"FROM ducklake_cleanup_old_files('{CATALOG}', older_than => now() - INTERVAL {KEPT_INTERVAL})")
    return merged


def _merge(lake: Lake, schema: str, name: str, size_bytes: int) -> int:
    """Merge the files of a table below a size, month by month; return how many there were.

    In transactions of their own: a second merge of a table in one would not see the first and double the rows.
    """
    named = f"'{CATALOG}', '{name}', schema => '{schema}'"
    done = 0
    for call in (
        f"ducklake_rewrite_data_files({named}, delete_threshold => {MIN_DELETED_FRACTION})",
        f"ducklake_merge_adjacent_files({named}, max_file_size => {size_bytes})",
    ):
        sql = f"SELECT sum(files_processed) FROM {call}"
        found = lake.transaction(lambda inside, sql=sql: inside.execute(sql).fetchall())  # type: ignore[misc]
        done += int(found[0][0] or 0)
    return done
