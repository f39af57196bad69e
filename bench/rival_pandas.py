"""The same segments by careful pandas code: vectorised, no loop over rows or devices, columns as small as they can be.

What belongs here: what a good analyst would write. What must not be here: anything of the kernel.

The rule is that of ``warehouse/sql/check/energy_segment.sql`` for readings without wraps and estimates: the difference
of counters of one session if it is plausible, else the trapezoid up to the longest gap, else a gap; cut at slots and at
the starts and ends of jobs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from bench import data
from bench.measure import Meter
from warehouse.hourfile import MS_PER_HOUR

KEY = ["host", "device", "point"]
COLUMNS = [*KEY, "kind", "ts_ms", "power_mw", "energy_mj", "session"]


def segments(meter: Meter, hours_n: int, rules: dict[str, Any], out: str) -> dict[str, Any]:
    """Make the segments of some hours of the fleet whose counters do not wrap."""
    found = data.load("unwrapped", hours_n)
    data.warm(found.paths)
    with meter:
        readings = _read(found.paths)
        intervals = _intervals(readings, rules)
        del readings
        pieces = _pieces(intervals, _edges(found, hours_n, rules))
        grouped = pieces.groupby([*KEY, "start_ms"], observed=True, sort=False)
        result = grouped[["energy_j", "measured_ms", "gap_ms"]].sum().reset_index()
    result.astype(dict.fromkeys(KEY, "str")).to_parquet(out)
    return {"segments_n": len(result)}


def _read(paths: list[str]) -> pd.DataFrame:
    texts = ["host", "device", "point", "kind"]
    table = pq.read_table(paths, columns=COLUMNS, read_dictionary=texts).unify_dictionaries()
    readings = table.to_pandas(self_destruct=True, split_blocks=True)
    known = readings["power_mw"].notna() | readings["energy_mj"].notna()
    return readings[known].sort_values([*KEY, "ts_ms"], ignore_index=True)


def _intervals(readings: pd.DataFrame, rules: dict[str, Any]) -> pd.DataFrame:
    before = readings.groupby(KEY, observed=True, sort=False)[["ts_ms", "power_mw", "energy_mj", "session"]].shift()
    intervals = readings[KEY].assign(
        from_ms=before["ts_ms"], to_ms=readings["ts_ms"], from_mw=before["power_mw"], to_mw=readings["power_mw"]
    )
    length_ms = intervals["to_ms"] - intervals["from_ms"]
    rise_mj = readings["energy_mj"] - before["energy_mj"]
    limit_mj = readings["kind"].map(rules["max_power_mw"]).astype("float64") * (length_ms + rules["jitter_ms"]) / 1e3
    in_session = (readings["session"] == before["session"]) & (length_ms <= rules["reach_ms"])
    is_counter = in_session & (rise_mj >= 0) & (rise_mj <= limit_mj)
    has_power = intervals["from_mw"].notna() & intervals["to_mw"].notna()
    # Every source of this fleet has the same longest gap.
    is_trapezoid = ~is_counter & has_power & (length_ms <= min(rules["max_gap_ms"].values()))
    is_something = is_counter | is_trapezoid | (length_ms <= rules["absent_ms"])
    intervals["counter_w"] = np.where(is_counter, rise_mj / length_ms, np.nan)
    intervals["is_gap"] = ~(is_counter | is_trapezoid)
    return intervals[is_something & intervals["from_ms"].notna()].astype({"from_ms": "int64"})


def _edges(found: data.Fleet, hours_n: int, rules: dict[str, Any]) -> pd.DataFrame:
    end_ms = data.FIRST_MS + hours_n * MS_PER_HOUR
    grid = np.arange(data.FIRST_MS, end_ms, rules["slot_ms"])
    hosts = [f"host-{number:05d}" for number in range(data.HOSTS_N)]
    times = {host: np.union1d(grid, np.array(found.cuts.get(host, []), np.int64)) for host in hosts}
    edges = pd.DataFrame(
        {"host": np.repeat(hosts, [len(one) for one in times.values()]), "start_ms": np.concatenate([*times.values()])}
    )
    edges["end_ms"] = edges.groupby("host")["start_ms"].shift(-1, fill_value=end_ms)
    return edges[edges["start_ms"] >= data.FIRST_MS]


def _pieces(intervals: pd.DataFrame, edges: pd.DataFrame) -> pd.DataFrame:
    """Cut intervals at edges: most lie between two of them, the others are joined with every segment they cross."""
    edges = edges.astype({"host": intervals["host"].dtype})
    placed = pd.merge_asof(
        intervals.sort_values("from_ms"),
        edges.sort_values("start_ms"),
        left_on="from_ms",
        right_on="start_ms",
        by="host",
    )
    crossing = placed["to_ms"] > placed["end_ms"]
    inside = placed[~crossing]
    cut = placed[crossing].drop(columns=["start_ms", "end_ms"]).merge(edges, on="host")
    cut = cut[(cut["end_ms"] > cut["from_ms"]) & (cut["start_ms"] < cut["to_ms"])]
    pieces = pd.concat([inside, cut], ignore_index=True)
    x_ms = pieces[["from_ms", "start_ms"]].max(axis=1)
    y_ms = pieces[["to_ms", "end_ms"]].min(axis=1)
    length_ms = pieces["to_ms"] - pieces["from_ms"]
    power_j = (
        (
            pieces["from_mw"] * (2 * pieces["to_ms"] - x_ms - y_ms)
            + pieces["to_mw"] * (x_ms + y_ms - 2 * pieces["from_ms"])
        )
        / (2 * length_ms)
        * (y_ms - x_ms)
        / 1e6
    )
    energy_j = pieces["counter_w"] * (y_ms - x_ms) / 1e3
    pieces["energy_j"] = energy_j.fillna(power_j).where(~pieces["is_gap"], 0.0)
    pieces["measured_ms"] = (y_ms - x_ms).where(~pieces["is_gap"], 0)
    pieces["gap_ms"] = (y_ms - x_ms).where(pieces["is_gap"], 0)
    return pieces
