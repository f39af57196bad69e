"""Figures of cloud regions that landed become versions of ``ref.cloud_region_factor``: what was known when.

What belongs here: which versions there are, and which days another one touches. What must not be here: which figure
applies to a day (``warehouse/sql/core/place_factor.sql``), reading publications (``pipelines.feeds.cloud``).

The table is small, a few thousand rows of all years, so that all versions are worked out each time.
"""

from __future__ import annotations

import duckdb

from collectors import contract
from warehouse.registry import table
from warehouse.sqlfiles import sql_text

LANDED = contract.CLOUD_REGION_FACTOR.name
KEPT = table("ref.cloud_region_factor")

_CURRENT = "SELECT * EXCLUDE (flags, file_sha256, known_from, known_to) FROM {} WHERE known_to IS NULL"


def keep_versions(inside: duckdb.DuckDBPyConnection) -> list[str]:
    """Bring the versions of landed figures up to date, after the rows of a file were merged.

    Args:
        inside: a connection in the transaction that merges the rows.

    Returns:
        Computed days (ISO 8601) to which another figure may apply now.
    """
    target = f"lake.{KEPT.qualified}"
    columns = ", ".join(f'"{name}"' for name in KEPT.column_names)
    version = sql_text("ingest", "region_version")
    inside.execute(
        f"CREATE OR REPLACE TEMP TABLE old_figure AS SELECT {columns} FROM {target} WHERE file_sha256 IS NOT NULL"
    )
    inside.execute(f"CREATE OR REPLACE TEMP TABLE new_figure AS SELECT {columns} FROM ({version})")
    inside.execute(
        f"DELETE FROM {target} WHERE file_sha256 IS NOT NULL AND (factor_id, known_from) IN "
        "(SELECT (factor_id, known_from) FROM (FROM old_figure EXCEPT FROM new_figure))"
    )
    inside.execute(
        f"INSERT INTO {target} ({columns}) SELECT * FROM (FROM new_figure EXCEPT FROM old_figure) "
        "ORDER BY factor_id, known_from"
    )
    old, new = _CURRENT.format("old_figure"), _CURRENT.format("new_figure")
    inside.execute(
        f"CREATE OR REPLACE TEMP TABLE changed_figure AS (({new} EXCEPT {old}) UNION ALL ({old} EXCEPT {new}))"
    )
    days = inside.execute(sql_text("ingest", "touched_by_regions")).fetchall()
    for name in ("old_figure", "new_figure", "changed_figure"):
        inside.execute(f"DROP TABLE temp.{name}")
    return sorted(str(day) for (day,) in days)
