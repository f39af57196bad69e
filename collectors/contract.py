"""Landing contract v1: the tables that collectors write and ingest accepts.

What belongs here: the columns of each landing table with type, unit, range and closed value sets, the natural key of a
row, and the metadata keys of a file. What must not be here: reading, writing or judging of files (see ``landing``).

The contract is versioned as a whole. A column that may be NULL can be added, marked ``is_later``: files without it stay
readable. None is renamed or given another unit.
"""

from __future__ import annotations

import pyarrow as pa

from ._columns import Column as Column
from ._columns import LandingTable as LandingTable
from .closed_sets import ASSET_EVENTS as ASSET_EVENTS
from .closed_sets import ASSET_KINDS as ASSET_KINDS
from .closed_sets import DEVICE_KINDS as DEVICE_KINDS
from .closed_sets import GAP_REASONS as GAP_REASONS
from .closed_sets import JOB_EVENTS as JOB_EVENTS
from .closed_sets import JOB_STATES as JOB_STATES
from .closed_sets import PHASES as PHASES
from .closed_sets import POINTS as POINTS
from .closed_sets import SOURCES as SOURCES

CONTRACT_NAME = "wattledger.landing"
CONTRACT_VERSION = 1

PULL_OUTCOMES = ("complete", "partial", "failed")

LABELS = pa.map_(pa.string(), pa.string())

# The largest plausible reading of one device: a 64-node switch estimate in the public MLPerf power set is 59,570 W;
# 10 MW is a whole data hall and is surely a unit error (a reading in microwatts or milliwatts of milliwatts).
MAX_POWER_MW = 10_000_000_000
# 2000-01-01 and 2100-01-01 UTC in epoch milliseconds: outside, a stamp is a unit error (seconds, microseconds).
MIN_TIME_MS = 946_684_800_000
MAX_TIME_MS = 4_102_444_800_000


def _time(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.int64(), "ms", description, nullable, MIN_TIME_MS, MAX_TIME_MS)


def _text(name: str, description: str, *, nullable: bool = True, allowed: tuple[str, ...] = ()) -> Column:
    return Column(name, pa.string(), None, description, nullable, allowed=allowed)


def _count(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, pa.int64(), None, description, nullable, minimum=0)


_JOB_KEY = (
    _text("job_id", "Identifier of the job, unique within the organisation.", nullable=False),
    Column("attempt", pa.int32(), None, "Attempt of the job, counted from 1.", minimum=1),
)

POWER_SAMPLE = LandingTable(
    "power_sample",
    "One reading of one device: power, cumulative energy, or the reason why there is none.",
    (
        _time("ts_ms", "End of the reading, epoch milliseconds UTC."),
        _text("host", "Host name as the collector knows it.", nullable=False),
        _text("device", "Stable device id: GPU UUID, cpu-package-0, dram-0, node, switch-0.", nullable=False),
        _text("kind", "Kind of device.", nullable=False, allowed=DEVICE_KINDS),
        _text("parent", "Device that contains this one; NULL for an outermost device."),
        _text("point", "Where the power is measured.", nullable=False, allowed=POINTS),
        Column("power_mw", pa.int64(), "mW", "Power at the reading, in milliwatts.", True, 0, MAX_POWER_MW),
        Column("energy_mj", pa.int64(), "mJ", "Cumulative energy, monotone inside a session, in millijoules.", True, 0),
        Column("session", pa.int32(), None, "Counter session; a new one after every reset.", minimum=0),
        Column("util_percent", pa.uint8(), "%", "Utilisation of the device.", True, 0, 100),
        _text("source", "Interface that gave the reading.", nullable=False, allowed=SOURCES),
        Column("is_estimate", pa.bool_(), None, "True where the power is modelled, not measured."),
        _text("gap_reason", "Why a value is missing.", allowed=GAP_REASONS),
    ),
    key=("host", "device", "point", "ts_ms"),
    time_column="ts_ms",
)

