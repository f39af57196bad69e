"""The technique ledger: what a way of saving really saved, measured before and after on the same unit of work.

What belongs here: one measured pair and what follows from many. What must not be here: published ranges (they are
priors and stand in docs/models/comparison.md), and where the measurements come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models import bounds
from models.uncertain import Quantity

TECHNIQUES = (
    "task_specific",
    "small_model",
    "fine_tuning",
    "pruning",
    "quantisation",
    "memory_bandwidth",
    "hardware_type",
    "power_cap",
)
"""Task-specific instead of general model; a smaller one; tuning instead of training; weights left out; fewer bits;
less movement of data; another kind of device; a limit of power."""
KINDS = ("kWh", "gCO2e", "kgCO2e")
"""Units of what is saved, each per unit of work."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One technique on one piece of work, before and after.

    Attributes:
        technique: one of ``TECHNIQUES``.
        before_run: run or job without it.
        after_run: run or job with it, another one.
        work: unit of work that both did, such as ``request`` or ``epoch``.
        before: energy or emissions per unit of work without it [one of ``KINDS`` per unit].
        after: the same with it, in the same unit.
        how: how both were measured, such as ``nvml_energy``; one way for both.
        quality_before: quality without it, None where it was not measured.
        quality_after: quality with it, None where it was not measured.
        metric: what quality is measured by; empty where it was not.
    """

    technique: str
    before_run: str
    after_run: str
    work: str
    before: Quantity
    after: Quantity
    how: str
    quality_before: float | None = None
    quality_after: float | None = None
    metric: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown technique, two of the same run, other units, nothing to save from, half a quality."""
        bounds.known("Measured.technique", self.technique, TECHNIQUES)
        if self.before_run == self.after_run:
            self._refuse(f"before and after are the same run ({self.before_run!r})")
        allowed = [f"{kind}/{self.work}" for kind in KINDS]
        for field, quantity in (("before", self.before), ("after", self.after)):
            if quantity.unit not in allowed or quantity.unit != self.before.unit:
                self._refuse(f"{field} is in {quantity.unit}; both must be in one of {', '.join(allowed)}")
        if not (self.before.central > 0 and self.after.central > 0):
            self._refuse(f"before ({self.before.central:g}) and after ({self.after.central:g}) must be above 0")
        if not self.how.strip():
            self._refuse("how it was measured must be stated; what was not measured is a prior and no entry")
        qualities = (self.quality_before, self.quality_after)
        if any(one is not None and not math.isfinite(one) for one in qualities):
            self._refuse(f"quality must be finite, not {qualities}")
        if any(one is not None for one in qualities) and not self.metric.strip():
            self._refuse("quality needs its metric")

    def _refuse(self, why: str) -> None:
        msg = f"{self.technique} of {self.before_run} and {self.after_run}: {why}"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Saving:
    """What one pair saved.

    Attributes:
        ratio: after over before [1]; what both share (grid, device, meter) cancels in its interval.
        saving_fraction: 1 - ratio [1]; negative where it took more.
        low_fraction: lower end of the saving.
        high_fraction: upper end.
        quality_change: after less before, in the unit of the metric; None where one of them is not known.
    """

    ratio: Quantity
    saving_fraction: float
    low_fraction: float
    high_fraction: float
    quality_change: float | None


@dataclass(frozen=True, slots=True)
class Experience:
    """What one's own pairs say of a technique.

    Attributes:
        technique: one of ``TECHNIQUES``.
        pairs_n: measured pairs.
        saving_fraction: 1 - geometric mean of the ratios [1].
        least_fraction: the smallest saving of a pair.
        most_fraction: the greatest.
        quality_unknown_n: pairs of which the change of quality is not known.
    """

    technique: str
    pairs_n: int
    saving_fraction: float
    least_fraction: float
    most_fraction: float
    quality_unknown_n: int


def saving(pair: Measured) -> Saving:
    """Give what a pair saved.

    Args:
        pair: measured before and after.

    Reference: docs/models/comparison.md.
    """
    ratio = pair.after.over(pair.before, "1")
    known = pair.quality_before is not None and pair.quality_after is not None
    change = pair.quality_after - pair.quality_before if known else None  # type: ignore[operator]
    return Saving(ratio, 1 - ratio.central, 1 - ratio.high, 1 - ratio.low, change)


def experience(pairs: Sequence[Measured]) -> list[Experience]:
    """Give what pairs say, by technique, in the order of ``TECHNIQUES``; one without a pair is left out.

    Args:
        pairs: measured pairs of any techniques.
    """
    found = []
    for technique in TECHNIQUES:
        mine = [saving(pair) for pair in pairs if pair.technique == technique]
        if mine:
            mean = math.exp(math.fsum(math.log(one.ratio.central) for one in mine) / len(mine))
            fractions = [one.saving_fraction for one in mine]
            unknown = sum(one.quality_change is None for one in mine)
            found.append(Experience(technique, len(mine), 1 - mean, min(fractions), max(fractions), unknown))
    return found
