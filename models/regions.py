"""Cloud regions: the grid zone behind each, and power and water usage effectiveness (PUE, WUE) by year.

What belongs here: the types of ``cloud_region_zone.csv`` and ``cloud_region_pue.csv``, and the choice of a figure for a
year. What must not be here: opening of files (see ``factors``), grid intensities (see ``grid``).

A region that the table does not hold has no zone; nobody guesses one. A provider's average is never a region's figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from models.table import Row, Source

CONFIDENCES = frozenset(
    {"two_sources_agree", "em_only", "gsf_only", "em_finer", "adjudicated", "single_source", "unverified"}
)
"""How a zone was settled; ``single_source``: the place is stated by one list, the zone follows from the place."""
REGION = "region"
PROVIDER_AVERAGE = "provider_average"
EVERY_REGION = "*"
"""Stands for the region in rows that hold a provider's average."""
METRICS = ("pue", "wue_l_per_kwh")
_DATE = re.compile(r"(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


@dataclass(frozen=True, slots=True)
class RegionZone:
    """Grid zone of a cloud region, with its newest PUE [1] and WUE [L/kWh]; None where not published.

    Attributes:
        provider: ``aws``, ``azure`` or ``gcp``.
        region: the provider's id of the region.
        zone: our key of the grid zone.
        other_zones: zones that another source states and nobody has settled yet.
        country: ISO 3166 alpha-2 code.
        latitude: of the region, or of the city that gives it its name [degrees north].
        longitude: as latitude [degrees east].
        valid_from: first day of this mapping, ISO 8601; empty where not known.
        valid_to: first day on which it no longer holds; empty where not known or still open.
        pue: newest PUE that the provider states for this region.
        pue_year: the provider's year of that PUE.
        pue_source: source of that PUE.
        wue_l_per_kwh: newest WUE that the provider states for this region.
        wue_year: the provider's year of that WUE.
        confidence: one of ``CONFIDENCES``.
        source_id: source of the zone.
        note: what else is to be known.
    """

    provider: str
    region: str
    zone: str
    other_zones: tuple[str, ...]
    country: str
    latitude: float
    longitude: float
    valid_from: str
    valid_to: str
    pue: float | None
    pue_year: int | None
    pue_source: str
    wue_l_per_kwh: float | None
    wue_year: int | None
    confidence: str
    source_id: str
    note: str


@dataclass(frozen=True, slots=True)
class YearFigure:
    """One PUE or WUE of a region or a provider in one year.

    Attributes:
        metric: one of ``METRICS``.
        value: PUE [1] or WUE [L/kWh].
        provider: ``aws``, ``azure`` or ``gcp``.
        region: the region, or ``*`` for a provider's average.
        year: the year as the provider names it.
        valid_from: first day of that year, ISO 8601; a fiscal year may begin in the year before.
        valid_to: first day after it.
        tier: ``region`` or ``provider_average``.
        source_id: row of ``source.csv``.
    """

    metric: str
    value: float
    provider: str
    region: str
    year: int
    valid_from: str
    valid_to: str
    tier: str
    source_id: str


def zones(rows: Iterable[Row], figures: Iterable[YearFigure], year: int | None) -> list[RegionZone]:
    """Give the regions of a table, with the newest figures of each.

    Args:
        rows: rows of ``cloud_region_zone.csv``, their source checked.
        figures: figures by year.
        year: only mappings that hold in this year, with figures no newer than it; None for the current ones.

    Raises:
        FactorDataError: if a value cannot be used, or two mappings of a region hold at once.
    """
    held = [figure for figure in figures if year is None or figure.year <= year]
    found: dict[tuple[str, str], RegionZone] = {}
    for row in rows:
        entry = _zone(row)
        if not _holds(entry, year):
            continue
        key = (entry.provider, entry.region)
        if key in found:
            column = "region"
            raise row.error(column, "the region has two zones at once")
        found[key] = _with_figures(entry, held)
    return list(found.values())


def year_figures(rows: Iterable[Row], sources: dict[str, Source]) -> list[YearFigure]:
    """Give all PUE and WUE figures of a table.

    Args:
        rows: rows of ``cloud_region_pue.csv``.
        sources: every source by id.

    Raises:
        FactorDataError: if a value cannot be used, or a region has a figure twice for a year.
    """
    found: dict[tuple[str, str, str, int], YearFigure] = {}
    for row in rows:
        for figure in _figures(row, sources):
            key = (figure.metric, figure.provider, figure.region, figure.year)
            if key in found:
                raise row.error(figure.metric, "the figure stands twice for this region and year")
            found[key] = figure
    return list(found.values())


def figure_for(figures: Iterable[YearFigure], metric: str, provider: str, region: str, year: int) -> YearFigure | None:
    """Give a region's figure of the year, else that of the nearest year (the earlier of two), else None.

    A provider's average is only given to who asks for the region ``*``.

    Args:
        figures: figures of all regions and years.
        metric: one of ``METRICS``.
        provider: ``aws``, ``azure`` or ``gcp``.
        region: the region, or ``*`` for the provider's average.
        year: the provider's year.
    """
    of_region = [f for f in figures if (f.metric, f.provider, f.region) == (metric, provider, region)]
    return min(of_region, key=lambda f: (abs(f.year - year), f.year), default=None)


def _zone(row: Row) -> RegionZone:
    """Give one mapping, without figures."""
    return RegionZone(
        provider=row.text("provider"),
        region=row.text("region"),
        zone=row.text("zone"),
        other_zones=row.names("other_zone"),
        country=row.text("country"),
        latitude=row.number("lat", -90, 90),
        longitude=row.number("lon", -180, 180),
        valid_from=_optional_date(row, "valid_from"),
        valid_to=_optional_date(row, "valid_to"),
        pue=None,
        pue_year=None,
        pue_source="",
        wue_l_per_kwh=None,
        wue_year=None,
        confidence=row.choice("confidence", CONFIDENCES),
        source_id=row.text("source_id"),
        note=row.optional_text("note"),
    )


def _holds(entry: RegionZone, year: int | None) -> bool:
    """Whether a mapping holds in the middle of a year, or today's are asked for and it has no end."""
    if year is None:
        return not entry.valid_to
    middle = f"{year}-07-01"
    return (not entry.valid_from or entry.valid_from <= middle) and (not entry.valid_to or middle < entry.valid_to)


def _with_figures(entry: RegionZone, figures: list[YearFigure]) -> RegionZone:
    """Give a mapping with the newest PUE and WUE of its region."""
    own = [f for f in figures if (f.provider, f.region) == (entry.provider, entry.region)]
    pue = max((f for f in own if f.metric == "pue"), key=lambda f: f.year, default=None)
    wue = max((f for f in own if f.metric == "wue_l_per_kwh"), key=lambda f: f.year, default=None)
    if pue is not None:
        entry = replace(entry, pue=pue.value, pue_year=pue.year, pue_source=pue.source_id)
    if wue is not None:
        entry = replace(entry, wue_l_per_kwh=wue.value, wue_year=wue.year)
    return entry


def _figures(row: Row, sources: dict[str, Source]) -> Iterable[YearFigure]:
    """Give the one or two figures of a row."""
    row.source_id(sources)
    tier = row.choice("tier", frozenset({REGION, PROVIDER_AVERAGE}))
    if (row.text("region") == EVERY_REGION) != (tier == PROVIDER_AVERAGE):
        column = "tier"
        raise row.error(column, f"region {EVERY_REGION} and tier {PROVIDER_AVERAGE} go together")
    start, end = _optional_date(row, "valid_from"), _optional_date(row, "valid_to")
    if not start or start >= end:
        column = "valid_to"
        raise row.error(column, "a date after valid_from is needed")
    values = {"pue": row.optional_number("pue", 1.0, 3.0), "wue_l_per_kwh": row.optional_number("wue_l_per_kwh", 0, 20)}
    for metric, value in values.items():
        if value is not None:
            provider, region, year = row.text("provider"), row.text("region"), row.year()
            yield YearFigure(metric, value, provider, region, year, start, end, tier, row.text("source_id"))


def _optional_date(row: Row, column: str) -> str:
    """Give an ISO 8601 date, or an empty text where it is not known."""
    text = row.optional_text(column)
    if text and not _DATE.fullmatch(text):
        raise row.error(column, "a date such as 2024-07-01 is needed")
    return text