JOB_EVENT = LandingTable(
    "job_event",
    "One event in the life of a job, with the attributes known at that moment.",
    (
        _time("ts_ms", "Time of the event, epoch milliseconds UTC."),
        *_JOB_KEY,
        _text("event", "What happened.", nullable=False, allowed=JOB_EVENTS),
        _text("state", "Final state, on ended events.", allowed=JOB_STATES),
        _text("org", "Organisation that answers for the job."),
        _text("team", "Team that ran the job."),
        _text("project", "Project the job belongs to."),
        _text("user_ref", "Pseudonym of the person who ran the job."),
        _text("model", "Model that is trained or served."),
        _text("model_version", "Version of that model."),
        _text("task", "What the job does with the model."),
        _text("phase", "Life-cycle phase from this event on.", nullable=False, allowed=PHASES),
        _text("provider", "Cloud provider: aws, gcp, azure; NULL on own hardware."),
        _text("region", "Cloud region of the provider."),
        _text("facility", "Facility id of the configuration."),
        _count("parameters_n", "Number of model parameters.", nullable=True),
        _count("tokens_n", "Number of tokens processed so far.", nullable=True),
        _text("quality_metric", "Name of the quality measure, for example accuracy."),
        Column("quality_value", pa.float64(), None, "Value of the quality measure.", True),
        Column("exit_code", pa.int32(), None, "Exit code of the process, on ended events.", True),
        Column("labels", LABELS, None, "Free labels of the job.", True),
    ),
    key=("job_id", "attempt", "ts_ms", "event"),
    time_column="ts_ms",
)

JOB_DEVICE = LandingTable(
    "job_device",
    "A job holds a device, or all devices of a host, for an interval.",
    (
        *_JOB_KEY,
        _text("host", "Host of the device.", nullable=False),
        _text("device", "Device id, or * for every device of the host.", nullable=False),
        _time("start_ms", "Start of the reservation, epoch milliseconds UTC."),
        _time("end_ms", "End of the reservation; NULL while the job runs.", nullable=True),
        Column("share_fraction", pa.float64(), "fraction", "Part of the device that the job holds.", True, 0, 1),
    ),
    key=("job_id", "attempt", "host", "device", "start_ms"),
    time_column="start_ms",
    end_column="end_ms",
)

WORK_COUNTER = LandingTable(
    "work_counter",
    "Work done in an interval: requests and tokens of a model.",
    (
        _time("start_ms", "Start of the interval, epoch milliseconds UTC."),
        _time("end_ms", "End of the interval, epoch milliseconds UTC."),
        _text("job_id", "Job that did the work, if there is one."),
        _text("service", "Service that did the work, if there is one."),
        _text("model", "Model that did the work.", nullable=False),
        _text("model_version", "Version of that model."),
        _count("requests_n", "Requests answered; NULL where they are not counted.", nullable=True),
        _count("input_tokens_n", "Input tokens processed; NULL where they are not counted.", nullable=True),
        _count("output_tokens_n", "Output tokens generated; NULL where they are not counted.", nullable=True),
        _text("other_unit", "Another unit of work, for example image."),
        Column("other_n", pa.float64(), None, "Amount of the other unit.", True, 0),
        Column(
            "instance",
            pa.string(),
            None,
            "Server that did the work, host and address, where several serve the same; NULL where nobody says.",
            nullable=True,
            is_later=True,
        ),
    ),
    key=("start_ms", "end_ms", "job_id", "service", "model", "model_version", "instance"),
    time_column="start_ms",
    end_column="end_ms",
)

ASSET_EVENT = LandingTable(
    "asset_event",
    "One event in the life of a piece of hardware.",
    (
        _time("ts_ms", "Time of the event, epoch milliseconds UTC."),
        _text("asset_id", "Identifier of the asset.", nullable=False),
        _text("kind", "Kind of asset.", nullable=False, allowed=ASSET_KINDS),
        _text("hardware_model", "Hardware model as the vendor or driver names it.", nullable=False),
        _text("host", "Host in which the asset works."),
        _text("device", "Device id under which it reports power."),
        _text("facility", "Facility id of the configuration."),
        _text("parent_asset", "Asset that contains this one."),
        _text("event", "What happened.", nullable=False, allowed=ASSET_EVENTS),
        Column("quantity", pa.int32(), None, "Number of equal units.", minimum=1),
        Column("supplier_kgco2e", pa.float64(), "kgCO2e", "Embodied emissions stated by the supplier.", True, 0),
    ),
    key=("asset_id", "ts_ms", "event"),
    time_column="ts_ms",
)

FACILITY_READING = LandingTable(
    "facility_reading",
    "Energy and water of a facility over an interval.",
    (
        _time("start_ms", "Start of the interval, epoch milliseconds UTC."),
        _time("end_ms", "End of the interval, epoch milliseconds UTC."),
        _text("facility", "Facility id of the configuration.", nullable=False),
        Column("it_kwh", pa.float64(), "kWh", "Energy of the IT equipment.", True, 0),
        Column("total_kwh", pa.float64(), "kWh", "Energy of the whole facility.", True, 0),
        Column("water_l", pa.float64(), "l", "Water withdrawn.", True, 0),
    ),
    key=("facility", "start_ms", "end_ms"),
    time_column="start_ms",
    end_column="end_ms",
)

