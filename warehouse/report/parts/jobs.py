"""Part 4, jobs: the attempts with the most energy, and what was spent on attempts that did not succeed."""

from __future__ import annotations

from markupsafe import Markup

from warehouse.report import numbers
from warehouse.report.blocks import Part, Table, TableColumn, caption
from warehouse.report.queries import ReportData, Row
from warehouse.report.tables import (
    energy_cells,
    estimated_mark,
    interval_cells,
    mass_cells,
    name_column,
    number_column,
    share_cells,
)


def part(data: ReportData) -> Part:
    """Return the part."""
    files = {"top_jobs": data.results["top_job"], "waste": data.results["waste"]}
    return Part("jobs", "Jobs", (_table(data),), files, _lead(data))


def _lead(data: ReportData) -> Markup | str:
    rows, all_jobs = data.rows("top_job"), data.rows("waste")[0]
    if not rows:
        return "No job is recorded in the period; all energy is idle or unallocated."
    shown = sum(row["job_kwh_fraction"] or 0.0 for row in rows)
    sentences = [
        Markup("{} shown of {}, with {} of the known energy of all jobs.").format(
            numbers.count(len(rows), "attempt"), numbers.count(all_jobs["jobs_n"]), numbers.share(min(shown, 1.0))
        )
    ]
    if all_jobs["unread_jobs_n"]:
        text = Markup("For {} there is no reading: that energy is not known.")
        sentences.append(text.format(numbers.count(all_jobs["unread_jobs_n"], "attempt")))
    sentences.append(_waste(all_jobs))
    return Markup(" ").join(sentences)


def _waste(row: Row) -> Markup:
    if not row["waste_jobs_n"]:
        return Markup("No attempt failed or was cancelled.")
    number = numbers.count(row["waste_jobs_n"], "attempt")
    if row["waste_kwh"] is None:
        return Markup("{} failed, cancelled or stopped early; the energy is {}.").format(number, numbers.UNKNOWN)
    known, estimated = row["waste_kwh"], row["waste_estimated_kwh"]
    mark = estimated_mark(estimated / known) if estimated and known else Markup()
    text = Markup("{} failed, cancelled or stopped early: {}{} ({} of the energy of all jobs).")
    return text.format(number, numbers.energy(known), mark, numbers.share(row["waste_fraction"]))


def _table(data: ReportData) -> Table:
    rows = data.rows("top_job")
    energy = numbers.energy_unit(*(row["it_kwh"] for row in rows))
    mass = numbers.mass_unit(*(row["total_kgco2e"] for row in rows))
    time = numbers.pick_unit((row["duration_s"] for row in rows), numbers.TIME_UNITS)
    columns = [
        TableColumn("Job and model", [_job(row) for row in rows], is_long=True),
        name_column("Team", [row["team"] for row in rows]),
        name_column("Phase", [row["phase"].replace("_", " ") for row in rows]),
        name_column("State", [row["state"] for row in rows]),
        number_column("Length", [_length(row["duration_s"], time) for row in rows], time.name),
        number_column("IT energy", energy_cells(rows, "it_kwh", energy, estimated="estimated_kwh"), energy.name),
        number_column("Emissions", mass_cells(rows, "total_kgco2e", mass, marks_incomplete=True), mass.name),
        number_column("Interval", interval_cells(rows, mass), mass.name),
        number_column("Coverage", share_cells(rows, "coverage_fraction"), "of device time"),
        _quality(rows),
    ]
    words = caption(
        data,
        data.results["top_job"],
        "top_jobs",
        boundary="energy: IT of the job, without idle; emissions: with facility overhead where the PUE is known",
        method="location-based plus embodied amortised",
    )
    title = "Jobs with the most energy"
    estimated = "some energy estimated" if any(row["estimated_kwh"] for row in rows) else None
    return Table("top_jobs", title, columns, words, estimated)


def _job(row: Row) -> Markup:
    name = str(row["job_id"]) if row["attempt"] == 1 else f"{row['job_id']} (attempt {row['attempt']})"
    names = [part for part in (row["model"], row["model_version"]) if part is not None]
    model = Markup("<bdi>{}</bdi>").format(numbers.readable(" ".join(names))) if names else numbers.UNKNOWN
    return Markup('<bdi>{}</bdi><span class="below unit">{}</span>').format(numbers.readable(name), model)


def _length(value: float | None, unit: numbers.Unit) -> Markup:
    return numbers.UNKNOWN if value is None else numbers.data(value, numbers.in_unit(value, unit))


def _quality(rows: tuple[Row, ...]) -> TableColumn:
    cells: list[Markup | str] = []
    for row in rows:
        if row["quality_metric"] is None or row["quality_value"] is None:
            cells.append(numbers.UNKNOWN)
            continue
        value = numbers.data(row["quality_value"], numbers.significant(row["quality_value"]))
        cells.append(Markup("{} {}").format(numbers.readable(row["quality_metric"]), value))
    return TableColumn("Quality", cells, is_name=True)
