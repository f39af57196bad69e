"""The packaged factor tables as typed rows; the only module of ``models`` that reads files, and only its own.

What belongs here: reading, checking and joining of ``models/data``. What must not be here: equations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from models import grid, regions
from models.embodied import catalogue
from models.embodied.catalogue import (
    AcceleratorSpec,
    Footprint,
    HardwareFactor,
    Lifetime,
    ProcessorSpec,
    Provenance,
    ResolvedHardwareFactor,
)
from models.embodied.chip import DieGroup, FabNode, ModuleConstants
from models.estimate import Estimate
from models.grid import AgeSpread, GridFactor, GridPedigree, ResolvedGridFactor, TierSpread
from models.pedigree import Scores
from models.regions import RegionZone, YearFigure
from models.table import VERIFIED, FactorDataError, Row, Source, rows
from models.units import hours_from_years

BASES = frozenset({"lifecycle", "operational"})
FLOWS = frozenset({"consumption", "production"})
TIERS = frozenset({"T1", "T2", "T3", "T4", "T5"})
PROVIDER_CODE = {"electricity_maps_yearly": "em", "ember_yearly": "ember"}
MAX_INTENSITY = 2_000.0
"""Greatest yearly intensity that a table may hold [gCO2e/kWh]; coal alone is 740-1,000."""
BANDED_TIERS = {"T1": "band_t1", "T2": "band_t2", "T3": "band_t3", "T4": "band_t4", "T5": "band_t5"}


@dataclass(frozen=True, slots=True)
class SourceUncertainty:
    """Interval of an energy reading by the landing contract's ``source``: true energy over reading [1]."""

    source: str
    low_factor: float
    high_factor: float
    kind: str
    year: int
    verified: str
    source_id: str
    note: str


@cache
def sources() -> dict[str, Source]:
    """Give every source by id; do not change the result."""
    fields = ("title", "publisher", "published", "url", "licence", "attribution")
    found: dict[str, Source] = {}
    for row in _rows("source.csv"):
        key = row.text("source_id")
        row.text("title"), row.text("licence"), row.year("published")
        if key in found:
            msg = "source_id"
            raise row.error(msg, "stands twice")
        found[key] = Source(key, *(row.optional_text(field) for field in fields))
    return found


def grid_factors() -> list[GridFactor]:
    """Give all yearly grid factors: zones, countries and the world.

    Raises:
        FactorDataError: if a table holds a value that cannot be used.
    """
    return list(_grid_factors())


def nearest_grid_factor(zone: str, year: int) -> ResolvedGridFactor | None:
    """Give the factor for a zone and year as ``grid.resolve`` does, or None for an unknown zone."""
    return grid.resolve(_grid_factors(), zone, year)


def grid_age_spread() -> list[AgeSpread]:
    """Give the widening of a grid factor's interval by its age, 0 to 10 years."""
    drift = {row.integer("age_years", 1): row.number("sd_ln", 0, 5) for row in sourced_rows("grid_drift.csv")}
    return grid.age_spreads(drift)


def grid_tiers() -> list[TierSpread]:
    """Give the order of the tiers of grid factors, and the interval of a value that states none."""
    return grid.tier_spreads(_pedigrees())


def region_zones(year: int | None = None) -> list[RegionZone]:
    """Give the grid zone of every cloud region, with its newest PUE and WUE; of a year, or as it is today."""
    return regions.zones(sourced_rows("cloud_region_zone.csv", year=None), region_figures(), year)


def region_figures() -> list[YearFigure]:
    """Give PUE and WUE of cloud regions and providers by year; ``regions.figure_for`` chooses among them."""
    return regions.year_figures(sourced_rows("cloud_region_pue.csv"), sources())


