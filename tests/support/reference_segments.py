"""Energy in segments, slowly: exact fractions, one interval at a time, plain loops; shares nothing with the kernel.

What belongs here: the interval rule a third time, for tests to hold the kernel and the SQL against.
"""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa

from warehouse.hourfile import FLAG_IMPLAUSIBLE, FLAG_RESET, FLAG_WRAP, SEGMENT_SCHEMA

Row = Mapping[str, Any]
Key = tuple[str, str, str]
SUMS = ("energy_j", "estimated_j", "counter_j", "measured_ms", "gap_ms", "estimated_ms", "samples_n")


def readings_by_series(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """Return the rows that say something, by series, in time."""
    series: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        if row["power_mw"] is not None or row["energy_mj"] is not None:
            series[row["host"], row["device"], row["point"]].append(row)
    return {key: sorted(found, key=lambda row: row["ts_ms"]) for key, found in sorted(series.items())}


def decide(a: Row, b: Row, rules: Any) -> tuple[str | None, Fraction | None, int]:
    """Return the rule of one interval, its energy by counter [J] if that is the rule, and its flags."""
    length = b["ts_ms"] - a["ts_ms"]
    most = Fraction(rules.max_power_mw[b["kind"]] * (length + rules.jitter_ms), 1000)
    flags, energy = 0, None
    if a["energy_mj"] is not None and b["energy_mj"] is not None:
        rise = b["energy_mj"] - a["energy_mj"]
        if a["session"] != b["session"]:
            flags |= FLAG_RESET
        elif rise >= 0:
            if rise > most:
                flags |= FLAG_IMPLAUSIBLE
            elif length <= rules.reach_ms:
                energy = Fraction(rise, 1000)
        else:
            full = rules.counter_range_mj.get(b["source"])
            fits = full is not None and max(a["energy_mj"], b["energy_mj"]) <= full
            if fits and length <= rules.reach_ms and rise + full <= most < full:
                flags |= FLAG_WRAP
                energy = Fraction(rise + full, 1000)
            else:
                flags |= FLAG_RESET
    if energy is not None:
        return "counter", energy, flags
    if a["power_mw"] is not None and b["power_mw"] is not None and length <= rules.max_gap_ms[b["source"]]:
        return "trapezoid", None, flags
    return ("gap", None, flags) if length <= rules.absent_ms else (None, None, 0)


def part_j(a: Row, b: Row, counter_j: Fraction | None, rule: str, x_ms: int, y_ms: int) -> Fraction:
    """Return the energy of the part of an interval between two times [J]."""
    length = b["ts_ms"] - a["ts_ms"]
    if rule == "counter":
        assert counter_j is not None
        return counter_j * (y_ms - x_ms) / length
    if rule == "trapezoid":
        at = [
            a["power_mw"] + Fraction((b["power_mw"] - a["power_mw"]) * (time - a["ts_ms"]), length)
            for time in (x_ms, y_ms)
        ]
        return (at[0] + at[1]) / 2 * (y_ms - x_ms) / 1_000_000
    return Fraction(0)


def edges_of(host: str, start_ms: int, end_ms: int, cuts: Mapping[str, Sequence[int]], rules: Any) -> list[int]:
    """Return all cuts of a host in a period, with its start and end [epoch ms]."""
    given = {int(cut) for cut in cuts.get(host, ()) if start_ms < cut < end_ms}
    return sorted(given | set(range(start_ms, end_ms + 1, rules.slot_ms)))


def reference_sums(
    rows: Iterable[Row], start_ms: int, end_ms: int, cuts: Mapping[str, Sequence[int]], rules: Any
) -> dict[tuple[str, str, str, int], dict[str, Any]]:
    """Return the exact sums of every segment in a period, by host, device, point and start."""
    found: dict[tuple[str, str, str, int], dict[str, Any]] = {}
    for (host, device, point), readings in readings_by_series(rows).items():
        edges = edges_of(host, start_ms, end_ms, cuts, rules)
        for a, b in itertools.pairwise(readings):
            rule, counter_j, flags = decide(a, b, rules)
            if rule is None:
                continue
            is_estimate = a["is_estimate"] or b["is_estimate"]
            place = max(bisect.bisect_right(edges, a["ts_ms"]) - 1, 0)
            while place + 1 < len(edges) and edges[place] < b["ts_ms"]:
                start, end = edges[place], edges[place + 1]
                place += 1
                x, y = max(start, a["ts_ms"]), min(end, b["ts_ms"])
                if x >= y:
                    continue
                entry = found.setdefault(
                    (host, device, point, start), {"end_ms": end, "flags": 0} | dict.fromkeys(SUMS, 0)
                )
                energy = part_j(a, b, counter_j, rule, x, y)
                entry["energy_j"] += energy
                entry["counter_j"] += energy if rule == "counter" else 0
                entry["estimated_j"] += energy if is_estimate else 0
                entry["gap_ms" if rule == "gap" else "measured_ms"] += y - x
                entry["estimated_ms"] += y - x if is_estimate and rule != "gap" else 0
                entry["samples_n"] += start < b["ts_ms"] <= end
                entry["flags"] |= flags
    return found


def reference_segments(
    rows: Iterable[Row], start_ms: int, end_ms: int, cuts: Mapping[str, Sequence[int]], rules: Any
) -> pa.Table:
    """Return the same as a SEGMENT_SCHEMA table, rounded once at the end."""
    sums = reference_sums(rows, start_ms, end_ms, cuts, rules)
    lines = [
        {"host": host, "device": device, "point": point, "start_ms": start}
        | {name: float(value) if name.endswith("_j") else int(value) for name, value in entry.items()}
        for (host, device, point, start), entry in sorted(sums.items())
    ]
    return pa.Table.from_pylist(lines, schema=SEGMENT_SCHEMA)
