"""Landing tables of what others publish: grid intensities, figures of cloud regions, volumes of instruments.

What belongs here: what feeds and file drops land. What must not be here: what collectors measure (``contract``).
"""

from __future__ import annotations

import pyarrow as pa

from ._columns import Column, LandingTable, count, text, time_of

PULL_OUTCOMES = ("complete", "partial", "failed")

GRID_INTENSITY = LandingTable(
    "grid_intensity",
    "Carbon intensity of a grid zone over an interval, as a provider stated it.",
    (
        text("zone", "Grid zone.", nullable=False),
        time_of("start_ms", "Start of the interval, epoch milliseconds UTC."),
        time_of("end_ms", "End of the interval, epoch milliseconds UTC."),
        Column("gco2e_per_kwh", pa.float64(), "gCO2e/kWh", "Carbon intensity.", False, 0, 3000),
        text("kind", "Kind of intensity.", nullable=False, allowed=("average", "marginal", "residual")),
        text("basis", "Life-cycle or combustion only.", nullable=False, allowed=("lifecycle", "operational")),
        text("flow", "Consumption or production mix.", nullable=False, allowed=("consumption", "production")),
        Column("is_estimate", pa.bool_(), None, "True where the provider marks the value as estimated."),
        text("provider", "Who states the value.", nullable=False),
        text("factor_set", "Emission factors behind the value.", nullable=False),
        time_of("updated_ms", "When the provider changed the value last.", nullable=True),
        time_of("fetched_ms", "When the value was fetched."),
        text("response_sha256", "Hash of the provider's answer.", nullable=False),
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
        text("source", "Feed that was asked.", nullable=False),
        text("zone", "Grid zone for which it was asked.", nullable=False),
        time_of("from_ms", "Start of the range that was asked for, epoch milliseconds UTC."),
        time_of("to_ms", "End of that range, epoch milliseconds UTC."),
        time_of("fetched_ms", "When the answer was there, or was given up."),
        text("outcome", "What came of it.", nullable=False, allowed=PULL_OUTCOMES),
        text("reason", "Why there is no answer, or the first reason for which a part was refused; docs/feeds."),
        text("detail", "What exactly, with the provider's words where there are any."),
        count("values_n", "Intervals with a value in the answer."),
        count("changed_n", "Of these, new intervals and those with another value than before."),
        count("refused_n", "Values that were refused."),
        count("missing_ms", "Part of the range that is over and has no value, in milliseconds."),
        Column("http_status", pa.int32(), None, "HTTP status of the last answer; NULL where there was none.", True),
        text("url", "What was asked, without secrets."),
        text("response_sha256", "Hash of the answer; it is kept under that name."),
    ),
    key=("source", "zone", "from_ms", "to_ms", "fetched_ms"),
    time_column="fetched_ms",
)

INSTRUMENT_VOLUME = LandingTable(
    "instrument_volume",
    "What a contractual instrument delivered in an interval of an hour or less: its generation, as issued or metered.",
    (
        text("instrument_id", "Instrument, as the configuration names it.", nullable=False),
        time_of("start_ms", "Start of the interval, epoch milliseconds UTC."),
        time_of("end_ms", "End of the interval, epoch milliseconds UTC."),
        Column("volume_kwh", pa.float64(), "kWh", "Electricity generated under the instrument.", False, 0),
        text("tracking_id", "Number of the hourly certificate, where there is one."),
    ),
    key=("instrument_id", "start_ms", "end_ms"),
    time_column="start_ms",
    end_column="end_ms",
)

CLOUD_METRICS = ("cfe_hourly", "cfe_annual", "pue", "wue", "intensity_location", "intensity_market")

CLOUD_REGION_FACTOR = LandingTable(
    "cloud_region_factor",
    "A figure that a cloud provider publishes for a region and a period.",
    (
        text("provider", "Cloud provider.", nullable=False),
        text("region", "Region of the provider.", nullable=False),
        time_of("valid_from", "Start of the period, epoch milliseconds UTC."),
        time_of("valid_to", "End of the period, epoch milliseconds UTC."),
        text("metric", "Which figure.", nullable=False, allowed=CLOUD_METRICS),
        Column("value", pa.float64(), None, "The figure, in the unit beside it.", minimum=0),
        text("unit", "Unit of the value.", nullable=False),
        text("source", "Publication that states it.", nullable=False),
        text("published", "Date of publication, ISO 8601, or `unknown`.", nullable=False),
        time_of("fetched_ms", "When the value was fetched."),
        text("response_sha256", "Hash of the publication.", nullable=False),
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
