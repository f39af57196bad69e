"""The Green Software Foundation's real-time cloud table, and beside it its file of estimates.

What belongs here: where the two files are, and what their columns mean. What must not be here: checks across rows.

Grid figures (Electricity Maps, as the table states them) get a source of their own, so that they never stand for the
provider's. Left out: marginal figures, which serve decisions only; production mixes, which no region consumes; and
columns that the table has never filled.

Reference: Green-Software-Foundation/real-time-cloud, Cloud_Region_Metadata_specification.md 1.1.0, at b2858aa2300a.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.feeds.cloud.github import Asks, Repository
from pipelines.feeds.cloud.google_regions import LAST_LIFECYCLE_YEAR
from pipelines.feeds.cloud.publication import GRID_SUFFIX, Figure, Mark, Publication, Reading, modified_ms
from pipelines.feeds.cloud.table_text import Line, header_and_lines, number, refuse_header, year_of

SOURCE = "gsf_real_time_cloud"
ESTIMATE_SOURCE = "gsf_real_time_cloud_estimate"
FILES = {"Cloud_Region_Metadata.csv": SOURCE, "Cloud_Region_Metadata_estimate.csv": ESTIMATE_SOURCE}
PROVIDERS = {"Amazon Web Services": "aws", "Google Cloud": "gcp", "Microsoft Azure": "azure"}
"""Our name of a provider by the table's."""
YEAR, PROVIDER, REGION, ZONE, PLACE = "year", "cloud-provider", "cloud-region", "em-zone-id", "geolocation"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column holds: metric and unit of the landing contract, and whether it is the grid's figure."""

    metric: str
    unit: str
    is_grid: bool = False


COLUMNS = {
    "provider-cfe-hourly": Meaning("cfe_hourly", "fraction"),
    "provider-cfe-annual": Meaning("cfe_annual", "fraction"),
    "power-usage-effectiveness": Meaning("pue", "1"),
    "water-usage-effectiveness": Meaning("wue", "l/kWh"),
    "provider-carbon-intensity-market-annual": Meaning("intensity_market", "gCO2e/kWh"),
    "provider-carbon-intensity-average-consumption-hourly": Meaning("intensity_location", "gCO2e/kWh"),
    "grid-carbon-intensity-average-consumption-annual": Meaning("intensity_location", "gCO2e/kWh", is_grid=True),
}
"""Columns that are read."""
LEFT_OUT = frozenset(
    {
        *("cfe-region", "wt-region-id", "location", "grid-carbon-intensity-marginal-consumption-annual"),
        *("grid-carbon-intensity-average-production-annual", "grid-carbon-intensity"),
        *("total-ICT-energy-consumption-annual", "total-water-input", "renewable-energy-consumption"),
        *("renewable-energy-consumption-goe", "renewable-energy-consumption-ppa"),
        "renewable-energy-consumption-onsite",
    }
)
"""Columns that are known and not read."""
KNOWN = frozenset({YEAR, PROVIDER, REGION, ZONE, PLACE, *COLUMNS}) | LEFT_OUT


class GsfTable:
    """The table and its file of estimates (``CloudSource``)."""

    source = SOURCE
    title = "Green Software Foundation: real-time cloud region metadata"
    licence = "as is, no explicit grant for data (repository: MIT for code); facts, cite the foundation"
    repository = Repository("Green-Software-Foundation/real-time-cloud", "Cloud_Region_Metadata.csv")

    def fetch(self, web: Asks) -> list[Publication]:
        """Fetch the table and the estimates.

        Raises:
            FeedError: if there is no complete answer.
        """
        version = self.repository.version(web)
        found = []
        for name, source in FILES.items():
            page = self.repository.file(web, version, name)
            if page is not None:
                found.append(
                    Publication(source, name, page.body, page.fetched_ms, None, version.commit, version.published)
                )
        return found

    def read(self, path: Path) -> Publication:
        """Read the table from a file; with ``estimate`` in its name it is the file of estimates.

        Raises:
            OSError: if the file cannot be read.
        """
        source = ESTIMATE_SOURCE if "estimate" in path.stem.lower() else SOURCE
        return Publication(source, path.name, path.read_bytes(), modified_ms(path))

    def parse(self, publication: Publication) -> Reading:
        """Read the figures of a table.

        Raises:
            FeedError: if it is no table at all.
        """
        reading = Reading(publication)
        header, lines = header_and_lines(reading)
        unknown, lacking = sorted(set(header) - KNOWN), sorted(KNOWN - LEFT_OUT - set(header))
        if unknown or lacking or len(set(header)) != len(header):
            twice = sorted({name for name in header if header.count(name) > 1})
            refuse_header(reading, header, f"columns not known: {unknown}, missing: {lacking}, twice: {twice}")
            return reading
        for line in lines:
            _read_line(reading, line)
        return reading


def _read_line(reading: Reading, line: Line) -> None:
    """Read the figures of a row, or mark the row."""
    year, provider = year_of(line.values[YEAR]), PROVIDERS.get(line.values[PROVIDER])
    if year is None or provider is None:
        name, column = ("bad_year", YEAR) if year is None else ("unknown_provider", PROVIDER)
        reading.marks.append(_row_mark(reading, line, name, column))
        return
    for column, meaning in COLUMNS.items():
        value = number(line.values[column])
        if value is None:
            reading.missing[meaning.metric] += 1
        elif isinstance(value, str):
            reading.marks.append(_row_mark(reading, line, value, column))
        else:
            reading.figures.append(_figure(reading.publication.source, line, column, value, provider, year))


def _figure(source: str, line: Line, column: str, value: float, provider: str, year: int) -> Figure:
    """Give the figure of a cell."""
    meaning, values = COLUMNS[column], line.values
    return Figure(
        source=source + GRID_SUFFIX if meaning.is_grid else source,
        provider=provider,
        region=values[REGION],
        year=year,
        metric=meaning.metric,
        column=column,
        value=value,
        unit=meaning.unit,
        basis=_basis(provider, meaning, year),
        line=line.number,
        zone=values[ZONE],
        place=values[PLACE],
    )


def _basis(provider: str, meaning: Meaning, year: int) -> str | None:
    """Give the basis of Google's own intensity by its year; of all else the table does not state one."""
    if provider != "gcp" or meaning.is_grid or meaning.metric != "intensity_location":
        return None
    return "lifecycle" if year <= LAST_LIFECYCLE_YEAR else "operational"


def _row_mark(reading: Reading, line: Line, name: str, column: str) -> Mark:
    """Mark a row or one of its cells."""
    where = " ".join(line.values[key] for key in (YEAR, PROVIDER, REGION))
    values = tuple((key, value) for key, value in line.values.items() if value)
    detail = f"{column} of {where}: {line.values[column]!r}"
    return Mark(name, detail, None, reading.publication.name, line.number, values)
