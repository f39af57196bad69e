"""Tables of the core layer: energy of devices and jobs, and the emissions that follow from it."""

from __future__ import annotations

from warehouse.registry.applied import DAY, GRID_FACTOR, HOUR, MARKET_HOUR, PLACE_FACTOR
from warehouse.registry.types import Column, Table

_SERIES = (
    Column("host", "VARCHAR", "Host of the device."),
    Column("device", "VARCHAR", "Stable device id."),
    Column("point", "VARCHAR", "Where the power is measured."),
    Column("kind", "VARCHAR", "Kind of device."),
)
_ENERGY = (
    Column("energy_j", "DOUBLE", "Energy, measured and estimated.", "J", minimum=0),
    Column("measured_s", "DOUBLE", "Device-seconds covered by readings.", "s", minimum=0),
    Column("gap_s", "DOUBLE", "Device-seconds between readings that are not bridged.", "s", minimum=0),
    Column("estimated_j", "DOUBLE", "Part of energy_j that rests on modelled readings.", "J", minimum=0),
    Column("counter_j", "DOUBLE", "Part of energy_j that is a difference of counters.", "J", minimum=0),
)
_IN_TOTAL = Column(
    "in_total", "BOOLEAN", "False where a containing device, the node meter or an outer measuring point counts it."
)
_COUNTED = Column(
    "counted_j",
    "DOUBLE",
    "What the organisation's total takes from this row: all of energy_j, or the part that the node meter leaves to it.",
    "J",
    minimum=0,
)
ATTEMPT = Column("attempt", "INTEGER", "Attempt of the job, counted from 1.", nullable=True, minimum=1)
ALLOCATION = Column(
    "allocation", "VARCHAR", "job, idle (device without a job) or unallocated (shared equipment without a job)."
)

ENERGY_SEGMENT = Table(
    "core",
    "energy_segment",
    "Energy of one device between two neighbouring cuts; cuts are slot edges and starts and ends of jobs and phases. "
    "What lies inside the hour's readings and what joins them to other hours are rows of their own.",
    grain="device x measuring point x segment x part",
    key=("host", "device", "point", "start_ms", "part"),
    columns=(
        DAY,
        HOUR,
        Column("part", "VARCHAR", "inner (between readings of the hour) or stitch (across its edges)."),
        *_SERIES,
        Column("parent", "VARCHAR", "Device that contains this one.", nullable=True),
        Column("start_ms", "BIGINT", "Start of the segment, epoch milliseconds UTC.", "ms"),
        Column("end_ms", "BIGINT", "End of the segment, epoch milliseconds UTC.", "ms"),
        Column("slot_start", "TIMESTAMPTZ", "Start of the slot that contains the segment."),
        *_ENERGY,
        Column("estimated_s", "DOUBLE", "Part of measured_s that rests on modelled readings.", "s", minimum=0),
        Column("samples_n", "BIGINT", "Readings that end inside the segment.", minimum=0),
        Column("source", "VARCHAR", "Interface that gave the readings."),
        Column("flags", "SMALLINT", "Sum of: 1, a counter was reset; 2, it wrapped; 4, it rose implausibly."),
    ),
    partition="day",
)

DEVICE_ENERGY = Table(
    "core",
    "device_energy",
    "Energy of one device in one slot.",
    grain="device x measuring point x slot",
    key=("host", "device", "point", "slot_start"),
    columns=(
        DAY,
        Column("slot_start", "TIMESTAMPTZ", "Start of the slot."),
        *_SERIES,
        Column("source", "VARCHAR", "Interface that gave the readings."),
        _IN_TOTAL,
        *_ENERGY[:4],
        _COUNTED,
        Column("counter_fraction", "DOUBLE", "Share of energy_j from counters.", "fraction", True, 0, 1),
        Column("samples_n", "BIGINT", "Readings that end inside the slot.", minimum=0),
    ),
    partition="day",
    published=True,
)

