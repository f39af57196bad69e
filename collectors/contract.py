"""Landing contract v1: the tables that collectors write and ingest accepts.

What belongs here: the columns of each landing table with type, unit, range and closed value sets, the natural key of a
row, and the metadata keys of a file. What must not be here: reading, writing or judging of files (see ``landing``).

The contract is versioned as a whole. A column that may be NULL can be added, marked ``is_later``: files without it stay
readable. None is renamed or given another unit.
"""

from __future__ import annotations

import pyarrow as pa

from ._columns import LABELS as LABELS
from ._columns import MAX_POWER_MW as MAX_POWER_MW
from ._columns import MAX_TIME_MS as MAX_TIME_MS
from ._columns import MIN_TIME_MS as MIN_TIME_MS
from ._columns import Column as Column
from ._columns import LandingTable as LandingTable
from ._columns import count, text, time_of
from .closed_sets import ASSET_EVENTS as ASSET_EVENTS
from .closed_sets import ASSET_KINDS as ASSET_KINDS
from .closed_sets import DEVICE_KINDS as DEVICE_KINDS
from .closed_sets import GAP_REASONS as GAP_REASONS
from .closed_sets import JOB_EVENTS as JOB_EVENTS
from .closed_sets import JOB_STATES as JOB_STATES
from .closed_sets import PHASES as PHASES
from .closed_sets import POINTS as POINTS
from .closed_sets import SOURCES as SOURCES
from .contract_feeds import CLOUD_METRICS as CLOUD_METRICS
from .contract_feeds import CLOUD_REGION_FACTOR as CLOUD_REGION_FACTOR
from .contract_feeds import FEED_PULL as FEED_PULL
from .contract_feeds import GRID_INTENSITY as GRID_INTENSITY
from .contract_feeds import INSTRUMENT_VOLUME as INSTRUMENT_VOLUME
from .contract_feeds import PULL_OUTCOMES as PULL_OUTCOMES

CONTRACT_NAME = "wattledger.landing"
CONTRACT_VERSION = 1

_JOB_KEY = (
    text("job_id", "Identifier of the job, unique within the organisation.", nullable=False),
    Column("attempt", pa.int32(), None, "Attempt of the job, counted from 1.", minimum=1),
)

POWER_SAMPLE = LandingTable(
    "power_sample",
    "One reading of one device: power, cumulative energy, or the reason why there is none.",
    (
        time_of("ts_ms", "End of the reading, epoch milliseconds UTC."),
        text("host", "Host name as the collector knows it.", nullable=False),
        text("device", "Stable device id: GPU UUID, cpu-package-0, dram-0, node, switch-0.", nullable=False),
        text("kind", "Kind of device.", nullable=False, allowed=DEVICE_KINDS),
        text("parent", "Device that contains this one; NULL for an outermost device."),
        text("point", "Where the power is measured.", nullable=False, allowed=POINTS),
        Column("power_mw", pa.int64(), "mW", "Power at the reading, in milliwatts.", True, 0, MAX_POWER_MW),
        Column("energy_mj", pa.int64(), "mJ", "Cumulative energy, monotone inside a session, in millijoules.", True, 0),
        Column("session", pa.int32(), None, "Counter session; a new one after every reset.", minimum=0),
        Column("util_percent", pa.uint8(), "%", "Utilisation of the device.", True, 0, 100),
        text("source", "Interface that gave the reading.", nullable=False, allowed=SOURCES),
        Column("is_estimate", pa.bool_(), None, "True where the power is modelled, not measured."),
        text("gap_reason", "Why a value is missing.", allowed=GAP_REASONS),
    ),
    key=("host", "device", "point", "ts_ms"),
    time_column="ts_ms",
)

