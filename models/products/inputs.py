"""Checks that the products share: counts, units of quantities, and the ranges of both.

What belongs here: checks that name field, value and allowed range. What must not be here: any equation.
"""

from __future__ import annotations

from models import bounds
from models.uncertain import Quantity

MAX_UNITS_N = 1e30
"""Most units of a product taken [1]; the largest trainings have 1e26 to 1e27 FLOP, and a FLOP may be a unit."""
MAX_DAYS = 36_525
"""Longest span of days taken [days], one hundred years (our judgement)."""
ENERGY_UNITS = ("kWh",)
"""Units of energy that are taken."""
CARBON_UNITS = ("gCO2e", "kgCO2e", "tCO2e")
"""Units of emissions that are taken."""


def units_n(field: str, value: float) -> float:
    """Give a number of units back if it is finite and not negative.

    Args:
        field: name of the argument, for the error.
        value: number of requests, tokens, FLOP or other units [1].

    Raises:
        ValueError: if it is negative, not finite, or no number.
    """
    return bounds.number(field, value, 0.0, MAX_UNITS_N, "1")


def in_unit(field: str, quantity: Quantity, allowed: tuple[str, ...]) -> Quantity:
    """Give a quantity back if its unit is one of the allowed.

    Args:
        field: name of the argument, for the error.
        quantity: what was given.
        allowed: units that the caller can use.

    Raises:
        ValueError: if it is no quantity, or its unit is another one.
    """
    if not isinstance(quantity, Quantity):
        msg = f"{field} must be a quantity in {', '.join(allowed)}, not {quantity!r}"
        raise ValueError(msg)
    if quantity.unit not in allowed:
        msg = f"{field} must be in {', '.join(allowed)}, not {quantity.central!r} {quantity.unit}"
        raise ValueError(msg)
    return quantity
