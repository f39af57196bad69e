"""Tables about forecasts: each held against what its run used, and how good they were."""

from __future__ import annotations

from warehouse.registry.types import Column, Table

_METHOD = (
    Column("method", "VARCHAR", "Method of the forecast."),
    Column("method_version", "VARCHAR", "Version of the method."),
)
_WHAT = (
    Column("phase", "VARCHAR", "Phase, or all of those that the forecast speaks of."),
    Column("component", "VARCHAR", "What is forecast: days, device_hours, energy_it, emissions and so on."),
)

PREDICTION_SCORE = Table(
    "mart",
    "prediction_score",
    "A figure that was forecast of a run against what its jobs used: forecast / actual - 1, and whether the actual "
    "lies within the 90 % interval. Figures that are not measured here are not held against anything.",
    grain="forecast x phase x component",
    key=("forecast_id", "phase", "component"),
    columns=(
        Column("forecast_id", "VARCHAR", "Hash over method, version, inputs and figures."),
        *_METHOD,
        Column("run", "VARCHAR", "Name of the plan."),
        Column("device", "VARCHAR", "Accelerator of the plan.", nullable=True),
        Column("made_at", "TIMESTAMPTZ", "When the forecast was first recorded."),
        Column("linked_by", "VARCHAR", "How its jobs are known: job, model or name.", nullable=True),
        Column("jobs_n", "BIGINT", "Attempts of jobs that it is held against.", minimum=0),
        *_WHAT,
        Column("low", "DOUBLE", "Low end of the 90 % interval, in the unit beside it."),
        Column("central", "DOUBLE", "The forecast."),
        Column("high", "DOUBLE", "High end of the interval."),
        Column("unit", "VARCHAR", "Unit of forecast and actual."),
        Column("quality_tier", "VARCHAR", "Worst quality tier that went into it, or stated."),
        Column("actual", "DOUBLE", "What the jobs used; NULL where it is not known of all of them.", nullable=True),
        Column("error_fraction", "DOUBLE", "Forecast / actual - 1; NULL unless scored.", "fraction", True, -1),
        Column("is_inside", "BOOLEAN", "True where the actual lies within; NULL unless scored.", nullable=True),
        Column(
            "coverage_fraction", "DOUBLE", "Share of the jobs' device-time covered by readings.", "fraction", True, 0, 1
        ),
        Column(
            "state",
            "VARCHAR",
            "scored, or why not: no_job, made_late (recorded after the first job began), running, phase_missing "
            "(of all), mixed_phases (a job changed its phase), not_measured, incomplete (gaps, or "
            "energy without a grid factor).",
        ),
    ),
    published=True,
)

PREDICTION_ACCURACY = Table(
    "mart",
    "prediction_accuracy",
    "How good the scored forecasts were, by phase, figure and device.",
    grain="method x version x phase x component x device",
    key=("method", "method_version", "phase", "component", "device"),
    columns=(
        *_METHOD,
        *_WHAT,
        Column("device", "VARCHAR", "Accelerator of the plans; none without one, * for all of them together."),
        Column("forecasts_n", "BIGINT", "Scored forecasts.", minimum=1),
        Column("median_error_fraction", "DOUBLE", "Median of forecast / actual - 1.", "fraction", True, -1),
        Column("median_absolute_error_fraction", "DOUBLE", "Median of its absolute value.", "fraction", True, 0),
        Column("bias_fraction", "DOUBLE", "Geometric mean of forecast / actual, less 1.", "fraction", True, -1),
        Column("inside_n", "BIGINT", "Of them, with the actual within the 90 % interval.", minimum=0),
        Column("inside_fraction", "DOUBLE", "Their share; 0.9 is what the interval promises.", "fraction", False, 0, 1),
    ),
    published=True,
)
