"""Tables of the mart layer: what an organisation reads."""

from __future__ import annotations

from dataclasses import replace

from warehouse.registry.applied import DAY
from warehouse.registry.core import ALLOCATION
from warehouse.registry.types import Column, Table

_MASS = (
    ("it", "operational emissions of the IT equipment, location-based"),
    ("overhead", "operational emissions of the facility's overhead (PUE - 1), location-based"),
    ("upstream", "upstream of the fuels and losses of the grid (scope 3 category 3), location-based"),
    ("chip", "embodied emissions of the chips, amortised"),
    ("server", "embodied emissions of the servers, amortised"),
    ("building", "embodied emissions of the building and its plant, amortised"),
)
ENERGY_COLUMNS = (
    Column("it_kwh", "DOUBLE", "Energy of the IT equipment.", "kWh", minimum=0),
    Column("facility_kwh", "DOUBLE", "IT energy times PUE; NULL where a PUE is not known.", "kWh", True, 0),
    Column("estimated_kwh", "DOUBLE", "Part of it_kwh that rests on modelled readings.", "kWh", minimum=0),
    Column(
        "unlocated_kwh",
        "DOUBLE",
        "Part of it_kwh without a grid factor; its emissions are not known.",
        "kWh",
        minimum=0,
    ),
    Column(
        "slot_factor_kwh",
        "DOUBLE",
        "Part of it_kwh whose grid factor is one of the slot itself; the rest rests on means, see mart.data_quality.",
        "kWh",
        True,
        0,
    ),
)
MASS_COLUMNS = (
    *(
        Column(
            f"{name}_kgco2e", "DOUBLE", f"Central value: {text}; NULL where nothing of it is known.", "kgCO2e", True, 0
        )
        for name, text in _MASS
    ),
    Column(
        "location_kgco2e",
        "DOUBLE",
        "Location-based, IT and overhead, as far as known (unlocated_kwh).",
        "kgCO2e",
        True,
        0,
    ),
    Column(
        "market_kgco2e",
        "DOUBLE",
        "Operational emissions, market-based, matched by the hour; NULL unless [market] is configured.",
        "kgCO2e",
        True,
        0,
    ),
    Column(
        "residual_kgco2e",
        "DOUBLE",
        "All of the operational energy at the residual mix, or the stated fallback: what market-based methods take for "
        "unmatched energy; NULL unless [market] is configured.",
        "kgCO2e",
        True,
        0,
    ),
    Column("embodied_kgco2e", "DOUBLE", "Embodied emissions: chip, server and building.", "kgCO2e", True, 0),
    Column("low_kgco2e", "DOUBLE", "Low end of total_kgco2e.", "kgCO2e", True, 0),
    Column("total_kgco2e", "DOUBLE", "Location-based, upstream and embodied, as far as known.", "kgCO2e", True, 0),
    Column("high_kgco2e", "DOUBLE", "High end of total_kgco2e.", "kgCO2e", True, 0),
)
COVERAGE_COLUMNS = (
    Column("measured_s", "DOUBLE", "Device-seconds covered by readings.", "s", minimum=0),
    Column("gap_s", "DOUBLE", "Device-seconds between readings that are not bridged.", "s", minimum=0),
    Column("coverage_fraction", "DOUBLE", "measured_s / (measured_s + gap_s).", "fraction", True, 0, 1),
)
PHASE_GROUP = Column("phase_group", "VARCHAR", "training, inference, storage, unknown, idle or unallocated.")