_JOB_ATTRIBUTES = (
    Column("org", "VARCHAR", "Organisation that answers for the job.", nullable=True),
    Column("team", "VARCHAR", "Team that ran the job.", nullable=True),
    Column("project", "VARCHAR", "Project of the job.", nullable=True),
    Column("user_ref", "VARCHAR", "Pseudonym of the person who ran the job.", nullable=True),
    Column("model", "VARCHAR", "Model that is trained or served.", nullable=True),
    Column("model_version", "VARCHAR", "Version of that model.", nullable=True),
    Column("task", "VARCHAR", "What the job does with the model.", nullable=True),
    Column("provider", "VARCHAR", "Cloud provider.", nullable=True),
    Column("region", "VARCHAR", "Cloud region.", nullable=True),
    Column("facility", "VARCHAR", "Facility id of the configuration.", nullable=True),
    Column("parameters_n", "BIGINT", "Number of model parameters.", nullable=True),
    Column("tokens_n", "BIGINT", "Tokens processed.", nullable=True),
    Column("quality_metric", "VARCHAR", "Name of the quality measure.", nullable=True),
    Column("quality_value", "DOUBLE", "Value of the quality measure.", nullable=True),
    Column("exit_code", "INTEGER", "Exit code of the process.", nullable=True),
)

JOB = Table(
    "core",
    "job",
    "One attempt of a job with the newest attributes that its events state.",
    grain="job x attempt",
    key=("job_id", "attempt"),
    columns=(
        Column("job_id", "VARCHAR", "Identifier of the job."),
        Column("attempt", "INTEGER", "Attempt of the job, counted from 1.", minimum=1),
        *_JOB_ATTRIBUTES,
        Column("phase", "VARCHAR", "Phase at the start; core.job_phase has the phases inside."),
        Column("state", "VARCHAR", "Final state, or running."),
        Column("start_ms", "BIGINT", "Start of the job.", "ms", nullable=True),
        Column("end_ms", "BIGINT", "End of the job, or its last event while it runs.", "ms", nullable=True),
        Column("first_ms", "BIGINT", "Earliest time that an event or a reservation of it states.", "ms"),
        Column("last_ms", "BIGINT", "Latest time that an event or a reservation of it states.", "ms"),
        Column("last_event_ms", "BIGINT", "Time of its latest event.", "ms"),
        Column("last_reserved_ms", "BIGINT", "Latest time that a reservation of it states.", "ms", nullable=True),
        Column("reserved_devices_n", "BIGINT", "Devices that its reservations name.", minimum=0),
    ),
    published=True,
)

JOB_PHASE = Table(
    "core",
    "job_phase",
    "One phase inside a job: an interval with the same life-cycle phase.",
    grain="job x attempt x start",
    key=("job_id", "attempt", "start_ms"),
    columns=(
        Column("job_id", "VARCHAR", "Identifier of the job."),
        Column("attempt", "INTEGER", "Attempt of the job, counted from 1.", minimum=1),
        Column("phase", "VARCHAR", "Life-cycle phase."),
        Column("start_ms", "BIGINT", "Start of the phase.", "ms"),
        Column("end_ms", "BIGINT", "End of the phase.", "ms"),
    ),
)

JOB_HOLD = Table(
    "core",
    "job_hold",
    "A job holds a device, or all devices of a host, from when to when in which phase; or reserves it without running.",
    grain="job x attempt x phase x basis x host x device x start",
    key=("job_id", "attempt", "phase", "basis", "host", "device", "start_ms"),
    columns=(
        Column("job_id", "VARCHAR", "Identifier of the job."),
        Column("attempt", "INTEGER", "Attempt of the job, counted from 1.", minimum=1),
        Column("phase", "VARCHAR", "Life-cycle phase; of a reservation the phase next to it."),
        Column("basis", "VARCHAR", "held (the job runs) or reserved (it has the device and does not run)."),
        Column("host", "VARCHAR", "Host of the device."),
        Column("device", "VARCHAR", "Stable device id, or * for every device of the host."),
        Column("start_ms", "BIGINT", "Start, epoch milliseconds UTC.", "ms"),
        Column("end_ms", "BIGINT", "End, epoch milliseconds UTC.", "ms"),
        Column("share_fraction", "DOUBLE", "Part of the device that the job states to hold.", "fraction", True, 0, 1),
    ),
)

