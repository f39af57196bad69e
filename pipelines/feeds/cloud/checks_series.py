"""Faults that only show against another year, another region of the zone, or the provider's own file.

What belongs here: these comparisons. What must not be here: what a row shows by itself (see ``checks_rows``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipelines.feeds.cloud.google_regions import SOURCE as GOOGLE
from pipelines.feeds.cloud.gsf_table import ESTIMATE_SOURCE
from pipelines.feeds.cloud.publication import Figure, Mark

Series = dict[tuple[str, str, str, str], dict[int, Figure]]
"""Figures by source, provider, column and region, then by year."""
OwnFigures = Mapping[tuple[str, str, int], float]
"""Google's own figures by metric, region and year."""

COPY_REGIONS = 5
"""From how many regions on equal values of two years can be no chance."""
COPY_FRACTION = 0.9
"""Share of a provider's regions that must be equal. Measured: true copies reach 0.92 (34 of 37) to 1; years that were
really published again stay below 0.4."""
COPIED_METRICS = frozenset({"cfe_hourly", "cfe_annual", "pue", "intensity_location"})
LARGE_CFE_CHANGE = 0.2
"""Change of a carbon-free share from year to year that is flagged; the restatements of 2024 were 0.22 and 0.27."""
LARGE_RATIO = 1.5
"""Ratio of an intensity to the year before that is flagged: zones change by a factor of 1.16 a year (one sd of
ln 0.149, ``grid_drift.csv``), so 1.5 is 2.7 standard deviations."""


def check_series(figures: Sequence[Figure]) -> Iterator[Mark]:
    """Give every fault of this kind among the figures of all publications of one source, the refused ones left aside.

    Args:
        figures: figures of all publications that nothing else refuses.
    """
    series = _series(figures)
    yield from _breaks_and_changes(series)
    yield from _stale(figures)
    yield from _zone_years(figures)