JOB = Table(
    "mart",
    "job",
    "One attempt of a job: energy by boundary, emissions by component, coverage and waste.",
    grain="job x attempt",
    key=("job_id", "attempt"),
    columns=(
        Column("job_id", "VARCHAR", "Identifier of the job."),
        Column("attempt", "INTEGER", "Attempt of the job, counted from 1.", minimum=1),
        Column("org", "VARCHAR", "Organisation that answers for the job.", nullable=True),
        Column("team", "VARCHAR", "Team that ran the job.", nullable=True),
        Column("project", "VARCHAR", "Project of the job.", nullable=True),
        Column("model", "VARCHAR", "Model that is trained or served.", nullable=True),
        Column("model_version", "VARCHAR", "Version of that model.", nullable=True),
        Column("task", "VARCHAR", "What the job does with the model.", nullable=True),
        Column("phase", "VARCHAR", "Phase at the start of the job."),
        Column("phase_group", "VARCHAR", "training, inference, storage or unknown."),
        Column("state", "VARCHAR", "Final state, or running."),
        Column("started_at", "TIMESTAMPTZ", "Start of the job.", nullable=True),
        Column("ended_at", "TIMESTAMPTZ", "End of the job, or its last event while it runs.", nullable=True),
        Column("duration_s", "DOUBLE", "Length of the job.", "s", nullable=True, minimum=0),
        Column(
            "accelerator_kwh",
            "DOUBLE",
            "Energy of accelerators alone; NULL where they are not metered.",
            "kWh",
            True,
            0,
        ),
        # A job without any reading drew something: its energy is not known, and not zero.
        *(replace(column, nullable=True) for column in ENERGY_COLUMNS),
        *MASS_COLUMNS,
        *COVERAGE_COLUMNS[:2],
        Column(
            "coverage_fraction", "DOUBLE", "Share of the job's device-time covered by readings.", "fraction", True, 0, 1
        ),
        Column("is_waste", "BOOLEAN", "True where the job failed, was cancelled, interrupted or timed out."),
        Column("quality_metric", "VARCHAR", "Name of the quality measure.", nullable=True),
        Column("quality_value", "DOUBLE", "Value of the quality measure.", nullable=True),
        Column("requests_n", "BIGINT", "Requests answered by the job.", nullable=True, minimum=0),
        Column("input_tokens_n", "BIGINT", "Input tokens processed by the job.", nullable=True, minimum=0),
        Column("output_tokens_n", "BIGINT", "Output tokens generated by the job.", nullable=True, minimum=0),
    ),
    published=True,
)

FOOTPRINT_DAILY = Table(
    "mart",
    "footprint_daily",
    "Energy and emissions of one day by who, what, phase and where; idle and unallocated are rows.",
    grain="day x allocation x org x team x project x model x version x phase x region",
    key=("day", "allocation", "org", "team", "project", "model", "model_version", "phase", "region"),
    columns=(
        DAY,
        ALLOCATION,
        Column("org", "VARCHAR", "Organisation."),
        Column("team", "VARCHAR", "Team; NULL where not stated.", nullable=True),
        Column("project", "VARCHAR", "Project; NULL where not stated.", nullable=True),
        Column("model", "VARCHAR", "Model; NULL where not stated.", nullable=True),
        Column("model_version", "VARCHAR", "Model version; NULL where not stated.", nullable=True),
        Column("phase", "VARCHAR", "Life-cycle phase; NULL on idle and unallocated rows.", nullable=True),
        PHASE_GROUP,
        Column("region", "VARCHAR", "Facility id or provider/region; NULL where not known.", nullable=True),
        Column("zone", "VARCHAR", "Grid zone; NULL where not known.", nullable=True),
        *ENERGY_COLUMNS,
        *MASS_COLUMNS,
        *COVERAGE_COLUMNS,
    ),
    partition="day",
    published=True,
)

TRAINING_VS_INFERENCE_MONTHLY = Table(
    "mart",
    "training_vs_inference_monthly",
    "Training against inference by month: energy, operational and embodied emissions, interval and coverage.",
    grain="month x org x phase_group",
    key=("month", "org", "phase_group"),
    columns=(
        Column("month", "DATE", "First day of the UTC month."),
        Column("org", "VARCHAR", "Organisation."),
        PHASE_GROUP,
        Column("jobs_n", "BIGINT", "Attempts of jobs with energy in the month.", minimum=0),
        *ENERGY_COLUMNS,
        *MASS_COLUMNS,
        *COVERAGE_COLUMNS,
    ),
    partition="month",
    published=True,
)