JOB_ENERGY = Table(
    "core",
    "job_energy",
    "Energy of one job on one device in one hour; idle and unallocated energy are rows of their own.",
    grain="allocation x basis x job x attempt x phase x device x measuring point x hour",
    key=("hour_start", "allocation", "basis", "job_id", "attempt", "phase", "host", "device", "point"),
    columns=(
        DAY,
        HOUR,
        ALLOCATION,
        Column(
            "basis",
            "VARCHAR",
            "Why it is there. Of a job: held, follows (equipment of the host follows its devices), reserved or spread "
            "(idle energy that the policy gives to jobs). Of idle: reserved or free. Of unallocated: shared.",
        ),
        Column("job_id", "VARCHAR", "Identifier of the job; NULL on idle and unallocated rows.", nullable=True),
        ATTEMPT,
        Column("phase", "VARCHAR", "Life-cycle phase; NULL on idle and unallocated rows.", nullable=True),
        *_SERIES,
        Column("facility", "VARCHAR", "Facility id or provider/region; NULL where not known.", nullable=True),
        Column("zone", "VARCHAR", "Grid zone; NULL where not known.", nullable=True),
        Column("source", "VARCHAR", "Interface that gave the readings."),
        *_ENERGY,
        Column(
            "covered_s",
            "DOUBLE",
            "Seconds of the device covered by readings, whatever the job's share.",
            "s",
            minimum=0,
        ),
    ),
    partition="day",
    published=True,
)

JOB_SLOT = Table(
    "core",
    "job_slot",
    "Energy of one job, or idle or unallocated energy, at one place in one slot: core.job_energy without its devices, "
    "cut where grid factors change.",
    grain="slot x allocation x job x attempt x phase x facility x zone x energy source",
    key=("slot_start", "allocation", "job_id", "attempt", "phase", "facility", "zone", "energy_source"),
    columns=(
        DAY,
        HOUR,
        Column("slot_start", "TIMESTAMPTZ", "Start of the slot."),
        Column("slot_s", "INTEGER", "Length of the slot: an hour, or less where factors change within hours.", "s"),
        ALLOCATION,
        Column("job_id", "VARCHAR", "Identifier of the job; NULL on idle and unallocated rows.", nullable=True),
        ATTEMPT,
        Column("phase", "VARCHAR", "Life-cycle phase; NULL on idle and unallocated rows.", nullable=True),
        Column("facility", "VARCHAR", "Facility id or provider/region; NULL where not known.", nullable=True),
        Column("zone", "VARCHAR", "Grid zone; NULL where not known.", nullable=True),
        Column("energy_source", "VARCHAR", "Interface that gave the readings."),
        Column("energy_j", "DOUBLE", "Energy, measured and estimated.", "J", minimum=0),
    ),
    partition="day",
    published=True,
)

COMPONENTS = ("it", "overhead", "upstream", "losses", "chip", "server", "building")
OPERATIONAL_COMPONENTS = COMPONENTS[:4]
METHODS = ("location", "market_hourly", "residual", "amortised")

EMISSION = Table(
    "core",
    "emission",
    "Emissions of one job, or of idle or unallocated time, in one hour by component and method.",
    grain="allocation x job x attempt x phase x hour x site x energy source x component x method x factor",
    key=(
        "hour_start",
        "allocation",
        "job_id",
        "attempt",
        "phase",
        "facility",
        "zone",
        "energy_source",
        "component",
        "method",
        "factor_id",
    ),
    columns=(
        DAY,
        HOUR,
        ALLOCATION,
        Column("job_id", "VARCHAR", "Identifier of the job; NULL on idle and unallocated rows.", nullable=True),
        ATTEMPT,
        Column("phase", "VARCHAR", "Life-cycle phase; NULL on idle and unallocated rows.", nullable=True),
        Column("facility", "VARCHAR", "Facility id or provider/region; NULL where not known.", nullable=True),
        Column("zone", "VARCHAR", "Grid zone; NULL where not known.", nullable=True),
        Column("energy_source", "VARCHAR", "Interface that gave the readings."),
        Column(
            "component",
            "VARCHAR",
            "it or overhead (operational); upstream (of the fuels) or losses (of the grid), scope 3 category 3; chip, "
            "server or building (embodied).",
        ),
        Column("method", "VARCHAR", "location, market_hourly or residual (operational) or amortised (embodied)."),
        Column("energy_kwh", "DOUBLE", "Energy behind an operational row; 0 on embodied rows.", "kWh", True, 0),
        Column("device_s", "DOUBLE", "Device-seconds behind an embodied row; 0 on operational rows.", "s", minimum=0),
        Column("low_gco2e", "DOUBLE", "Low end of the interval; NULL where no factor is known.", "gCO2e", True, 0),
        Column("gco2e", "DOUBLE", "Central value; NULL where no factor is known.", "gCO2e", True, 0),
        Column("high_gco2e", "DOUBLE", "High end of the interval; NULL where no factor is known.", "gCO2e", True, 0),
        Column("factor_id", "VARCHAR", "Factor that was applied; NULL where none is known.", nullable=True),
        Column("quality_tier", "VARCHAR", "Tier of the factor; missing where none is known."),
        Column("factor_age_years", "INTEGER", "Years between the factor's validity and the hour.", "years", True),
        Column("basis", "VARCHAR", "lifecycle or operational; NULL if embodied or without a factor.", nullable=True),
        Column("flow", "VARCHAR", "consumption or production; NULL if embodied or without a factor.", nullable=True),
        Column("calc_run_id", "VARCHAR", "Calculation that made the row; see audit.calc_run."),
    ),
    partition="day",
    published=True,
)


