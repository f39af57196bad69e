"""Tables of the ref layer: factors and places.

Factors are bitemporal: valid_* says when they hold in the world, known_* when we knew them.
"""

from __future__ import annotations

from warehouse.registry.electricity import (
    GRID_AGE_SPREAD,
    GRID_INTENSITY,
    GRID_TIER,
    INSTRUMENT,
    KNOWN,
    MARKET_ZONE,
)
from warehouse.registry.types import Column, Table


def _interval(name: str, unit: str, what: str) -> tuple[Column, Column, Column]:
    return (
        Column(f"low_{name}", "DOUBLE", f"Low end: {what}.", unit, minimum=0),
        Column(name, "DOUBLE", f"Central value: {what}.", unit, minimum=0),
        Column(f"high_{name}", "DOUBLE", f"High end: {what}.", unit, minimum=0),
    )


CLOUD_REGION_FACTOR = Table(
    "ref",
    "cloud_region_factor",
    "A figure of a cloud region: grid zone, power and water usage effectiveness, and what publications that landed "
    "state of it. Nothing is overwritten.",
    grain="factor x known_from",
    key=("factor_id", "known_from"),
    columns=(
        Column("factor_id", "VARCHAR", "Identifier: metric, source, region and period of the figure."),
        Column("provider", "VARCHAR", "Cloud provider."),
        Column("region", "VARCHAR", "Region of the provider; * for its average, which answers for no region."),
        Column("metric", "VARCHAR", "grid_zone, or a metric of raw.cloud_region_factor."),
        Column("value", "DOUBLE", "The figure; NULL for grid_zone.", nullable=True),
        Column("zone", "VARCHAR", "Grid zone; NULL for other metrics.", nullable=True),
        Column("unit", "VARCHAR", "Unit of the value.", nullable=True),
        Column("year", "INTEGER", "Year that the figure describes, as its source names it.", nullable=True),
        Column("valid_from", "TIMESTAMPTZ", "Start of that year or period; NULL for grid_zone.", nullable=True),
        Column("valid_to", "TIMESTAMPTZ", "End of it (exclusive); NULL for grid_zone.", nullable=True),
        Column("basis", "VARCHAR", "Of an intensity: lifecycle or operational; NULL where not stated.", nullable=True),
        Column(
            "confidence", "VARCHAR", "How sure the mapping is; of a figure region or provider_average.", nullable=True
        ),
        Column("flags", "VARCHAR", "Faults of the publication that do not touch the value, by name.", nullable=True),
        Column("file_sha256", "VARCHAR", "Landed file of the figure; NULL for the shipped tables.", nullable=True),
        Column("source", "VARCHAR", "Publication that states it."),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)

HARDWARE_EMBODIED = Table(
    "ref",
    "hardware_embodied",
    "Embodied emissions and life of a piece of hardware or of a building, per unit.",
    grain="factor x known_from",
    key=("factor_id", "known_from"),
    columns=(
        Column("factor_id", "VARCHAR", "Identifier of the factor."),
        Column("hardware_keys", "VARCHAR[]", "Normalised names by which hardware is matched."),
        Column("hardware_model", "VARCHAR", "Name of the hardware."),
        Column("level", "VARCHAR", "chip, server or building."),
        Column("kind", "VARCHAR", "accelerator, cpu, server or building."),
        Column("unit_basis", "VARCHAR", "device, server or kw_it."),
        *_interval("kgco2e", "kgCO2e", "embodied emissions per unit"),
        *_interval("life_h", "h", "service life"),
        Column("nameplate_kw", "DOUBLE", "Nameplate power of a server.", "kW", True, 0),
        Column("includes_cpu", "BOOLEAN", "True where a server's figure contains its processors."),
        Column("tier", "VARCHAR", "T1 (verified footprint) to T5 (spend)."),
        Column("method", "VARCHAR", "product_footprint, component_model or archetype."),
        Column("boundary", "VARCHAR", "What the figure covers."),
        Column("is_selected", "BOOLEAN", "True where this row is applied; others stand beside it."),
        Column("source", "VARCHAR", "Publication that states it."),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)

FACILITY = Table(
    "ref",
    "facility",
    "A place of the configuration: grid zone, power usage effectiveness, IT capacity.",
    grain="facility x known_from",
    key=("facility", "known_from"),
    columns=(
        Column("facility", "VARCHAR", "Facility id."),
        Column("position", "INTEGER", "Position in the configuration; the first match of a host counts.", minimum=0),
        Column("zone", "VARCHAR", "Grid zone.", nullable=True),
        Column("pue", "DOUBLE", "Power usage effectiveness; NULL where not known.", nullable=True, minimum=1),
        Column(
            "grid_loss_fraction",
            "DOUBLE",
            "Part of the electricity fed into the grid that is lost on its way; NULL where not known.",
            "fraction",
            True,
            0,
            1,
        ),
        Column("ownership", "VARCHAR", "owned, leased, colocation or cloud.", nullable=True),
        Column("it_capacity_kw", "DOUBLE", "IT power that it was built for; NULL where not known.", "kW", True, 0),
        Column("hosts", "VARCHAR[]", "Host name patterns (shell style)."),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)

HOST_HARDWARE = Table(
    "ref",
    "host_hardware",
    "Hardware that the configuration states for hosts.",
    grain="pattern x known_from",
    key=("position", "known_from"),
    columns=(
        Column("position", "INTEGER", "Position in the configuration; the first match of a host counts.", minimum=0),
        Column("hosts", "VARCHAR[]", "Host name patterns (shell style)."),
        Column("accelerator_key", "VARCHAR", "Normalised accelerator model.", nullable=True),
        Column("accelerators_n", "INTEGER", "Accelerators in one host.", nullable=True, minimum=0),
        Column("server_key", "VARCHAR", "Normalised server model.", nullable=True),
        Column("nameplate_kw", "DOUBLE", "Nameplate power of one host.", "kW", True, 0),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)

SERVICE_LIFE = Table(
    "ref",
    "service_life",
    "Service lives that the configuration states; one about a hardware model outranks one about a kind.",
    grain="position x known_from",
    key=("position", "known_from"),
    columns=(
        Column("position", "INTEGER", "Position in the configuration.", minimum=0),
        Column("kind", "VARCHAR", "Kind of asset."),
        Column("hardware_key", "VARCHAR", "Normalised hardware model; NULL for all of the kind.", nullable=True),
        Column("life_h", "DOUBLE", "Service life.", "h", minimum=0),
        Column("applies_from", "TIMESTAMPTZ", "From when it holds; NULL from the start.", nullable=True),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)

SOURCE_UNCERTAINTY = Table(
    "ref",
    "source_uncertainty",
    "Interval of an energy reading by the interface that gave it.",
    grain="source x known_from",
    key=("source", "known_from"),
    columns=(
        Column("source", "VARCHAR", "Interface, as in power_sample.source."),
        Column("low_factor", "DOUBLE", "Low end as a multiple of the reading.", minimum=0, maximum=1),
        Column("high_factor", "DOUBLE", "High end as a multiple of the reading.", minimum=1),
        Column("reference", "VARCHAR", "Publication that states it."),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)


FACTOR = Table(
    "ref",
    "factor",
    "Every factor that an emission row may name: kind, value, interval, unit, tier and source.",
    grain="factor x known_from",
    key=("factor_id", "known_from"),
    columns=(
        Column("factor_id", "VARCHAR", "Identifier of the factor."),
        Column("kind", "VARCHAR", "grid_intensity, embodied_chip, embodied_server or embodied_building."),
        Column("what", "VARCHAR", "Zone or hardware that it describes."),
        *_interval("value", "see unit", "the factor"),
        Column("unit", "VARCHAR", "Unit of the three values."),
        Column("tier", "VARCHAR", "Quality tier."),
        Column("source", "VARCHAR", "Publication that states it."),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)

TABLES = (
    GRID_INTENSITY,
    CLOUD_REGION_FACTOR,
    HARDWARE_EMBODIED,
    FACILITY,
    HOST_HARDWARE,
    SERVICE_LIFE,
    SOURCE_UNCERTAINTY,
    GRID_TIER,
    GRID_AGE_SPREAD,
    INSTRUMENT,
    MARKET_ZONE,
    FACTOR,
)