DATA_QUALITY = Table(
    "mart",
    "data_quality",
    "What the figures of one day and place rest on: coverage, estimates, counters and factor tiers.",
    grain="day x region x component x basis x quality tier",
    key=("day", "region", "component", "basis", "quality_tier"),
    columns=(
        DAY,
        Column("region", "VARCHAR", "Facility id or provider/region; NULL where not known.", nullable=True),
        Column(
            "component",
            "VARCHAR",
            "it, overhead, upstream or losses (operational); chip, server or building (embodied).",
        ),
        Column("basis", "VARCHAR", "lifecycle or operational; NULL for embodied or without a factor.", nullable=True),
        Column("quality_tier", "VARCHAR", "Tier of the factor; missing where none is known."),
        Column(
            "energy_kwh", "DOUBLE", "Energy behind operational rows; NULL where a PUE is not known.", "kWh", True, 0
        ),
        Column("estimated_kwh", "DOUBLE", "Part of energy_kwh that rests on modelled readings.", "kWh", True, 0),
        Column(
            "kgco2e", "DOUBLE", "Emissions that rest on this tier; NULL where no factor is known.", "kgCO2e", True, 0
        ),
        Column(
            "day_measured_s", "DOUBLE", "Device-seconds of the day covered by readings, all places.", "s", minimum=0
        ),
        Column("day_gap_s", "DOUBLE", "Device-seconds of the day not bridged, all places.", "s", minimum=0),
        Column("day_coverage_fraction", "DOUBLE", "Coverage of the day, all places.", "fraction", True, 0, 1),
        Column("day_counter_fraction", "DOUBLE", "Share of the day's energy from counters.", "fraction", True, 0, 1),
        Column("day_quarantined_rows_n", "BIGINT", "Open quarantined rows with a time in the day.", minimum=0),
    ),
    partition="day",
    published=True,
)

MODEL_LIFECYCLE = Table(
    "mart",
    "model_lifecycle",
    "One model version: training and inference to date.",
    grain="org x model x model version",
    key=("org", "model", "model_version"),
    columns=(
        Column("org", "VARCHAR", "Organisation."),
        Column("model", "VARCHAR", "Model.", nullable=True),
        Column("model_version", "VARCHAR", "Model version; NULL where not stated.", nullable=True),
        Column("training_kwh", "DOUBLE", "IT energy of data processing to evaluation.", "kWh", minimum=0),
        Column("inference_kwh", "DOUBLE", "IT energy of deployment and inference.", "kWh", minimum=0),
        Column("training_kgco2e", "DOUBLE", "Location-based plus embodied emissions of training.", "kgCO2e", True, 0),
        Column("inference_kgco2e", "DOUBLE", "Location-based plus embodied emissions of inference.", "kgCO2e", True, 0),
        Column("requests_n", "BIGINT", "Requests answered to date.", nullable=True, minimum=0),
        Column("output_tokens_n", "BIGINT", "Output tokens generated to date.", nullable=True, minimum=0),
        Column(
            "training_per_inference_ratio", "DOUBLE", "training_kgco2e / inference_kgco2e.", nullable=True, minimum=0
        ),
        Column("first_day", "DATE", "First day with energy."),
        Column("last_day", "DATE", "Last day with energy."),
    ),
    published=True,
)

