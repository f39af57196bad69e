"""Assets on their way through SQL: normalised names of hardware, and the spans in which each asset accrues.

What belongs here: handing rows of assets to ``models.embodied`` and what it gives back to SQL. What must not be here:
the rules of a service life (``models.embodied.accrual``), factors and sums (``warehouse/sql``).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import duckdb
import pyarrow as pa

from models.embodied.accrual import Asset, LifeRevision, accrual_spans, write_offs
from models.embodied.catalogue import normalise_model
from models.estimate import Estimate

_ASSETS_SQL = """
SELECT asset_id, epoch_ms(acquired_at), epoch_ms(in_service_at), epoch_ms(retired_at), low_kgco2e, kgco2e, high_kgco2e,
    low_life_h, life_h, high_life_h
FROM lake.core.asset WHERE kgco2e IS NOT NULL AND life_h IS NOT NULL ORDER BY asset_id
"""
_REVISIONS_SQL = """
SELECT asset.asset_id, epoch_ms(life.applies_from), life.life_h
FROM lake.core.asset AS asset
JOIN lake.ref.service_life AS life
    ON life.kind = asset.kind AND (life.hardware_key IS NULL OR life.hardware_key = asset.hardware_key)
WHERE life.known_to IS NULL AND life.applies_from IS NOT NULL
QUALIFY life.hardware_key IS NOT NULL OR max(life.hardware_key) OVER (PARTITION BY asset.asset_id) IS NULL
ORDER BY asset.asset_id, life.applies_from, life.position
"""
_RATES = ("low_gco2e_per_s", "gco2e_per_s", "high_gco2e_per_s")
_AMOUNTS = ("low_kgco2e", "kgco2e", "high_kgco2e")


def name_hardware(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table ``hardware_name``: each name that asset events use, with its normalised key."""
    found = connection.execute("SELECT DISTINCT hardware_model FROM lake.raw.asset_event ORDER BY 1").fetchall()
    names = [name for (name,) in found]
    keys = [normalise_model(name) for name in names]
    columns = {"hardware_model": pa.array(names, pa.string()), "hardware_key": pa.array(keys, pa.string())}
    _temporary(connection, "hardware_name", columns)


def make_spans(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary tables ``asset_span`` and ``asset_write_off`` from ``core.asset`` and the stated lives.

    Args:
        connection: a connection in a transaction in which ``core.asset`` was filled.
    """
    spans: list[tuple[Any, ...]] = []
    lost: list[tuple[Any, ...]] = []
    for asset_id, asset in _assets(connection):
        spans += [(asset_id, span.start_ms, span.end_ms, *span.gco2e_per_s) for span in accrual_spans(asset)]
        lost += [(asset_id, at_ms, *amounts) for at_ms, amounts in write_offs(asset)]
    _temporary(connection, "asset_span", _columns(spans, ("start_ms", "end_ms"), _RATES))
    _temporary(connection, "asset_write_off", _columns(lost, ("at_ms",), _AMOUNTS))


def _assets(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, Asset]]:
    revisions: dict[str, list[LifeRevision]] = defaultdict(list)
    for asset_id, at_ms, life_h in connection.execute(_REVISIONS_SQL).fetchall():
        revisions[asset_id].append(LifeRevision(at_ms, life_h))
    return [
        (
            asset_id,
            Asset(
                Estimate(low, central, high, "kgCO2e"),
                # A low figure has a long life behind it.
                (high_life_h, life_h, low_life_h),
                acquired_ms,
                in_service_ms,
                retired_ms,
                tuple(revisions[asset_id]),
            ),
        )
        for (
            asset_id,
            acquired_ms,
            in_service_ms,
            retired_ms,
            low,
            central,
            high,
            low_life_h,
            life_h,
            high_life_h,
        ) in connection.execute(_ASSETS_SQL).fetchall()
    ]


def _columns(rows: list[tuple[Any, ...]], times: tuple[str, ...], values: tuple[str, ...]) -> dict[str, pa.Array]:
    names = ("asset_id", *times, *values)
    types = [pa.string(), *(pa.int64() for _ in times), *(pa.float64() for _ in values)]
    by_column = list(zip(*rows, strict=True)) or [()] * len(names)
    return {name: pa.array(column, kind) for name, column, kind in zip(names, by_column, types, strict=True)}


def _temporary(connection: duckdb.DuckDBPyConnection, name: str, columns: dict[str, pa.Array]) -> None:
    connection.register("columns_of", pa.table(columns))
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM columns_of")
    finally:
        connection.unregister("columns_of")
