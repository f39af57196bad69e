"""Emissions of a phase: operational from facility energy, embodied from device-hours at the catalogue's rates.

What belongs here: kilograms. What must not be here: energy (see ``energy``), the catalogue (see ``models.embodied``).
"""

from __future__ import annotations

from dataclasses import dataclass

from models.embodied.catalogue import GENERIC, HardwareFactor
from models.estimate import Estimate
from models.factors import find_hardware_factor
from models.prediction.inputs import InputError, checked
from models.prediction.tables import Device
from models.uncertain import Quantity, from_interval
from models.units import G_PER_KG

HOST_MODEL = "*8-accelerator host"
"""Host of every accelerator until one's own is stated: the catalogue's archetype of eight accelerators."""
CHIP, SERVER, BUILDING = "embodied_chip", "embodied_server", "embodied_building"


@dataclass(frozen=True, slots=True)
class Embodied:
    """Embodied emissions of some device-hours, and what stood in for what.

    Attributes:
        parts: kilograms by ``embodied_chip``, ``embodied_server`` and ``embodied_building``.
        factors: the factor behind each part.
        is_fallback: whether the accelerator is not in the catalogue and the generic one stands in.
    """

    parts: dict[str, Quantity]
    factors: dict[str, HardwareFactor]
    is_fallback: bool


def operational_kgco2e(facility_kwh: Quantity, intensity: Quantity) -> Quantity:
    """Give the emissions of energy [kgCO2e].

    Args:
        facility_kwh: with PUE [kWh].
        intensity: [gCO2e/kWh].

    Reference: docs/models/prediction.md, carbon.
    """
    checked("gco2e_per_kwh", intensity.central)
    return facility_kwh.times(intensity, "gCO2e").scaled(1 / G_PER_KG, "kgCO2e")


def embodied_kgco2e(device: Device, device_hours: Quantity) -> Embodied:
    """Give the embodied emissions of device-hours [kgCO2e]: chip, share of the host, share of the building.

    Args:
        device: the accelerator.
        device_hours: reserved time [h].

    Raises:
        InputError: if the catalogue has neither the device nor a stand-in.

    Reference: docs/models/embodied.md, amortisation: total / life * hours, straight line.
    """
    chip = _factor(device.embodied_model, "accelerator")
    host = _factor(HOST_MODEL, "server")
    building = _factor(GENERIC["building"], "building")
    carried = host.accelerators_n or 1
    share = {CHIP: 1.0, SERVER: 1 / carried, BUILDING: (host.nameplate_kw or 0.0) / carried}
    factors = {CHIP: chip, SERVER: host, BUILDING: building}
    parts = {name: rate(factor).times(device_hours, "kgCO2e").scaled(share[name]) for name, factor in factors.items()}
    return Embodied(parts, factors, is_fallback=chip.hardware_model == GENERIC["accelerator"])


def rate(factor: HardwareFactor) -> Quantity:
    """Give the straight-line rate of a hardware factor [kgCO2e per hour of its unit]."""
    kilograms = Estimate(
        factor.low_kgco2e, factor.kgco2e, factor.high_kgco2e, "kgCO2e", factor.tier, (factor.source_id,)
    )
    life = Estimate(factor.life_low_h, factor.life_h, factor.life_high_h, "h", "", ("lifetime_survey",))
    made = from_interval(f"embodied.{factor.factor_id}", kilograms)
    return made.over(from_interval(f"life.{factor.kind}", life), "kgCO2e/h")


def _factor(model: str, kind: str) -> HardwareFactor:
    """Give the selected factor of a hardware model, or of the archetype of its kind."""
    found = find_hardware_factor(model, kind)
    if found is None:
        msg = f"{kind} = {model!r} has no embodied factor and no stand-in"
        raise InputError(msg)
    return found.factor
