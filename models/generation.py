"""Intensity of a generation mix: what each fuel generated, times what a factor set says of it.

What belongs here: the equation and its rules. What must not be here: providers' codes and units of power
(``pipelines.feeds``), or the reading of factor sets (``generation_factors``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass

STORAGE_FUELS = frozenset({"hydro_storage", "battery_storage"})
"""Discharge gives back what was generated before; it is not generation, and never part of the mix."""
FUELS = frozenset(
    {"biomass", "coal", "gas", "geothermal", "hydro", "nuclear", "oil", "solar", "unknown", "wind"} | STORAGE_FUELS
)
"""Every fuel there is; ``unknown`` is what a provider calls other."""


class NoFactorError(ValueError):
    """A fuel generated, and the factor set has no factor for it.

    Attributes:
        fuels: names of these fuels.
    """

    def __init__(self, factor_set: str, basis: str, fuels: tuple[str, ...]) -> None:
        """Say which fuels lack a factor in which set."""
        self.fuels = fuels
        super().__init__(f"factor set {factor_set} ({basis}) has no factor for {', '.join(fuels)}")


@dataclass(frozen=True, slots=True)
class FuelFactor:
    """Emission factor of generation from one fuel.

    Attributes:
        fuel: one of ``FUELS`` without storage.
        gco2e_per_kwh: central value [gCO2e/kWh].
        low_gco2e_per_kwh: lower end [gCO2e/kWh]; None where the source has no range.
        high_gco2e_per_kwh: upper end [gCO2e/kWh]; None where the source has no range.
        year: year of the source.
        verified: how it was checked, see ``table.VERIFIED``.
        source_id: key of ``source.csv``.
    """

    fuel: str
    gco2e_per_kwh: float
    low_gco2e_per_kwh: float | None
    high_gco2e_per_kwh: float | None
    year: int
    verified: str
    source_id: str


@dataclass(frozen=True, slots=True)
class FactorSet:
    """Factors of one name and basis.

    Attributes:
        name: such as ``ipcc_ar5``.
        basis: ``lifecycle`` or ``operational``.
        factors: factor by fuel.
    """

    name: str
    basis: str
    factors: Mapping[str, FuelFactor]


@dataclass(frozen=True, slots=True)
class MixIntensity:
    """Intensity of a mix and what it stands on.

    Attributes:
        gco2e_per_kwh: emissions over generation [gCO2e/kWh]; None if nothing was generated.
        low_gco2e_per_kwh: the same with the low factors; None unless every generating fuel has a range.
        high_gco2e_per_kwh: the same with the high factors; None unless every generating fuel has a range.
        generation_mwh: generation that counts, without storage [MWh].
        clipped_mwh: negative generation taken as zero, by fuel [MWh]; the values are negative.
    """

    gco2e_per_kwh: float | None
    low_gco2e_per_kwh: float | None
    high_gco2e_per_kwh: float | None
    generation_mwh: float
    clipped_mwh: Mapping[str, float]


def intensity_gco2e_per_kwh(mwh_by_fuel: Mapping[str, float], factor_set: FactorSet) -> MixIntensity:
    """Give the intensity of a generation mix: sum of generation times factor over sum of generation.

    Negative generation (a plant's own use) is taken as zero and reported; storage is left out; a fuel that generated
    nothing needs no factor. The factors are taken as fully correlated: low with low, high with high.

    Args:
        mwh_by_fuel: net generation by fuel over one interval [MWh]; keys are ``FUELS``.
        factor_set: the factors of one basis.

    Raises:
        NoFactorError: if a fuel that generated has no factor in the set.
        ValueError: if a fuel is none of ``FUELS`` or a value is not finite.
    """
    for fuel, mwh in mwh_by_fuel.items():
        if fuel not in FUELS:
            msg = f"{fuel!r} is no fuel; known are {', '.join(sorted(FUELS))}"
            raise ValueError(msg)
        if not math.isfinite(mwh):
            msg = f"generation must be finite, not {mwh!r} MWh of {fuel}"
            raise ValueError(msg)
    clipped = {fuel: mwh for fuel, mwh in mwh_by_fuel.items() if mwh < 0 and fuel not in STORAGE_FUELS}
    mix = {fuel: mwh for fuel, mwh in mwh_by_fuel.items() if mwh > 0 and fuel not in STORAGE_FUELS}
    missing = tuple(sorted(fuel for fuel in mix if fuel not in factor_set.factors))
    if missing:
        raise NoFactorError(factor_set.name, factor_set.basis, missing)
    total_mwh = math.fsum(mix.values())
    if total_mwh == 0:
        return MixIntensity(None, None, None, 0.0, clipped)
    used = {fuel: factor_set.factors[fuel] for fuel in mix}
    central = math.fsum(mwh * used[fuel].gco2e_per_kwh for fuel, mwh in mix.items()) / total_mwh
    low = _with([(mwh, used[fuel].low_gco2e_per_kwh) for fuel, mwh in mix.items()], total_mwh)
    high = _with([(mwh, used[fuel].high_gco2e_per_kwh) for fuel, mwh in mix.items()], total_mwh)
    return MixIntensity(central, low, high, total_mwh, clipped)


def carbon_free_fraction(mwh_by_fuel: Mapping[str, float], carbon_free: Set[str]) -> float | None:
    """Give the carbon-free share of a generation mix [1]; None if nothing was generated.

    As for the intensity, negative generation is taken as zero and storage is left out. What a provider calls other is
    not carbon-free, so the share is then a lower bound.

    Args:
        mwh_by_fuel: net generation by fuel over one interval [MWh]; keys are ``FUELS``.
        carbon_free: the fuels that count, see ``generation_factors.carbon_free_fuels``.
    """
    mix = {fuel: mwh for fuel, mwh in mwh_by_fuel.items() if mwh > 0 and fuel not in STORAGE_FUELS}
    total_mwh = math.fsum(mix.values())
    if total_mwh == 0:
        return None
    return math.fsum(mwh for fuel, mwh in mix.items() if fuel in carbon_free) / total_mwh


def _with(parts: list[tuple[float, float | None]], total_mwh: float) -> float | None:
    """Give the mean of factors weighted by generation [gCO2e/kWh], None if one factor is not known."""
    grams = [mwh * factor for mwh, factor in parts if factor is not None]
    return math.fsum(grams) / total_mwh if len(grams) == len(parts) else None
