"""A lake with a long history: one computed day, put into the lake again and again under earlier dates.

What belongs here: the copying of a day, by what the registry says of each column. What must not be here: measuring.
"""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import duckdb

from warehouse import energy, engine, jobs, temporaries, transform
from warehouse.lake import Lake
from warehouse.registry import table
from warehouse.registry.types import Column

MS_PER_DAY = 86_400_000
SERVICE = "service-"
"""A job whose id begins so runs through all of the history; every other job gets an id for each day."""
_NO_SERVICE = f"NOT starts_with(job_id, '{SERVICE}')"
_OF_DAY = "day = $day"
_NOT_COPIED = "NOT contains(job_id, '@')"
# Which rows of a table are those of the day.
_TABLES = {
    "raw.sample_source": _OF_DAY,
    "raw.sample_hour": _OF_DAY,
    "raw.sample_series": _OF_DAY,
    "raw.job_event": _OF_DAY,
    "raw.job_device": f"{_OF_DAY} AND {_NO_SERVICE}",
    "raw.ingest_file": "NOT contains(file_sha256, '@')",
    "core.energy_segment": _OF_DAY,
    "core.device_energy": _OF_DAY,
    "core.job_energy": _OF_DAY,
    "core.emission": _OF_DAY,
    "core.job_day": _OF_DAY,
    "core.job": f"{_NOT_COPIED} AND {_NO_SERVICE}",
    "core.job_phase": f"{_NOT_COPIED} AND {_NO_SERVICE}",
    "core.job_hold": f"{_NOT_COPIED} AND {_NO_SERVICE}",
    "mart.footprint_daily": _OF_DAY,
    "mart.data_quality": _OF_DAY,
    "mart.job": f"{_NOT_COPIED} AND {_NO_SERVICE}",
    "audit.segment_input": _OF_DAY,
    "audit.materialisation": "partition_key = CAST($day AS VARCHAR)",
}


def copy_day(lake: Lake, day: str, days_n: int) -> None:
    """Fill the days before a computed day with copies of it, and bring what rests on them up to date.

    Args:
        lake: an open, writable lake that holds that day and nothing else.
        day: the day (ISO 8601).
        days_n: days of history, the day itself among them.
    """
    last = date.fromisoformat(day)
    for first, end in itertools.pairwise(_steps(last, days_n)):
        bounds: dict[str, date | int] = {"day": last, "first": first, "end": end}

        def work(inside: duckdb.DuckDBPyConnection, bounds: dict[str, date | int] = bounds) -> None:
            for name, condition in _TABLES.items():
                inside.execute(
                    _copy_sql(name, condition),
                    {key: value for key, value in bounds.items() if key != "day" or "$day" in condition},
                )

        lake.transaction(work)
    lake.transaction(lambda inside: _lengthen_services(inside, days_n))
    jobs.settle_jobs(lake)
    run = engine.begin(lake)
    # A service touches the day of its start, whatever its length: that day must know what it was made of.
    _note_inputs(lake, run, str(last - timedelta(days=days_n - 1)))
    for month in sorted({str(last - timedelta(days=back))[:7] for back in range(days_n)}):
        engine.compute_month(lake, run, month)
    engine.compute_whole(lake, run)
    lake.transaction(lambda inside: inside.execute("DELETE FROM lake.audit.pending"))


def _steps(last: date, days_n: int) -> list[int]:
    """Return how many days ago the parts of a history begin, each written at once, and where the last one ends.

    Of the newest month a part is a day, as it is computed; of others it is the month, as tidying leaves it.
    """
    ago = [(last - timedelta(days=back), back) for back in range(1, days_n)]
    kept = [back for day, back in ago if day.month == last.month and back < last.day]
    kept += [back for day, back in ago if (day + timedelta(days=1)).day == 1]
    return [*kept, days_n]


def _copy_sql(name: str, condition: str) -> str:
    entry = table(name)
    values = ", ".join(f"{_moved(name, column)} AS {column.name}" for column in entry.columns)
    order = ", ".join(f'"{key}"' for key in entry.key)
    return (
        f"INSERT INTO lake.{name} BY NAME SELECT {values} FROM lake.{name}, "
        f"(SELECT CAST(range AS INTEGER) AS back FROM range($first, $end)) WHERE {condition} ORDER BY back, {order}"
    )


def _moved(name: str, column: Column) -> str:
    """Return what a column says in a copy that is ``back`` days older."""
    plain = f'"{column.name}"'
    if column.type == "DATE":
        return f"{plain} - back"
    if column.type == "TIMESTAMPTZ":
        return f"{plain} - to_days(back)"
    if column.unit == "ms":
        return f"{plain} - CAST(back AS BIGINT) * {MS_PER_DAY}"
    if column.name == "job_id":
        return f"CASE WHEN starts_with(job_id, '{SERVICE}') THEN job_id ELSE job_id || '@' || back END"
    if column.name == "file_sha256":
        return "file_sha256 || '@' || back"
    if column.name == "partition_key":
        return "CAST(CAST(partition_key AS DATE) - back AS VARCHAR)"
    if name == "raw.job_event" and column.name == "event":
        return f"CASE WHEN starts_with(job_id, '{SERVICE}') THEN 'heartbeat' ELSE event END"
    return plain


def _note_inputs(lake: Lake, run: transform.Calculation, day: str) -> None:
    temporaries.prepare(lake, day)
    inputs, _ = energy.read_inputs(lake.connection, day, energy.rules_of(lake.config.accounting))

    def work(inside: duckdb.DuckDBPyConnection) -> None:
        for one in inputs.values():
            inside.execute(
                "UPDATE lake.audit.segment_input SET inner_sha256 = $inner, stitch_sha256 = $stitch "
                "WHERE hour_start = make_timestamptz($hour_ms * 1000)",
                {"inner": one.inner_sha256, "stitch": one.stitch_sha256, "hour_ms": one.hour_ms},
            )

    lake.transaction(work)


def _lengthen_services(inside: duckdb.DuckDBPyConnection, days_n: int) -> None:
    """Let services hold their devices since the first day, and have them worked out again."""
    back = days_n - 1
    inside.execute(
        f"UPDATE lake.raw.job_device SET day = day - {back}, start_ms = start_ms - {back * MS_PER_DAY} "
        f"WHERE NOT {_NO_SERVICE}"
    )
    inside.execute(
        "INSERT INTO lake.audit.pending_job SELECT job_id, attempt, 'longer', min(day), max(day) "
        f"FROM lake.raw.job_event WHERE NOT {_NO_SERVICE} GROUP BY job_id, attempt"
    )
