"""A figure with its interval, tier and sources; what every model returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

NON_NEGATIVE_UNITS = frozenset({"kgCO2e", "gCO2e", "tCO2e", "gCO2e/kWh"})


@dataclass(frozen=True, slots=True)
class Estimate:
    """Low, central and high value of one quantity.

    Attributes:
        low: lower end of the interval [unit].
        central: the value to report [unit].
        high: upper end of the interval [unit].
        unit: unit of the three values, such as ``kgCO2e``.
        tier: quality tier, ``T1`` (verified product footprint) to ``T5`` (spend-based); empty where tiers do not apply.
        source_ids: where it comes from; keys of ``source.csv``.
    """

    low: float
    central: float
    high: float
    unit: str
    tier: str = ""
    source_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an interval that is not finite, not ordered, or negative where it cannot be."""
        for name in ("low", "central", "high"):
            value = getattr(self, name)
            if not math.isfinite(value):
                msg = f"Estimate.{name} must be finite, not {value!r} {self.unit}"
                raise ValueError(msg)
        if not self.low <= self.central <= self.high:
            msg = f"Estimate needs low <= central <= high, not {self.low!r}, {self.central!r}, {self.high!r}"
            raise ValueError(msg)
        if self.unit in NON_NEGATIVE_UNITS and self.low < 0:
            msg = f"Estimate.low must not be negative in {self.unit}, not {self.low!r}"
            raise ValueError(msg)

    def scaled(self, factor: float) -> Estimate:
        """Give the estimate times a known, non-negative number.

        Args:
            factor: the multiplier [1], without an uncertainty of its own.

        Raises:
            ValueError: if the factor is negative or not finite.
        """
        if not (math.isfinite(factor) and factor >= 0):
            msg = f"the factor must be finite and not negative, not {factor!r}"
            raise ValueError(msg)
        return replace(self, low=self.low * factor, central=self.central * factor, high=self.high * factor)

    def plus(self, other: Estimate) -> Estimate:
        """Give the sum of two estimates taken as fully correlated: lows add, highs add.

        Conservative, and it keeps conservation in each of the three columns. The tier is the worse of the two.

        Args:
            other: an estimate in the same unit.

        Raises:
            ValueError: if the units differ.
        """
        if other.unit != self.unit:
            msg = f"cannot add {other.unit} to {self.unit}"
            raise ValueError(msg)
        sources = dict.fromkeys((*self.source_ids, *other.source_ids))
        return Estimate(
            self.low + other.low,
            self.central + other.central,
            self.high + other.high,
            self.unit,
            max(self.tier, other.tier),
            tuple(sources),
        )

    def banded(self, low_factor: float, high_factor: float, tier: str) -> Estimate:
        """Give the same central value with the relative interval of a tier.

        Args:
            low_factor: low over central [1], in [0, 1].
            high_factor: high over central [1], at least 1.
            tier: the tier that the band belongs to.
        """
        return replace(self, low=self.central * low_factor, high=self.central * high_factor, tier=tier)
