"""From hour files to the segments of a day: what must be integrated anew, doing it, and writing it into the lake.

What belongs here: which hours' segments are out of date, their cuts and the readings on both sides of an hour's edge.
What must not be here: the rule for an interval and its cutting (``kernel``), who gets the energy (``sql/core``).

The inner segments of an hour are a pure function of its hour files, the cuts inside it and the rules; what joins it to
other hours is a function of the last and first readings in the ledger. Both inputs are hashed and kept in
audit.segment_input, so a reading is opened again only if something changed in its own hour. The work is done before the
transaction of the day; the transaction then checks that the inputs are still those.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from collectors.contract import DEVICE_KINDS, SOURCES
from warehouse.config import Accounting
from warehouse.hourfile import MS_PER_HOUR, SERIES_SCHEMA
from warehouse.kernel import KERNEL_VERSION, HourTask, Rules, run_hours, stitch_segments
from warehouse.lake import Lake
from warehouse.registry import table
from warehouse.samples import hour_file
from warehouse.sqlfiles import sql_text

MS_PER_S = 1000
MW_PER_W = 1000
MS_PER_MINUTE = 60_000
MS_PER_DAY = 86_400_000

# The largest power that one device of a kind may draw, as a bound on what a counter difference may imply; above it the
# counter was reset. 1.5 times the largest published limits: 1,400 W for an accelerator module (NVIDIA B300, vendor),
# 500 W for a processor socket (AMD EPYC 9005, vendor); the rest is wide on purpose. The configuration overrides it by
# kind.
MAX_POWER_W = {
    "gpu": 2_100.0,
    "accelerator": 2_100.0,
    "cpu": 750.0,
    "dram": 1_000.0,
    "node": 50_000.0,
    "switch": 100_000.0,
    "facility": 1e9,
}

Progress = Callable[[int, int, str], None]


class InputsChangedError(Exception):
    """Readings or jobs of the day changed while its segments were made; make them again."""


@dataclass(frozen=True, slots=True)
class HourInput:
    """What the segments of one hour are made of.

    Attributes:
        hour_ms: start of the hour [ms since the epoch].
        inner_sha256: hash of its hour files, the cuts inside it and the rules.
        stitch_sha256: hash of the pairs of readings that cross it from other hours, the cuts inside it and the rules.
        files: shard and hash of content of each of its hour files.
    """

    hour_ms: int
    inner_sha256: str
    stitch_sha256: str
    files: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class DaySegments:
    """The segments of a day that were made anew, and what they were made of.

    Attributes:
        day: the day (ISO 8601).
        inputs: what each hour of the day rests on now.
        inner: segments inside the hours that were integrated anew, by hour [epoch ms].
        stitched: segments across edges, of all hours whose edges changed.
        stitched_hours: those hours [epoch ms].
        gone_hours: hours [epoch ms] that have segments and nothing any more that they could be made of.
        files_opened: hour files that were read.
    """

    day: str
    inputs: dict[int, HourInput] = field(default_factory=dict)
    inner: dict[int, pa.Table] = field(default_factory=dict)
    stitched: pa.Table | None = None
    stitched_hours: list[int] = field(default_factory=list)
    gone_hours: list[int] = field(default_factory=list)
    files_opened: int = 0


def rules_of(accounting: Accounting) -> Rules:
    """Return the rules of the kernel that a configuration states."""
    gaps = {source: accounting.max_gap_s_by_source.get(source, accounting.max_gap_s) for source in SOURCES}
    limits = {kind: accounting.max_power_w.get(kind, MAX_POWER_W[kind]) for kind in DEVICE_KINDS}
    return Rules(
        slot_ms=accounting.slot_minutes * MS_PER_MINUTE,
        reach_ms=accounting.max_counter_gap_h * MS_PER_HOUR,
        absent_ms=int(accounting.absent_after_s * MS_PER_S),
        jitter_ms=int(accounting.jitter_s * MS_PER_S),
        max_gap_ms={source: int(gap * MS_PER_S) for source, gap in gaps.items()},
        max_power_mw={kind: int(limit * MW_PER_W) for kind, limit in limits.items()},
        counter_range_mj=dict(accounting.counter_range_mj),
    )


def day_bounds_ms(day: str) -> tuple[int, int]:
    """Return the first millisecond of a UTC day and of the next one."""
    start = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * MS_PER_S)
    return start, start + MS_PER_DAY


# ---- what a day rests on ----


def read_inputs(connection: duckdb.DuckDBPyConnection, day: str, rules: Rules) -> tuple[dict[int, HourInput], pa.Table]:
    """Return what each hour of a day rests on, and the readings on both sides of its edges.

    Args:
        connection: a connection with the lake.
        day: the day (ISO 8601); ``day_hold`` (temporary) holds what jobs hold on it.
        rules: the rules.

    Returns:
        Inputs by hour [epoch ms], of the hours with readings or with an interval that crosses them; the pairs of
        neighbouring readings in different hours.
    """
    start_ms, end_ms = day_bounds_ms(day)
    files = defaultdict(list)
    sql = "SELECT epoch_ms(hour_start), shard, file_sha256 FROM lake.raw.sample_hour WHERE day = $day ORDER BY 1, 2"
    for hour_ms, shard, sha256 in connection.execute(sql, {"day": date.fromisoformat(day)}).fetchall():
        files[hour_ms].append((shard, sha256))
    pairs = _pairs(connection, day, rules)
    base = f"{KERNEL_VERSION} {rules!r}"
    cuts = _cut_digests(connection, start_ms, end_ms, rules)
    stitches = _pair_digests(pairs, start_ms, end_ms)
    hours = sorted({*files, *stitches})
    found = {
        hour_ms: HourInput(
            hour_ms,
            _sha256(base, cuts.get(hour_ms, ""), *(sha256 for _, sha256 in files.get(hour_ms, []))),
            _sha256(base, cuts.get(hour_ms, ""), stitches.get(hour_ms, "")),
            tuple(files.get(hour_ms, ())),
        )
        for hour_ms in hours
    }
    return found, pairs


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _pairs(connection: duckdb.DuckDBPyConnection, day: str, rules: Rules) -> pa.Table:
    start_ms, end_ms = day_bounds_ms(day)
    reach = timedelta(milliseconds=max(rules.reach_ms, rules.absent_ms))
    first, last = (datetime.fromtimestamp(at / MS_PER_S, UTC) for at in (start_ms, end_ms))
    values = {
        "from_day": (first - reach).date(),
        "to_day": (last + reach).date(),
        "day_start_ms": start_ms,
        "day_end_ms": end_ms,
        "longest_ms": max(rules.reach_ms, rules.absent_ms),
    }
    return connection.execute(sql_text("ingest", "reading_pair"), values).to_arrow_table()


def _cut_digests(connection: duckdb.DuckDBPyConnection, start_ms: int, end_ms: int, rules: Rules) -> dict[int, str]:
    """Return a digest of the cuts inside each hour; cuts at slot edges are there anyway."""
    rows = connection.execute(
        f"""
        SELECT cut_ms // {MS_PER_HOUR} * {MS_PER_HOUR},
            sha256(string_agg(host || ' ' || cut_ms, chr(10) ORDER BY host, cut_ms))
        FROM ({_CUTS}) WHERE cut_ms % $slot_ms <> 0 AND cut_ms > $start AND cut_ms < $end GROUP BY 1
        """,
        {"slot_ms": rules.slot_ms, "start": start_ms, "end": end_ms},
    ).fetchall()
    return dict(rows)


_CUTS = "SELECT DISTINCT host, unnest([start_ms, end_ms]) AS cut_ms FROM day_hold"


def read_cuts(connection: duckdb.DuckDBPyConnection, day: str) -> dict[str, np.ndarray]:
    """Return the starts and ends of holds on each host within a day: sorted epoch milliseconds, int64."""
    start_ms, end_ms = day_bounds_ms(day)
    rows = connection.execute(
        f"SELECT host, list(cut_ms ORDER BY cut_ms) FROM ({_CUTS}) "
        "WHERE cut_ms > $start AND cut_ms < $end GROUP BY host",
        {"start": start_ms, "end": end_ms},
    ).fetchall()
    return {host: np.array(cuts, np.int64) for host, cuts in rows}


def _pair_digests(pairs: pa.Table, start_ms: int, end_ms: int) -> dict[int, str]:
    """Return a digest of the pairs that cross each hour of a day."""
    if not pairs.num_rows:
        return {}
    first = np.maximum(pairs["from_ts_ms"].to_numpy(), start_ms) // MS_PER_HOUR
    # A pair that ends exactly at an hour's start does not lie in that hour.
    last = (np.minimum(pairs["to_ts_ms"].to_numpy(), end_ms) - 1) // MS_PER_HOUR
    row_digest = pairs["digest"].to_numpy()
    found: dict[int, str] = {}
    for hour in range(int(first.min()), int(last.max()) + 1):
        chosen = row_digest[(first <= hour) & (last >= hour)]
        if chosen.size:
            found[hour * MS_PER_HOUR] = hashlib.sha256(np.ascontiguousarray(chosen).tobytes()).hexdigest()
    return found


# ---- making segments ----


def make_segments(
    lake: Lake, day: str, *, force: bool = False, progress: Progress | None = None, processes: int | None = None
) -> DaySegments:
    """Integrate the hours of a day whose inputs changed. Reads only; ``write_segments`` keeps the result.

    Args:
        lake: an open lake, with the temporary table ``day_hold`` of the day.
        day: the day (ISO 8601).
        force: integrate every hour, whatever it was made of.
        progress: called with hours done, hours in all and the hour at hand.
        processes: worker processes; by default as many as pay.
    """
    rules = rules_of(lake.config.accounting)
    inputs, pairs = read_inputs(lake.connection, day, rules)
    known = _known_inputs(lake.connection, day)
    before = {} if force else known
    cuts = read_cuts(lake.connection, day)
    made = DaySegments(day, inputs)
    new = ("", "")
    hours = inputs.values()
    wanted = [one for one in hours if one.files and before.get(one.hour_ms, new)[0] != one.inner_sha256]
    made.stitched_hours = [one.hour_ms for one in hours if before.get(one.hour_ms, new)[1] != one.stitch_sha256]
    made.gone_hours = [hour_ms for hour_ms in known if hour_ms not in inputs]
    tasks = _tasks(lake, day, wanted, cuts)
    parts = defaultdict(list)
    for number, (task, segments) in enumerate(run_hours(tasks, rules, processes=processes)):
        if progress:
            progress(number, len(tasks), f"{datetime.fromtimestamp(task.hour_ms / MS_PER_S, UTC):%Y-%m-%d %H:%M}")
        parts[task.hour_ms].append(segments)
        made.files_opened += 1
    made.inner = {one.hour_ms: pa.concat_tables(parts[one.hour_ms]) for one in wanted}
    if made.stitched_hours:
        start_ms, end_ms = day_bounds_ms(day)
        made.stitched = stitch_segments(pairs, start_ms, end_ms, cuts, rules)
    return made


def _known_inputs(connection: duckdb.DuckDBPyConnection, day: str) -> dict[int, tuple[str, str]]:
    sql = "SELECT epoch_ms(hour_start), inner_sha256, stitch_sha256 FROM lake.audit.segment_input WHERE day = $day"
    rows = connection.execute(sql, {"day": date.fromisoformat(day)}).fetchall()
    return {hour_ms: (inner, stitch) for hour_ms, inner, stitch in rows}


def _tasks(lake: Lake, day: str, wanted: list[HourInput], cuts: dict[str, np.ndarray]) -> list[HourTask]:
    if not wanted:
        return []
    names = ", ".join(field.name for field in SERIES_SCHEMA)
    sql = (
        f"SELECT {names}, epoch_ms(hour_start) AS hour_ms, shard FROM lake.raw.sample_series "
        "WHERE day = $day AND list_contains($hours, epoch_ms(hour_start)) ORDER BY hour_ms, shard, row_offset"
    )
    values = {"day": date.fromisoformat(day), "hours": [one.hour_ms for one in wanted]}
    ledger = lake.connection.execute(sql, values).to_arrow_table().combine_chunks()
    series = ledger.select(SERIES_SCHEMA.names).cast(SERIES_SCHEMA)
    # Rows of a file lie together; a file begins where the hour or the shard changes.
    hours, shards = (ledger[name].to_numpy() for name in ("hour_ms", "shard"))
    starts = np.flatnonzero(np.r_[True, (hours[1:] != hours[:-1]) | (shards[1:] != shards[:-1])])
    ends = np.r_[starts[1:], len(hours)]
    slices = {(int(hours[a]), int(shards[a])): series.slice(a, b - a) for a, b in zip(starts, ends, strict=True)}
    return [
        HourTask(hour_file(lake.config, one.hour_ms, sha256), slices[one.hour_ms, shard], one.hour_ms, cuts)
        for one in wanted
        for shard, sha256 in one.files
    ]


# ---- keeping segments ----


def write_segments(inside: duckdb.DuckDBPyConnection, made: DaySegments, rules: Rules) -> int:
    """Replace the segments of a day that were made anew, in the transaction of the day.

    Args:
        inside: a connection in a transaction, with ``day_hold`` of the day as it is now.
        made: the segments.
        rules: the rules.

    Returns:
        Segments of the day afterwards.

    Raises:
        InputsChangedError: if readings or jobs of the day are not those any more that the segments were made of.
    """
    day = date.fromisoformat(made.day)
    inputs, _ = read_inputs(inside, made.day, rules)
    if inputs != made.inputs:
        raise InputsChangedError(made.day)
    inner, stitched = list(made.inner), made.stitched_hours
    for part, hours in (("inner", [*inner, *made.gone_hours]), ("stitch", [*stitched, *made.gone_hours])):
        if hours:
            inside.execute(
                "DELETE FROM lake.core.energy_segment WHERE day = $day AND part = $part "
                "AND list_contains($hours, epoch_ms(hour_start))",
                {"day": day, "part": part, "hours": hours},
            )
    if inner:
        _insert(inside, day, "inner", pa.concat_tables(list(made.inner.values())), inner, rules.slot_ms)
    if stitched and made.stitched is not None:
        _insert(inside, day, "stitch", made.stitched, stitched, rules.slot_ms)
    inside.execute("DELETE FROM lake.audit.segment_input WHERE day = $day", {"day": day})
    rows = [(one.hour_ms, one.inner_sha256, one.stitch_sha256) for one in inputs.values()]
    if rows:
        names = ("hour_ms", "inner_sha256", "stitch_sha256")
        inside.register("made_of", pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))))
        inside.execute(
            "INSERT INTO lake.audit.segment_input BY NAME "
            "SELECT $day AS day, make_timestamptz(hour_ms * 1000) AS hour_start, inner_sha256, stitch_sha256 "
            "FROM made_of",
            {"day": day},
        )
        inside.unregister("made_of")
    count = inside.execute("SELECT count(*) FROM lake.core.energy_segment WHERE day = $day", {"day": day}).fetchall()
    return int(count[0][0])


def _insert(
    inside: duckdb.DuckDBPyConnection, day: date, part: str, segments: pa.Table, hours: list[int], slot_ms: int
) -> None:
    columns = ", ".join(f'"{name}"' for name in table("core.energy_segment").column_names)
    values: dict[str, Any] = {"day": day, "part": part, "hours": hours, "slot_ms": slot_ms}
    values["near_start"], values["near_end"] = day - timedelta(days=1), day + timedelta(days=1)
    inside.register("made_segment", segments)
    try:
        inside.execute(
            f"INSERT INTO lake.core.energy_segment BY NAME "
            f"SELECT {columns} FROM ({sql_text('core', 'energy_segment')})",
            values,
        )
    finally:
        inside.unregister("made_segment")
