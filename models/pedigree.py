"""Interval of a factor from its data-quality scores (the pedigree matrix of ecoinvent).

Each of five axes is scored 1 (best) to 5. A score adds a variance of ln(value); the variances add up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Z_95 = 1.96
"""Standard normal deviate of a two-sided 95 % interval [1]."""

ADDITIONAL_VARIANCE: dict[str, tuple[float, float, float, float, float]] = {
    "reliability": (0.0, 0.0006, 0.002, 0.008, 0.04),
    "completeness": (0.0, 0.0001, 0.0006, 0.002, 0.008),
    "temporal": (0.0, 0.0002, 0.002, 0.008, 0.04),
    "geographical": (0.0, 0.000025, 0.0001, 0.0006, 0.002),
    "technological": (0.0, 0.0006, 0.008, 0.04, 0.12),
}
"""Variance of ln added by the scores 1 to 5 of each axis [1].

Reference: Weidema et al., Overview and methodology, ecoinvent report 1(v3), 2013, table 10.5.
"""

TEMPORAL_LIMIT_YEARS = (3, 6, 10, 15)
"""Ages [years] below which the temporal score is 1, 2, 3 and 4; from the last on it is 5.

Reference: Weidema et al. 2013, table 10.4 (less than 3, 6, 10, 15 years of difference).
"""


@dataclass(frozen=True, slots=True)
class Scores:
    """Pedigree scores of one factor, each 1 (best) to 5."""

    reliability: int
    completeness: int
    temporal: int
    geographical: int
    technological: int

    def variance(self) -> float:
        """Give the sum of the additional variances of ln(value) [1].

        Raises:
            ValueError: if a score is outside 1..5.
        """
        total = 0.0
        for axis, variances in ADDITIONAL_VARIANCE.items():
            score = getattr(self, axis)
            if score not in range(1, 6):
                msg = f"the {axis} score must be 1 to 5, not {score!r}"
                raise ValueError(msg)
            total += variances[score - 1]
        return total


def temporal_score(age_years: float) -> int:
    """Give the temporal score of data of another year.

    Args:
        age_years: absolute difference between the year of the data and the year of use [years], not negative.

    Returns:
        Score 1 to 5.

    Raises:
        ValueError: if the age is negative.

    Reference: Weidema et al. 2013, table 10.4.
    """
    if age_years < 0:
        msg = f"the age must not be negative, not {age_years!r} years"
        raise ValueError(msg)
    return 1 + sum(age_years >= limit for limit in TEMPORAL_LIMIT_YEARS)


def spread(central: float, scores: Scores, extra_sd_ln: float = 0.0) -> tuple[float, float]:
    """Give the 95 % interval of a lognormal value with these scores.

    ``central * exp(-/+ 1.96 * sqrt(v))`` with v the sum of the additional variances and of ``extra_sd_ln`` squared.

    Args:
        central: the median value [any unit], not negative.
        scores: data-quality scores.
        extra_sd_ln: a measured standard deviation of ln(value) beside the scores [1], such as drift from year to year.

    Returns:
        Low and high [unit of central].

    Raises:
        ValueError: if the central value or the extra deviation is negative, or a score is outside 1..5.

    Reference: Weidema et al. 2013, section 10.2 (GSD^2 = exp(1.96 sigma)).
    """
    if central < 0 or extra_sd_ln < 0:
        msg = f"central {central!r} and extra_sd_ln {extra_sd_ln!r} must not be negative"
        raise ValueError(msg)
    factor = spread_factor(scores.variance() + extra_sd_ln**2)
    return central / factor, central * factor


def spread_factor(variance_ln: float) -> float:
    """Give the ratio of high to central of a lognormal 95 % interval.

    Args:
        variance_ln: variance of ln(value) [1], not negative.

    Returns:
        exp(1.96 * sqrt(variance)) [1], at least 1.

    Reference: Weidema et al. 2013, section 10.2.
    """
    return math.exp(Z_95 * math.sqrt(variance_ln))
