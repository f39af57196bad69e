"""Reference tables: the packaged factors and the configuration, kept bitemporally in the lake.

What belongs here: turning ``models`` and the configuration into rows of the ref layer. What must not be here: equations
(``models``) and their application (``warehouse/sql``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa

from models import factors, grid
from models.embodied.catalogue import normalise_model
from models.units import hours_from_years
from warehouse.config import Config
from warehouse.lake import Lake, planned_lightly
from warehouse.registry import Table, table

Rows = list[dict[str, Any]]
_ARROW = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "DOUBLE": pa.float64(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMPTZ": pa.string(),
}
_KNOWN = ("known_from", "known_to")
_STANDING = "ref.*"
_METRIC_OF = {"pue": ("pue", "1"), "wue_l_per_kwh": ("wue", "l/kWh")}
FED = ("ref.grid_intensity", "ref.cloud_region_factor")
"""Tables that hold landed rows beside those of the program (``intensities``, ``cloud_regions``)."""


def _grid_intensity(_: Config) -> Rows:
    return [
        {
            "factor_id": factor.factor_id,
            "zone": factor.zone,
            "valid_from": f"{factor.valid_from}T00:00:00Z",
            "valid_to": f"{factor.valid_to}T00:00:00Z",
            "low_gco2e_per_kwh": factor.low_gco2e_per_kwh,
            "gco2e_per_kwh": factor.gco2e_per_kwh,
            "high_gco2e_per_kwh": factor.high_gco2e_per_kwh,
            "carbon_free_fraction": factor.carbon_free_fraction,
            "kind": "average",
            "basis": factor.basis,
            "flow": factor.flow,
            "tier": factor.tier,
            "provider": factor.source_id,
            "factor_set": None,
            "is_estimate": False,
            "provider_updated_at": None,
            "response_sha256": None,
            "file_sha256": None,
            "source": f"{factor.source_title} ({factor.licence})",
        }
        for factor in factors.grid_factors()
    ]


def _grid_tier(_: Config) -> Rows:
    return [
        {
            "tier": entry.tier,
            "rank": entry.rank,
            "low_factor": entry.low_factor,
            "high_factor": entry.high_factor,
            "description": grid.TIER_MEANING[entry.tier],
        }
        for entry in factors.grid_tiers()
    ]


def _cloud_region_factor(_: Config) -> Rows:
    empty = ("value", "zone", "unit", "year", "valid_from", "valid_to", "basis", "confidence", "flags", "file_sha256")
    nothing: dict[str, Any] = dict.fromkeys(empty)
    zones = [
        nothing
        | {
            "factor_id": f"grid_zone.{entry.source_id}.{entry.provider}.{entry.region}",
            "provider": entry.provider,
            "region": entry.region,
            "metric": "grid_zone",
            "zone": entry.zone,
            "confidence": entry.confidence,
            "source": entry.source_id,
        }
        for entry in factors.region_zones()
    ]
    figures = [
        nothing
        | {
            "factor_id": f"{metric}.{entry.source_id}.{entry.provider}.{entry.region}.{entry.year}",
            "provider": entry.provider,
            "region": entry.region,
            "metric": metric,
            "value": entry.value,
            "unit": unit,
            "year": entry.year,
            "valid_from": f"{entry.valid_from}T00:00:00Z",
            "valid_to": f"{entry.valid_to}T00:00:00Z",
            "confidence": entry.tier,
            "source": entry.source_id,
        }
        for entry in factors.region_figures()
        for metric, unit in (_METRIC_OF[entry.metric],)
    ]
    return zones + figures


def _hardware_embodied(_: Config) -> Rows:
    return [
        {
            "factor_id": factor.factor_id,
            "hardware_keys": sorted(factor.model_keys),
            "hardware_model": factor.hardware_model,
            "level": factor.level,
            "kind": factor.kind,
            "unit_basis": factor.unit_basis,
            "low_kgco2e": factor.low_kgco2e,
            "kgco2e": factor.kgco2e,
            "high_kgco2e": factor.high_kgco2e,
            "low_life_h": factor.life_low_h,
            "life_h": factor.life_h,
            "high_life_h": factor.life_high_h,
            "nameplate_kw": factor.nameplate_kw,
            "includes_cpu": factor.kind == "server",
            "tier": factor.tier,
            "method": factor.method,
            "boundary": factor.boundary,
            "is_selected": factor.is_selected,
            "source": f"{factor.source_title} ({factor.licence})",
        }
        for factor in factors.hardware_factors()
    ]


def _facility(config: Config) -> Rows:
    return [
        {
            "facility": entry.id,
            "position": position,
            "zone": entry.zone,
            "pue": entry.pue,
            "grid_loss_fraction": entry.grid_loss_fraction,
            "ownership": entry.ownership,
            "it_capacity_kw": entry.it_capacity_kw,
            "hosts": entry.hosts,
        }
        for position, entry in enumerate(config.facility)
    ]


def _instrument(config: Config) -> Rows:
    return [
        {
            "instrument_id": entry.id,
            "position": position,
            "type": entry.type,
            "market_boundary": entry.boundary,
            "valid_from": f"{entry.valid_from}T00:00:00Z",
            "valid_to": f"{entry.valid_to}T00:00:00Z",
            "volume_kwh": entry.volume_kwh,
            "profile": entry.profile,
            "gco2e_per_kwh": entry.gco2e_per_kwh,
            "is_carbon_free": entry.is_carbon_free,
            "tracking_id": entry.tracking_id,
            "quality_flags": entry.quality_flags,
            "source": entry.source,
        }
        for position, entry in enumerate(config.instrument)
    ]


def _market_zone(config: Config) -> Rows:
    boundaries = config.market.boundary if config.market else []
    return [{"zone": zone, "market_boundary": entry.id} for entry in boundaries for zone in entry.zones]


def _host_hardware(config: Config) -> Rows:
    return [
        {
            "position": position,
            "hosts": entry.hosts,
            "accelerator_key": normalise_model(entry.accelerator) if entry.accelerator else None,
            "accelerators_n": entry.accelerators_n,
            "server_key": normalise_model(entry.server) if entry.server else None,
            "nameplate_kw": entry.nameplate_kw,
        }
        for position, entry in enumerate(config.hardware)
    ]


def _service_life(config: Config) -> Rows:
    return [
        {
            "position": position,
            "kind": entry.kind,
            "hardware_key": normalise_model(entry.hardware_model) if entry.hardware_model else None,
            "life_h": hours_from_years(entry.years),
            "applies_from": f"{entry.applies_from}T00:00:00Z" if entry.applies_from else None,
        }
        for position, entry in enumerate(config.service_life)
    ]


def _source_uncertainty(_: Config) -> Rows:
    sources = factors.sources()
    return [
        {
            "source": entry.source,
            "low_factor": entry.low_factor,
            "high_factor": entry.high_factor,
            "reference": f"{sources[entry.source_id].title}; {entry.verified}",
        }
        for entry in factors.source_uncertainties()
    ]


def _grid_age_spread(_: Config) -> Rows:
    reference = "docs/models/grid-factors.md: measured drift of yearly values"
    return [
        {
            "age_years": entry.age_years,
            "low_factor": entry.low_factor,
            "high_factor": entry.high_factor,
            "reference": reference + (", extrapolated" if entry.is_extrapolated else ""),
        }
        for entry in factors.grid_age_spread()
    ]


def _factor(config: Config) -> Rows:
    intensities = [
        {
            "factor_id": row["factor_id"],
            "kind": "grid_intensity",
            "what": row["zone"],
            "low_value": row["low_gco2e_per_kwh"],
            "value": row["gco2e_per_kwh"],
            "high_value": row["high_gco2e_per_kwh"],
            "unit": "gCO2e/kWh",
            "tier": row["tier"],
            "source": row["source"],
        }
        for row in _grid_intensity(config)
    ]
    hardware = [
        {
            "factor_id": row["factor_id"],
            "kind": f"embodied_{row['level']}",
            "what": row["hardware_model"],
            "low_value": row["low_kgco2e"],
            "value": row["kgco2e"],
            "high_value": row["high_kgco2e"],
            "unit": f"kgCO2e/{row['unit_basis']}",
            "tier": row["tier"],
            "source": row["source"],
        }
        for row in _hardware_embodied(config)
    ]
    return intensities + hardware


_SOURCES: dict[str, Callable[[Config], Rows]] = {
    "ref.grid_intensity": _grid_intensity,
    "ref.cloud_region_factor": _cloud_region_factor,
    "ref.hardware_embodied": _hardware_embodied,
    "ref.facility": _facility,
    "ref.host_hardware": _host_hardware,
    "ref.service_life": _service_life,
    "ref.instrument": _instrument,
    "ref.market_zone": _market_zone,
    "ref.source_uncertainty": _source_uncertainty,
    "ref.grid_tier": _grid_tier,
    "ref.grid_age_spread": _grid_age_spread,
    "ref.factor": _factor,
}


def reference_rows(config: Config) -> dict[str, Rows]:
    """Return the rows that each reference table should show now, by table name, without the known_* columns."""
    return {name: rows(config) for name, rows in _SOURCES.items()}


def rows_sha256(rows: dict[str, Rows]) -> str:
    """Return one hash over all reference rows: the identity of the factors behind a calculation."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def sync_reference(lake: Lake) -> dict[str, int]:
    """Bring the reference tables to what the program and the configuration state; older rows stay, closed.

    Args:
        lake: an open, writable lake.

    Returns:
        New rows by table name; a table that did not change is left out.
    """
    wanted = reference_rows(lake.config)
    digest = rows_sha256(wanted)[:16]
    standing = "SELECT calc_run_id FROM audit.materialisation WHERE table_name = $name"
    if lake.value(standing, {"name": _STANDING}) == digest:
        return {}
    changed = {}
    with planned_lightly(lake.connection):
        for name, rows in wanted.items():
            new = _sync_table(lake, table(name), rows)
            if new:
                changed[name] = new
    _note_standing(lake, digest, sum(len(rows) for rows in wanted.values()))
    return changed


