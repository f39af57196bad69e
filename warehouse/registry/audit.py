"""Tables of the audit layer: what was computed, by what, what is still to do and what is wrong."""

from __future__ import annotations

from warehouse.registry.types import Column, Table

CALC_RUN = Table(
    "audit",
    "calc_run",
    "One way of calculating: program version, configuration, factors and SQL. Same inputs, same id.",
    grain="calculation",
    key=("calc_run_id",),
    columns=(
        Column("calc_run_id", "VARCHAR", "Hash of everything that decides a figure besides the landed files."),
        Column("program_version", "VARCHAR", "Version of wattledger."),
        Column("config_sha256", "VARCHAR", "Hash of the accounting part of the configuration."),
        Column("factors_sha256", "VARCHAR", "Hash of the reference tables."),
        Column("sql_sha256", "VARCHAR", "Hash of the SQL files."),
        Column("first_used_at", "TIMESTAMPTZ", "When a figure was computed this way first."),
    ),
    published=True,
    bookkeeping=("first_used_at",),
)

PENDING = Table(
    "audit",
    "pending",
    "A partition that must be computed again: a day because a landed file touches it, a month because a day changed.",
    grain="partition x cause",
    key=("partition_key", "cause"),
    columns=(
        Column("partition_key", "VARCHAR", "Day (2025-03-01), month (2025-03) or * for tables without partitions."),
        Column("cause", "VARCHAR", "Landed file (sha256), configuration or command that asks for it."),
        Column("noted_at", "TIMESTAMPTZ", "When it was noted."),
    ),
    bookkeeping=("noted_at",),
)

PENDING_HOUR = Table(
    "audit",
    "pending_hour",
    "An hour of which new readings landed: its hour file must be made again.",
    grain="hour x cause",
    key=("hour_start", "cause"),
    columns=(
        Column("hour_start", "TIMESTAMPTZ", "Start of the UTC hour."),
        Column("cause", "VARCHAR", "Landed file (sha256) or command that asks for it."),
    ),
)

PENDING_JOB = Table(
    "audit",
    "pending_job",
    "A job attempt of which new rows landed: its life and its holds must be worked out again.",
    grain="job x attempt x cause",
    key=("job_id", "attempt", "cause"),
    columns=(
        Column("job_id", "VARCHAR", "Identifier of the job."),
        Column("attempt", "INTEGER", "Attempt of the job, counted from 1.", minimum=1),
        Column("cause", "VARCHAR", "Landed file (sha256) or command that asks for it."),
        Column("from_day", "DATE", "Earliest day of its new rows in that file."),
        Column("to_day", "DATE", "Latest day of its new rows in that file."),
    ),
)

SEGMENT_INPUT = Table(
    "audit",
    "segment_input",
    "What the segments of an hour were made of; as long as it stays the same, no reading of the hour is opened again.",
    grain="hour",
    key=("hour_start",),
    columns=(
        Column("day", "DATE", "UTC day of the hour."),
        Column("hour_start", "TIMESTAMPTZ", "Start of the UTC hour."),
        Column("inner_sha256", "VARCHAR", "Hash over hour files, cuts inside the hour and the rules."),
        Column("stitch_sha256", "VARCHAR", "Hash over the readings on both sides of its edges, cuts and rules."),
    ),
    partition="day",
)

MATERIALISATION = Table(
    "audit",
    "materialisation",
    "One table partition that was computed: when, by which calculation, with how many rows.",
    grain="table x partition",
    key=("table_name", "partition_key"),
    columns=(
        Column("table_name", "VARCHAR", "Table, schema.name."),
        Column("partition_key", "VARCHAR", "Day or month (ISO 8601), or * for a table without partitions."),
        Column("rows_n", "BIGINT", "Rows of the partition.", minimum=0),
        Column("calc_run_id", "VARCHAR", "Calculation that filled it."),
        Column("inputs_sha256", "VARCHAR", "Hash over what its rows rest on, where it is remembered.", nullable=True),
        Column("computed_at", "TIMESTAMPTZ", "When it was filled."),
    ),
    published=True,
    bookkeeping=("computed_at",),
)

FINDING = Table(
    "audit",
    "finding",
    "Something that an audit check found: what, where, how bad, since when.",
    grain="check x entity",
    key=("check_id", "entity"),
    columns=(
        Column("check_id", "VARCHAR", "Check that found it."),
        Column("severity", "VARCHAR", "critical, major or minor."),
        Column("entity", "VARCHAR", "What it is about: a day, host, job or table."),
        Column("observed", "VARCHAR", "What was seen."),
        Column("expected", "VARCHAR", "What was expected."),
        Column("state", "VARCHAR", "open or closed."),
        Column("first_seen", "TIMESTAMPTZ", "When it was found first."),
        Column("last_seen", "TIMESTAMPTZ", "When it was found last."),
    ),
    published=True,
    bookkeeping=("first_seen", "last_seen"),
)

RESTATEMENT = Table(
    "audit",
    "restatement",
    "A figure that changed: a closed month, or the operational emissions of a day by another grid factor or PUE; old "
    "and new value and the cause.",
    grain="period x start x org x phase_group x zone x cause x old tier x new tier x change",
    key=("period", "start", "org", "phase_group", "zone", "cause", "old_tier", "new_tier", "restated_at"),
    columns=(
        Column("period", "VARCHAR", "month (the total of a closed month) or day (its location-based emissions)."),
        Column("start", "DATE", "First UTC day of the period."),
        Column("org", "VARCHAR", "Organisation."),
        Column("phase_group", "VARCHAR", "training, inference, storage, unknown, idle or unallocated."),
        Column("zone", "VARCHAR", "Grid zone, of a day; NULL of a month.", nullable=True),
        Column(
            "cause",
            "VARCHAR",
            "Of a month: late_data, or factor, configuration or method. Of a day: grid_arrived (a factor of a better "
            "tier took the place of a provisional one), grid_revised (another value of the tier) or grid_withdrawn; "
            "pue_arrived, pue_revised and pue_withdrawn likewise.",
        ),
        Column("old_tier", "VARCHAR", "Tier of the factor before, of a day.", nullable=True),
        Column("new_tier", "VARCHAR", "Tier of the factor after, of a day.", nullable=True),
        Column("energy_kwh", "DOUBLE", "Energy whose factor changed, of a day.", "kWh", True, 0),
        Column("old_kgco2e", "DOUBLE", "Figure before.", "kgCO2e", nullable=True),
        Column("new_kgco2e", "DOUBLE", "Figure after.", "kgCO2e", nullable=True),
        Column("old_calc_run_id", "VARCHAR", "Calculation before."),
        Column("new_calc_run_id", "VARCHAR", "Calculation after."),
        Column("restated_at", "TIMESTAMPTZ", "When it changed."),
    ),
    published=True,
    bookkeeping=("restated_at",),
)

TABLES = (CALC_RUN, PENDING, PENDING_HOUR, PENDING_JOB, SEGMENT_INPUT, MATERIALISATION, FINDING, RESTATEMENT)
