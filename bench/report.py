"""The file of results: what was measured, when and where, against the goals.

What belongs here: keeping figures from run to run, writing bench/RESULTS.md. What must not be here: measuring.

A short run measures less than a full one. What it does not measure keeps the figures of the run before, with their
date; ``results.json`` beside keeps everything that ``RESULTS.md`` shows.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.goals import GOALS, Goal
from bench.tables import Section, Table

FOLDER = Path(__file__).resolve().parent
PACKAGES = ("duckdb", "pyarrow", "numpy", "pandas")
BUSY_LOAD = 0.5


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when a run was.

    Attributes:
        date: day of the run (ISO 8601).
        form: short or full.
        load: load average over a minute at the start.
        cores: processors that the run may use.
        processor: name of the processor.
        memory_gb: memory of the machine [GB].
        versions: versions of what was measured.
    """

    date: str
    form: str
    load: float
    cores: int
    processor: str
    memory_gb: float
    versions: dict[str, str]

    @property
    def is_busy(self) -> bool:
        """Tell whether something else ran when the run began."""
        return self.load > BUSY_LOAD


@dataclass(slots=True)
class Results:
    """Everything that is known.

    Attributes:
        runs: the run of each section.
        sections: what each benchmark found.
        figures: value and run of each figure, as section and ``Machine``.
    """

    runs: dict[str, Machine] = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)
    figures: dict[str, tuple[float, Machine]] = field(default_factory=dict)

    def add(self, section: Section, machine: Machine) -> None:
        """Take over what a benchmark found; figures that it did not measure this time stay.

        A short run does not replace the tables of a full one: they are what the figures that stay rest on.
        """
        for name, value in section.figures.items():
            self.figures[name] = (value, machine)
        before = self.runs.get(section.name)
        if before is None or before.form == "short" or machine.form == "full":
            self.sections[section.name], self.runs[section.name] = section, machine


def this_machine(form: str) -> Machine:
    """Return the machine as it is now."""
    versions = {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        f"{datetime.now(UTC):%Y-%m-%d}",
        form,
        round(os.getloadavg()[0], 2),
        len(os.sched_getaffinity(0)),
        _processor(),
        round(pages / 1e9, 1),
        versions,
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def read(folder: Path = FOLDER) -> Results:
    """Return the results of the runs before."""
    path = folder / "results.json"
    if not path.exists():
        return Results()
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Results(
        {name: Machine(**machine) for name, machine in known["runs"].items()},
        {name: Section.from_dict(section) for name, section in known["sections"].items()},
        {name: (value, Machine(**machine)) for name, (value, machine) in known["figures"].items()},
    )


def write(results: Results, folder: Path = FOLDER) -> None:
    """Write ``results.json`` and ``RESULTS.md``."""
    known = {
        "runs": {name: asdict(machine) for name, machine in sorted(results.runs.items())},
        "sections": {name: section.to_dict() for name, section in sorted(results.sections.items())},
        "figures": {name: (value, asdict(machine)) for name, (value, machine) in sorted(results.figures.items())},
    }
    (folder / "results.json").write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    (folder / "RESULTS.md").write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """Return RESULTS.md."""
    parts = [
        "# Results of the benchmarks",
        "`make bench` and `make bench-full` write this page; [docs/performance.md](../docs/performance.md) tells how to"
        " read it. Ratios compare pieces of work of one run; CPU seconds are those of all processes of the work.",
        _machines(results),
        "## Goals",
        goal_table(results).text(),
    ]
    for name in sorted(results.sections, key=_place):
        section, machine = results.sections[name], results.runs[name]
        parts += [f"## {section.title}", f"Measured on {machine.date}, {machine.form} form.", *section.notes]
        parts += [f"**{table.title}**\n\n{table.text()}" for table in section.tables]
    parts += _where_time_goes(results)
    return "\n\n".join(parts) + "\n"


def goal_table(results: Results) -> Table:
    """Return every goal with the figure that was measured, and whether it is met."""
    rows = []
    for goal in GOALS:
        known = results.figures.get(goal.figure)
        measured = (
            (goal.told(known[0]), verdict(goal, known[0]), _when(known[1])) if known else ("not measured", "", "")
        )
        rows.append((goal.what, goal.limit_told, *measured))
    return Table("Goals", ("what", "goal", "measured", "verdict", "when"), rows)


def verdict(goal: Goal, value: float) -> str:
    """Return met or missed."""
    return "met" if goal.is_met(value) else "**missed**"


def _when(machine: Machine) -> str:
    return f"{machine.date}, {machine.form}{', busy machine' if machine.is_busy else ''}"


def _machines(results: Results) -> str:
    lines = []
    machines = {(machine.date, machine.form, machine.load): machine for machine in results.runs.values()}
    for _, machine in sorted(machines.items()):
        versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
        lines.append(
            f"- {machine.date}, {machine.form} form: {machine.cores} cores of {machine.processor},"
            f" {machine.memory_gb} GB of memory; {versions}. Load at the start {machine.load}."
        )
        if machine.is_busy:
            lines.append(
                f"  **The machine was busy** (load above {BUSY_LOAD}): times are too long, and ratios less certain."
            )
    return "\n".join(lines)


_ORDER = ("kernel", "rivals", "chain", "new_hour", "hourly", "layout", "small_files", "collectors")


def _place(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)


def _where_time_goes(results: Results) -> list[str]:
    missed = {
        goal.section
        for goal in GOALS
        if goal.figure in results.figures and not goal.is_met(results.figures[goal.figure][0])
    }
    parts = []
    for name in sorted(missed & results.sections.keys(), key=_place):
        section = results.sections[name]
        if section.profile:
            parts.append(f"### {section.title}")
            parts += [f"**{table.title}**\n\n{table.text()}" for table in section.profile]
    if not parts:
        return []
    return ["## Where the time goes", "Profiles of the benchmarks that miss a goal.", *parts]