def source_uncertainties() -> list[SourceUncertainty]:
    """Give the relative interval of an energy reading for every source of the landing contract."""
    return [
        SourceUncertainty(
            source=row.text("source"),
            low_factor=row.number("low_factor", 0, 1),
            high_factor=row.number("high_factor", 1, 10),
            kind=row.choice("kind", frozenset({"measured", "estimate"})),
            year=row.year(),
            verified=row.choice("verified", VERIFIED),
            source_id=row.text("source_id"),
            note=row.optional_text("note"),
        )
        for row in sourced_rows("source_uncertainty.csv")
    ]


def hardware_factors() -> list[HardwareFactor]:
    """Give every embodied factor, all methods side by side, one selected for each hardware model.

    Raises:
        FactorDataError: if a table holds a value that cannot be used.
    """
    return list(_hardware_factors())


def find_hardware_factor(hardware_model: str, kind: str) -> ResolvedHardwareFactor | None:
    """Give the factor for a hardware model as ``catalogue.resolve`` does: itself, else its archetype, else None."""
    return catalogue.resolve(_hardware_factors(), hardware_model, kind)


@cache
def components() -> dict[str, Estimate]:
    """Give the constants of the component models by name; the unit is on each. Do not change the result."""
    return {
        row.text("component"): Estimate(
            *row.interval("low", "central", "high"), row.text("unit"), "T3", (row.text("source_id"),)
        )
        for row in sourced_rows("component.csv", verified=True)
    }


def module_constants() -> ModuleConstants:
    """Give the constants of the accelerator module."""
    part = components()
    used = [
        part[n] for n in ("assembly_uplift", "memory_hbm", "memory_gddr", "accelerator_thermal", "accelerator_fixed")
    ]
    uplift, hbm, gddr, thermal, fixed = used
    return ModuleConstants(
        uplift=uplift.central,
        memory_kg_per_gb={"hbm": hbm.central, "gddr": gddr.central},
        thermal_kg_per_w=thermal.central,
        fixed_kg=fixed.central,
        defect_density_per_cm2=part["defect_density"].central,
        band=(part["band_t3"].low, part["band_t3"].high),
        source_ids=tuple(dict.fromkeys(source for item in used for source in item.source_ids)),
    )


@cache
def fab_node(node: str, fab_location: str = "taiwan") -> FabNode:
    """Give a process node at a fab.

    Args:
        node: such as ``5nm``; those of ``fab_node.csv``.
        fab_location: whose grid feeds the fab; those of ``fab_grid.csv``.

    Raises:
        KeyError: if node or location is not in the tables.
    """
    intensity = {r.text("location"): r.number("gco2e_per_kwh", 0, MAX_INTENSITY) for r in sourced_rows("fab_grid.csv")}
    columns = ("gas_low_kg_per_cm2", "gas_kg_per_cm2", "gas_high_kg_per_cm2")
    for row in sourced_rows("fab_node.csv", verified=True):
        if row.text("node") == node:
            energy, gas = row.number("energy_kwh_per_cm2"), row.interval(*columns)
            materials, source = row.number("materials_kg_per_cm2"), row.text("source_id")
            return FabNode(node, energy, *gas, materials, intensity[fab_location], source)
    raise KeyError(node)


def lifetimes() -> dict[str, Lifetime]:
    """Give the service life by kind of asset [h]."""
    return {
        row.text("asset"): Lifetime(*(hours_from_years(y) for y in row.interval("low_years", "years", "high_years")))
        for row in sourced_rows("lifetime.csv", verified=True)
    }


def accelerator_specs() -> list[AcceleratorSpec]:
    """Give what the component model needs of every accelerator."""
    found = []
    for row in sourced_rows("accelerator.csv", verified=True):
        location = row.text("fab_location")
        dies, area = row.integer("dies_n", 1), row.number("die_area_mm2", 1, 2_000)
        groups = [DieGroup(dies, area, fab_node(row.text("node"), location))]
        if row.optional_text("extra_dies_n"):
            extra = fab_node(row.text("extra_node"), location)
            groups.append(DieGroup(row.integer("extra_dies_n", 1), row.number("extra_die_area_mm2", 1, 2_000), extra))
        found.append(
            AcceleratorSpec(
                row.text("model"),
                row.names("aliases"),
                tuple(groups),
                row.choice("memory_kind", frozenset({"hbm", "gddr"})),
                row.number("memory_gb", 1, 2_000),
                row.number("tdp_w", 1, 5_000),
                _provenance(row),
            )
        )
    return found