GRID_INTENSITY = LandingTable(
    "grid_intensity",
    "Carbon intensity of a grid zone over an interval, as a provider stated it.",
    (
        _text("zone", "Grid zone.", nullable=False),
        _time("start_ms", "Start of the interval, epoch milliseconds UTC."),
        _time("end_ms", "End of the interval, epoch milliseconds UTC."),
        Column("gco2e_per_kwh", pa.float64(), "gCO2e/kWh", "Carbon intensity.", False, 0, 3000),
        _text("kind", "Kind of intensity.", nullable=False, allowed=("average", "marginal", "residual")),
        _text("basis", "Life-cycle or combustion only.", nullable=False, allowed=("lifecycle", "operational")),
        _text("flow", "Consumption or production mix.", nullable=False, allowed=("consumption", "production")),
        Column("is_estimate", pa.bool_(), None, "True where the provider marks the value as estimated."),
        _text("provider", "Who states the value.", nullable=False),
        _text("factor_set", "Emission factors behind the value.", nullable=False),
        _time("updated_ms", "When the provider changed the value last.", nullable=True),
        _time("fetched_ms", "When the value was fetched."),
        _text("response_sha256", "Hash of the provider's answer.", nullable=False),
        Column(
            "carbon_free_fraction",
            pa.float64(),
            "fraction",
            "Carbon-free share of the mix; NULL where nobody says.",
            nullable=True,
            minimum=0,
            maximum=1,
            is_later=True,
        ),
    ),
    key=("zone", "start_ms", "end_ms", "kind", "basis", "flow", "provider", "factor_set", "fetched_ms"),
    time_column="start_ms",
    end_column="end_ms",
    folder_column="fetched_ms",
)

FEED_PULL = LandingTable(
    "feed_pull",
    "One question to a feed of grid intensities and what came of it, also where nothing did.",
    (
        _text("source", "Feed that was asked.", nullable=False),
        _text("zone", "Grid zone for which it was asked.", nullable=False),
        _time("from_ms", "Start of the range that was asked for, epoch milliseconds UTC."),
        _time("to_ms", "End of that range, epoch milliseconds UTC."),
        _time("fetched_ms", "When the answer was there, or was given up."),
        _text("outcome", "What came of it.", nullable=False, allowed=PULL_OUTCOMES),
        _text("reason", "Why there is no answer, or the first reason for which a part was refused; docs/feeds."),
        _text("detail", "What exactly, with the provider's words where there are any."),
        _count("values_n", "Intervals with a value in the answer."),
        _count("changed_n", "Of these, new intervals and those with another value than before."),
        _count("refused_n", "Values that were refused."),
        _count("missing_ms", "Part of the range that is over and has no value, in milliseconds."),
        Column("http_status", pa.int32(), None, "HTTP status of the last answer; NULL where there was none.", True),
        _text("url", "What was asked, without secrets."),
        _text("response_sha256", "Hash of the answer; it is kept under that name."),
    ),
    key=("source", "zone", "from_ms", "to_ms", "fetched_ms"),
    time_column="fetched_ms",
)

INSTRUMENT_VOLUME = LandingTable(
    "instrument_volume",
    "What a contractual instrument delivered in an interval of an hour or less: its generation, as issued or metered.",
    (
        _text("instrument_id", "Instrument, as the configuration names it.", nullable=False),
        _time("start_ms", "Start of the interval, epoch milliseconds UTC."),
        _time("end_ms", "End of the interval, epoch milliseconds UTC."),
        Column("volume_kwh", pa.float64(), "kWh", "Electricity generated under the instrument.", False, 0),
        _text("tracking_id", "Number of the hourly certificate, where there is one."),
    ),
    key=("instrument_id", "start_ms", "end_ms"),
    time_column="start_ms",
    end_column="end_ms",
)

STATED_SUBJECTS = ("job", "host", "device", "model", "project", "account", "organisation")
STATED_QUANTITIES = ("energy", "mean_power", "emissions", "emissions_rate", "intensity", "water", "energy_per_query")

