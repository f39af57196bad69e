"""Grid intensities that landed become versions of ``ref.grid_intensity``: what was known from when to when.

What belongs here: which versions there are, and which days another one touches. What must not be here: which of several
values applies to a slot (``warehouse/sql/core/grid_factor.sql``), asking providers (``pipelines.feeds``).

Nothing is overwritten but the end of what was known: a value stays readable as it was known at any moment.
"""

from __future__ import annotations

from typing import Any

import duckdb

from collectors import contract
from warehouse.config import Config
from warehouse.registry import table
from warehouse.sqlfiles import sql_text

LANDED = contract.GRID_INTENSITY.name
KEPT = table("ref.grid_intensity")
MONTHS_PER_YEAR = 12

_KEYS = "zone, start_ms, end_ms, kind, basis, flow, provider, factor_set"


def note_forgotten(inside: duckdb.DuckDBPyConnection, sha256: str) -> None:
    """Keep the keys of a file whose rows are about to be judged again, in the caller's transaction."""
    _begin(inside)
    inside.execute(
        f"INSERT INTO touched_interval SELECT DISTINCT {_KEYS}, day FROM lake.raw.{LANDED} WHERE file_sha256 = $sha256",
        {"sha256": sha256},
    )


def _begin(inside: duckdb.DuckDBPyConnection) -> None:
    inside.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS touched_interval AS SELECT {_KEYS}, day FROM lake.raw.{LANDED} LIMIT 0"
    )


def keep_versions(inside: duckdb.DuckDBPyConnection, config: Config) -> list[str]:
    """Bring the versions of the intervals in the temporary table ``good`` up to date, after its rows were merged.

    Args:
        inside: a connection in the transaction that merges the rows.
        config: how far the mean of a month or year may stand in for others, and which kinds make figures.

    Returns:
        Days (ISO 8601) with energy to which another value may apply now.
    """
    _begin(inside)
    inside.execute(f"INSERT INTO touched_interval SELECT DISTINCT {_KEYS}, day FROM good")
    first, last = inside.execute("SELECT min(day), max(day) FROM touched_interval").fetchall()[0]
    if first is None:
        return []
    _read_old(inside)
    version = sql_text("ingest", "intensity_version")
    inside.execute(f"CREATE OR REPLACE TEMP TABLE new_version AS {version}", {"from_day": first, "to_day": last})
    _replace(inside)
    kinds = ["average", "residual"] if config.market else ["average"]
    values = {"kinds": kinds, "has_market": config.market is not None}
    inside.execute(f"CREATE OR REPLACE TEMP TABLE changed_interval AS {_CHANGED}", values)
    reach = max(config.grid.max_age_months, MONTHS_PER_YEAR * config.grid.max_age_years)
    days: list[tuple[Any, ...]] = []
    if inside.execute("SELECT count(*) FROM changed_interval").fetchall()[0][0]:
        touched = sql_text("ingest", "touched_by_intensities")
        days = inside.execute(touched, {"reach_months": reach}).fetchall()
    for name in ("touched_interval", "old_version", "new_version", "changed_interval"):
        inside.execute(f"DROP TABLE temp.{name}")
    return sorted(str(day) for (day,) in days)


def _read_old(inside: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table ``old_version`` of the versions of the touched intervals as they stand."""
    inside.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE old_version AS
        SELECT kept.* FROM lake.{KEPT.qualified} AS kept
        SEMI JOIN touched_interval AS touched
            ON touched.zone = kept.zone AND touched.start_ms = epoch_ms(kept.valid_from)
            AND touched.end_ms = epoch_ms(kept.valid_to) AND touched.kind = kept.kind
            AND touched.basis = kept.basis AND touched.flow = kept.flow
            AND touched.provider = kept.provider AND touched.factor_set = kept.factor_set
        WHERE file_sha256 IS NOT NULL
            AND valid_from >= (SELECT make_timestamptz(min(start_ms) * 1000) FROM touched_interval)
            AND valid_from <= (SELECT make_timestamptz(max(start_ms) * 1000) FROM touched_interval)
        """
    )


_VERSION_KEY = "factor_id, valid_from, valid_to, known_from"


def _replace(inside: duckdb.DuckDBPyConnection) -> None:
    """Write the versions that are new or ended otherwise, and take out those that are not there any more."""
    columns = ", ".join(f'"{name}"' for name in KEPT.column_names)
    inside.execute(
        f"CREATE OR REPLACE TEMP TABLE gone_version AS (SELECT {columns} FROM old_version "
        f"EXCEPT SELECT {columns} FROM new_version)"
    )
    if inside.execute("SELECT count(*) FROM gone_version").fetchall()[0][0]:
        first, last = inside.execute("SELECT min(valid_from), max(valid_from) FROM gone_version").fetchall()[0]
        inside.execute(
            f"DELETE FROM lake.{KEPT.qualified} WHERE file_sha256 IS NOT NULL AND valid_from BETWEEN $first AND $last "
            f"AND ({_VERSION_KEY}) IN (SELECT ({_VERSION_KEY}) FROM gone_version)",
            {"first": first, "last": last},
        )
    inside.execute(
        f"INSERT INTO lake.{KEPT.qualified} ({columns}) SELECT {columns} FROM ((SELECT {columns} FROM new_version) "
        f"EXCEPT SELECT {columns} FROM old_version) ORDER BY factor_id, valid_from, known_from"
    )
    inside.execute("DROP TABLE temp.gone_version")


_CURRENT = (
    # The carbon-free share makes figures of markets alone.
    "SELECT zone, valid_from, valid_to, factor_id, gco2e_per_kwh, is_estimate, "
    "CASE WHEN $has_market THEN carbon_free_fraction END FROM {} "
    "WHERE known_to IS NULL AND list_contains($kinds, kind)"
)
_CHANGED = (
    f"SELECT DISTINCT zone, valid_from, valid_to FROM (({_CURRENT.format('new_version')} EXCEPT "
    f"{_CURRENT.format('old_version')}) UNION ALL ({_CURRENT.format('old_version')} EXCEPT "
    f"{_CURRENT.format('new_version')}))"
)