def processor_specs() -> list[ProcessorSpec]:
    """Give what the component model needs of every processor, the generic one included."""
    return [
        ProcessorSpec(
            row.text("model"),
            row.names("aliases"),
            row.number("silicon_area_mm2", 1, 10_000),
            row.integer("dies_n", 1),
            fab_node(row.text("node")),
            row.choice("tier", TIERS),
            _provenance(row),
        )
        for row in sourced_rows("cpu.csv", verified=True)
    ]


@cache
def _grid_factors() -> tuple[GridFactor, ...]:
    """Zones, then countries and the world, whose intervals reach over their zones."""
    pedigree = _pedigrees()
    zones = [_grid_factor(row, "zone", pedigree[grid.ZONE_YEAR]) for row in sourced_rows("grid_zone_year.csv")]
    zones_of: dict[tuple[str, int], list[float]] = {}
    for factor in zones:
        zones_of.setdefault((factor.country, factor.year), []).append(factor.gco2e_per_kwh)
    found = list(zones)
    for row in sourced_rows("grid_country_year.csv"):
        tier = grid.WORLD if row.text("iso2") == grid.WORLD_ZONE else grid.COUNTRY_YEAR
        among = zones_of.get((row.text("iso2"), row.year()), [])
        found.append(_grid_factor(row, "iso2", pedigree[tier], among))
    keys = {(f.tier, f.zone, f.year) for f in found}
    if len(keys) != len(found) or len({f.factor_id for f in found}) != len(found):
        msg = "grid factors: a zone and year stands twice"
        raise FactorDataError(msg)
    return tuple(found)


def _grid_factor(row: Row, zone_column: str, pedigree: GridPedigree, among: list[float] | None = None) -> GridFactor:
    """Give one yearly factor; ``among`` are intensities that its interval must hold [gCO2e/kWh]."""
    zone, year, source = row.text(zone_column), row.year(), sources()[row.text("source_id")]
    central = row.number("gco2e_per_kwh", 1e-6, MAX_INTENSITY)
    low, high = grid.interval(central, pedigree)
    return GridFactor(
        factor_id=f"grid.{PROVIDER_CODE[source.source_id]}.{zone}.{year}",
        zone=zone,
        country=grid.country_of_zone(zone),
        year=year,
        low_gco2e_per_kwh=min([low, *(among or [])]),
        gco2e_per_kwh=central,
        high_gco2e_per_kwh=max([high, *(among or [])]),
        carbon_free_fraction=row.number("carbon_free_fraction", 0, 1) if zone_column == "zone" else None,
        tier=pedigree.tier,
        basis=row.choice("basis", BASES),
        flow=row.choice("flow", FLOWS),
        valid_from=f"{year}-01-01",
        valid_to=f"{year + 1}-01-01",
        source_id=source.source_id,
        source_title=source.title,
        licence=source.licence,
        published=source.published,
    )


def _pedigrees() -> dict[str, GridPedigree]:
    """Give the scores of every tier."""
    return {row.text("tier"): _pedigree(row) for row in sourced_rows("grid_pedigree.csv")}


def _pedigree(row: Row) -> GridPedigree:
    """Give the scores of one tier."""
    axes = ("reliability", "completeness", "temporal", "geographical", "technological")
    return GridPedigree(
        row.choice("tier", frozenset(grid.TIERS)),
        Scores(*(row.integer(axis, 1, 5) for axis in axes)),
        row.number("extra_sd_ln", 0, 5),
    )


