"""Building the report: read, render, write.

What belongs here: the order of the work, the cover, the files. What must not be here: what a part shows (``parts``).
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from warehouse.config import Config
from warehouse.files import write_durably
from warehouse.publish import open_published
from warehouse.report.blocks import Part
from warehouse.report.csvfile import csv_bytes
from warehouse.report.numbers import readable, without_data
from warehouse.report.parts import PARTS
from warehouse.report.queries import ReportData, Result, read_all

PAGE = "organisation.html"
FOLDER = "organisation"
BOUNDARY = "facility (IT \u00d7 PUE), idle and unallocated included; embodied amortised"


def write_report(config: Config, generated_at: datetime | None = None) -> Path:
    """Write the report of the organisation from what is published.

    The page needs no network and holds no script. The data of each figure go beside it as CSV. The same published data
    give the same bytes, but for ``generated_at``.

    Args:
        config: the configuration; says who the organisation is and where published and reports lie.
        generated_at: when the report is made, with time zone; ``None`` leaves it out.

    Returns:
        The HTML page, ``reports/organisation.html``. Where nothing is published yet, it says so and what to do.

    Raises:
        ValueError: if ``generated_at`` has no time zone.
    """
    if generated_at is not None and generated_at.tzinfo is None:
        msg = "generated_at must state its time zone"
        raise ValueError(msg)
    data = ReportData(config.organisation.name, _read(config), generated_at)
    parts = [] if data.is_empty else [make(data) for make in PARTS]
    folder = config.report_path / FOLDER
    for part in parts:
        for name, result in part.files.items():
            write_durably(folder / f"{name}.csv", csv_bytes(result))
    page = config.report_path / PAGE
    write_durably(page, render(data, parts).encode("utf-8"))
    return page


def _read(config: Config) -> dict[str, Result]:
    try:
        connection = open_published(config.published_path)
    except FileNotFoundError:
        return {}
    with closing(connection):
        return read_all(connection)


def render(data: ReportData, parts: list[Part]) -> str:
    """Return the page.

    Args:
        data: the report's data.
        parts: the parts in order; none where there is nothing to report.
    """
    template = _environment().get_template("template.html.j2")
    return template.render(
        organisation=readable(data.organisation),
        cover=[] if data.is_empty else _cover(data),
        period="" if data.is_empty else period(data.totals["first_day"], data.totals["last_day"]),
        estimated=None if data.is_empty else data.estimated_note,
        is_all_estimated=not data.is_empty and data.totals["estimated_fraction"] == 1.0,
        generated_at=_stamp(data.generated_at),
        is_empty=data.is_empty,
        is_published=bool(data.results),
        issues=data.rows("open_issue") if data.results else (),
        parts=parts,
        folder=FOLDER,
    )


def _environment() -> Environment:
    folder = resources.files("warehouse").joinpath("report")

    def load(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    environment = Environment(
        loader=FunctionLoader(load),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["without_data"] = without_data
    return environment


def period(first: date, last: date) -> str:
    """Return the days from the first to the last in words."""
    if first == last:
        return f"{first.day} {first:%B %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}\u2013{last.day} {last:%B %Y}"
    start = f"{first.day} {first:%B}" if first.year == last.year else f"{first.day} {first:%B %Y}"
    return f"{start} \u2013 {last.day} {last:%B %Y}"


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _cover(data: ReportData) -> list[tuple[str, str]]:
    runs, published = data.rows("calculation"), data.rows("publication")
    entries = [("Boundary", BOUNDARY), ("Method", "location-based; market-based where instruments are recorded")]
    if data.totals["orgs_n"] > 1:
        entries.append(("Names in the jobs", f"{data.totals['orgs_n']} organisations, shown together"))
    entries.append(("Calculation", _runs(runs)))
    entries.append(
        (
            "Program",
            ", ".join(dict.fromkeys(f"wattledger {run['program_version'] or '?'}" for run in runs)) or "not known",
        )
    )
    entries.append(
        ("Factor set", ", ".join(dict.fromkeys((run["factors_sha256"] or "?")[:12] for run in runs)) or "not known")
    )
    if published:
        stamp = _stamp(published[0]["published_at"])
        entries.append(("Data as of", f"{stamp}, lake snapshot {published[0]['lake_snapshot']}"))
    return entries


def _runs(runs: tuple[dict[str, Any], ...]) -> str:
    if not runs:
        return "not known"
    if len(runs) == 1:
        return str(runs[0]["calc_run_id"])
    return ", ".join(f"{run['calc_run_id']} ({run['days_n']:,} days)" for run in runs)
