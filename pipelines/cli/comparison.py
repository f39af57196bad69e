"""The training-vs-inference table on a terminal, and the jobs behind it, read from the published database.

What belongs here: choice of columns and units for reading. What must not be here: computing beyond a unit or a ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli.console import say, show_table
from pipelines.cli.figures import NOT_KNOWN, basis, mass_unit, number, percent

if TYPE_CHECKING:
    import duckdb

GROUPS = ("training", "inference", "storage", "unknown", "idle", "unallocated")
_COLUMNS = (
    "month", "org", "phase_group", "jobs_n", "it_kwh", "facility_kwh", "estimated_kwh", "unlocated_kwh",
    "location_kgco2e", "embodied_kgco2e", "low_kgco2e", "total_kgco2e", "high_kgco2e", "coverage_fraction",
)  # fmt: skip
_JOB_COLUMNS = (
    "phase", "state", "duration_s", "it_kwh", "facility_kwh", "estimated_kwh", "unlocated_kwh", "location_kgco2e",
    "embodied_kgco2e", "low_kgco2e", "total_kgco2e", "high_kgco2e", "quality_metric", "quality_value", "requests_n",
    "job_id",
)  # fmt: skip
_LABELS = ("jobs", "IT energy, kWh", "with overhead (PUE), kWh", "operational, {unit}", "embodied, {unit}",
           "total, {unit}", "low - high, {unit}", "coverage", "basis of the energy")  # fmt: skip
_JOB_LABELS = ("starts as", "state", "length, s", "IT energy, kWh", "total, {unit}", "low - high, {unit}", "quality",
               "requests", "basis of the energy")  # fmt: skip


def masses(row: dict[str, Any], factor: float) -> dict[str, str]:
    """Return the emissions of a row as text; where a zone or a PUE is not known, a sum is only a least value.

    Args:
        row: a row with ``unlocated_kwh``, ``facility_kwh`` and masses [kgCO2e].
        factor: factor into the unit shown.
    """
    shown = {
        name: number(None if row[f"{name}_kgco2e"] is None else row[f"{name}_kgco2e"] * factor)
        for name in ("location", "embodied", "low", "total", "high")
    }
    if is_incomplete(row):
        at_least = {name: f"at least {shown[name]}" for name in ("location", "total") if shown[name] != NOT_KNOWN}
        shown |= at_least | {"high": NOT_KNOWN}
    return shown | {"range": f"{shown['low']} - {shown['high']}"}


def is_incomplete(row: dict[str, Any]) -> bool:
    """Tell whether some of the operational emissions of a row are not known."""
    return bool(row["unlocated_kwh"] > 0 or row["facility_kwh"] is None)


def show_comparison(published: Path, *, months: int = 3) -> None:
    """Print training against inference of the newest months.

    Args:
        published: folder of the published databases.
        months: most months to print.
    """
    from warehouse.publish import open_published

    with open_published(published) as database:
        rows = _rows(database, months)
    if not rows:
        say("No energy is in the ledger yet; docs/cli.md shows how to measure a job or import a file.")
    for month in sorted({row["month"] for row in rows}):
        for org in sorted({row["org"] for row in rows if row["month"] == month}):
            _show_month(f"{month:%Y-%m}, {org}", [row for row in rows if (row["month"], row["org"]) == (month, org)])


def _rows(database: duckdb.DuckDBPyConnection, months: int) -> list[dict[str, Any]]:
    sql = (
        f"select {', '.join(_COLUMNS)} from mart.training_vs_inference_monthly where month in "
        "(select distinct month from mart.training_vs_inference_monthly order by month desc limit $months)"
    )
    found = database.execute(sql, {"months": months}).fetchall()
    return [dict(zip(_COLUMNS, row, strict=True)) for row in found]


def _show_month(label: str, rows: list[dict[str, Any]]) -> None:
    rows.sort(key=lambda row: GROUPS.index(row["phase_group"]))
    unit, factor = mass_unit([row["total_kgco2e"] for row in rows])
    energy, estimated = sum(row["it_kwh"] for row in rows), sum(row["estimated_kwh"] for row in rows)
    title = f"Training against inference, {label}"
    if estimated > 0:
        title += f" (energy: {basis(energy, estimated)})"
    say()
    _sideways(title, [row["phase_group"] for row in rows], _LABELS, [_cells(row, factor) for row in rows], unit)
    _notes(rows)


def _sideways(title: str, heads: list[str], labels: Sequence[str], columns: Sequence[Sequence[str]], unit: str) -> None:
    """Print one column a group and one line a figure: few groups with many figures fit into 80 characters."""
    figures = zip(*columns, strict=True)
    lines = [(label.format(unit=unit), *cells) for label, cells in zip(labels, figures, strict=True)]
    say(title)
    show_table(("", *heads), lines, right="l" + "r" * len(heads))


def _cells(row: dict[str, Any], factor: float) -> tuple[str, ...]:
    mass = masses(row, factor)
    return (
        str(row["jobs_n"]),
        number(row["it_kwh"]),
        number(row["facility_kwh"]),
        mass["location"],
        mass["embodied"],
        mass["total"],
        mass["range"],
        percent(row["coverage_fraction"]),
        basis(row["it_kwh"], row["estimated_kwh"]),
    )


def _notes(rows: list[dict[str, Any]]) -> None:
    total = {row["phase_group"]: row["total_kgco2e"] for row in rows}
    training, inference = total.get("training"), total.get("inference")
    if training and inference and not any(map(is_incomplete, rows)):
        say(f"Training caused {number(training / inference)} times the emissions of inference.")
    if any(row["estimated_kwh"] > 0 for row in rows):
        say("ESTIMATED: modelled from utilisation, because these devices have no power counter that we may read.")
    if unlocated := sum(row["unlocated_kwh"] for row in rows):
        say(f"{number(unlocated)} kWh have no grid factor: state the zone of their facility in wattledger.toml.")
    if any(row["facility_kwh"] is None for row in rows):
        say("The overhead of some energy is not known: state the PUE of its facility in wattledger.toml.")


def show_jobs(published: Path, job_ids: Sequence[str]) -> None:
    """Print some jobs: length, energy, emissions, quality.

    Args:
        published: folder of the published databases.
        job_ids: the jobs.
    """
    from warehouse.publish import open_published

    sql = (
        f"select {', '.join(_JOB_COLUMNS)} from mart.job where job_id in (select unnest($jobs)) "
        "order by started_at, job_id"
    )
    with open_published(published) as database:
        found = database.execute(sql, {"jobs": list(job_ids)}).fetchall()
    rows = [dict(zip(_JOB_COLUMNS, row, strict=True)) for row in found]
    unit, factor = mass_unit([row["total_kgco2e"] for row in rows])
    say()
    cells = [_job_cells(row, factor) for row in rows]
    _sideways("The jobs of this run", [row["job_id"] for row in rows], _JOB_LABELS, cells, unit)


def _job_cells(row: dict[str, Any], factor: float) -> tuple[str, ...]:
    mass = masses(row, factor)
    return (
        row["phase"],
        row["state"],
        number(row["duration_s"]),
        number(row["it_kwh"]),
        mass["total"],
        mass["range"],
        f"{row['quality_metric']} {row['quality_value']:.4f}" if row["quality_metric"] else "-",
        f"{row['requests_n']:,}" if row["requests_n"] else "-",
        basis(row["it_kwh"], row["estimated_kwh"]),
    )
