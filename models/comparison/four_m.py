"""The 4M split: how much of the difference between two runs comes from model, machine, mechanisation and map.

Emissions are a product, ``work x energy per work x PUE x intensity``; the difference of two products is split by the
logarithmic mean (LMDI-I): it adds up exactly, treats all factors alike, and does not depend on an order.

What belongs here: the split. What must not be here: where work and energy of a run come from.

Reference: Patterson et al. 2022, IEEE Computer 55(7), the four Ms; Ang 2005, Energy Policy 33, 867-871 (LMDI-I).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.uncertain import Quantity

FACTORS = ("model", "machine", "mechanisation", "map")
"""In the order in which they multiply."""
G_PER_KG = 1e3
_INTENSITY_UNIT = "gCO2e/kWh"


@dataclass(frozen=True, slots=True)
class RunFactors:
    """A run as the product of its four factors.

    Attributes:
        name: of the run, for errors.
        work: what the model needs, such as FLOP or device-hours of a reference device; the same unit in both runs.
        energy_per_work: IT energy that the machine takes for it [kWh per unit of work].
        pue: facility energy over IT energy [1].
        intensity: of the grid, location-based [gCO2e/kWh].
    """

    name: str
    work: Quantity
    energy_per_work: Quantity
    pue: Quantity
    intensity: Quantity

    def __post_init__(self) -> None:
        """Refuse a factor of another unit, and one that is 0: a product without it is no product."""
        wanted = {
            "energy_per_work": (self.energy_per_work, f"kWh/{self.work.unit}"),
            "pue": (self.pue, "1"),
            "intensity": (self.intensity, _INTENSITY_UNIT),
        }
        for field, (quantity, unit) in wanted.items():
            if quantity.unit != unit:
                msg = f"{self.name}: {field} must be in {unit}, not {quantity.central:g} {quantity.unit}"
                raise ValueError(msg)
        for field, quantity in (("work", self.work), *((name, one) for name, (one, _) in wanted.items())):
            if not quantity.central > 0:
                msg = f"{self.name}: {field} must be above 0 to be split, not {quantity.central:g} {quantity.unit}"
                raise ValueError(msg)
        if self.pue.central < 1:
            msg = f"{self.name}: pue must be at least 1, not {self.pue.central:g}"
            raise ValueError(msg)

    @property
    def kgco2e(self) -> float:
        """Give the operational emissions [kgCO2e]."""
        return math.prod(one.central for one in self.factors) / G_PER_KG

    @property
    def factors(self) -> tuple[Quantity, Quantity, Quantity, Quantity]:
        """Give the factors in the order of ``FACTORS``."""
        return (self.work, self.energy_per_work, self.pue, self.intensity)


@dataclass(frozen=True, slots=True)
class Effect:
    """What one factor does to the difference.

    Attributes:
        factor: one of ``FACTORS``.
        ratio: the factor after over before [1].
        kgco2e: its part of the difference [kgCO2e]; negative where it lowers emissions.
        low_kgco2e: lower end, from the interval of the ratio; what both runs share cancels.
        high_kgco2e: upper end. Ends do not add up over the factors, central values do.
    """

    factor: str
    ratio: Quantity
    kgco2e: float
    low_kgco2e: float
    high_kgco2e: float


@dataclass(frozen=True, slots=True)
class Split:
    """The difference between two runs by factor.

    Attributes:
        before_kgco2e: emissions of the first run.
        after_kgco2e: of the second.
        effects: one a factor, in the order of ``FACTORS``; they add up to after - before.
    """

    before_kgco2e: float
    after_kgco2e: float
    effects: tuple[Effect, ...]

    @property
    def difference_kgco2e(self) -> float:
        """Give after - before [kgCO2e]."""
        return self.after_kgco2e - self.before_kgco2e


def four_m(before: RunFactors, after: RunFactors) -> Split:
    """Split the difference of two runs: effect = L(after, before) * ln(factor after / factor before).

    Args:
        before: the run that is compared with.
        after: the other run.

    Raises:
        ValueError: if the runs state their work in different units.

    Reference: docs/models/comparison.md.
    """
    if before.work.unit != after.work.unit:
        msg = (
            f"work of {before.name} is in {before.work.unit}, of {after.name} in {after.work.unit}: state both in one "
            "unit, such as FLOP"
        )
        raise ValueError(msg)
    weight = logarithmic_mean(before.kgco2e, after.kgco2e)
    effects = []
    for factor, first, second in zip(FACTORS, before.factors, after.factors, strict=True):
        ratio = second.over(first, "1")
        ends = [weight * math.log(value) for value in (ratio.low, ratio.high)]
        effects.append(Effect(factor, ratio, weight * math.log(second.central / first.central), *ends))
    return Split(before.kgco2e, after.kgco2e, tuple(effects))


def logarithmic_mean(one: float, other: float) -> float:
    """Give (a - b) / (ln a - ln b), and a where both are equal.

    Args:
        one: a, above 0.
        other: b, above 0.

    Raises:
        ValueError: if one of them is not above 0 or not finite.
    """
    for value in (one, other):
        if not (math.isfinite(value) and value > 0):
            msg = f"a logarithmic mean needs finite numbers above 0, not {value!r}"
            raise ValueError(msg)
    log_ratio = math.log(one / other)
    # expm1(x) / x keeps all digits where the two are nearly equal.
    return other * (math.expm1(log_ratio) / log_ratio) if log_ratio else one
