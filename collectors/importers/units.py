"""Units that a mapping may name, and the exact factor to the contract's unit.

What belongs here: symbols, dimensions and conversion factors as exact fractions. What must not be here: columns, files.

Symbols are case-sensitive, because mW and MW differ by nine powers of ten.
"""

from __future__ import annotations

from fractions import Fraction

_PREFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}
_KWH_J = 3_600_000
_GRAMS_PER_KG = 1_000


def _scaled(symbol: str, prefixes: str, base: Fraction | int = 1) -> dict[str, Fraction]:
    """Return the symbol with each prefix; a blank in ``prefixes`` stands for none."""
    return {prefix.strip() + symbol: Fraction(10) ** _PREFIXES[prefix.strip()] * Fraction(base) for prefix in prefixes}


UNITS: dict[str, dict[str, Fraction]] = {
    "power": _scaled("W", "num kMG"),  # in W
    "energy": _scaled("J", "num kMG") | _scaled("Wh", "m kMG", Fraction(_KWH_J, 1000)),  # in J
    "time": _scaled("s", "num ") | {"min": Fraction(60), "h": Fraction(3600), "d": Fraction(86_400)},  # in s
    "ratio": {"fraction": Fraction(1), "percent": Fraction(1, 100), "%": Fraction(1, 100)},  # of 1
    "volume": {"ml": Fraction(1, 1000), "l": Fraction(1), "m3": Fraction(1000)},  # in l
    "mass of CO2e": {"gCO2e": Fraction(1, 1000), "kgCO2e": Fraction(1), "tCO2e": Fraction(1000)},  # in kg
    "carbon intensity": {  # in g/kWh
        "gCO2e/kWh": Fraction(1),
        "kgCO2e/kWh": Fraction(_GRAMS_PER_KG),
        "gCO2e/MWh": Fraction(1, 1000),
        "kgCO2e/MWh": Fraction(1),
        "tCO2e/MWh": Fraction(_GRAMS_PER_KG),
    },
}
"""Dimension -> symbol -> size in the base unit of the dimension."""


class UnitError(ValueError):
    """A unit that is not known, or of another dimension than the column."""


def dimension(symbol: str) -> str:
    """Return the dimension of a unit.

    Args:
        symbol: unit, for example ``kWh``.

    Raises:
        UnitError: if the unit is not known; the message lists those that are.
    """
    for name, symbols in UNITS.items():
        if symbol in symbols:
            return name
    every = "; ".join(f"{name}: {', '.join(symbols)}" for name, symbols in UNITS.items())
    msg = f"unknown unit {symbol!r}; known units are {every} (upper and lower case differ)"
    raise UnitError(msg)


def factor(symbol: str, target: str) -> Fraction:
    """Return by what a value must be multiplied to be in the target unit.

    Args:
        symbol: unit of the value.
        target: unit of the contract's column.

    Returns:
        Exact factor [target unit per unit].

    Raises:
        UnitError: if a unit is not known or the dimensions differ.
    """
    wanted = dimension(target)
    if dimension(symbol) != wanted:
        known = ", ".join(UNITS[wanted])
        msg = (
            f"{symbol} is a unit of {dimension(symbol)}, but the column holds {wanted} in {target}; use one of {known}"
        )
        raise UnitError(msg)
    return UNITS[wanted][symbol] / UNITS[wanted][target]
