"""One run of CodeCarbon: its lines as readings of counters, events of a job and stated figures.

What belongs here: which lines of a run stand, and the landing rows of each. What must not be here: parsing of lines
(``rows``), what only several runs together show (``checks``).

The rows of a line depend on that line only, wherever the lines of a run are no more than a day apart. So the files of a
run may be cut and imported in any order.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Any

from ....jobs.job import Job
from ...energy import MS_PER_HOUR, Device, counter_rows, session_of
from ...format import Options
from ..shared.runs import run_job
from ..shared.stated import UNKNOWN, Statement
from .rows import MS_PER_S, Row

TOOL = "codecarbon"
REACH_MS = 24 * MS_PER_HOUR
"""Longest distance of two readings that the warehouse bridges by a counter [ms]."""
_LABELS = (
    "experiment_id",
    "tracking_mode",
    "codecarbon_version",
    "cpu_model",
    "gpu_model",
    "os",
)
"""Columns that are the same in every line of a run and are kept as labels of its job."""
_NUMBER_LABELS = ("cpu_count", "gpu_count", "ram_total_size")
"""Likewise, but a number, which the same file writes as 40 and as 40.0."""
_MOST_GPUS = 1_024
"""More GPUs than any machine has [1]; bounds what a broken cell can cost."""
_DEFAULT_PLACE = (-71.2, 46.8)
"""Longitude and latitude that CodeCarbon writes, with Canada, where it cannot find out the place."""


def is_default_place(row: Row) -> bool:
    """Tell whether the place of a row is the one that CodeCarbon takes without knowing any."""
    place = (row.number_of("longitude"), row.number_of("latitude"))
    return place == _DEFAULT_PLACE and (row.text("country_iso_code") or "").upper() == "CAN"


def gpu_count(row: Row) -> int:
    """Return the number of GPUs that a row states; 0 if it states none, or a number that no machine has."""
    number = int(row.number_of("gpu_count") or 0)
    return number if 0 < number <= _MOST_GPUS else 0


def devices_mj(row: Row) -> dict[Device, int]:
    """Return the energy of each device by a row [mJ], since the start of the run; those that state 0 are left out.

    The GPUs share theirs so that each rises with the sum and they add up to it.
    """
    energy = row.energy_mj
    made = {
        Device("cpu", "cpu", "package", "model", is_estimate=True): energy.cpu,
        Device("dram", "dram", "package", "model", is_estimate=True): energy.dram,
    }
    model = (row.text("gpu_model") or "").lower()
    source = "amdsmi" if re.search(r"\bamd\b|instinct|radeon", model) else "nvml_energy"
    source = "model" if "apple" in model else source  # Apple's own estimate, not a counter
    gpus = gpu_count(row) or 1
    for number in range(gpus):
        gpu = Device(f"gpu-{number}", "gpu", "board", source, is_estimate=source == "model")
        made[gpu] = (energy.gpu + number) // gpus
    return {device: value for device, value in made.items() if value}


@dataclass(frozen=True, slots=True)
class Run:
    """The lines of a run that stand.

    Attributes:
        rows: lines in order of time; energy never falls from one to the next.
        beside: lines of the same second as a line with more energy. Which of the two came first the file does not tell;
            they give no reading.
        left_out: lines that state what another line states.
        refused: lines that contradict the others, each with what is wrong.
    """

    rows: list[Row]
    beside: list[Row]
    left_out: list[Row]
    refused: list[tuple[Row, str]]

    @property
    def last(self) -> Row:
        """Return the line that states the total of the run."""
        return self.rows[-1]

    @property
    def name(self) -> str:
        """Return the name under which the run is told."""
        project = self.last.text("project_name")
        return f"{project} {self.last.run_id[:8]}" if project else self.last.run_id


def settled(lines: list[Row]) -> Run:
    """Return a run of its lines.

    Lines are cumulative, so the line with the most energy states the total. That is the line with the largest
    duration, but for a run made of tasks: there the duration starts again with every task.

    Args:
        lines: all lines of one run, at least one, in the order in which they were read.
    """
    order = sorted(range(len(lines)), key=lambda index: (_total(lines[index]), lines[index].end_ms, index))
    run = Run([lines[order[-1]]], [], [], [])
    others = (lines[index] for index in order[:-1])
    for row in sorted(others, key=lambda row: (row.end_ms // MS_PER_S, _total(row), row.end_ms), reverse=True):
        later = run.rows[-1]
        falls = any(more > less for more, less in zip(row.energy_mj, later.energy_mj, strict=True))
        if row.end_ms == later.end_ms and row.energy_mj == later.energy_mj:
            run.left_out.append(row)
        elif falls:
            run.refused.append(
                (row, f"states more energy than {_place(later)}, which is not before it in the same run")
            )
        elif row.end_ms < later.end_ms:
            run.rows.append(row)
        elif row.end_ms // MS_PER_S == later.end_ms // MS_PER_S:
            run.beside.append(row)
        else:
            run.refused.append((row, f"states less energy than {_place(later)}, which is before it in the same run"))
    run.rows.reverse()
    return run


def _total(row: Row) -> int:
    return sum(row.energy_mj)


def _place(row: Row) -> str:
    return f"{row.file} row {row.number}"


def job_of(row: Row, options: Options) -> Job:
    """Return the job of a row's run, made of what is the same in all lines of the run."""
    labels = {name: value for name in _LABELS if (value := row.text(name))}
    labels |= {name: f"{number:.6g}" for name in _NUMBER_LABELS if (number := row.number_of(name)) is not None}
    if not is_default_place(row):
        labels |= {name: value for name in ("country_iso_code", "region") if (value := row.text(name))}
    is_cloud = row.text("on_cloud") == "Y"
    return run_job(
        options,
        f"{TOOL}-{row.run_id}",
        project=options.get("project") or row.text("project_name"),
        provider=row.text("cloud_provider") if is_cloud else None,
        region=row.text("cloud_region") if is_cloud else None,
        labels=labels,
    )


