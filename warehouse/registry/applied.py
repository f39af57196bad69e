"""Tables of the core layer about what is applied to the energy of a day: factors of the grid, and contracts."""

from __future__ import annotations

from warehouse.registry.types import Column, Table

DAY = Column("day", "DATE", "UTC day.")
HOUR = Column("hour_start", "TIMESTAMPTZ", "Start of the UTC hour.")

GRID_FACTOR = Table(
    "core",
    "grid_factor",
    "The grid factor that was applied to a zone in a slot, and its tier; a slot without any is a row.",
    grain="zone x slot",
    key=("zone", "slot_start"),
    columns=(
        DAY,
        HOUR,
        Column("zone", "VARCHAR", "Grid zone of the energy."),
        Column("slot_start", "TIMESTAMPTZ", "Start of the slot."),
        Column("slot_s", "INTEGER", "Length of the slot.", "s"),
        Column("factor_id", "VARCHAR", "Factor or series; NULL where none is known.", nullable=True),
        Column("tier", "VARCHAR", "Quality tier; missing where none is known."),
        Column("basis", "VARCHAR", "lifecycle or operational; NULL where none is known.", nullable=True),
        Column("flow", "VARCHAR", "consumption or production; NULL where none is known.", nullable=True),
        Column("low_gco2e_per_kwh", "DOUBLE", "Low end.", "gCO2e/kWh", True, 0),
        Column("gco2e_per_kwh", "DOUBLE", "Intensity, the mean over the slot by time.", "gCO2e/kWh", True, 0),
        Column("high_gco2e_per_kwh", "DOUBLE", "High end.", "gCO2e/kWh", True, 0),
        Column(
            "upstream_gco2e_per_kwh",
            "DOUBLE",
            "Life cycle less combustion of the same provider and slot; NULL where the factor is not operational or the "
            "provider does not state both.",
            "gCO2e/kWh",
            True,
            0,
        ),
        Column("age_years", "INTEGER", "Years between the factor's validity and the slot.", "years", True),
        Column("known_from", "TIMESTAMPTZ", "When the newest value in it became known.", nullable=True),
    ),
    partition="day",
    published=True,
    bookkeeping=("known_from",),
)

PLACE_FACTOR = Table(
    "core",
    "place_factor",
    "The power usage effectiveness that was applied to the energy of a place on a day, and on what it rests; a place "
    "without any is a row.",
    grain="day x facility",
    key=("day", "facility"),
    columns=(
        DAY,
        Column("facility", "VARCHAR", "Facility id or provider/region."),
        Column("factor_id", "VARCHAR", "Figure, see ref.cloud_region_factor; NULL where none is known.", nullable=True),
        Column(
            "tier",
            "VARCHAR",
            "facility (the configuration states it), region_period (a published figure whose period holds the day), "
            "region_other_period (of the nearest year) or missing.",
        ),
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
        Column("source", "VARCHAR", "Who states it, and for which year; NULL where none is known.", nullable=True),
        Column("age_years", "INTEGER", "Years between the figure's period and the day.", "years", True, 0),
        Column("known_from", "TIMESTAMPTZ", "When a landed figure became known; NULL of others.", nullable=True),
    ),
    partition="day",
    published=True,
)

MARKET_HOUR = Table(
    "core",
    "market_hour",
    "Load of a market boundary in an hour against what contracts delivered in it: matched + unmatched = load, excess "
    "is lost.",
    grain="market boundary x hour",
    key=("market_boundary", "hour_start"),
    columns=(
        DAY,
        HOUR,
        Column("market_boundary", "VARCHAR", "Market boundary."),
        Column("load_kwh", "DOUBLE", "Energy with overhead, as far as known.", "kWh", minimum=0),
        Column("contract_kwh", "DOUBLE", "What instruments delivered in the hour.", "kWh", minimum=0),
        Column("matched_kwh", "DOUBLE", "Part of the load that they cover.", "kWh", minimum=0),
        Column("unmatched_kwh", "DOUBLE", "Part of the load that they do not cover.", "kWh", minimum=0),
        Column("excess_kwh", "DOUBLE", "What they delivered beyond the load: it is lost.", "kWh", minimum=0),
        Column("carbon_free_kwh", "DOUBLE", "Part of matched_kwh that is carbon-free.", "kWh", minimum=0),
        Column("matched_gco2e", "DOUBLE", "Emissions of matched_kwh by the instruments' rates.", "gCO2e", minimum=0),
        Column(
            "grid_carbon_free_fraction",
            "DOUBLE",
            "Carbon-free share of the grid, by load of each slot and zone; NULL where one is not known.",
            "fraction",
            True,
            0,
            1,
        ),
        Column(
            "grid_carbon_free_tier",
            "VARCHAR",
            "The worst tier on which that share rests, see ref.grid_tier; missing where it is not known.",
        ),
        Column(
            "grid_carbon_free_age_years",
            "INTEGER",
            "Years between the oldest of the shares and the hour; NULL where it is not known.",
            "years",
            True,
            0,
        ),
    ),
    partition="day",
    published=True,
)
