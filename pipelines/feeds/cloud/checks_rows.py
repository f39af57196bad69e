"""Faults that a figure or its row shows by itself, or against the region map.

What belongs here: ranges, unknown and duplicated regions, zones and coordinates. What must not be here: comparison of
years or of publications (see ``checks_series``).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from models.regions import RegionZone
from pipelines.feeds.cloud.publication import Figure, Mark

RegionMap = Mapping[tuple[str, str], RegionZone]
"""Regions by provider and id."""

RANGES = {
    # metric: fault, low, high
    "pue": ("pue_out_of_range", 1.0, 3.0),
    "wue": ("wue_out_of_range", 0.0, 20.0),
    "cfe_hourly": ("cfe_out_of_range", 0.0, 1.0),
    "cfe_annual": ("cfe_out_of_range", 0.0, 1.0),
    "intensity_market": ("intensity_out_of_range", 0.0, 2_000.0),
    "intensity_location": ("intensity_out_of_range", 0.0, 2_000.0),
}
"""What can be. PUE is total over IT energy, so at least 1; 3 is above any hall in use; evaporative cooling stays below
20 l/kWh; oil or lignite alone emits less than 2,000 gCO2e/kWh, and no grid emits nothing."""
FAR_KM = 500.0
"""Distance from which coordinates are another place [km]. Measured on the table of 2026-03: the 110 rows that are right
lie within 380 km of the region, centres of states and countries included; the seven wrong ones 895 to 3,278 km."""
EARTH_RADIUS_KM = 6_371.0
"""Mean radius of the Earth [km], IUGG."""
MANY_REGIONS = 5
"""From how many regions of a provider on one PUE or WUE is no measurement of each. Measured: of figures that are
regional at most four regions share one, rounded to hundredths (Google's PUE of 2022)."""


def check_rows(figures: Sequence[Figure], regions: RegionMap) -> Iterator[Mark]:
    """Give every fault of this kind among the figures of one publication."""
    for figure in figures:
        yield from _range(figure)
        yield from _region(figure, regions)
    yield from _duplicates(figures, regions)
    yield from _one_value_for_many(figures)


def states_our_zone(zone: str, region: RegionZone) -> bool:
    """Whether a stated zone is the region's, or one that is still open."""
    return zone == region.zone or zone in region.other_zones


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Give the great-circle distance of two places.

    Args:
        a: latitude and longitude [degrees].
        b: the same.

    Returns:
        Distance [km].

    Reference: haversine formula.
    """
    lat_a, lon_a, lat_b, lon_b = (math.radians(value) for value in (*a, *b))
    half = math.sin((lat_b - lat_a) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))


def _range(figure: Figure) -> Iterator[Mark]:
    name, low, high = RANGES[figure.metric]
    if not low <= figure.value <= high:
        yield Mark(name, f"{figure.column} is {figure.value:g}; must be from {low:g} to {high:g}", figure)
    elif figure.metric == "intensity_location" and figure.value == 0:
        yield Mark("zero_location", f"{figure.column} of {figure.region} is 0", figure)
    elif figure.metric == "intensity_market" and figure.value == 0:
        yield Mark("market_zero", "100 % matched over the year; the grid of the region still emits", figure)


def _region(figure: Figure, regions: RegionMap) -> Iterator[Mark]:
    region = regions.get((figure.provider, figure.region))
    if region is None:
        yield Mark("unknown_region", f"{figure.provider} has no region {figure.region!r} in our map", figure)
        return
    yield from _zone(figure, region)
    yield from _place(figure, region)


def _zone(figure: Figure, region: RegionZone) -> Iterator[Mark]:
    if not figure.zone:
        if figure.is_grid:
            yield Mark("no_zone_stated", f"our map says {region.zone}", figure)
    elif figure.zone == region.country and figure.zone != region.zone:
        yield Mark("coarser_zone", f"the row says {figure.zone}, our map {region.zone}", figure)
    elif not states_our_zone(figure.zone, region):
        name = "wrong_zone" if figure.is_grid else "row_of_wrong_zone"
        yield Mark(name, f"the row says {figure.zone}, our map {region.zone}", figure)


def _place(figure: Figure, region: RegionZone) -> Iterator[Mark]:
    if not figure.place:
        return
    try:
        latitude, longitude = (float(part) for part in figure.place.split(","))
    except ValueError:
        yield Mark("unreadable_place", f"{figure.place!r} is not latitude, longitude", figure)
        return
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        yield Mark("unreadable_place", f"{figure.place!r} is no place on Earth", figure)
        return
    far = distance_km((latitude, longitude), (region.latitude, region.longitude))
    if far > FAR_KM:
        yield Mark("far_place", f"{figure.place} is {far:.0f} km from {region.region} ({region.country})", figure)


def _duplicates(figures: Sequence[Figure], regions: RegionMap) -> Iterator[Mark]:
    """Of rows of one region and year only the one row stands whose zone is that of our map; else none does."""
    rows: dict[tuple[str, str, int], dict[int, str]] = defaultdict(dict)
    for figure in figures:
        rows[figure.row_key][figure.line] = figure.zone
    kept: dict[tuple[str, str, int], int | None] = {}
    for key, lines in rows.items():
        if len(lines) > 1:
            region = regions.get(key[:2])
            right = [line for line, zone in lines.items() if region and states_our_zone(zone, region)]
            kept[key] = right[0] if len(right) == 1 else None
    for figure in figures:
        if figure.row_key in kept:
            name = "has_duplicate" if figure.line == kept[figure.row_key] else "duplicated_region"
            stated = ", ".join(f"line {n} ({z or 'no zone'})" for n, z in sorted(rows[figure.row_key].items()))
            yield Mark(name, f"{figure.region} stands {len(rows[figure.row_key])} times: {stated}", figure)


def _one_value_for_many(figures: Sequence[Figure]) -> Iterator[Mark]:
    groups: dict[tuple[str, int, str, float], list[Figure]] = defaultdict(list)
    for figure in figures:
        if figure.metric in {"pue", "wue"}:
            groups[figure.provider, figure.year, figure.metric, figure.value].append(figure)
    for (provider, year, metric, value), group in groups.items():
        if len(group) >= MANY_REGIONS:
            detail = f"{len(group)} regions of {provider} have a {metric} of {value:g} in {year}"
            yield from (Mark("one_value_for_many", detail, figure) for figure in group)
