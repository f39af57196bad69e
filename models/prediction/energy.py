"""Power of a device while it works, and energy by boundary: accelerator, IT with the host, facility.

What belongs here: watts and kilowatt-hours. What must not be here: how long it takes (see ``plan``), emissions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from models.prediction.efficiency import forecast_quantity
from models.prediction.inputs import InputError, checked
from models.prediction.regression import Effects, Forecast
from models.prediction.tables import Device, PowerMeasurement, find_device, power_measurements
from models.uncertain import Quantity, exactly

ACCELERATOR, IT, FACILITY = "accelerator", "it", "facility"
W_PER_KW = 1_000.0
"""Watts in a kilowatt [W/kW], exact."""
MEAN_LN = {IT: math.log(1.0), ACCELERATOR: math.log(0.8)}
"""Mean of ln(power / design power) before any measurement, by boundary [1]."""
INTERCEPT_SD, VENDOR_SD, DEVICE_SD, NOISE_SD = 0.30, 0.25, 0.15, 0.12
"""Standard deviation of ln: of the mean, of a maker's way to state design power, of a device, of one run [1].

Round numbers, chosen before anything was scored; a TPU's stated design power is far above its draw, a GPU's is not.
"""


@dataclass(frozen=True, slots=True)
class PowerCase:
    """A device whose power is asked about."""

    device: str
    vendor: str


@dataclass(frozen=True, slots=True)
class EnergyByBoundary:
    """Energy of one phase [kWh]: each boundary holds the one before it.

    Attributes:
        accelerator: of the accelerators alone; None where only the power of the whole server is stated.
        it: with host, memory and network in the server.
        facility: IT energy times PUE.
    """

    accelerator: Quantity | None
    it: Quantity
    facility: Quantity


def device_power(device: Device, boundary: str, measured: Iterable[PowerMeasurement] | None = None) -> Quantity:
    """Give the average power of one device in training [W].

    Args:
        device: the device.
        boundary: ``accelerator`` or ``it``.
        measured: measurements to rest on; all of the table by default.

    Raises:
        InputError: if the design power of the device is not known.

    Reference: docs/models/prediction.md, power.
    """
    if device.tdp_w is None:
        msg = f"device = {device.name!r}: its maker states no design power; give device_power_w (W, host included)"
        raise InputError(msg)
    known = [m for m in (power_measurements() if measured is None else measured) if m.boundary == boundary]
    forecast = power_forecast(device, boundary, known)
    sources = tuple(dict.fromkeys((device.source_id, *(m.source_id for m in known))))
    ratio = forecast_quantity(f"power.{boundary}.{device.name}", forecast, "1", sources, "T3")
    return ratio.scaled(device.tdp_w, "W")


def accelerator_power(device: Device) -> Quantity | None:
    """Give the average power of one accelerator alone in training [W].

    None where no device of its maker was measured at this boundary: makers state design power differently, so another
    maker's ratio could put the accelerator above its own server.

    Args:
        device: the device.
    """
    measured = {find_device(m.device).vendor for m in power_measurements() if m.boundary == ACCELERATOR}
    return device_power(device, ACCELERATOR) if device.vendor in measured else None


def power_forecast(device: Device, boundary: str, known: Iterable[PowerMeasurement]) -> Forecast:
    """Give the forecast of ln(power / design power) of a device at a boundary."""
    pairs = [(find_device(m.device), m) for m in known if m.boundary == boundary]
    usable = [(found, found.tdp_w, m) for found, m in pairs if found.tdp_w is not None]
    cases = [PowerCase(found.name, found.vendor) for found, _, _ in usable]
    effects = Effects(_covariance, lambda case: case.device, MEAN_LN[boundary], NOISE_SD)
    seen = [math.log(m.watts / tdp_w) for _, tdp_w, m in usable]
    return effects.forecast(cases, seen, PowerCase(device.name, device.vendor))


def energy(
    device_hours: Quantity, it_power: Quantity, accelerator_power: Quantity | None, pue: Quantity
) -> EnergyByBoundary:
    """Give the energy of device-hours at each boundary [kWh].

    Args:
        device_hours: [h].
        it_power: of one device with its share of the host [W].
        accelerator_power: of one accelerator [W], or None.
        pue: facility energy over IT energy [1].

    Reference: docs/models/prediction.md, energy; kWh = h * W / 1000, facility = IT * PUE.
    """
    checked("pue", pue.central)
    it = device_hours.times(it_power, "Wh").scaled(1 / W_PER_KW, "kWh")
    own = None
    if accelerator_power is not None:
        own = device_hours.times(accelerator_power, "Wh").scaled(1 / W_PER_KW, "kWh")
    return EnergyByBoundary(own, it, it.times(pue, "kWh"))


def stated_power(watts: float) -> Quantity:
    """Give a power that the user states [W a device, host included]."""
    return exactly(checked("device_power_w", watts), "W")


def _covariance(one: PowerCase, other: PowerCase) -> float:
    """Give the covariance of ln(power / design power) of two devices [1]."""
    total = INTERCEPT_SD**2 + VENDOR_SD**2 * (one.vendor == other.vendor)
    return total + DEVICE_SD**2 * (one.device == other.device)