def vanished(figures: Iterable[Figure]) -> Iterator[Mark]:
    """Give the regions that a source had in a year and no longer has in the next one."""
    regions: dict[tuple[str, str], dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for figure in figures:
        if not figure.is_grid:
            regions[figure.source, figure.provider][figure.year].add(figure.region)
    for (source, provider), years in sorted(regions.items()):
        for year in sorted(years):
            for region in sorted(years[year - 1] - years[year] if year - 1 in years else ()):
                yield Mark("vanished_region", f"{source}: {provider} {region} is in {year - 1} and not in {year}")


def check_against_google(figures: Iterable[Figure], own: OwnFigures) -> Iterator[Mark]:
    """Give where a table differs from Google's own files.

    Args:
        figures: figures of the Green Software Foundation's table.
        own: Google's figures; a metric, region and year that Google lists without a value is NaN.
    """
    years = {year for _, _, year in own}
    for figure in figures:
        if figure.provider == "gcp" and not figure.source.startswith(ESTIMATE_SOURCE):
            if figure.metric == "cfe_annual" or figure.is_grid:
                yield from _wrong_column(figure, own)
            elif figure.metric in {"cfe_hourly", "intensity_location"}:
                yield from _own(figure, own, figure.year in years)


def google_figures(figures: Iterable[Figure]) -> dict[tuple[str, str, int], float]:
    """Give Google's own figures by metric, region and year; NaN where it lists the region without that figure."""
    found = {(f.metric, f.region, f.year): f.value for f in figures if f.source == GOOGLE}
    for _, region, year in list(found):
        for metric in ("cfe_hourly", "intensity_location"):
            found.setdefault((metric, region, year), float("nan"))
    return found


def _own(figure: Figure, own: OwnFigures, is_year_known: bool) -> Iterator[Mark]:
    key = (figure.metric, figure.region, figure.year)
    if key not in own:
        why = "Google's file of that year does not list the region" if is_year_known else "no file of Google's for it"
        yield Mark("not_compared", f"{figure.year}: {why}", figure)
        return
    value, before = own[key], own.get((figure.metric, figure.region, figure.year - 1))
    said = f"the table has {figure.value:g}, Google {value:g} for {figure.year}"
    if figure.value == value:
        return
    if value != value:  # NaN: Google lists the region without this figure
        name = "filled_blank" if figure.value == 0 else "differs_from_provider"
        yield Mark(name, f"the table has {figure.value:g}, Google published nothing for {figure.year}", figure)
    elif figure.value == before:
        yield Mark("shifted_year", f"{said} and {before:g} for {figure.year - 1}", figure)
    else:
        yield Mark("differs_from_provider", said, figure)


def _wrong_column(figure: Figure, own: OwnFigures) -> Iterator[Mark]:
    metric = "cfe_hourly" if figure.metric == "cfe_annual" else "intensity_location"
    if figure.value == own.get((metric, figure.region, figure.year)):
        yield Mark("wrong_column", f"{figure.column} holds Google's own {metric}, {figure.value:g}", figure)


def _series(figures: Iterable[Figure]) -> Series:
    series: Series = defaultdict(dict)
    for figure in figures:
        series[figure.source, figure.provider, figure.series, figure.region][figure.year] = figure
    return series


def _breaks_and_changes(series: Series) -> Iterator[Mark]:
    for years in series.values():
        for year, figure in sorted(years.items()):
            before = years.get(year - 1)
            if before is None:
                continue
            if before.basis != figure.basis:
                yield Mark("basis_break", f"{before.basis} in {year - 1}, {figure.basis} in {year}", figure)
            elif _is_large(before, figure):
                yield Mark("large_change", f"{before.value:g} in {year - 1}, {figure.value:g} in {year}", figure)


def _is_large(before: Figure, figure: Figure) -> bool:
    if figure.metric in {"cfe_hourly", "cfe_annual"}:
        # Rounded: shares have two decimals, and 0.9 - 0.7 is 0.20000000000000007.
        return round(abs(figure.value - before.value), 6) >= LARGE_CFE_CHANGE
    if figure.metric != "intensity_location" or min(before.value, figure.value) <= 0:
        return False
    return max(before.value / figure.value, figure.value / before.value) >= LARGE_RATIO


def _stale(figures: Iterable[Figure]) -> Iterator[Mark]:
    """Find copied columns; estimates project years forward, so that equal ones are their method."""
    columns: dict[tuple[str, str, str], dict[int, dict[str, Figure]]] = defaultdict(lambda: defaultdict(dict))
    for figure in figures:
        if figure.metric in COPIED_METRICS and not figure.source.startswith(ESTIMATE_SOURCE):
            columns[figure.source, figure.provider, figure.column][figure.year][figure.region] = figure
    for (_, provider, column), years in columns.items():
        for year in sorted(years):
            before = years.get(year - 1, {})
            both = [(figure, before[region]) for region, figure in years[year].items() if region in before]
            equal = [figure for figure, old in both if figure.value == old.value]
            if len(equal) >= COPY_REGIONS and len(equal) >= COPY_FRACTION * len(both):
                detail = f"{len(equal)} of {len(both)} regions of {provider} have in {year} the {column} of {year - 1}"
                yield from (Mark("stale_copy", detail, figure) for figure in equal)


def _zone_years(figures: Iterable[Figure]) -> Iterator[Mark]:
    zones: dict[tuple[str, str, str, int], list[Figure]] = defaultdict(list)
    for figure in figures:
        if figure.is_grid and figure.zone:
            zones[figure.source, figure.column, figure.zone, figure.year].append(figure)
    for (_, _, zone, year), group in zones.items():
        values = sorted({figure.value for figure in group})
        if len(values) > 1:
            detail = f"zone {zone} has {', '.join(f'{value:g}' for value in values)} in {year}"
            yield from (Mark("zone_year_conflict", detail, figure) for figure in group)
