"""Yearly grid intensities: the factor, its interval, and which one stands in for a zone and year.

SQL applies the factors to energy; ``resolve`` is the same rule once more, as an oracle and for single questions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.pedigree import Scores, spread, spread_factor, temporal_score

ZONE_YEAR, COUNTRY_YEAR, WORLD = "zone_year", "country_year", "world"
SLOT_MEASURED, SLOT_ESTIMATED = "zone_slot_measured", "zone_slot_estimated"
ZONE_MONTH, COUNTRY_MONTH = "zone_month", "country_month"
TIER_MEANING = {
    SLOT_MEASURED: "a value of the zone for the slot itself",
    SLOT_ESTIMATED: "a value of the zone for the slot that its provider marks as estimated",
    ZONE_MONTH: "the mean of the zone over the month, or over the nearest month that is known",
    ZONE_YEAR: "the mean of the zone over the year, or over the nearest year that is known",
    COUNTRY_MONTH: "the mean of the country over the month, or over the nearest month that is known",
    COUNTRY_YEAR: "the mean of the country over the year, or over the nearest year that is known",
    WORLD: "the mean of the world over the year; only for the zone WORLD",
}
"""Tiers of a grid factor from best to worst; a worse one is taken only where no better one is known."""
TIERS = tuple(TIER_MEANING)
YEARLY_TIERS = (ZONE_YEAR, COUNTRY_YEAR, WORLD)
LONGEST_SLOT_S = 3_600
"""Longest interval whose value counts as one of a slot [s]."""
WORLD_ZONE = "WORLD"
"""The zone that names the world average; never a stand-in for an unknown zone."""
MAX_AGE_YEARS = 10


@dataclass(frozen=True, slots=True)
class GridFactor:
    """Yearly average intensity of the electricity of one zone.

    Attributes:
        factor_id: stable name, such as ``grid.em.DE.2023``.
        zone: grid zone, such as ``US-CAL-CISO``; the country's ISO code for tier ``country_year``; or ``WORLD``.
        country: ISO 3166-1 alpha-2 code (``XK`` Kosovo), or ``WORLD``.
        year: calendar year of the data.
        low_gco2e_per_kwh: lower end of the 95 % interval [gCO2e/kWh].
        gco2e_per_kwh: central value [gCO2e/kWh].
        high_gco2e_per_kwh: upper end [gCO2e/kWh].
        carbon_free_fraction: share of carbon-free generation [1], None where not known.
        tier: ``zone_year``, ``country_year`` or ``world``.
        basis: ``lifecycle`` or ``operational``.
        flow: ``consumption`` or ``production``.
        valid_from: first day of the year, ISO date.
        valid_to: first day after it, ISO date.
        source_id: key of ``source.csv``.
        source_title: title of the source.
        licence: licence of the source.
        published: year of publication of the source.
    """

    factor_id: str
    zone: str
    country: str
    year: int
    low_gco2e_per_kwh: float
    gco2e_per_kwh: float
    high_gco2e_per_kwh: float
    carbon_free_fraction: float | None
    tier: str
    basis: str
    flow: str
    valid_from: str
    valid_to: str
    source_id: str
    source_title: str
    licence: str
    published: str


@dataclass(frozen=True, slots=True)
class ResolvedGridFactor:
    """The factor that answers for a zone and year, its tier, and how many years it is away."""

    factor: GridFactor
    tier: str
    age_years: int


@dataclass(frozen=True, slots=True)
class GridPedigree:
    """Scores of a tier, and a measured standard deviation of ln(value) on top [1]."""

    tier: str
    scores: Scores
    extra_sd_ln: float


@dataclass(frozen=True, slots=True)
class AgeSpread:
    """How far the interval widens when a factor is used in another year.

    Attributes:
        age_years: absolute difference of the years [years].
        low_factor: multiplies the low value [1].
        high_factor: multiplies the high value [1].
        pedigree_low_factor: the same from the ecoinvent temporal score alone [1], for comparison.
        pedigree_high_factor: likewise.
        temporal_score: ecoinvent temporal score of the age, 1 to 5.
        drift_sd_ln: measured or extrapolated standard deviation of ln(later/earlier) [1].
        is_extrapolated: True beyond the ages that were measured.
    """

    age_years: int
    low_factor: float
    high_factor: float
    pedigree_low_factor: float
    pedigree_high_factor: float
    temporal_score: int
    drift_sd_ln: float
    is_extrapolated: bool


@dataclass(frozen=True, slots=True)
class TierSpread:
    """Order of a tier, and the interval of a value of it that states none.

    Attributes:
        tier: one of ``TIERS``.
        rank: 0 for the best.
        low_factor: multiplies the value [1].
        high_factor: multiplies the value [1].
    """

    tier: str
    rank: int
    low_factor: float
    high_factor: float


def tier_spreads(pedigrees: Mapping[str, GridPedigree]) -> list[TierSpread]:
    """Give the order and the interval of every tier.

    Args:
        pedigrees: scores by tier; each of ``TIERS`` must be there.

    Reference: docs/models/grid-factors.md, interval; Weidema et al. 2013.
    """
    found = []
    for rank, tier in enumerate(TIERS):
        low, high = interval(1.0, pedigrees[tier])
        found.append(TierSpread(tier, rank, low, high))
    return found


def country_of_zone(zone: str) -> str:
    """Give the ISO 3166-1 alpha-2 code of a zone key: what stands before the first hyphen."""
    return zone.split("-", 1)[0]


def interval(gco2e_per_kwh: float, pedigree: GridPedigree) -> tuple[float, float]:
    """Give the 95 % interval of a yearly intensity in its own year [gCO2e/kWh].

    Reference: docs/models/grid-factors.md, interval; Weidema et al. 2013.
    """
    return spread(gco2e_per_kwh, pedigree.scores, pedigree.extra_sd_ln)


def age_spreads(drift_sd_ln: Mapping[int, float], max_age_years: int = MAX_AGE_YEARS) -> list[AgeSpread]:
    """Give the widening of the interval by age of the factor.

    Beyond the measured ages the drift grows with the square root of age, as a random walk does.

    Args:
        drift_sd_ln: measured standard deviation of ln(later/earlier) by years between [1].
        max_age_years: last age of the table [years].

    Returns:
        One row an age, from 0.

    Reference: docs/models/grid-factors.md, age; the ecoinvent temporal score alone covers less than half of the
        changes seen in one year, so the measured drift is added to it.
    """
    last = max(drift_sd_ln)
    table = []
    for age in range(max_age_years + 1):
        score = temporal_score(age)
        variance = Scores(1, 1, score, 1, 1).variance()
        drift = 0.0 if age == 0 else drift_sd_ln.get(age, drift_sd_ln[last] * math.sqrt(age / last))
        pedigree, widened = spread_factor(variance), spread_factor(variance + drift**2)
        table.append(AgeSpread(age, 1 / widened, widened, 1 / pedigree, pedigree, score, drift, age > last))
    return table


def resolve(factors: Iterable[GridFactor], zone: str, year: int) -> ResolvedGridFactor | None:
    """Give the factor for a zone and year: the zone in that year, else its nearest year, else its country's.

    Args:
        factors: all yearly factors.
        zone: grid zone, or ``WORLD``.
        year: calendar year of use.

    Returns:
        The factor with its tier and age in years; of two equally near years the earlier. None for a zone that neither
        is known nor begins with a known country: an unknown zone is never given the world average.

    Reference: docs/models/grid-factors.md, order.
    """
    pool = list(factors)
    for tier in (WORLD,) if zone == WORLD_ZONE else (ZONE_YEAR, COUNTRY_YEAR):
        key = zone if tier == ZONE_YEAR else country_of_zone(zone)
        found = [f for f in pool if f.tier == tier and f.zone == key]
        if found:
            best = min(found, key=lambda f: (abs(f.year - year), f.year))
            return ResolvedGridFactor(best, tier, abs(best.year - year))
    return None