JOB_EVENT = LandingTable(
    "job_event",
    "One event in the life of a job, with the attributes known at that moment.",
    (
        time_of("ts_ms", "Time of the event, epoch milliseconds UTC."),
        *_JOB_KEY,
        text("event", "What happened.", nullable=False, allowed=JOB_EVENTS),
        text("state", "Final state, on ended events.", allowed=JOB_STATES),
        text("org", "Organisation that answers for the job."),
        text("team", "Team that ran the job."),
        text("project", "Project the job belongs to."),
        text("user_ref", "Pseudonym of the person who ran the job."),
        text("model", "Model that is trained or served."),
        text("model_version", "Version of that model."),
        text("task", "What the job does with the model."),
        text("phase", "Life-cycle phase from this event on.", nullable=False, allowed=PHASES),
        text("provider", "Cloud provider: aws, gcp, azure; NULL on own hardware."),
        text("region", "Cloud region of the provider."),
        text("facility", "Facility id of the configuration."),
        count("parameters_n", "Number of model parameters.", nullable=True),
        count("tokens_n", "Number of tokens processed so far.", nullable=True),
        text("quality_metric", "Name of the quality measure, for example accuracy."),
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
        text("host", "Host of the device.", nullable=False),
        text("device", "Device id, or * for every device of the host.", nullable=False),
        time_of("start_ms", "Start of the reservation, epoch milliseconds UTC."),
        time_of("end_ms", "End of the reservation; NULL while the job runs.", nullable=True),
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
        time_of("start_ms", "Start of the interval, epoch milliseconds UTC."),
        time_of("end_ms", "End of the interval, epoch milliseconds UTC."),
        text("job_id", "Job that did the work, if there is one."),
        text("service", "Service that did the work, if there is one."),
        text("model", "Model that did the work.", nullable=False),
        text("model_version", "Version of that model."),
        count("requests_n", "Requests answered; NULL where they are not counted.", nullable=True),
        count("input_tokens_n", "Input tokens processed; NULL where they are not counted.", nullable=True),
        count("output_tokens_n", "Output tokens generated; NULL where they are not counted.", nullable=True),
        text("other_unit", "Another unit of work, for example image."),
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
        time_of("ts_ms", "Time of the event, epoch milliseconds UTC."),
        text("asset_id", "Identifier of the asset.", nullable=False),
        text("kind", "Kind of asset.", nullable=False, allowed=ASSET_KINDS),
        text("hardware_model", "Hardware model as the vendor or driver names it.", nullable=False),
        text("host", "Host in which the asset works."),
        text("device", "Device id under which it reports power."),
        text("facility", "Facility id of the configuration."),
        text("parent_asset", "Asset that contains this one."),
        text("event", "What happened.", nullable=False, allowed=ASSET_EVENTS),
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
        time_of("start_ms", "Start of the interval, epoch milliseconds UTC."),
        time_of("end_ms", "End of the interval, epoch milliseconds UTC."),
        text("facility", "Facility id of the configuration.", nullable=False),
        Column("it_kwh", pa.float64(), "kWh", "Energy of the IT equipment.", True, 0),
        Column("total_kwh", pa.float64(), "kWh", "Energy of the whole facility.", True, 0),
        Column("water_l", pa.float64(), "l", "Water withdrawn.", True, 0),
    ),
    key=("facility", "start_ms", "end_ms"),
    time_column="start_ms",
    end_column="end_ms",
)

STATED_SUBJECTS = ("job", "host", "device", "model", "project", "account", "organisation")
STATED_QUANTITIES = ("energy", "mean_power", "emissions", "emissions_rate", "intensity", "water", "energy_per_query")

STATED_FIGURE = LandingTable(
    "stated_figure",
    "A figure that another tool, provider or official method states; kept beside ours, never added to it.",
    (
        time_of("start_ms", "Start of the interval that the figure covers, epoch milliseconds UTC."),
        time_of("end_ms", "End of that interval, epoch milliseconds UTC."),
        text("source", "Who states it: codecarbon, mlperf, aws, google_cloud.", nullable=False),
        text("method", "By which method, in the source's or a standard's words.", nullable=False),
        text("version", "Version of the tool or method; `unknown` where the source tells none.", nullable=False),
        text("subject_kind", "Kind of thing that it speaks of.", nullable=False, allowed=STATED_SUBJECTS),
        text("subject", "The thing that it speaks of, unique in the source.", nullable=False),
        text("quantity", "What is stated.", nullable=False, allowed=STATED_QUANTITIES),
        text("scope", "Scope of the GHG Protocol: scope1, scope2, scope3 or total."),
        Column("value", pa.float64(), None, "The figure, in the unit beside it."),
        Column("low", pa.float64(), None, "Low bound of the figure.", True),
        Column("high", pa.float64(), None, "High bound of the figure.", True),
        text("unit", "Unit of the figure.", nullable=False),
        text("job_id", "Job that it speaks of."),
        text("provider", "Cloud provider."),
        text("region", "Cloud region."),
        text("service", "Service of the provider."),
        Column("labels", LABELS, None, "Whatever else the source says about it.", True),
    ),
    key=("source", "method", "version", "subject_kind", "subject", "quantity", "scope", "start_ms", "end_ms"),
    time_column="start_ms",
    end_column="end_ms",
)

FORECAST_PHASES = ("data_processing", "experimentation", "training", "fine_tuning", "inference", "storage", "all")

FORECAST = LandingTable(
    "forecast",
    "One figure of a forecast that was made of a run, with its 90 % interval; never a footprint.",
    (
        time_of("made_ms", "When the forecast was recorded, epoch milliseconds UTC."),
        text("forecast_id", "Hash over method, version, inputs and figures.", nullable=False),
        text("method", "Method.", nullable=False),
        text("method_version", "Version of the method.", nullable=False),
        text("run", "Name of the plan.", nullable=False),
        text("job_id", "Job that carries the plan out, where it is stated."),
        text("model", "Model whose jobs carry the plan out, where it is stated."),
        text("model_version", "Version of that model; NULL for all of its versions."),
        text("device", "Accelerator of the plan; NULL where the plan has none."),
        text("phase", "Phase, or all of them.", nullable=False, allowed=FORECAST_PHASES),
        text("component", "What is forecast, such as energy_it.", nullable=False),
        Column("low", pa.float64(), None, "Low end of the 90 % interval, in the unit beside it."),
        Column("central", pa.float64(), None, "The forecast."),
        Column("high", pa.float64(), None, "High end of the interval."),
        text("unit", "Unit of the three.", nullable=False),
        text("tier", "Worst quality tier that went into it; `stated` where the user states it.", nullable=False),
        text("source_ids", "Sources, with semicolons.", nullable=False),
        text("inputs_json", "What the user stated, as canonical JSON.", nullable=False),
        text("assumed_json", "What was taken for what the user did not state, as JSON.", nullable=False),
    ),
    key=("forecast_id", "made_ms", "phase", "component"),
    time_column="made_ms",
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
        FORECAST,
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
