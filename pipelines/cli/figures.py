"""Figures as people read them: three digits, a unit that suits, and never a part shown as all or nothing.

What belongs here: numbers as text. What must not be here: which figure is shown (``comparison``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

UNITS = ((1e6, "tCO2e", 1e-3), (1e2, "kgCO2e", 1.0), (0.0, "gCO2e", 1e3))
NOT_KNOWN = "not known"
ALL_ESTIMATED = 0.999
DIGITS = 3


def number(value: float | None) -> str:
    """Return a figure with three significant digits; ``not known`` for ``None``."""
    if value is None:
        return NOT_KNOWN
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    decimals = DIGITS - 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{max(decimals, 0)}f}"


def percent(fraction: float | None) -> str:
    """Return a fraction as percent; never 100 % for less than all and never 0 % for more than none."""
    if fraction is None:
        return NOT_KNOWN
    if 0 < fraction < 1:
        return f"{min(max(100 * fraction, 0.1), 99.9):.1f} %"
    return f"{100 * fraction:.0f} %"


def mass_unit(values: Sequence[float | None]) -> tuple[str, float]:
    """Return the unit that suits the largest of some masses [kgCO2e], and the factor into it."""
    largest = max((value for value in values if value is not None), default=0.0)
    return next((name, factor) for least, name, factor in UNITS if largest >= least)


def basis(it_kwh: float, estimated_kwh: float) -> str:
    """Return what an energy figure rests on: measured, estimated, or how much of it is estimated."""
    if it_kwh <= 0:
        return "-"
    share = estimated_kwh / it_kwh
    if share <= 0:
        return "measured"
    return "ESTIMATED" if share >= ALL_ESTIMATED else f"{percent(share)} estimated"
