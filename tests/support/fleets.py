"""Random fleets: readings of many kinds of device with everything that goes wrong, their cuts, and hour files of them.

What belongs here: landing-shaped rows from a seed, and the files and ledgers that compaction would make of them,
written plainly. What must not be here: the interval rule.
"""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.landed import sample
from warehouse.hourfile import HOUR_SCHEMA, MS_PER_HOUR, SEGMENT_SCHEMA, SERIES_KEY, SERIES_SCHEMA
from warehouse.kernel import Rules, hour_segments, stitch_segments

RAPL_RANGE_MJ = 262_143_328
ENDS = ("ts_ms", "power_mw", "energy_mj", "session", "is_estimate", "kind", "source")
POWER_LIMIT_MW = {"gpu": 2_100_000, "cpu": 750_000, "node": 50_000_000, "facility": 10**12}
# Days on which clocks elsewhere jump (daylight saving, a leap second that was smeared) and an ordinary one.
DAYS = ("2025-03-30", "2025-10-26", "2016-12-31", "2025-06-15")
SMEARED_STEPS_MS = (1000, 1000, 1000, 1001)


@dataclass(frozen=True)
class Fleet:
    """Readings and cuts of some hosts, and the period and rules to integrate them by."""

    rows: list[dict[str, Any]]
    cuts: dict[str, list[int]]
    start_ms: int
    end_ms: int
    rules: Rules

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the cuts as the kernel wants them."""
        return {host: np.array(sorted(cuts), np.int64) for host, cuts in self.cuts.items()}


def rules_of(choice: random.Random) -> Rules:
    """Return rules near the defaults, or with other limits."""
    return Rules(
        slot_ms=choice.choice([300_000, 300_000, 60_000, 3_600_000]),
        reach_ms=choice.choice([86_400_000, 86_400_000, 3_600_000, 900_000, 60_000]),
        absent_ms=choice.choice([3_600_000, 3_600_000, 30_000, 20_000_000]),
        jitter_ms=choice.choice([1000, 1000, 0, 250]),
        max_gap_ms={"nvml_energy": 10_000, "nvml_power": 10_000, "rapl": 5_000, "meter": 900_000, "model": 60_000},
        max_power_mw=POWER_LIMIT_MW,
        counter_range_mj={"rapl": RAPL_RANGE_MJ} if choice.random() < 0.8 else {},
    )


@dataclass
class Style:
    """How a device is read, and how often what goes wrong with it."""

    name: str
    kind: str = "gpu"
    source: str = "nvml_energy"
    steps_ms: Sequence[int] = (1000, 999, 1001, 1000, 998, 1004)
    counter: bool = True
    power: bool = True
    least_n: int = 5
    most_n: int = 60
    odds: dict[str, float] = field(default_factory=dict)


GAPS = {"short_gap": 0.05, "long_gap": 0.02}
TROUBLE = {"reset": 0.05, "drop": 0.05, "jump": 0.03, "limit": 0.03, **GAPS}
STYLES = (
    Style("steady"),
    Style("wrapping", "cpu", "rapl", odds={"near_wrap": 0.15}),
    Style("wrapping_badly", "cpu", "rapl", odds={"near_wrap": 0.2, "two_wraps": 0.1, "over_range": 0.05, **TROUBLE}),
    Style("power_only", source="nvml_power", counter=False, odds=GAPS),
    Style("power_holes", source="nvml_power", counter=False, odds={"nothing": 0.1, **GAPS}),
    Style("counter_only", power=False, odds=TROUBLE),
    Style("burst", steps_ms=(100, 100, 99, 101), odds={"short_gap": 0.03}, most_n=120),
    Style("late_tick", odds={"late": 0.15}),
    Style("troubled", odds={"late": 0.03, "snap": 0.05, **TROUBLE}),
    Style("holes", odds={"no_power": 0.1, "no_counter": 0.1, "nothing": 0.1, **TROUBLE}),
    Style("estimates", "cpu", "model", counter=False, odds={"estimate": 0.3, "nothing": 0.03, **GAPS}),
    Style("all_estimated", "cpu", "model", counter=False, odds={"estimate": 1.0, **GAPS}),
    Style("slow_meter", "facility", "meter", steps_ms=(60_000, 300_000, 899_999, 900_000, 900_001), power=True),
    Style("slow_counter", "node", "meter", steps_ms=(30_000, 60_000, 10_000), odds={"drop": 0.05, "snap": 0.2}),
    Style("huge", "facility", "meter", odds={"huge": 0.2, "jump": 0.05, "limit": 0.2}),
    Style("mixed", odds={**TROUBLE, "other_source": 0.2, "other_kind": 0.3, "limit": 0.15}),
    Style("smeared", steps_ms=SMEARED_STEPS_MS),
    Style("bridging", steps_ms=(1000,), most_n=12, odds={"bridge": 0.4}),
    Style("power_bridging", counter=False, source="nvml_power", most_n=12, odds={"bridge": 0.4}),
    Style("single", least_n=1, most_n=1),
    Style("edges", odds={"snap": 0.5, "short_gap": 0.1}),
)
GAPS_MS = (2000, 5000, 5001, 9999, 10_000, 10_001, 30_000, 30_001, 61_000, 299_999, 300_000, 300_001, 899_999, 900_001)
LONG_GAPS_MS = (3_599_999, 3_600_000, 3_600_001, 5_000_000)
# Around the reach of a minute, and the time in which a second wrap becomes possible.
WRAPPING_GAPS_MS = (60_000, 60_001, 200_000, 348_523, 348_524, 348_525, 349_523, 349_524, 349_525)
BRIDGES_MS = (2 * MS_PER_HOUR, 3 * MS_PER_HOUR + 17, 7 * MS_PER_HOUR, 86_399_999, 86_400_000, 86_400_001)


def fleet(seed: int) -> Fleet:
    """Return the fleet of a seed: the same every time."""
    choice = random.Random(seed)
    rules = rules_of(choice)
    day = dt.datetime.fromisoformat(choice.choice(DAYS)).replace(tzinfo=dt.UTC)
    hours = choice.choice([3, 4, 6, 30])
    start_ms = int(day.timestamp() * 1000) + choice.randrange(24) * MS_PER_HOUR
    end_ms = start_ms + hours * MS_PER_HOUR
    hosts = [f"host-{number}" for number in range(choice.randint(1, 3))]
    rows = [
        row
        for number in range(choice.randint(2, 7))
        for row in series_rows(choice, choice.choice(STYLES), choice.choice(hosts), number, start_ms, end_ms, rules)
    ]
    times = [row["ts_ms"] for row in rows] or [start_ms]
    cuts = {host: _cuts(choice, times, start_ms, end_ms) for host in hosts if choice.random() < 0.7}
    return Fleet(rows, cuts, start_ms, end_ms, rules)


def _cuts(choice: random.Random, times: list[int], start_ms: int, end_ms: int) -> list[int]:
    found = {choice.choice(times) + choice.randint(-3000, 3000) for _ in range(choice.randint(0, 12))}
    found |= {choice.choice(times) for _ in range(2)}
    found |= {start_ms + choice.randrange(-2, 10) * 300_000, end_ms, end_ms + 5, start_ms - 5}
    near = choice.choice(times)
    return sorted(found | {near + step for step in range(choice.randint(0, 4))})


def series_rows(
    choice: random.Random, style: Style, host: str, number: int, start_ms: int, end_ms: int, rules: Rules
) -> list[dict[str, Any]]:
    """Return the rows of one device in time; no two at the same time."""
    edge = start_ms + choice.randrange(-1, (end_ms - start_ms) // MS_PER_HOUR) * MS_PER_HOUR
    at = edge + choice.choice([-30_000, -5_000, -1, 0, 1, 290_000, choice.randrange(MS_PER_HOUR)])
    power_mw, session = choice.randrange(0, 700_000), 0
    energy_mj = choice.choice([0, 10**6, RAPL_RANGE_MJ - 100_000, 10**12])
    if style.source == "rapl":
        energy_mj %= RAPL_RANGE_MJ
    rows = []
    for _ in range(choice.randint(style.least_n, style.most_n)):
        happens = {name for name, odds in style.odds.items() if choice.random() < odds}
        if "near_wrap" in happens and style.source == "rapl":
            energy_mj = RAPL_RANGE_MJ - choice.choice([0, 1, 1000, 10**5])
        rows.append(_row(choice, style, happens, (host, number, at), (power_mw, energy_mj, session)))
        following = at + _step_ms(choice, style, happens)
        if "snap" in happens:
            following = (following // 60_000 + 1) * 60_000
        power_mw = choice.choice([power_mw, choice.randrange(0, 700_000)])
        if "huge" in happens:
            power_mw = choice.randrange(10**9, 10**10)
        energy_mj, session = _counter(choice, style, happens, (power_mw, energy_mj, session), following - at, rules)
        at = max(at + 1, following - (choice.choice([396, 402, 950, 998]) if "late" in happens else 0))
    return rows


def _step_ms(choice: random.Random, style: Style, happens: set[str]) -> int:
    if "bridge" in happens:
        return choice.choice(BRIDGES_MS)
    if "long_gap" in happens:
        return choice.choice(LONG_GAPS_MS)
    if "near_wrap" in happens and choice.random() < 0.3:
        return choice.choice(WRAPPING_GAPS_MS)
    return choice.choice(GAPS_MS if "short_gap" in happens else style.steps_ms)


def _counter(
    choice: random.Random, style: Style, happens: set[str], state: tuple[int, int, int], step_ms: int, rules: Rules
) -> tuple[int, int]:
    """Return the counter and session at the next reading."""
    power_mw, energy_mj, session = state
    limit = rules.max_power_mw[style.kind] * (step_ms + rules.jitter_ms) // 1000
    rise = power_mw * step_ms // 1000
    if "limit" in happens:
        rise = limit + choice.choice([0, 0, 1])
    if "jump" in happens:
        rise = choice.choice([limit + 1, 10**9, 10**15])
    if "reset" in happens:
        return choice.choice([0, 500, energy_mj, energy_mj + 1000]), session + 1
    if "drop" in happens:
        return choice.choice([0, energy_mj // 2, max(energy_mj - 1, 0)]), session
    if style.source == "rapl":
        if "two_wraps" in happens:
            rise += RAPL_RANGE_MJ
        if "over_range" in happens:
            return RAPL_RANGE_MJ + 5, session
        return (energy_mj + rise) % (RAPL_RANGE_MJ + choice.choice([0, 1])), session
    return energy_mj + rise, session


def _row(
    choice: random.Random, style: Style, happens: set[str], who: tuple[str, int, int], state: tuple[int, int, int]
) -> dict[str, Any]:
    host, number, at = who
    power_mw, energy_mj, session = state
    silent = "nothing" in happens
    return sample(
        at,
        host=host,
        device=f"{style.name}-{number}",
        kind="cpu" if "other_kind" in happens else style.kind,
        parent=choice.choice([None, "node"]) if "other_kind" in happens else None,
        power_mw=power_mw if style.power and not silent and "no_power" not in happens else None,
        energy_mj=energy_mj if style.counter and not silent and "no_counter" not in happens else None,
        session=session,
        source=choice.choice(["rapl", "meter"]) if "other_source" in happens else style.source,
        is_estimate="estimate" in happens,
        gap_reason="read_failed" if silent else None,
    )


# --- hour files ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hour:
    """An hour file and its ledger."""

    hour_ms: int
    path: Path
    series: pa.Table


def is_reading(row: Mapping[str, Any]) -> bool:
    """Tell whether a row states a power or a counter."""
    return row["power_mw"] is not None or row["energy_mj"] is not None


def write_hour(
    rows: Iterable[Mapping[str, Any]],
    hour_ms: int,
    folder: Path,
    *,
    series_per_group: int = 3,
    rows_per_group: int | None = None,
) -> Hour:
    """Write the rows of an hour as an hour file; row groups hold so many whole series, or so many rows."""
    by_series: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for number, row in enumerate(rows):
        by_series[tuple(row[name] for name in SERIES_KEY)].append(dict(row) | {"source_file": 0, "source_row": number})
    ordered = sorted(by_series.items())
    for _, found in ordered:
        found.sort(key=lambda row: row["ts_ms"])
    path = folder / f"{hour_ms}.parquet"
    with pq.ParquetWriter(
        path,
        HOUR_SCHEMA,
        compression="lz4",
        use_dictionary=[name for name in HOUR_SCHEMA.names if HOUR_SCHEMA.field(name).type == pa.string()],
        column_encoding={
            name: "DELTA_BINARY_PACKED" for name in HOUR_SCHEMA.names if HOUR_SCHEMA.field(name).type in _INTEGERS
        },
        write_page_checksum=True,
    ) as writer:
        for at in range(0, len(ordered), series_per_group):
            flat = [row for _, found in ordered[at : at + series_per_group] for row in found]
            writer.write_table(
                pa.Table.from_pylist(flat, schema=HOUR_SCHEMA), row_group_size=rows_per_group or len(flat)
            )
    return Hour(hour_ms, path, _ledger(ordered))


_INTEGERS = (pa.int64(), pa.int32())


def _ledger(ordered: list[tuple[tuple[str, ...], list[dict[str, Any]]]]) -> pa.Table:
    lines, offset = [], 0
    for key, rows in ordered:
        readings = [row for row in rows if is_reading(row)]
        said = readings or rows
        pairs = list(itertools.pairwise(readings))
        same = [(a, b) for a, b in pairs if a["session"] == b["session"]]
        counted = [(a["energy_mj"], b["energy_mj"]) for a, b in same]
        line: dict[str, Any] = dict(zip(SERIES_KEY, key, strict=True)) | {
            name: max((row[name] for row in said if row[name] is not None), default=None)
            for name in ("kind", "parent", "source")
        }
        line |= {
            "row_offset": offset,
            "rows_n": len(rows),
            "readings_n": len(readings),
            "power_n": sum(row["power_mw"] is not None for row in readings),
            "counter_n": sum(row["energy_mj"] is not None for row in readings),
            "estimated_n": sum(row["is_estimate"] for row in readings),
            "sessions_n": sum(a["session"] != b["session"] for a, b in pairs) + bool(readings),
            "drops_n": sum(a is not None and b is not None and b < a for a, b in counted),
            "is_mixed": len({(row["kind"], row["source"]) for row in readings}) > 1,
        }
        for end, place in (("first", 0), ("last", -1)):
            line |= {f"{end}_{name}": readings[place][name] if readings else None for name in ENDS}
        offset += len(rows)
        lines.append(line)
    return pa.Table.from_pylist(lines, schema=SERIES_SCHEMA)


def write_hours(rows: Iterable[Mapping[str, Any]], folder: Path) -> list[Hour]:
    """Write the hour files of rows of any number of hours, in time."""
    by_hour: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_hour[row["ts_ms"] // MS_PER_HOUR * MS_PER_HOUR].append(row)
    return [write_hour(found, hour_ms, folder) for hour_ms, found in sorted(by_hour.items())]


_FROM = tuple(name for name in ENDS if name not in {"kind", "source"})
PAIR_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in SERIES_KEY),
        *(pa.field(f"from_{name}", SERIES_SCHEMA.field(f"last_{name}").type) for name in _FROM),
        *(pa.field(f"to_{name}", SERIES_SCHEMA.field(f"first_{name}").type) for name in ENDS),
    ]
)


def pairs_between(hours: Iterable[Hour]) -> pa.Table:
    """Return the intervals between hour files, from their ledgers alone."""
    last: dict[tuple[str, ...], dict[str, Any]] = {}
    pairs = []
    for hour in hours:
        for line in hour.series.to_pylist():
            if not line["readings_n"]:
                continue
            key = tuple(line[name] for name in SERIES_KEY)
            if key in last:
                pair = dict(zip(SERIES_KEY, key, strict=True))
                pair |= {f"from_{name}": last[key][f"last_{name}"] for name in _FROM}
                pairs.append(pair | {f"to_{name}": line[f"first_{name}"] for name in ENDS})
            last[key] = line
    return pa.Table.from_pylist(pairs, schema=PAIR_SCHEMA)


def combined(parts: Iterable[pa.Table]) -> pa.Table:
    """Return segments with those of the same key added up, as the warehouse does with hours and stitches."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for part in parts:
        for line in part.to_pylist():
            key = tuple(line[name] for name in (*SERIES_KEY, "start_ms"))
            entry = found.setdefault(key, line)
            if entry is line:
                continue
            assert entry["end_ms"] == line["end_ms"]
            for name in SEGMENT_SCHEMA.names[5:-1]:
                entry[name] += line[name]
            entry["flags"] |= line["flags"]
    return pa.Table.from_pylist([found[key] for key in sorted(found)], schema=SEGMENT_SCHEMA)


def kernel_segments(world: Fleet, hours: Iterable[Hour]) -> pa.Table:
    """Return what the kernel makes of a fleet: the hours of its period, and what lies between hours."""
    hours = list(hours)
    cuts = world.arrays()
    parts = [
        hour_segments(hour.path, hour.series, hour.hour_ms, cuts, world.rules)
        for hour in hours
        if world.start_ms <= hour.hour_ms < world.end_ms
    ]
    return combined([*parts, stitch_segments(pairs_between(hours), world.start_ms, world.end_ms, cuts, world.rules)])
