"""Where a run happens: its PUE and its grid intensity, as stated, from the shipped tables, or assumed and said so.

What belongs here: which figure counts, and the note about it. What must not be here: reading (see ``models.factors``).
"""

from __future__ import annotations

from dataclasses import dataclass

from models import factors
from models.estimate import Estimate
from models.grid import COUNTRY_YEAR, WORLD, ZONE_YEAR
from models.prediction.inputs import InputError, checked
from models.prediction.tables import constant
from models.regions import RegionZone
from models.uncertain import Quantity, exactly, from_interval

GRID_TIER = {ZONE_YEAR: "T2", COUNTRY_YEAR: "T3", WORLD: "T4"}
"""Quality tier of a yearly grid factor by its own tier: a zone before its country, the world last."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """Something that the user did not state, and what was taken.

    Attributes:
        field: what was not stated.
        value: what was taken, with its unit.
        why: where it comes from.
        tier: its quality tier.
        source_ids: keys of ``source.csv``.
    """

    field: str
    value: str
    why: str
    tier: str
    source_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """PUE [1] and intensity [gCO2e/kWh] of a place, and what was assumed for them."""

    pue: Quantity
    intensity: Quantity
    assumed: tuple[Assumed, ...]


def site(pue: float | None, gco2e_per_kwh: float | None, zone: str, region: str, year: int | None) -> Site:
    """Give PUE and intensity of a place.

    Args:
        pue: as stated, or None.
        gco2e_per_kwh: as stated, or None; it goes before a zone.
        zone: grid zone, such as ``DE``; empty where not stated.
        region: cloud region, such as ``aws:us-east-1``; empty where not stated.
        year: calendar year of the run; needed to look a zone up.

    Raises:
        InputError: if nothing says which grid it is, or zone, region or year is not known.
    """
    assumed: list[Assumed] = []
    known = _region(region, year) if region else None
    intensity = _intensity(gco2e_per_kwh, zone or (known.zone if known else ""), year, assumed)
    return Site(_pue(pue, known, assumed), intensity, tuple(assumed))


def _pue(stated: float | None, region: RegionZone | None, assumed: list[Assumed]) -> Quantity:
    """Give the PUE: stated, else the region's newest, else the assumed range."""
    if stated is not None:
        return exactly(checked("pue", stated), "1")
    if region is not None and region.pue is not None:
        value = f"{region.pue:g} ({region.pue_year})"
        assumed.append(Assumed("pue", value, f"published for {region.region}", "T2", (region.pue_source,)))
        return exactly(region.pue, "1", (region.pue_source,), "T2")
    found = constant("assumed_pue")
    value = f"{found.central:g} ({found.low:.2f}-{found.high:.2f})"
    assumed.append(Assumed("pue", value, "not stated: range of the field", found.tier, found.source_ids))
    return found


def _intensity(stated: float | None, zone: str, year: int | None, assumed: list[Assumed]) -> Quantity:
    """Give the intensity: stated, else the zone's factor of the year, widened by its age."""
    if stated is not None:
        return exactly(checked("gco2e_per_kwh", stated), "gCO2e/kWh")
    if not zone:
        msg = "no grid is stated: give gco2e_per_kwh, zone (such as DE) or region (such as aws:us-east-1)"
        raise InputError(msg)
    if year is None:
        msg = f"year is needed to look up the grid of zone {zone!r}"
        raise InputError(msg)
    found = factors.nearest_grid_factor(zone, year)
    if found is None:
        msg = f"zone = {zone!r} is not known; zones are those of models/data/zone.csv, such as DE or US-CAL-CISO"
        raise InputError(msg)
    spreads = factors.grid_age_spread()
    if found.age_years >= len(spreads):
        msg = f"year = {year}: the nearest factor of zone {zone!r} is of {found.factor.year}, too far away"
        raise InputError(msg)
    age, factor = spreads[found.age_years], found.factor
    estimate = Estimate(
        factor.low_gco2e_per_kwh * age.low_factor,
        factor.gco2e_per_kwh,
        factor.high_gco2e_per_kwh * age.high_factor,
        "gCO2e/kWh",
        GRID_TIER[found.tier],
        (factor.source_id,),
    )
    value = f"{factor.gco2e_per_kwh:g} gCO2e/kWh ({factor.factor_id})"
    why = f"mean of the zone's grid in {factor.year}, {found.age_years} years from {year}; {factor.basis}"
    assumed.append(Assumed("gco2e_per_kwh", value, why, found.tier, (factor.source_id,)))
    return from_interval(f"grid.{factor.factor_id}", estimate)


def _region(region: str, year: int | None) -> RegionZone:
    """Give a cloud region by ``provider:region``, or by its name where only one provider has it."""
    provider, _, name = region.rpartition(":")
    found = [r for r in factors.region_zones(year) if r.region == name and provider in {"", r.provider}]
    if len(found) != 1:
        problem = "is not known" if not found else "is a name of several providers; write provider:region"
        msg = f"region = {region!r} {problem}; regions are those of models/data/cloud_region_zone.csv"
        raise InputError(msg)
    return found[0]
