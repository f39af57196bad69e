"""A linear model with shrunken effects, solved in closed form, with intervals from what it gets wrong unseen.

What belongs here: the algebra. What must not be here: which effects a figure has (see ``efficiency`` and ``energy``).

The logarithm of a figure is a common mean plus effects, each drawn from a normal distribution of known spread: an
effect that few cases speak for stays near 0. Cases are then jointly normal and a forecast is one linear solve. Its
interval does not trust that normal distribution: the errors on cases left out, over the errors the model expects, are
ranked, and their 90 % quantile is the width (split conformal with leave-out residuals).

Reference: Rasmussen and Williams 2006, sections 2.2 and 5.4.2 (closed form of leaving out); Barber et al. 2021
(jackknife+ and leave-out residuals).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.uncertain import LEVEL, Z_90

Vector = NDArray[np.float64]
CaseT = TypeVar("CaseT")
RANKED_AT_LEAST = 9
"""Least number of errors whose 90 % quantile is one of them [1]: ceil(0.9 (n + 1)) <= n from 9 on."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast of ln(figure).

    Attributes:
        central_ln: its centre [1].
        reach_ln: half width of the 90 % interval [1].
        informed_by_n: cases that it rests on.
        width_from: ``own residuals`` (ranked errors on cases of the new one's own group, each left out), ``residuals``
            (of all cases, left out group by group) or ``normal`` (too few to rank).
    """

    central_ln: float
    reach_ln: float
    informed_by_n: int
    width_from: str


@dataclass(frozen=True, slots=True)
class Effects(Generic[CaseT]):
    """What two cases have in common, and how far one case differs from its like.

    Attributes:
        covariance: covariance of ln(figure) of two cases, without their own noise [1].
        group: cases of one group are left out together, as their errors go together.
        mean_ln: mean of ln(figure) before any case is seen [1].
        noise_sd_ln: standard deviation of one case around its effects [1].
    """

    covariance: Callable[[CaseT, CaseT], float]
    group: Callable[[CaseT], str]
    mean_ln: float
    noise_sd_ln: float

    def forecast(self, cases: Sequence[CaseT], seen_ln: Sequence[float], new: CaseT) -> Forecast:
        """Give the forecast for a new case.

        Args:
            cases: cases that are known.
            seen_ln: ln of their figures [1], as many.
            new: the case asked about; its own figure is not needed.
        """
        if not cases:
            spread = math.sqrt(self.covariance(new, new) + self.noise_sd_ln**2)
            return Forecast(self.mean_ln, Z_90 * spread, 0, "normal")
        inverse = self._inverse(cases)
        errors = np.asarray(seen_ln, dtype=np.float64) - self.mean_ln
        shared = np.array([self.covariance(case, new) for case in cases])
        variance = self.covariance(new, new) + self.noise_sd_ln**2 - float(shared @ inverse @ shared)
        width, origin = self._width(cases, inverse, errors, self.group(new))
        reach = width * math.sqrt(variance)
        return Forecast(self.mean_ln + float(shared @ inverse @ errors), reach, len(cases), origin)

    def _inverse(self, cases: Sequence[CaseT]) -> Vector:
        """Give the inverse of the covariance of the cases, noise included."""
        rows = [[self.covariance(one, other) for other in cases] for one in cases]
        whole = np.array(rows, dtype=np.float64) + self.noise_sd_ln**2 * np.eye(len(cases))
        return np.linalg.inv(whole).astype(np.float64)

    def _width(self, cases: Sequence[CaseT], inverse: Vector, errors: Vector, new_group: str) -> tuple[float, str]:
        """Give the half width of the interval in expected errors, from cases left out.

        Where the new case's own group has enough cases, its errors count alone, each case left out by itself: the new
        case will have the others of its group too. Otherwise whole groups are left out, as the new one's is missing.
        """
        groups: dict[str, list[int]] = {}
        for index, case in enumerate(cases):
            groups.setdefault(self.group(case), []).append(index)
        origin, own = "residuals", groups.get(new_group, [])
        if len(own) >= RANKED_AT_LEAST:
            groups, origin = {str(index): [index] for index in own}, "own residuals"
        weighed = inverse @ errors
        ranked: list[float] = []
        for members in groups.values():
            spread = np.linalg.inv(inverse[np.ix_(members, members)])
            left_out = spread @ weighed[members]
            ranked.extend(np.abs(left_out) / np.sqrt(np.diag(spread)))
        rank = math.ceil((len(ranked) + 1) * LEVEL)
        if rank > len(ranked):
            return Z_90, "normal"
        return sorted(ranked)[rank - 1], origin
