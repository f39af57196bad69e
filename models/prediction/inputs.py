"""What a user may state about a run, and the error that names field, value and allowed range.

What belongs here: bounds and units of inputs. What must not be here: what is computed from them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


class InputError(ValueError):
    """An input that no run can have: names the field, the value, and what is allowed."""


class InfeasibleError(InputError):
    """A plan that does not fit its own days and devices: says by how much, and what would fit."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Allowed range of one input, with its unit and what to do about a value outside.

    Attributes:
        low: least value allowed [unit].
        high: greatest value allowed [unit].
        unit: unit of the field.
        hint: what to write instead; empty where the range says enough.
    """

    low: float
    high: float
    unit: str
    hint: str = ""


BOUNDS = {
    "parameters_n": Bound(1e5, 1e14, "parameters", "write 7e9 or 7B for seven billion"),
    "active_parameters_n": Bound(1e5, 1e14, "parameters", "write 7e9 or 7B for seven billion"),
    "tokens_n": Bound(1e3, 1e16, "tokens", "write 300e9 or 300B for three hundred billion"),
    "devices_n": Bound(1, 1e7, "devices"),
    "days": Bound(1 / 1440, 3_650, "days"),
    "device_power_w": Bound(1, 10_000, "W a device, host included"),
    "pue": Bound(1.0, 3.0, "facility energy over IT energy"),
    "gco2e_per_kwh": Bound(0.0, 2_000, "gCO2e/kWh", "0.35 tCO2e/MWh is 350 gCO2e/kWh"),
    "utilisation_fraction": Bound(0.001, 1.0, "model FLOP over peak FLOP", "a fraction, not a percentage"),
    "sequence_length_n": Bound(1, 1e8, "tokens"),
    "recompute_multiplier": Bound(1.0, 2.0, "hardware FLOP over model FLOP"),
    "experimentation_share": Bound(0.0, 100.0, "energy of trials over that of the run"),
    "requests_per_day_n": Bound(1e-3, 1e13, "requests a day"),
    "input_tokens_n": Bound(0, 1e8, "tokens a request"),
    "output_tokens_n": Bound(0, 1e8, "tokens a request"),
    "storage_tb": Bound(0, 1e9, "TB, all copies"),
    "energy_kwh": Bound(0, 1e12, "kWh"),
    "batch_n": Bound(1, 1e5, "requests at once"),
    "weight_bytes": Bound(0.25, 8, "bytes a parameter"),
    "cache_bytes": Bound(0.25, 8, "bytes a value"),
}
"""Ranges beyond which a value is a slip of unit or of sign; wide enough for any run that was ever published."""


def checked(field: str, value: float, where: str | None = None) -> float:
    """Give the value of a field if it lies within its bounds.

    Args:
        field: key of ``BOUNDS``.
        value: the value in the unit of its bound.
        where: how to name it to the user; by default the field itself.

    Raises:
        InputError: if the value is not a finite number within the bounds.
    """
    bound = BOUNDS[field]
    name = field if where is None else where
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        msg = f"{name} must be a finite number of {bound.unit}, not {value!r}"
        raise InputError(msg)
    if not bound.low <= value <= bound.high:
        hint = f"; {bound.hint}" if bound.hint else ""
        msg = f"{name} = {value:g} is outside [{bound.low:g}, {bound.high:g}] {bound.unit}{hint}"
        raise InputError(msg)
    return float(value)


SCALES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
"""Suffixes of a count as the field writes them: 7B parameters, 1.4T tokens."""


def count(text: str, field: str, where: str | None = None) -> float:
    """Give a count written as ``7B``, ``1.4T`` or ``7e9``, within its bounds.

    Args:
        text: what the user wrote.
        field: key of ``BOUNDS``.
        where: how to name it to the user; by default the field itself.

    Raises:
        InputError: if it is not a number or lies outside the bounds.
    """
    shown = text.strip().replace(",", "").replace("_", "")
    scale = SCALES.get(shown[-1:].upper(), 1.0)
    try:
        value = float(shown[:-1] if scale != 1.0 else shown) * scale
    except ValueError as error:
        msg = f"{where or field} must be a number such as 7B, 1.4T or 7e9, not {text!r}"
        raise InputError(msg) from error
    return checked(field, value, where)