def _note_standing(lake: Lake, digest: str, rows: int) -> None:
    """Note which reference rows the tables show, so that the next run need not compare them."""

    def work(inside: duckdb.DuckDBPyConnection) -> None:
        inside.execute("DELETE FROM lake.audit.materialisation WHERE table_name = $name", {"name": _STANDING})
        inside.execute(
            "INSERT INTO lake.audit.materialisation VALUES ($name, '*', $rows, $digest, NULL, now())",
            {"name": _STANDING, "rows": rows, "digest": digest},
        )

    lake.transaction(work)


def _sync_table(lake: Lake, entry: Table, rows: Rows) -> int:
    columns = [column for column in entry.columns if column.name not in _KNOWN]
    schema = pa.schema([pa.field(column.name, _ARROW[column.type]) for column in columns])
    typed = ", ".join(f'CAST("{column.name}" AS {column.type}) AS "{column.name}"' for column in columns)
    names = ", ".join(f'"{column.name}"' for column in columns)
    connection = lake.connection
    connection.register("wanted_rows", pa.Table.from_pylist(rows, schema=schema))
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS SELECT {typed} FROM wanted_rows")
    finally:
        connection.unregister("wanted_rows")
    ours = "known_to IS NULL AND file_sha256 IS NULL" if entry.qualified in FED else "known_to IS NULL"
    current = f"SELECT {names} FROM {entry.qualified} WHERE {ours}"
    differs = f"SELECT count(*) FROM (({current} EXCEPT FROM wanted) UNION ALL (FROM wanted EXCEPT {current}))"
    if not lake.value(differs):
        return 0
    keys = [name for name in entry.key if name not in _KNOWN]
    same_key = " AND ".join(f'w."{name}" IS NOT DISTINCT FROM t."{name}"' for name in keys)
    same_row = " AND ".join(f'w."{column.name}" IS NOT DISTINCT FROM t."{column.name}"' for column in columns)

    def work(inside: duckdb.DuckDBPyConnection) -> int:
        target = f"lake.{entry.qualified}"
        inside.execute(
            f"UPDATE {target} AS t SET known_to = now() "
            f"WHERE {ours} AND NOT EXISTS (SELECT 1 FROM wanted AS w WHERE {same_row})"
        )
        added = inside.execute(
            f"INSERT INTO {target} ({names}, known_from) SELECT {names}, now() FROM wanted AS w "
            f"WHERE NOT EXISTS (SELECT 1 FROM {target} AS t WHERE {ours} AND {same_key})"
        ).fetchall()
        return int(added[0][0])

    return lake.transaction(work)