@cache
def _hardware_factors() -> tuple[HardwareFactor, ...]:
    """All candidates of all tables, one selected for each model."""
    modelled = catalogue.component_model_footprints(
        accelerator_specs(), processor_specs(), module_constants(), components()
    )
    published = [*_footprints(), *_archetypes()]
    found = [(_method(item, catalogue.COMPONENT_MODEL), item) for item in modelled]
    found += [(_method(item, catalogue.PRODUCT_FOOTPRINT), item) for item in published]
    return tuple(catalogue.catalogue(found, lifetimes(), sources()))


def _method(item: Footprint, method: str) -> str:
    """Give the method of a footprint: the one given, unless its tier says that it is an archetype."""
    return catalogue.ARCHETYPE if item.estimate.tier in {"T4", "T5"} else method


def _footprints() -> Iterator[Footprint]:
    """Published totals of devices and servers, with the band of their tier where they state no interval."""
    for file in ("product_footprint.csv", "server_pcf.csv"):
        for row in sourced_rows(file, verified=True):
            units = row.integer("units_n", 1) if "units_n" in row.values else 1
            kind = row.choice("kind", frozenset(catalogue.LEVEL)) if "kind" in row.values else "server"
            tier = row.choice("tier", TIERS)
            central = row.number("kgco2e", 1e-6)
            estimate = Estimate(central, central, central, "kgCO2e", tier, (row.text("source_id"),)).scaled(1 / units)
            if row.optional_text("low_kgco2e") or row.optional_text("high_kgco2e"):
                values = row.interval("low_kgco2e", "kgco2e", "high_kgco2e")
                estimate = Estimate(*values, "kgCO2e", tier, estimate.source_ids).scaled(1 / units)
            else:
                band = components()[BANDED_TIERS[tier]]
                estimate = estimate.banded(band.low, band.high, tier)
            boundary = row.text("boundary") if "boundary" in row.values else "cradle_to_grave_without_use"
            yield Footprint(row.text("model"), kind, (), estimate, boundary, _provenance(row))


def _archetypes() -> Iterator[Footprint]:
    """Servers [kgCO2e per server] and buildings [kgCO2e per kW of IT]."""
    for row in sourced_rows("server.csv", verified=True):
        values = row.interval("low_kgco2e", "kgco2e", "high_kgco2e")
        estimate = Estimate(*values, "kgCO2e", row.choice("tier", TIERS), (row.text("source_id"),))
        name, boundary, origin = row.text("model"), row.text("boundary"), _provenance(row)
        power, carried = row.number("nameplate_kw", 0.01, 500), row.integer("accelerators_n", 0, 1_000)
        yield Footprint(name, "server", row.names("aliases"), estimate, boundary, origin, power, carried)
    for row in sourced_rows("building.csv", verified=True):
        values = row.interval("low_kgco2e_per_kw", "kgco2e_per_kw", "high_kgco2e_per_kw")
        estimate = Estimate(*values, "kgCO2e", row.choice("tier", TIERS), (row.text("source_id"),))
        yield Footprint(
            row.text("model"), "building", row.names("aliases"), estimate, row.text("boundary"), _provenance(row)
        )


def _provenance(row: Row) -> Provenance:
    """Give where a row comes from."""
    note = row.optional_text("note") if "note" in row.values else ""
    return Provenance(row.year(), row.text("verified"), row.text("source_id"), note)


def sourced_rows(file: str, *, verified: bool = False, year: str | None = "year") -> Iterator[Row]:
    """Give the rows of a table, each with a known source, a year unless told otherwise, and perhaps a verified flag."""
    for row in _rows(file):
        row.source_id(sources())
        if year is not None:
            row.year(year)
        if verified:
            row.choice("verified", VERIFIED)
        yield row


def _rows(file: str) -> Iterator[Row]:
    """Give the rows of a table of ours."""
    return rows(file, _text(file))


def _text(file: str) -> str:
    """Read a packaged table; the only place of ``models`` that opens a file."""
    return resources.files("models").joinpath("data", file).read_text(encoding="utf-8")