def landing_rows(run: Run, options: Options) -> dict[str, list[dict[str, Any]]]:
    """Return the landing rows of a run by table."""
    events, holds, figures = {}, {}, []
    first_end_ms = run.rows[0].end_ms
    for row in (*run.rows, *run.beside):
        job = job_of(row, options)
        if row.start_ms < first_end_ms:
            events[row.start_ms, "started"] = job.event_row(row.start_ms, "started")
            # Without an end: the reservation ends with its job, and two lines that begin alike say the same.
            holds[row.start_ms] = job.device_row(job.job_id, row.start_ms)
        events[row.end_ms, "ended"] = job.event_row(row.end_ms, "ended")
        figures += stated_rows(row, job)
    return {
        "power_sample": _samples(run, job.job_id),
        "job_event": list(events.values()),
        "job_device": list(holds.values()),
        "stated_figure": figures,
    }


def _samples(run: Run, host: str) -> list[dict[str, Any]]:
    """Return the readings: 0 at the start that each line states, its energy at its end."""
    series: dict[Device, dict[int, int]] = {}
    first_end_ms = run.rows[0].end_ms
    for row in run.rows:
        for device, energy_mj in devices_mj(row).items():
            points = series.setdefault(device, {})
            if row.start_ms < first_end_ms:
                points[row.start_ms] = 0
            points[row.end_ms] = energy_mj
    session = session_of(TOOL, host)
    made: list[dict[str, Any]] = []
    for device, points in series.items():
        readings: dict[int, dict[str, Any]] = {}
        for (start_ms, before_mj), (end_ms, after_mj) in itertools.pairwise(sorted(points.items())):
            rows = counter_rows(
                host=host,
                start_ms=start_ms,
                end_ms=end_ms,
                energy_mj=after_mj - before_mj,
                before_mj=before_mj,
                session=session,
                **device._asdict(),
            )
            # Readings between two lines would depend on both, so they are made only where nothing counts without.
            for reading in rows if end_ms - start_ms > REACH_MS else (rows[0], rows[-1]):
                readings[reading["ts_ms"]] = reading
        made += readings.values()
    return made


def stated_rows(row: Row, job: Job, subject: str | None = None) -> list[dict[str, Any]]:
    """Return what a line states, as it is written, with overhead; and the intensity that its emissions imply.

    Args:
        row: line of a run or of a task.
        job: job of its run.
        subject: what it speaks of; by default the run.
    """
    labels = {"pue": f"{row.pue:g}"} if row.text("pue") else {}
    if row.task is not None:
        labels["task"] = row.task
    says = Statement(
        source=TOOL,
        method=row.text("tracking_mode") or UNKNOWN,
        version=row.text("codecarbon_version") or UNKNOWN,
        subject_kind="job",
        subject=subject or job.job_id,
        start_ms=row.start_ms,
        end_ms=row.end_ms,
        job_id=job.job_id,
        provider=job.provider,
        region=job.region,
        labels=labels,
    )
    made = [
        says.figure("energy", row.energy_kwh, "kWh"),
        says.figure("emissions", row.emissions_kg, "kgCO2e"),
    ]
    if row.energy_kwh > 0:
        made.append(says.figure("intensity", row.emissions_kg * 1000 / row.energy_kwh, "gCO2e/kWh"))
    water_l = row.number_of("water_consumed")
    if water_l:
        made.append(says.figure("water", water_l, "l"))
    return made