STATED_FIGURE = LandingTable(
    "stated_figure",
    "A figure that another tool, provider or official method states; kept beside ours, never added to it.",
    (
        _time("start_ms", "Start of the interval that the figure covers, epoch milliseconds UTC."),
        _time("end_ms", "End of that interval, epoch milliseconds UTC."),
        _text("source", "Who states it: codecarbon, mlperf, aws, google_cloud.", nullable=False),
        _text("method", "By which method, in the source's or a standard's words.", nullable=False),
        _text("version", "Version of the tool or method; `unknown` where the source tells none.", nullable=False),
        _text("subject_kind", "Kind of thing that it speaks of.", nullable=False, allowed=STATED_SUBJECTS),
        _text("subject", "The thing that it speaks of, unique in the source.", nullable=False),
        _text("quantity", "What is stated.", nullable=False, allowed=STATED_QUANTITIES),
        _text("scope", "Scope of the GHG Protocol: scope1, scope2, scope3 or total."),
        Column("value", pa.float64(), None, "The figure, in the unit beside it."),
        Column("low", pa.float64(), None, "Low bound of the figure.", True),
        Column("high", pa.float64(), None, "High bound of the figure.", True),
        _text("unit", "Unit of the figure.", nullable=False),
        _text("job_id", "Job that it speaks of."),
        _text("provider", "Cloud provider."),
        _text("region", "Cloud region."),
        _text("service", "Service of the provider."),
        Column("labels", LABELS, None, "Whatever else the source says about it.", True),
    ),
    key=("source", "method", "version", "subject_kind", "subject", "quantity", "scope", "start_ms", "end_ms"),
    time_column="start_ms",
    end_column="end_ms",
)

CLOUD_METRICS = ("cfe_hourly", "cfe_annual", "pue", "wue", "intensity_location", "intensity_market")

CLOUD_REGION_FACTOR = LandingTable(
    "cloud_region_factor",
    "A figure that a cloud provider publishes for a region and a period.",
    (
        _text("provider", "Cloud provider.", nullable=False),
        _text("region", "Region of the provider.", nullable=False),
        _time("valid_from", "Start of the period, epoch milliseconds UTC."),
        _time("valid_to", "End of the period, epoch milliseconds UTC."),
        _text("metric", "Which figure.", nullable=False, allowed=CLOUD_METRICS),
        Column("value", pa.float64(), None, "The figure, in the unit beside it.", minimum=0),
        _text("unit", "Unit of the value.", nullable=False),
        _text("source", "Publication that states it.", nullable=False),
        _text("published", "Date of publication, ISO 8601, or `unknown`.", nullable=False),
        _time("fetched_ms", "When the value was fetched."),
        _text("response_sha256", "Hash of the publication.", nullable=False),
        Column(
            "basis",
            pa.string(),
            None,
            "Life-cycle or combustion only; NULL for what is no intensity, and where the publication tells none.",
            nullable=True,
            allowed=("lifecycle", "operational"),
            is_later=True,
        ),
        Column(
            "version",
            pa.string(),
            None,
            "Version of the publication, such as a commit; NULL where nobody says.",
            nullable=True,
            is_later=True,
        ),
        Column(
            "flags",
            pa.string(),
            None,
            "Faults of the publication that do not touch the value, by name, with commas; NULL where there is none.",
            nullable=True,
            is_later=True,
        ),
    ),
    key=("provider", "region", "valid_from", "metric", "source", "fetched_ms"),
    time_column="valid_from",
    end_column="valid_to",
    folder_column="fetched_ms",
)

TABLES: dict[str, LandingTable] = {
    table.name: table
    for table in (
        POWER_SAMPLE,
        JOB_EVENT,
        JOB_DEVICE,
        WORK_COUNTER,
        ASSET_EVENT,
        FACILITY_READING,
        GRID_INTENSITY,
        FEED_PULL,
        INSTRUMENT_VOLUME,
        CLOUD_REGION_FACTOR,
        STATED_FIGURE,
    )
}

# Keys of the Parquet file metadata that every landed file carries; values are UTF-8 text.
META_SCHEMA = "wattledger.schema"
META_COLLECTOR = "wattledger.collector_version"
META_HOST = "wattledger.host"
META_BOOT = "wattledger.boot_id"
META_SEQUENCE = "wattledger.sequence"
META_ROWS = "wattledger.rows"
META_FIRST_MS = "wattledger.first_ms"
META_LAST_MS = "wattledger.last_ms"
META_WRITTEN_MS = "wattledger.written_ms"
# Only where there is something to say: samples that the collector had to drop because there was no room for them.
META_DROPPED = "wattledger.dropped_n"
META_KEYS = (
    META_SCHEMA,
    META_COLLECTOR,
    META_HOST,
    META_BOOT,
    META_SEQUENCE,
    META_ROWS,
    META_FIRST_MS,
    META_LAST_MS,
    META_WRITTEN_MS,
)


def schema_tag(table: str) -> str:
    """Return the value of the schema key in a file's metadata, for example ``power_sample/1``."""
    return f"{table}/{CONTRACT_VERSION}"
