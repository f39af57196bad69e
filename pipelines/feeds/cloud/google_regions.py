"""Google's yearly files of its regions: hourly carbon-free share and grid intensity.

What belongs here: where the files are, and what their columns mean. What must not be here: checks across files.

Until 2020 the intensity is life-cycle, from 2021 on operational; the column's name says which. The carbon-free share is
Google's hourly score and includes its contracts: it is no property of the grid.

Reference: GoogleCloudPlatform/region-carbon-info (Apache-2.0), README and data/yearly, at 49f3f26bfd68.
"""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.feeds.cloud.github import Asks, Repository
from pipelines.feeds.cloud.publication import Figure, Mark, Publication, Reading, modified_ms
from pipelines.feeds.cloud.table_text import NOT_THE_FORMAT, UNKNOWN_SHAPE, header_and_lines, number, refuse_header
from pipelines.feeds.feed import FeedError

SOURCE = "google_region_carbon"
FIRST_YEAR = 2019
LAST_LIFECYCLE_YEAR = 2020
"""Last year whose column is called life-cycle."""
REGION, PLACE, CFE = "Google Cloud Region", "Location", "Google CFE"
BASIS = {
    "Lifecycle grid carbon intensity (gCO2eq / kWh)": "lifecycle",
    "Grid carbon intensity (gCO2eq / kWh)": "operational",
}
"""Basis by the name of the intensity's column."""
MAX_YEARS = 30
"""How many yearly files are asked for at most; a bound against a server that never answers 404."""


class GoogleRegions:
    """Google's yearly files (``CloudSource``)."""

    source = SOURCE
    title = "Google: carbon free energy for Google Cloud regions"
    licence = "Apache-2.0"
    repository = Repository("GoogleCloudPlatform/region-carbon-info", "data/yearly")

    def fetch(self, web: Asks) -> list[Publication]:
        """Fetch every yearly file, from 2019 until there is none.

        Raises:
            FeedError: if there is no complete answer.
        """
        version = self.repository.version(web)
        found: list[Publication] = []
        for year in range(FIRST_YEAR, FIRST_YEAR + MAX_YEARS):
            page = self.repository.file(web, version, f"data/yearly/{year}.csv", may_be_missing=bool(found))
            if page is None:
                break
            found.append(
                Publication(SOURCE, f"{year}.csv", page.body, page.fetched_ms, year, version.commit, version.published)
            )
        return found

    def read(self, path: Path) -> Publication:
        """Read a yearly file whose name ends in the year, such as ``gcp_region_carbon_2024.csv`` or ``2024.csv``.

        Raises:
            FeedError: if the name does not end in a year.
            OSError: if the file cannot be read.
        """
        match = re.search(r"(20\d\d)\.csv$", path.name)
        if match is None:
            msg = f"{path.name}: the name of a yearly file must end in its year, such as 2024.csv; rename it"
            raise FeedError(NOT_THE_FORMAT, msg)
        return Publication(SOURCE, path.name, path.read_bytes(), modified_ms(path), int(match[1]))

    def parse(self, publication: Publication) -> Reading:
        """Read the figures of a yearly file.

        Raises:
            FeedError: if it is no table, or its year is not known.
        """
        year = publication.year
        if year is None:
            msg = f"{publication.name}: the year of the table is not known; state it"
            raise FeedError(UNKNOWN_SHAPE, msg)
        reading = Reading(publication)
        header, lines = header_and_lines(reading)
        basis = _basis(reading, header, year)
        if basis is None:
            return reading
        columns = ((CFE, "cfe_hourly", "fraction", None), (header[3], "intensity_location", "gCO2e/kWh", basis))
        for line in lines:
            for column, metric, unit, of_basis in columns:
                value = number(line.values[column])
                region = line.values[REGION]
                if value is None:
                    reading.missing[metric] += 1
                elif isinstance(value, str):
                    detail = f"{column} of {region} in {year}: {line.values[column]!r}"
                    values = tuple(line.values.items())
                    reading.marks.append(Mark(value, detail, None, publication.name, line.number, values))
                else:
                    figure = Figure(SOURCE, "gcp", region, year, metric, column, value, unit, of_basis, line.number)
                    reading.figures.append(figure)
        return reading


def _basis(reading: Reading, header: tuple[str, ...], year: int) -> str | None:
    """Give the basis that the header states; None, with a mark, where it is unknown or not that of the year."""
    expected = "lifecycle" if year <= LAST_LIFECYCLE_YEAR else "operational"
    if header[:3] != (REGION, PLACE, CFE) or len(header) != 4 or header[3] not in BASIS:
        refuse_header(reading, header, f"columns {REGION}, {PLACE}, {CFE} and one of {', '.join(BASIS)} are needed")
        return None
    if BASIS[header[3]] != expected:
        problem = f"the intensity of {year} must be {expected}, the header says {BASIS[header[3]]}"
        refuse_header(reading, header, problem)
        return None
    return expected
