"""``emissions.csv`` of CodeCarbon, with 29 columns or more, and its tasks files.

What belongs here: the format, its options, and the course of an import. What must not be here: parsing of lines
(``rows``), landing rows (``run``), checks (``checks``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ...energy import MJ_PER_KWH
from ...errors import CONFLICTING_ROW
from ...format import Assumption, Finding, Format, Item, LeftOut, Options, Source, files_matching, rejected
from ...moments import zone_of
from ...staging import Figure
from ..shared.runs import FACILITY, ORG, PHASE, PROJECT, TEAM, ZONE, Batches
from .checks import run_findings, task_findings
from .rows import NotCodeCarbonError, Row, rows_of
from .run import TOOL, Run, job_of, landing_rows, settled, stated_rows


def _find(path: Path) -> list[Path]:
    """Return the CSV files of a folder, also those that CodeCarbon put aside when its columns changed."""
    return files_matching(path, "*.csv", "*.csv.gz", "*.csv.bz2", "*.csv.xz", "*.csv.bak", "*.csv_*.bak")


def _read(source: Source, options: Options) -> Iterator[Item]:
    """Yield the items of all files: what cannot be read first, then run by run."""
    runs: dict[str, list[Row]] = {}
    tasks: dict[str, list[Row]] = {}
    for item in _lines(source, options):
        if isinstance(item, Row):
            (runs if item.task is None else tasks).setdefault(item.run_id, []).append(item)
        else:
            yield item
    yield from _assumptions(options)
    settled_runs = {run_id: settled(rows) for run_id, rows in runs.items()}
    batches = Batches()
    for run in settled_runs.values():
        yield from batches.add(landing_rows(run, options), read=len(run.rows) + len(run.beside))
        if run.left_out:
            yield LeftOut(len(run.left_out))
        for row, detail in run.refused:
            yield rejected("power_sample", CONFLICTING_ROW, detail, row.file, row.number, row.cells)
    for rows in tasks.values():
        once = list({(row.task, row.end_ms, row.duration_s, row.energy_kwh): row for row in rows}.values())
        for row, subject in zip(once, _subjects(once), strict=True):
            yield from batches.add({"stated_figure": stated_rows(row, job_of(row, options), subject)}, read=1)
        if len(once) < len(rows):
            yield LeftOut(len(rows) - len(once))
        rows[:] = once
    yield from batches.rest()
    yield from run_findings(settled_runs.values())
    yield from task_findings(tasks, settled_runs)
    yield from _totals(list(settled_runs.values()))


def _lines(source: Source, options: Options) -> Iterator[Row | Item]:
    """Yield the lines of all files; a foreign file of a folder is told, a foreign file by itself is an error."""
    zone = zone_of(options.need("zone"))
    foreign: list[NotCodeCarbonError] = []
    for path in source.files:
        try:
            yield from rows_of(source, path, zone)
        except NotCodeCarbonError as error:
            foreign.append(error)
    if len(foreign) == len(source.files):
        raise foreign[0]
    for reason in foreign:
        yield Finding(f"{reason}; it is left out")


def _subjects(rows: list[Row]) -> Iterator[str]:
    """Yield a name for each task of a run; tasks of the same name are numbered."""
    seen: Counter[str] = Counter()
    for row in rows:
        name = f"{TOOL}-{row.run_id}/{row.task}"
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}#{seen[name]}"


def _assumptions(options: Options) -> Iterator[Assumption]:
    yield Assumption(f"timestamps are local time in {options['zone']} and mark the end of a run or task")
    yield Assumption(
        "timestamps are whole seconds, so a run begins up to two seconds earlier here than it did, and its energy is "
        "spread evenly between two lines"
    )
    yield Assumption(
        "the energy of processors and memory is an estimate: CodeCarbon always models memory, and processors wherever "
        "it cannot read a counter; the file does not tell where"
    )
    yield Assumption("the energy of NVIDIA and AMD GPUs was read from their counters, and is shared evenly among them")
    yield Assumption("each run is a host of its own, named codecarbon-<run_id>: the file names no host")
    yield Assumption("the PUE of a line, where it has one, is in its energies; they are divided by it")


def _totals(runs: list[Run]) -> Iterator[Figure]:
    """Yield what the tool states in all, each run once, and what of it lands as energy of devices."""
    if not runs:
        return
    what = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    yield Figure(what, TOOL, math.fsum(run.last.emissions_kg for run in runs), "kgCO2e")
    yield Figure(what, TOOL, math.fsum(run.last.energy_kwh for run in runs), "kWh")
    yield Figure(what, "landed, without overhead", sum(sum(run.last.energy_mj) for run in runs) / MJ_PER_KWH, "kWh")


FORMAT = Format(
    TOOL,
    "emissions.csv of CodeCarbon (29 columns and more) and its tasks files: a file or a folder",
    _find,
    _read,
    (ZONE, PHASE, ORG, TEAM, PROJECT, FACILITY),
)
