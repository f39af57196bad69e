"""A day of a real installation: from hour files to the org tables, and again with a revised factor.

What belongs here: 1,000 devices and their jobs in a lake, computing their day, its profile. What must not be here: a
history behind that day (``new_hour``).

Run: python -m bench.chain
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import data
from bench.measure import Meter, measure
from bench.tables import COST_HEADER, Section, Table, cost_row, number, profile_table

DAY_MS = data.FIRST_MS


def set_up(home: str, fleet: str, hours_n: int) -> dict[str, Any]:
    """Make an installation with hour files of a day entered, and its jobs taken in and worked out.

    Args:
        home: where to.
        fleet: unwrapped or wraps.
        hours_n: hours of the day.
    """
    from bench import homes
    from bench.fleet import Fleet
    from warehouse import engine, jobs
    from warehouse.ingest import ingest_landing
    from warehouse.lake import open_lake

    config = homes.write_config(Path(home))
    found = data.load(fleet, hours_n)
    config.samples_path.symlink_to(data.folder() / fleet / "hours")
    homes.land_jobs(config, Fleet(data.HOSTS_N).jobs(DAY_MS))
    with open_lake(config) as lake:
        engine.begin(lake)
        homes.enter_hours(lake, found.hours)
        report = ingest_landing(lake)
        settled_n = jobs.settle_jobs(lake)
        engine.note_days(lake, [homes.day_of(DAY_MS)], "made")
        return {"files_n": report.count("loaded"), "jobs_n": settled_n, "rows_n": found.rows_n}


# ---- pieces of work ----


def prepared(meter: Meter, home: str, fleet: str, hours_n: int) -> dict[str, Any]:
    """Set up in a process of its own, so that its memory is not that of the work."""
    with meter:
        return set_up(home, fleet, hours_n)


def compute(meter: Meter, home: str, pue: float | None = None) -> dict[str, Any]:
    """Compute the day, its month and the tables without partitions; with another PUE if one is stated."""
    from bench import homes
    from warehouse import engine
    from warehouse.config import CONFIG_NAME, load_config
    from warehouse.lake import open_lake

    config = homes.write_config(Path(home), pue) if pue else load_config(Path(home) / CONFIG_NAME)
    profile = homes.Profile()
    profile.watch()
    report = engine.RunReport()
    day = homes.day_of(DAY_MS)
    with open_lake(config) as lake:
        profile.attach(lake)
        run = None if pue else engine.begin(lake)
        before = dict(profile.seconds)
        with meter:
            run = run or engine.begin(lake)  # that another factor holds is noticed here
            report.computed |= engine.compute_day(lake, run, day, report=report)
            report.computed |= engine.compute_month(lake, run, day[:7])
            report.computed |= engine.compute_whole(lake, run)
        kg = lake.value("SELECT sum(location_kgco2e) FROM mart.training_vs_inference_monthly") if _has(lake) else None
    steps = [(name, seconds - before.get(name, 0.0), calls) for name, seconds, calls in profile.rows()]
    return {
        "statements": list(profile.statements.items()),
        "steps": [step for step in steps if step[1] > 0],
        "hour_files_opened": report.hour_files_opened,
        "rows": {name: rows for (name, _), rows in report.computed.items()},
        "kgco2e": kg,
    }


def _has(lake: Any) -> bool:  # noqa: ANN401
    sql = "SELECT count(*) FROM (DESCRIBE mart.training_vs_inference_monthly) WHERE column_name = 'location_kgco2e'"
    return bool(lake.value(sql))


# ---- the comparison ----


def run(full: bool) -> Section:
    """Measure a day of 1,000 devices."""
    data.ensure(data.HOURS_DAY)
    return compare(data.HOURS_DAY, ("unwrapped", "wraps") if full else ("unwrapped",))


def compare(hours_n: int, fleets: tuple[str, ...]) -> Section:
    """Measure some hours of a day.

    Args:
        hours_n: hours.
        fleets: names of fleets; the figures are those of the first.
    """
    section = Section("chain", "A day of 1,000 devices from hour files to the org tables")
    section.notes += [
        "Hour files are in the ledger and jobs are worked out before. The chain: segments, attribution, emissions, the"
        " tables of the day, of the month and without partitions. Samples to segments: the kernel inside that chain.",
        "Revised factor: the PUE of the facility is changed in the configuration and the day computed again; the cost"
        " includes noticing the change and working out the jobs again.",
    ]
    for fleet in fleets:
        figures = _one(section, fleet, hours_n)
        section.figures |= figures if fleet == fleets[0] else {}
    return section


def _one(section: Section, fleet: str, hours_n: int) -> dict[str, float]:
    from bench import homes

    folder = tempfile.mkdtemp(prefix="bench-", dir=data.folder())
    try:
        home = str(Path(folder) / "home")
        ready = measure("bench.chain:prepared", home=home, fleet=fleet, hours_n=hours_n)
        rows_n = ready.told["rows_n"]
        whole = measure("bench.chain:compute", home=home)
        revised = measure("bench.chain:compute", home=home, pue=homes.REVISED_PUE)
    finally:
        shutil.rmtree(folder)
    steps = {name: seconds for name, seconds, _ in whole.told["steps"]}
    segments_s = steps.get(homes.KERNEL, 0.0) + steps.get(homes.STITCH, 0.0)
    rows = [
        cost_row("set-up: ledger, jobs ingested and worked out", ready, rows_n),
        cost_row("the whole chain", whole, rows_n),
        cost_row("again with a revised factor", revised, rows_n),
    ]
    jobs_n, segments_n = ready.told["jobs_n"], whole.told["rows"]["core.energy_segment"]
    title = f"{fleet}: {rows_n:,} rows, {jobs_n:,} jobs, {segments_n:,} segments"
    section.tables.append(Table(title, COST_HEADER, rows))
    opened = revised.told["hour_files_opened"]
    of_whole = (number(whole.cpu_s / segments_s), f"{revised.cpu_s / whole.cpu_s:.1%}", str(opened))
    header = (
        "samples to segments, CPU s",
        "whole chain / segments",
        "revised / whole",
        "hour files opened by revision",
    )
    section.tables.append(Table(f"{fleet}: ratios", header, [(number(segments_s), *of_whole)]))
    for title, cost in (("the whole chain", whole), ("a revised factor", revised)):
        section.profile.append(profile_table(f"{fleet}: {title}, by step", cost.told["steps"], cost.cpu_s, 20))
        statements = [(name, seconds, 0) for name, seconds in cost.told["statements"]]
        section.profile.append(profile_table(f"{fleet}: {title}, by statement", statements, cost.cpu_s))
    return {
        "chain": whole.cpu_s / segments_s,
        "revised_factor": revised.cpu_s / whole.cpu_s,
        "revised_files": float(opened),
        "chain_peak_mb": whole.peak_mb,
    }


if __name__ == "__main__":
    run("full" in sys.argv[1:]).print()
