"""Numbers as people read them: units, three significant digits, and "not known" where there is no value.

What belongs here: turning a value into text or marked-up text. What must not be here: computing a value.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

DIGITS = 3
NOT_KNOWN = "not known"
UNKNOWN = Markup('<span class="unknown">not known</span>')
_SMALLEST = 1e-4
_NBSP = "\u00a0"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of display.

    Attributes:
        name: symbol.
        size: how many base units (kWh, kgCO2e) one of it is.
    """

    name: str
    size: float


KWH = Unit("kWh", 1.0)
ENERGY_UNITS = (Unit("Wh", 1e-3), KWH, Unit("MWh", 1e3), Unit("GWh", 1e6))
TIME_UNITS = (Unit("s", 1.0), Unit("min", 60.0), Unit("h", 3600.0))
MASS_UNITS = (Unit("gCO2e", 1e-3), Unit("kgCO2e", 1.0), Unit("tCO2e", 1e3))


def pick_unit(values: Iterable[float | None], units: tuple[Unit, ...]) -> Unit:
    """Return the largest unit of which the largest value holds at least one; of nothing or zero, the base unit."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if largest == 0.0:
        return next(unit for unit in units if unit.size == 1.0)
    fitting = [unit for unit in units if unit.size <= largest]
    return fitting[-1] if fitting else units[0]


def energy_unit(*values: float | None) -> Unit:
    """Return the unit that suits energies [kWh]."""
    return pick_unit(values, ENERGY_UNITS)


def mass_unit(*values: float | None) -> Unit:
    """Return the unit that suits masses [kgCO2e]."""
    return pick_unit(values, MASS_UNITS)


def significant(value: float, digits: int = DIGITS) -> str:
    """Return a number with at least ``digits`` significant digits and thousands separators; 0 is "0"."""
    if value == 0:
        return "0"
    if abs(value) < _SMALLEST:
        return f"<{_SMALLEST:.4f}" if value > 0 else f">-{_SMALLEST:.4f}"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    rounded = round(value, decimals)
    decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0)
    return f"{rounded:,.{decimals}f}".replace("-", "\u2212")


def in_unit(value: float | None, unit: Unit) -> str:
    """Return a value [base unit] as a number of ``unit``, without the unit's name."""
    return NOT_KNOWN if value is None else significant(value / unit.size)


def percent(fraction: float | None) -> str:
    """Return a fraction as percent; what is not exactly 0 or 1 is never shown as 0 % or 100 %."""
    if fraction is None:
        return NOT_KNOWN
    if fraction in (0.0, 1.0):
        return f"{fraction * 100:.0f}{_NBSP}%"
    if 0 < fraction < 0.001:
        return f"<0.1{_NBSP}%"
    if 0.999 < fraction < 1:
        return f">99.9{_NBSP}%"
    return f"{fraction * 100:.1f}{_NBSP}%"


def incomplete_mark() -> Markup:
    """Return the mark of a figure that leaves out something that is not known."""
    return Markup(' <span class="mark part">incomplete</span>')


def data(value: float, text: str, unit: str = "") -> Markup:
    """Return text with its exact value for machines, and the unit set apart."""
    marked = Markup('<data value="{}">{}</data>').format(repr(value), text)
    return marked + Markup('&nbsp;<span class="unit">{}</span>').format(unit) if unit else marked


def without_data(cell: Markup | str) -> Markup | str:
    """Return a cell without exact values for machines, for tables whose rows lie in a CSV file beside them."""
    return Markup(re.sub(r"</?data[^>]*>", "", cell)) if isinstance(cell, Markup) else cell  # noqa: S704


def energy(value: float | None, unit: Unit | None = None) -> Markup:
    """Return an energy [kWh] in a unit that suits it."""
    if value is None:
        return UNKNOWN
    chosen = unit or energy_unit(value)
    return data(value, in_unit(value, chosen), chosen.name)


def mass(value: float | None, unit: Unit | None = None) -> Markup:
    """Return a mass [kgCO2e] in a unit that suits it."""
    if value is None:
        return UNKNOWN
    chosen = unit or mass_unit(value)
    return data(value, in_unit(value, chosen), chosen.name)


def share(fraction: float | None) -> Markup:
    """Return a fraction as marked-up percent."""
    return UNKNOWN if fraction is None else data(fraction, percent(fraction))


def interval(low: float | None, high: float | None, unit: Unit) -> Markup:
    """Return a low-high interval [base unit] in ``unit``, without the unit's name."""
    if low is None or high is None:
        return UNKNOWN
    ends = data(low, in_unit(low, unit)), data(high, in_unit(high, unit))
    return Markup('<span class="interval">{}\u2013{}</span>').format(*ends)


def ratio(numerator: float | None, denominator: float | None) -> str | None:
    """Return "2.41 : 1" or "1 : 3.20"; ``None`` where one side is missing or zero."""
    if not numerator or not denominator:
        return None
    larger = numerator / denominator
    return f"{significant(larger)} : 1" if larger >= 1 else f"1 : {significant(1 / larger)}"


def count(value: int | None, singular: str = "", plural: str = "") -> str:
    """Return a whole number with separators, and the noun that fits it."""
    if value is None:
        return NOT_KNOWN
    noun = singular if value == 1 else plural or f"{singular}s"
    return f"{value:,}{_NBSP}{noun}" if singular else f"{value:,}"


def readable(text: str) -> str:
    """Return text from outside with control characters shown as U+FFFD; the template escapes and isolates it."""
    return "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cs") else char for char in text)
