"""Quantities whose interval keeps correlation: what rests on the same input moves together, what does not averages out.

What belongs here: first-order arithmetic in the logarithm. What must not be here: any figure, any model.

Every quantity remembers how strongly it depends on each named input: ``d ln(quantity) / d ln(input)``. A product adds
these sensitivities, a quotient subtracts them, a sum weighs them by contribution. Different inputs combine in
quadrature, one input combines with itself linearly. So a thousand jobs under one grid factor keep the relative
interval of that factor whole, and a thousand independent errors shrink by the square root of a thousand.

Reference: JCGM 100:2008 (GUM), 5.1-5.2 and annex F.1.2.3 (correlation through common inputs), in logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from models.estimate import Estimate
from models.pedigree import Z_95, Scores

Z_90 = 1.6449
"""Standard normal deviate of a two-sided 90 % interval [1]."""
LEVEL = 0.90
"""Level of every interval of this module [1]; an interval of another level is brought to it as a lognormal one."""
Z_BY_LEVEL = {0.90: Z_90, 0.95: Z_95}
"""Deviates of the levels at which our sources state intervals [1]."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How far one named input may be off, and how strongly a quantity depends on it.

    Attributes:
        down: ln(central / low) of the input [1], not negative.
        up: ln(high / central) of the input [1], not negative.
        sensitivity: d ln(quantity) / d ln(input) [1]; negative where a greater input makes a smaller quantity.
    """

    down: float
    up: float
    sensitivity: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a spread that is negative or not finite."""
        for name in ("down", "up"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                msg = f"Spread.{name} must be finite and not negative, not {value!r}"
                raise ValueError(msg)

    @property
    def reach(self) -> tuple[float, float]:
        """How far the input moves ln(quantity) down and up [1], both not negative."""
        down, up = abs(self.sensitivity) * self.down, abs(self.sensitivity) * self.up
        return (down, up) if self.sensitivity >= 0 else (up, down)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value that is not negative, with its unit, sources, and what it depends on.

    Attributes:
        central: the value to report [unit].
        unit: such as ``kWh``; two quantities that are added must share it.
        tier: the worst quality tier that went into it; empty where tiers do not apply.
        source_ids: where it comes from; keys of ``source.csv``.
        spreads: by name of input; a name means the same input wherever it stands.
    """

    central: float
    unit: str
    tier: str = ""
    source_ids: tuple[str, ...] = ()
    spreads: Mapping[str, Spread] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a value that is negative or not finite."""
        if not (math.isfinite(self.central) and self.central >= 0):
            msg = f"a quantity must be finite and not negative, not {self.central!r} {self.unit}"
            raise ValueError(msg)

    @property
    def low(self) -> float:
        """Lower end of the 90 % interval [unit]."""
        return self.central * math.exp(-math.hypot(*(spread.reach[0] for spread in self.spreads.values())))

    @property
    def high(self) -> float:
        """Upper end of the 90 % interval [unit]."""
        return self.central * math.exp(math.hypot(*(spread.reach[1] for spread in self.spreads.values())))

    def estimate(self) -> Estimate:
        """Give low, central and high without what they depend on."""
        return Estimate(self.low, self.central, self.high, self.unit, self.tier, self.source_ids)

    def times(self, other: Quantity, unit: str) -> Quantity:
        """Give the product.

        Args:
            other: the other factor.
            unit: unit of the product; the caller's, who knows what the product is.
        """
        return self._combined(self.central * other.central, unit, other, 1.0, 1.0)

    def over(self, other: Quantity, unit: str) -> Quantity:
        """Give the quotient.

        Args:
            other: the divisor, not zero.
            unit: unit of the quotient.

        Raises:
            ValueError: if the divisor is zero.
        """
        if other.central == 0:
            msg = f"cannot divide by 0 {other.unit}"
            raise ValueError(msg)
        return self._combined(self.central / other.central, unit, other, 1.0, -1.0)

    def plus(self, other: Quantity) -> Quantity:
        """Give the sum of two quantities of one unit; see ``total``."""
        return total((self, other), self.unit)

    def scaled(self, factor: float, unit: str | None = None) -> Quantity:
        """Give the quantity times a number that is known exactly.

        Args:
            factor: the multiplier, finite and not negative.
            unit: unit of the result, where it is another one.
        """
        if not (math.isfinite(factor) and factor >= 0):
            msg = f"the factor must be finite and not negative, not {factor!r}"
            raise ValueError(msg)
        return replace(self, central=self.central * factor, unit=self.unit if unit is None else unit)

    def _combined(self, central: float, unit: str, other: Quantity, mine: float, theirs: float) -> Quantity:
        """Give a quantity of two, with the sensitivities of each weighed."""
        spreads = _merged(((self.spreads, mine), (other.spreads, theirs)))
        return Quantity(central, unit, max(self.tier, other.tier), _sources((self, other)), spreads)


def exactly(central: float, unit: str, source_ids: tuple[str, ...] = (), tier: str = "") -> Quantity:
    """Give a quantity that is known, such as what the user states."""
    return Quantity(central, unit, tier, source_ids)


def from_interval(
    name: str,
    estimate: Estimate,
    level: float = 0.95,
) -> Quantity:
    """Give a quantity that is an input of its own, with a published interval.

    Args:
        name: name of the input; two quantities of one name must be the same input.
        estimate: low, central, high; low above 0 unless all three are 0.
        level: level of the interval [1], a key of ``Z_BY_LEVEL``; 0.95 for pedigree and factor tables.

    Raises:
        ValueError: if low is 0 and the central value is not, or the level is not known.
    """
    if level not in Z_BY_LEVEL:
        msg = f"the level of an interval must be one of {sorted(Z_BY_LEVEL)}, not {level!r}"
        raise ValueError(msg)
    if estimate.central == 0 and estimate.high == 0:
        return Quantity(0.0, estimate.unit, estimate.tier, estimate.source_ids)
    if estimate.low <= 0:
        msg = f"{name}: the low end must be above 0 {estimate.unit}, not {estimate.low!r}; ln has no value there"
        raise ValueError(msg)
    ratio = Z_90 / Z_BY_LEVEL[level]
    down = ratio * math.log(estimate.central / estimate.low)
    up = ratio * math.log(estimate.high / estimate.central)
    return Quantity(estimate.central, estimate.unit, estimate.tier, estimate.source_ids, {name: Spread(down, up)})


def from_pedigree(
    name: str, central: float, unit: str, scores: Scores, source_ids: tuple[str, ...] = (), tier: str = ""
) -> Quantity:
    """Give a quantity whose source states no range: its data-quality scores give the spread.

    Args:
        name: name of the input.
        central: the value [unit].
        unit: its unit.
        scores: pedigree scores.
        source_ids: keys of ``source.csv``.
        tier: quality tier.

    Reference: Weidema et al. 2013, table 10.5; here at 90 %.
    """
    reach = Z_90 * math.sqrt(scores.variance())
    return Quantity(central, unit, tier, source_ids, {name: Spread(reach, reach)})


def total(parts: Iterable[Quantity], unit: str) -> Quantity:
    """Give the sum of quantities of one unit; common inputs stay common, the others average out.

    Args:
        parts: what is added; none gives 0.
        unit: unit of all of them.

    Raises:
        ValueError: if a unit differs, or an input of one name has two spreads.
    """
    found = tuple(parts)
    for part in found:
        if part.unit != unit:
            msg = f"cannot add {part.unit} to {unit}"
            raise ValueError(msg)
    central = math.fsum(part.central for part in found)
    weights = [part.central / central if central else 0.0 for part in found]
    spreads = _merged((part.spreads, weight) for part, weight in zip(found, weights, strict=True))
    return Quantity(central, unit, max((part.tier for part in found), default=""), _sources(found), spreads)


def _merged(parts: Iterable[tuple[Mapping[str, Spread], float]]) -> dict[str, Spread]:
    """Give the weighted sum of sensitivities by input."""
    inputs: dict[str, Spread] = {}
    terms: dict[str, list[float]] = {}
    for spreads, weight in parts:
        for name, spread in spreads.items():
            known = inputs.setdefault(name, spread)
            if (known.down, known.up) != (spread.down, spread.up):
                msg = f"the input {name!r} has two spreads: {known} and {spread}; give different inputs different names"
                raise ValueError(msg)
            terms.setdefault(name, []).append(weight * spread.sensitivity)
    summed = {name: math.fsum(values) for name, values in terms.items()}
    return {name: replace(inputs[name], sensitivity=value) for name, value in summed.items() if value != 0}


def _sources(parts: Iterable[Quantity]) -> tuple[str, ...]:
    """Give the sources of all parts, each once, in order."""
    return tuple(dict.fromkeys(chain.from_iterable(part.source_ids for part in parts)))