def _part(name: str, unit: str, description: str, *, nullable: bool = True) -> Column:
    return Column(f"{name}_{unit.lower()}", "DECIMAL(38,0)", description, unit, nullable, 0)


JOB_DAY = Table(
    "core",
    "job_day",
    "What one attempt of a job used on one day, as exact sums (in units of 1e-18) that add up over days to the last "
    "digit: what a long job used before a day need not be read again to add that day.",
    grain="day x job x attempt",
    key=("day", "job_id", "attempt"),
    columns=(
        DAY,
        Column("job_id", "VARCHAR", "Identifier of the job."),
        Column("attempt", "INTEGER", "Attempt of the job, counted from 1.", minimum=1),
        _part("energy", "aJ", "Energy, measured and estimated.", nullable=False),
        _part("accelerator", "aJ", "Part of energy_aj that accelerators used; NULL where none is metered."),
        _part("estimated", "aJ", "Part of energy_aj that rests on modelled readings.", nullable=False),
        _part("measured", "as", "Device-seconds covered by readings.", nullable=False),
        _part("gap", "as", "Device-seconds between readings that are not bridged.", nullable=False),
        _part("covered", "as", "Seconds of the devices covered by readings, whatever the share.", nullable=False),
        Column("devices", "VARCHAR", "Host, device and point (JSON) of each measuring point that it used, by line."),
        Column("overhead_unknown_n", "BIGINT", "Rows without a known overhead.", nullable=True, minimum=0),
        _part("facility", "akWh", "Energy of IT and overhead, as far as known."),
        _part("unlocated", "akWh", "Energy without a grid factor."),
        _part("slot_factor", "akWh", "Energy whose grid factor is one of the slot itself."),
        _part("it", "agCO2e", "Operational emissions of the IT equipment; NULL where nothing of it is known."),
        _part("overhead", "agCO2e", "Operational emissions of the overhead; NULL where nothing of it is known."),
        _part("upstream", "agCO2e", "Upstream of the fuels and losses of the grid; NULL where nothing of it is known."),
        _part("chip", "agCO2e", "Embodied emissions of chips; NULL where nothing of it is known."),
        _part("server", "agCO2e", "Embodied emissions of servers; NULL where nothing of it is known."),
        _part("building", "agCO2e", "Embodied emissions of the building; NULL where nothing of it is known."),
        _part("low", "agCO2e", "Low end of total_agco2e."),
        _part("total", "agCO2e", "All of them, as far as known."),
        _part("high", "agCO2e", "High end of total_agco2e."),
        _part("market", "agCO2e", "Operational emissions, market-based, matched by the hour."),
        _part("residual", "agCO2e", "All of the operational energy at the residual mix or the stated fallback."),
    ),
    partition="day",
    sorted_by=("job_id", "attempt", "day"),
)

TABLES = (
    ENERGY_SEGMENT,
    DEVICE_ENERGY,
    JOB,
    JOB_PHASE,
    JOB_HOLD,
    JOB_ENERGY,
    JOB_SLOT,
    PLACE_FACTOR,
    GRID_FACTOR,
    MARKET_HOUR,
    EMISSION,
    JOB_DAY,
)
