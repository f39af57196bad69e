"""Checks of numbers that a model is given: the error names the field, the value and the allowed range.

What belongs here: one check and the ranges that several models share. What must not be here: checks of table rows (see
``models.table``).
"""

from __future__ import annotations

import math

MAX_DIE_AREA_MM2 = 70_686.0
"""Area of a whole 300 mm wafer [mm^2]; no die is larger. Geometry: pi * 150^2."""
MAX_DEFECTS_PER_CM2 = 10.0
"""Greatest defect density taken [1/cm^2]; published lines have 0.05 to 1 (our judgement)."""
MAX_MEMORY_GB = 1_000_000.0
"""Greatest memory of one machine taken [GB]; the largest single systems have tens of TB (our judgement)."""
MAX_STORAGE_GB = 100_000_000.0
"""Greatest storage of one machine taken [GB], 100 PB (our judgement)."""
MAX_DEVICE_POWER_W = 100_000.0
"""Greatest design power of one module taken [W]; a wafer-scale system has about 25 kW (our judgement)."""
MAX_FACILITY_POWER_KW = 10_000_000.0
"""Greatest IT capacity of one facility taken [kW]; the largest announced campuses have a few GW (our judgement)."""
MAX_COUNT = 1_000_000.0
"""Greatest number of equal parts taken [1] (our judgement)."""
MAX_MASS_KG = 1_000_000.0
"""Greatest mass of one machine or shipment taken [kg] (our judgement)."""
MAX_DISTANCE_KM = 100_000.0
"""Greatest distance of one leg taken [km]; more than twice around the Earth."""
MAX_LIFE_H = 1_000_000.0
"""Longest service life taken [h], 114 years; buildings are written off over 20 to 60."""
MAX_TOTAL_KGCO2E = 1e12
"""Greatest embodied total of one asset taken [kgCO2e], 1 Gt: more than any building."""
MAX_TIME_H = 1e9
"""Greatest distance of a moment from its origin taken [h], 114,000 years."""


def number(field: str, value: float, low: float, high: float, unit: str, *, is_low_open: bool = False) -> float:
    """Give the number back if it is finite and in range.

    Args:
        field: name of the argument, for the error.
        value: what was given [unit].
        low: least value allowed [unit].
        high: greatest value allowed [unit].
        unit: unit, for the error; ``1`` for a ratio or a count.
        is_low_open: whether ``low`` itself is refused.

    Raises:
        ValueError: if the value is not a finite number in the range; a text, a truth value or None is none.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and math.isfinite(value) and low <= value <= high and not (is_low_open and value == low):
        return float(value)
    left = "(" if is_low_open else "["
    shown = "" if unit == "1" else f" {unit}"
    msg = f"{field} must be a finite number in {left}{low:g}, {high:g}]{shown}, not {value!r}"
    raise ValueError(msg)


def positive(field: str, value: float, high: float, unit: str) -> float:
    """Give the number back if it lies in (0, high]; see ``number``."""
    return number(field, value, 0.0, high, unit, is_low_open=True)


def whole(field: str, value: float, low: int, high: float) -> int:
    """Give a whole number back if it lies in [low, high]; see ``number``.

    Raises:
        ValueError: if it is not whole, or out of range.
    """
    if number(field, value, low, high, "1") != int(value):
        msg = f"{field} must be a whole number in [{low:g}, {high:g}], not {value!r}"
        raise ValueError(msg)
    return int(value)


def known(field: str, value: str, allowed: tuple[str, ...]) -> str:
    """Give the text back if it is one of the allowed.

    Raises:
        ValueError: if it is not.
    """
    if value not in allowed:
        msg = f"unknown {field} {value!r}; known: {', '.join(allowed)}"
        raise ValueError(msg)
    return value
