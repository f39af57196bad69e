"""Which runs are worth their carbon: the Pareto front of quality against emissions, and the price of a point.

What belongs here: comparing finished runs. What must not be here: where quality and emissions come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from models import bounds
from models.uncertain import Quantity

HIGHER, LOWER = "higher", "lower"
DIRECTIONS = (HIGHER, LOWER)
"""Which values of a metric are better."""
NO_QUALITY, NO_CARBON = "no_quality", "no_carbon"
"""Why a run is not on the picture: something of it is not known."""
NOT_BETTER, LESS_CARBON = "not_better", "less_carbon"
"""Why a marginal price is None: quality did not rise; or it rose while emissions fell or stayed, which has no price."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What quality is measured by; runs are compared only under the same one.

    Attributes:
        name: such as ``accuracy``.
        dataset: what it was measured on.
        unit: such as ``fraction`` or ``percent``; nothing is converted.
        better: one of ``DIRECTIONS``.
    """

    name: str
    dataset: str
    unit: str
    better: str

    def __post_init__(self) -> None:
        """Refuse an unknown direction."""
        bounds.known("Metric.better", self.better, DIRECTIONS)


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A run with its quality and its emissions.

    Attributes:
        name: of the run, unique among those that are compared.
        metric: what its quality is measured by.
        quality: the value, None where it is not known.
        carbon: emissions [kgCO2e], None where they are not known.
    """

    name: str
    metric: Metric
    quality: float | None
    carbon: Quantity | None

    def __post_init__(self) -> None:
        """Refuse a quality that is no finite number, and emissions in another unit."""
        if self.quality is not None and not math.isfinite(self.quality):
            msg = f"{self.name}: quality must be a finite number, not {self.quality!r}"
            raise ValueError(msg)
        if self.carbon is not None and self.carbon.unit != "kgCO2e":
            msg = f"{self.name}: carbon must be in kgCO2e, not {self.carbon.central:g} {self.carbon.unit}"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Price:
    """What one more unit of quality took, between two runs.

    Attributes:
        cheaper: name of the run with the lower quality.
        dearer: name of the other.
        quality_gain: how much better [unit of the metric], never negative.
        kgco2e_per_unit: extra emissions per unit of quality [kgCO2e per unit], None where there is no price.
        reason: ``not_better`` or ``less_carbon`` where there is none, else empty.
    """

    cheaper: str
    dearer: str
    quality_gain: float
    kgco2e_per_unit: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Front:
    """The runs that no other run beats, and what is left out.

    Attributes:
        runs: on the front, by rising emissions; runs of equal quality and emissions are all on it.
        prices: between neighbours of the front.
        beaten: names of runs that another one beats: at least as good and as little, and better in one of the two.
        gaps: name of a run that cannot be placed, with ``no_quality`` or ``no_carbon``.
    """

    runs: tuple[ScoredRun, ...]
    prices: tuple[Price, ...]
    beaten: tuple[str, ...]
    gaps: tuple[tuple[str, str], ...]


def pareto_front(runs: Sequence[ScoredRun]) -> Front:
    """Give the front of quality against central emissions.

    Args:
        runs: finished runs under one metric.

    Raises:
        ValueError: if metrics differ, or a name stands twice.

    Reference: docs/models/comparison.md.
    """
    _check(runs)
    gaps = tuple(
        (run.name, NO_QUALITY if run.quality is None else NO_CARBON)
        for run in runs
        if run.quality is None or run.carbon is None
    )
    placed = [(_worth(run), _kg(run), run) for run in runs if run.quality is not None and run.carbon is not None]
    placed.sort(key=lambda one: (one[1], -one[0], one[2].name))
    front: list[ScoredRun] = []
    beaten: list[str] = []
    best: tuple[float, float] | None = None
    for worth, kg, run in placed:
        if best is None or worth > best[0] or (worth, kg) == best:
            front.append(run)
            best = (worth, kg)
        else:
            beaten.append(run.name)
    return Front(tuple(front), tuple(price(one, other) for one, other in pairwise(front)), tuple(beaten), gaps)


def price(one: ScoredRun, other: ScoredRun) -> Price:
    """Give the extra emissions per unit of quality between two runs.

    Args:
        one: a run with quality and emissions.
        other: another one, under the same metric.

    Raises:
        ValueError: if the metrics differ, or quality or emissions of one are not known.
    """
    _check((one, other))
    for run in (one, other):
        if run.quality is None or run.carbon is None:
            msg = (
                f"{run.name}: {'quality is' if run.quality is None else 'emissions are'} not known; nothing has a price"
            )
            raise ValueError(msg)
    worse, better = sorted((one, other), key=_worth)
    gain, extra = _worth(better) - _worth(worse), _kg(better) - _kg(worse)
    reason = NOT_BETTER if not gain else LESS_CARBON if extra <= 0 else ""
    return Price(worse.name, better.name, gain, None if reason else extra / gain, reason)


def _worth(run: ScoredRun) -> float:
    """Give the quality such that more is better."""
    assert run.quality is not None
    return run.quality if run.metric.better == HIGHER else -run.quality


def _kg(run: ScoredRun) -> float:
    assert run.carbon is not None
    return run.carbon.central


def _check(runs: Sequence[ScoredRun]) -> None:
    names = [run.name for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"the run {twice[0]!r} stands {names.count(twice[0])} times among those that are compared"
        raise ValueError(msg)
    for first, second in pairwise(runs):
        if first.metric != second.metric:
            msg = (
                f"{first.name} is measured by {first.metric}, {second.name} by {second.metric}: they cannot be compared"
            )
            raise ValueError(msg)
