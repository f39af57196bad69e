"""Tables of the ref layer: factors and places.

Factors are bitemporal: valid_* says when they hold in the world, known_* when we knew them.
"""

from __future__ import annotations

from warehouse.registry.types import Column, Table

KNOWN = (
    Column("known_from", "TIMESTAMPTZ", "When this installation learned the row."),
    Column("known_to", "TIMESTAMPTZ", "When a newer row replaced it; NULL while it is current.", nullable=True),
)
VALID = (
    Column("valid_from", "TIMESTAMPTZ", "Start of validity."),
    Column("valid_to", "TIMESTAMPTZ", "End of validity (exclusive); NULL while open.", nullable=True),
)


def _interval(name: str, unit: str, what: str) -> tuple[Column, Column, Column]:
    return (
        Column(f"low_{name}", "DOUBLE", f"Low end: {what}.", unit, minimum=0),
        Column(name, "DOUBLE", f"Central value: {what}.", unit, minimum=0),
        Column(f"high_{name}", "DOUBLE", f"High end: {what}.", unit, minimum=0),
    )


GRID_INTENSITY = Table(
    "ref",
    "grid_intensity",
    "Carbon intensity of a grid zone over an interval: each value that a feed or the shipped yearly tables ever "
    "stated, with when it held and when it was known. Nothing is overwritten.",
    grain="factor x valid_from x valid_to x known_from",
    key=("factor_id", "valid_from", "valid_to", "known_from"),
    columns=(
        Column("factor_id", "VARCHAR", "Identifier of the factor: of a yearly value, or of the series of a feed."),
        Column("zone", "VARCHAR", "Grid zone, or country code for a country factor."),
        *VALID,
        Column("low_gco2e_per_kwh", "DOUBLE", "Low end; NULL: that of the tier applies.", "gCO2e/kWh", True, 0),
        Column("gco2e_per_kwh", "DOUBLE", "Carbon intensity.", "gCO2e/kWh", minimum=0),
        Column("high_gco2e_per_kwh", "DOUBLE", "High end; NULL: that of the tier applies.", "gCO2e/kWh", True, 0),
        Column("kind", "VARCHAR", "average, marginal or residual. Marginal and residual never make a location figure."),
        Column("basis", "VARCHAR", "lifecycle or operational (combustion only)."),
        Column("flow", "VARCHAR", "consumption or production."),
        Column("tier", "VARCHAR", "Quality tier; see ref.grid_tier."),
        Column("provider", "VARCHAR", "Who states it."),
        Column("factor_set", "VARCHAR", "Emission factors, or version of the model, behind the value.", nullable=True),
        Column("is_estimate", "BOOLEAN", "True where the provider marks the value as estimated."),
        Column("provider_updated_at", "TIMESTAMPTZ", "When the provider says it changed the value.", nullable=True),
        Column("response_sha256", "VARCHAR", "Answer of the provider that stated it first.", nullable=True),
        Column("file_sha256", "VARCHAR", "Landed file of the value; NULL for the shipped tables.", nullable=True),
        Column("source", "VARCHAR", "Publication that states it."),
        *KNOWN,
    ),
    laid_by="valid_from",
    published=True,
    bookkeeping=("known_from", "known_to"),
)

CLOUD_REGION_FACTOR = Table(
    "ref",
    "cloud_region_factor",
    "A figure of a cloud region: grid zone, power usage effectiveness, water usage effectiveness.",
    grain="provider x region x metric x known_from",
    key=("provider", "region", "metric", "known_from"),
    columns=(
        Column("provider", "VARCHAR", "Cloud provider."),
        Column("region", "VARCHAR", "Region of the provider."),
        Column("metric", "VARCHAR", "grid_zone, pue or wue."),
        Column("value", "DOUBLE", "The figure; NULL for grid_zone.", nullable=True),
        Column("zone", "VARCHAR", "Grid zone; NULL for other metrics.", nullable=True),
        Column("unit", "VARCHAR", "Unit of the value.", nullable=True),
        Column("year", "INTEGER", "Year that the figure describes.", nullable=True),
        Column("confidence", "VARCHAR", "How sure the mapping is.", nullable=True),
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

GRID_TIER = Table(
    "ref",
    "grid_tier",
    "Quality tiers of grid factors: their order, and the interval of a value that states none.",
    grain="tier x known_from",
    key=("tier", "known_from"),
    columns=(
        Column("tier", "VARCHAR", "Tier."),
        Column("rank", "INTEGER", "Order in which tiers are taken; the least that there is counts.", minimum=0),
        Column("low_factor", "DOUBLE", "Low end as a multiple of the value.", minimum=0, maximum=1),
        Column("high_factor", "DOUBLE", "High end as a multiple of the value.", minimum=1),
        Column("description", "VARCHAR", "What the tier means."),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)

GRID_AGE_SPREAD = Table(
    "ref",
    "grid_age_spread",
    "How much wider the interval of a yearly factor becomes when it is applied to another year.",
    grain="age x known_from",
    key=("age_years", "known_from"),
    columns=(
        Column("age_years", "INTEGER", "Years between factor and use.", "years", minimum=0),
        Column("low_factor", "DOUBLE", "Multiplies the low end of the factor.", minimum=0, maximum=1),
        Column("high_factor", "DOUBLE", "Multiplies the high end of the factor.", minimum=1),
        Column("reference", "VARCHAR", "Publication that states it."),
        *KNOWN,
    ),
    bookkeeping=("known_from", "known_to"),
)

INSTRUMENT = Table(
    "ref",
    "instrument",
    "A contractual instrument for market-based accounting: certificate, contract, supplier rate.",
    grain="instrument x known_from",
    key=("instrument_id", "known_from"),
    columns=(
        Column("instrument_id", "VARCHAR", "Identifier, with the tracking system's number where there is one."),
        Column("type", "VARCHAR", "certificate, contract or supplier_rate."),
        Column("market_boundary", "VARCHAR", "Market in which it may be claimed."),
        *VALID,
        Column("volume_kwh", "DOUBLE", "Volume.", "kWh", minimum=0),
        Column("gco2e_per_kwh", "DOUBLE", "Emission rate of the instrument.", "gCO2e/kWh", minimum=0),
        Column("source", "VARCHAR", "Document that proves it."),
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
    SOURCE_UNCERTAINTY,
    GRID_TIER,
    GRID_AGE_SPREAD,
    INSTRUMENT,
    FACTOR,
)
