"""Tables of the ref layer about electricity: grid factors, their tiers, markets and instruments.

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
        Column(
            "carbon_free_fraction",
            "DOUBLE",
            "Carbon-free share of the mix; NULL where not stated.",
            "fraction",
            True,
            0,
            1,
        ),
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
        Column("instrument_id", "VARCHAR", "Identifier."),
        Column("position", "INTEGER", "Position in the configuration; the first instrument is used first.", minimum=0),
        Column("type", "VARCHAR", "certificate, contract or supplier_rate."),
        Column("market_boundary", "VARCHAR", "Market in which it may be claimed."),
        *VALID,
        Column("volume_kwh", "DOUBLE", "Volume issued; NULL: by the hour alone, or all of it.", "kWh", True, 0),
        Column("profile", "VARCHAR", "hourly, flat or annual: how its volume is spread over the hours."),
        Column("gco2e_per_kwh", "DOUBLE", "Emission rate of the instrument.", "gCO2e/kWh", minimum=0),
        Column("is_carbon_free", "BOOLEAN", "Whether its electricity counts as carbon-free."),
        Column("tracking_id", "VARCHAR", "Number in the tracking system.", nullable=True),
        Column("quality_flags", "VARCHAR[]", "Criteria of the Scope 2 Guidance that are not met or not proven."),
        Column("source", "VARCHAR", "Document that proves it."),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)

MARKET_ZONE = Table(
    "ref",
    "market_zone",
    "In which market boundary the energy of a grid zone is matched; of a zone that is not named it is its country.",
    grain="zone x known_from",
    key=("zone", "known_from"),
    columns=(
        Column("zone", "VARCHAR", "Grid zone."),
        Column("market_boundary", "VARCHAR", "Market boundary."),
        *KNOWN,
    ),
    published=True,
    bookkeeping=("known_from", "known_to"),
)
