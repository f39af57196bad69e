"""One new hour on a history of any length: does it cost what the hour costs, or does it grow with the history?

What belongs here: landing hours on lakes with a history, computing them, publishing. What must not be here: making the
history (``history``).

Run: python -m bench.new_hour [full]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench import data
from bench.measure import Cost, Meter, measure
from bench.tables import Section, Table, number, profile_table
from warehouse.hourfile import MS_PER_HOUR

HOSTS_N = 10
HOURS_N = 3
"""Hours that land one after another, each measured: the figure is their sum."""
MS_PER_DAY = 86_400_000
NEW_DAY_MS = data.FIRST_MS + MS_PER_DAY
HISTORIES = {0: "no history", 7: "a week", 30: "a month", 365: "a year"}


def set_up(home: str, days_n: int, new_hours_n: int) -> None:
    """Make an installation with a history that ends with an hour of the new day.

    Args:
        home: where to.
        days_n: days of history before the new day.
        new_hours_n: hours to prepare beside it, each in a folder of its own.
    """
    from bench import history, homes
    from bench.fleet import Fleet
    from warehouse import engine
    from warehouse.lake import open_lake

    config = homes.write_config(Path(home))
    fleet = Fleet(HOSTS_N)
    with open_lake(config) as lake:
        if days_n:
            hours = []
            for number_of in range(24):
                hour_ms = data.FIRST_MS + number_of * MS_PER_HOUR
                hours.append(data.keep_hour(fleet.hour(hour_ms), hour_ms, config.samples_path, Path(home) / "ledgers"))
                homes.land_jobs(config, _with_services(fleet, hour_ms, number_of == 0), hour_ms, hour_ms + MS_PER_HOUR)
            homes.enter_hours(lake, hours)
            engine.note_days(lake, [homes.day_of(data.FIRST_MS)], "made")
            run_pass(engine, lake)
            history.copy_day(lake, homes.day_of(data.FIRST_MS), days_n)
        land(config, fleet, NEW_DAY_MS, is_first=not days_n)
        run_pass(engine, lake)
    for hour in range(1, 1 + new_hours_n):
        waiting = homes.write_config(Path(home) / "waiting" / str(hour))
        land(waiting, fleet, NEW_DAY_MS + hour * MS_PER_HOUR, is_first=False)


def land(config: Any, fleet: Any, hour_ms: int, *, is_first: bool) -> None:  # noqa: ANN401
    """Land readings and jobs of an hour; services began with the first one and say every hour that they are alive."""
    from bench import homes

    for host, written_ms, table in fleet.landed(hour_ms, 60):
        homes.land_hour(config, table, host, written_ms)
    homes.land_jobs(config, _with_services(fleet, hour_ms, is_first), hour_ms, hour_ms + MS_PER_HOUR)


def _with_services(fleet: Any, hour_ms: int, is_first: bool) -> Any:  # noqa: ANN401
    from bench.fleetjobs import JobDay
    from bench.history import SERVICE

    day = fleet.jobs(hour_ms // MS_PER_DAY * MS_PER_DAY)
    found = JobDay()
    for rows, kept in ((day.events, found.events), (day.devices, found.devices)):
        kept += [row for row in rows if not row["job_id"].startswith(SERVICE)]
    for row in day.events:
        if row["job_id"].startswith(SERVICE) and row["event"] == "started":
            event = {"job_id": _lasting(row), "ts_ms": hour_ms, "event": "started" if is_first else "heartbeat"}
            found.events.append(row | event)
    if is_first:
        for row in day.devices:
            if row["job_id"].startswith(SERVICE):
                found.devices.append(row | {"job_id": _lasting(row), "start_ms": hour_ms, "end_ms": None})
    return found


def _lasting(row: dict[str, Any]) -> str:
    """Return the id of a service without the day that it has in the made-up fleet."""
    kind, _, number_of = row["job_id"].split("-")
    return f"{kind}-{number_of}"


def run_pass(engine: Any, lake: Any) -> Any:  # noqa: ANN401
    """Do what ``engine.run_all`` does, without publishing."""
    report = engine.RunReport()
    run = engine.begin(lake)
    report.ingest = engine.ingest_landing(lake)
    engine.compute_pending(lake, run, report)
    engine._audit(lake, report, lambda *_: None)
    return report


# ---- pieces of work ----


def prepared(meter: Meter, home: str, days_n: int, new_hours_n: int) -> dict[str, Any]:
    """Set up in a process of its own, so that its memory is not that of the work."""
    with meter:
        set_up(home, days_n, new_hours_n)
    size = sum(path.stat().st_size for path in Path(home, "lake").rglob("*") if path.is_file())
    return {"lake_bytes": size}


def hour(meter: Meter, home: str, number_of: int) -> dict[str, Any]:
    """Take in and compute one new hour."""
    from bench import homes
    from warehouse import engine
    from warehouse.config import CONFIG_NAME, load_config
    from warehouse.lake import open_lake

    config = load_config(Path(home) / CONFIG_NAME)
    shutil.copytree(Path(home) / "waiting" / str(number_of) / "landing", config.landing_path, dirs_exist_ok=True)
    profile = homes.Profile()
    profile.watch()
    with open_lake(config) as lake:
        profile.attach(lake)
        with meter:
            report = run_pass(engine, lake)
    return {
        "steps": [(name, seconds) for name, seconds, _ in profile.rows()],
        "statements": list(profile.statements.items()),
        "hour_files_opened": report.hour_files_opened,
        "days_n": len(report.days),
        "files_n": report.ingest.count("loaded"),
    }


def publication(meter: Meter, home: str) -> dict[str, Any]:
    """Publish."""
    from warehouse.config import CONFIG_NAME, load_config
    from warehouse.lake import open_lake
    from warehouse.publish import publish

    with open_lake(load_config(Path(home) / CONFIG_NAME)) as lake, meter:
        path = publish(lake)
    return {"published_bytes": path.stat().st_size}


# ---- the comparison ----


def run(full: bool) -> Section:
    """Compare without history and with a week, in the long form with a month and a year."""
    return compare([0, 30, 365] if full else [0, 7])


def compare(histories: list[int]) -> Section:
    """Compare histories of some lengths.

    Args:
        histories: days of history, ascending, the first 0.
    """
    section = Section("new_hour", "One new hour on a long history")
    section.notes += [
        f"{HOSTS_N * 10} devices, a file an hour of each host, jobs that start or end in the hour, and services that"
        f" run through all of the history. {HOURS_N} hours in a row on a day that has one hour already, together.",
        "A history is one computed day, copied in the lake under earlier dates. Computing: ingest, compaction,"
        " segments, tables of the day and month, audits. Publishing is told beside.",
    ]
    rows: list[tuple[str, ...]] = []
    first: Cost | None = None
    parts = ("steps", "statements")
    for days_n in histories:
        cost, ready, published = _measure(days_n)
        first = first or cost
        told = (number(ready.cpu_s), number(ready.told["lake_bytes"] / 1e6), number(published.cpu_s))
        opened = (str(cost.told["days_n"]), str(cost.told["hour_files_opened"]))
        ratio = cost.cpu_s / first.cpu_s
        rows.append((_name(days_n), number(cost.cpu_s), f"{ratio:.2f}x", number(cost.peak_mb), *opened, *told))
        if days_n in {30, 365}:
            section.figures["new_hour_year" if days_n == 365 else "new_hour_month"] = ratio
        for part in parts:
            if days_n:
                section.profile.append(_growth(f"{_name(days_n)}, {part}", first.told[part], cost.told[part]))
            else:
                calls = [(name, seconds, 0) for name, seconds in cost.told[part].items()]
                section.profile.append(profile_table(f"No history, {part}", calls, cost.cpu_s))
    header = (
        *("history", f"CPU s of {HOURS_N} hours", "against no history", "peak MB, all"),
        *("days computed an hour", "hour files opened an hour"),
        *("set-up, CPU s", "lake, MB", "publishing, CPU s"),
    )
    section.tables.append(Table("Computing new hours", header, rows))
    return section


def _name(days_n: int) -> str:
    return HISTORIES.get(days_n, f"{days_n} days")


def _measure(days_n: int) -> tuple[Cost, Cost, Cost]:
    folder = tempfile.mkdtemp(prefix="bench-", dir=data.folder())
    try:
        home = str(Path(folder) / "home")
        ready = measure("bench.new_hour:prepared", home=home, days_n=days_n, new_hours_n=HOURS_N)
        costs = [measure("bench.new_hour:hour", home=home, number_of=at) for at in range(1, 1 + HOURS_N)]
        published = measure("bench.new_hour:publication", home=home)
    finally:
        shutil.rmtree(folder)
    told: dict[str, Any] = {name: max(cost.told[name] for cost in costs) for name in ("hour_files_opened", "days_n")}
    for part in ("steps", "statements"):
        told[part] = defaultdict(float)
        for cost in costs:
            for name, seconds in cost.told[part]:
                told[part][name] += seconds
    together = Cost(
        sum(cost.wall_s for cost in costs),
        sum(cost.cpu_s for cost in costs),
        sum(cost.process_cpu_s for cost in costs),
        max(cost.peak_mb for cost in costs),
        max(cost.max_rss_mb for cost in costs),
        told,
    )
    return together, ready, published


def _growth(name: str, before: dict[str, float], after: dict[str, float]) -> Table:
    grown = sorted(after, key=lambda step: before.get(step, 0.0) - after[step])[:12]
    rows = [
        (step, number(before.get(step, 0.0)), number(after[step]), number(after[step] - before.get(step, 0.0)))
        for step in grown
    ]
    return Table(f"What grows with {name}", ("part", "no history, CPU s", "then, CPU s", "more, CPU s"), rows)


if __name__ == "__main__":
    run("full" in sys.argv[1:]).print()
