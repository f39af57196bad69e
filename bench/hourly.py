"""Hours that land one after another for days, each committed: does the lake stay as quick as on its first day?

What belongs here: running hour after hour, and letting time go by in the catalog. What must not be here: one hour on a
long history (``new_hour``), which is copied in bulk and so has a catalog that no installation has.

Run: python -m bench.hourly [full]
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import data
from bench.measure import Cost, Meter, measure
from bench.tables import Section, Table, number
from warehouse.hourfile import MS_PER_HOUR

HOSTS_N = 2
PART_H = 12
DAYS_N = {False: 2, True: 4}
_AN_HOUR_AGO = "strftime('%Y-%m-%d %H:%M:%f', substr(snapshot_time, 1, 23), '-1 hour') || '+00'"


def hours(meter: Meter, home: str, first: int, count: int) -> dict[str, Any]:
    """Land, take in and compute hours; an hour goes by after each, as far as the catalog can tell."""
    from bench import homes, new_hour
    from bench.fleet import Fleet
    from warehouse import engine
    from warehouse.lake import open_lake

    config = homes.write_config(Path(home))
    fleet = Fleet(HOSTS_N)
    for at in range(first, first + count):
        new_hour.land(config, fleet, new_hour.NEW_DAY_MS + at * MS_PER_HOUR, is_first=at == 0)
        with open_lake(config) as lake, meter:
            new_hour.run_pass(engine, lake)
        with contextlib.closing(sqlite3.connect(Path(home) / "lake.sqlite")) as catalog, catalog:
            catalog.execute(f"UPDATE ducklake_snapshot SET snapshot_time = {_AN_HOUR_AGO}")
    with contextlib.closing(sqlite3.connect(Path(home) / "lake.sqlite")) as catalog:
        return {name: catalog.execute(f"SELECT count(*) FROM ducklake_{name}").fetchone()[0] for name in _COUNTED}


_COUNTED = ("snapshot", "data_file", "file_column_stats")


def run(full: bool) -> Section:
    """Compare the second half of the first day with that of a later one."""
    section = Section("hourly", "Hours that land one after another")
    section.notes += [
        f"{HOSTS_N * 10} devices, jobs and services as in new_hour; each hour is landed, taken in, computed, committed"
        " by itself, and the catalog is told that an hour went by. The same hours of the day are compared, because a"
        " day's own tables grow with it.",
    ]
    rows, costs = [], []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=data.folder()) as folder:
        for first in range(0, DAYS_N[full] * 24, PART_H):
            cost = measure("bench.hourly:hours", home=folder, first=first, count=PART_H)
            costs.append(cost)
            rows.append(_row(first, cost, costs[1] if len(costs) > 1 else None))
    header = ("hours", "CPU s an hour", "against the first day", "snapshots", "files in the catalog", "statistics")
    section.tables.append(Table("CPU of an hour, and what the catalog holds after it", header, rows))
    section.figures["hourly"] = costs[-1].cpu_s / costs[1].cpu_s
    return section


def _row(first: int, cost: Cost, base: Cost | None) -> tuple[str, ...]:
    ratio = f"{cost.cpu_s / base.cpu_s:.2f}x" if base and first % 24 == PART_H else ""
    counts = (f"{cost.told[name]:,}" for name in _COUNTED)
    return (f"{first} to {first + PART_H - 1}", number(cost.cpu_s / PART_H), ratio, *counts)


if __name__ == "__main__":
    run("full" in sys.argv[1:]).print()