MATCHING_ANNUAL = Table(
    "mart",
    "matching_annual",
    "Load of a market boundary in a year against its contracts, matched by the year and by the hour, with CFE scores.",
    grain="market boundary x year",
    key=("market_boundary", "year"),
    columns=(
        Column("market_boundary", "VARCHAR", "Market boundary."),
        Column("year", "DATE", "First day of the UTC year."),
        Column("load_kwh", "DOUBLE", "Energy with overhead, as far as known.", "kWh", minimum=0),
        Column(
            "contract_kwh", "DOUBLE", "What instruments of the year delivered or were issued for.", "kWh", minimum=0
        ),
        Column("annual_matched_kwh", "DOUBLE", "Part of the load that they cover by the year.", "kWh", minimum=0),
        Column(
            "annual_excess_kwh", "DOUBLE", "What they deliver beyond the year's load: it is lost.", "kWh", minimum=0
        ),
        Column("annual_matched_gco2e", "DOUBLE", "Emissions of annual_matched_kwh.", "gCO2e", minimum=0),
        Column("hourly_contract_kwh", "DOUBLE", "What instruments delivered in hours with load.", "kWh", minimum=0),
        Column("hourly_matched_kwh", "DOUBLE", "Part of the load that they cover hour by hour.", "kWh", minimum=0),
        Column("hourly_excess_kwh", "DOUBLE", "What they delivered beyond the load of its hour.", "kWh", minimum=0),
        Column("grid_carbon_free_fraction", "DOUBLE", "Carbon-free share of the grid.", "fraction", True, 0, 1),
        Column(
            "share_by_slot_fraction",
            "DOUBLE",
            "Part of the load for which that share is of its own slots.",
            "fraction",
            True,
            0,
            1,
        ),
        Column(
            "share_by_year_fraction",
            "DOUBLE",
            "Part of the load for which it is, for some of it, the mean of a month or year.",
            "fraction",
            True,
            0,
            1,
        ),
        Column("share_missing_fraction", "DOUBLE", "Part of the load without a known share.", "fraction", True, 0, 1),
        Column("cfe_annual_fraction", "DOUBLE", "CFE by contracts matched by the year.", "fraction", True, 0, 1),
        Column("cfe_hourly_fraction", "DOUBLE", "CFE by contracts matched by the hour.", "fraction", True, 0, 1),
        Column(
            "cfe_score_fraction",
            "DOUBLE",
            "24/7 CFE score: matched by the hour, the rest at the carbon-free share of the grid.",
            "fraction",
            True,
            0,
            1,
        ),
    ),
    published=True,
)

SCOPE2_MONTHLY = Table(
    "mart",
    "scope2_monthly",
    "Purchased electricity by month: location-based and market-based matched by the year and by the hour.",
    grain="month x org x phase_group x market boundary",
    key=("month", "org", "phase_group", "market_boundary"),
    columns=(
        Column("month", "DATE", "First day of the UTC month."),
        Column("org", "VARCHAR", "Organisation."),
        PHASE_GROUP,
        Column("market_boundary", "VARCHAR", "Market boundary; NULL where the zone is not known.", nullable=True),
        Column("energy_kwh", "DOUBLE", "Energy with overhead, as far as known.", "kWh", True, 0),
        Column("location_kgco2e", "DOUBLE", "Location-based.", "kgCO2e", True, 0),
        Column("market_annual_kgco2e", "DOUBLE", "Market-based, matched by the year.", "kgCO2e", True, 0),
        Column("market_hourly_kgco2e", "DOUBLE", "Market-based, matched by the hour.", "kgCO2e", True, 0),
        Column("residual_kgco2e", "DOUBLE", "All of it at the residual mix or the stated fallback.", "kgCO2e", True, 0),
        Column("upstream_kgco2e", "DOUBLE", "Scope 3 category 3, location-based, as far as known.", "kgCO2e", True, 0),
    ),
    published=True,
)

TABLES = (
    JOB,
    FOOTPRINT_DAILY,
    TRAINING_VS_INFERENCE_MONTHLY,
    DATA_QUALITY,
    MODEL_LIFECYCLE,
    MATCHING_ANNUAL,
    SCOPE2_MONTHLY,
)
