"""What all phases of a plan share: the model's size, the device and its power, the place.

What belongs here: the reading of a plan that every phase needs. What must not be here: any phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.prediction import carbon
from models.prediction.architecture import parameters
from models.prediction.efficiency import OwnRun
from models.prediction.energy import IT, accelerator_power, device_power, energy, stated_power
from models.prediction.inputs import InputError
from models.prediction.request import RunPlan
from models.prediction.site import Assumed, Site, site
from models.prediction.tables import Device, find_device
from models.uncertain import Quantity

CUSTOM_MEMORY_GB, CUSTOM_BANDWIDTH = 1.0, 1.0
"""Placeholders of a device that only its peak is stated of [GB], [GB/s]; serving on it is refused."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase: its figures by component, and what was assumed for it."""

    name: str
    quantities: dict[str, Quantity]
    assumed: tuple[Assumed, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What all phases share.

    Attributes:
        parameters_n: parameters.
        active_parameters_n: parameters that one token uses.
        device: the accelerator; None where no phase needs one.
        it_power: of one device in training, host included [W]; None without a device.
        accelerator_power: of one accelerator in training [W]; None where only the whole is known.
        site: PUE and intensity.
        own: one's own finished runs.
        assumed: what was assumed for all phases.
    """

    parameters_n: float | None
    active_parameters_n: float | None
    device: Device | None
    it_power: Quantity | None
    accelerator_power: Quantity | None
    site: Site
    own: tuple[OwnRun, ...]
    assumed: tuple[Assumed, ...]


def setting(plan: RunPlan, own: Sequence[OwnRun] = ()) -> Setting:
    """Give what all phases of a plan share.

    Raises:
        InputError: if the plan contradicts itself or names something that is not known.
    """
    place = site(plan.pue, plan.gco2e_per_kwh, plan.zone, plan.region, None if plan.year is None else int(plan.year))
    assumed = list(place.assumed)
    total_n, active_n = _sizes(plan)
    device = _device(plan)
    it_power = accelerator = None
    if device is not None and plan.device_power_w is not None:
        it_power = stated_power(plan.device_power_w)
    elif device is not None:
        it_power, accelerator = device_power(device, IT), accelerator_power(device)
        value = f"{it_power.central:.0f} W ({it_power.low:.0f}-{it_power.high:.0f})"
        why = f"not stated: measured power over design power of devices like {device.name}"
        assumed.append(Assumed("device_power_w", value, why, "T3", it_power.source_ids))
    if plan.recompute != "none":
        assumed.append(
            Assumed(
                "recompute", plan.recompute, "counted in hardware FLOP; the utilisation already holds its time", "", ()
            )
        )
    return Setting(total_n, active_n, device, it_power, accelerator, place, tuple(own), tuple(assumed))


def powered(shared: Setting, device_hours: Quantity) -> dict[str, Quantity]:
    """Give energy and emissions of device-hours at training power.

    Args:
        shared: what all phases share; with a device.
        device_hours: [h].
    """
    device, it_power = needed_device(shared)
    used = energy(device_hours, it_power, shared.accelerator_power, shared.site.pue)
    found = {} if used.accelerator is None else {"energy_accelerator": used.accelerator}
    found |= {"energy_it": used.it} | emitted(shared, used.facility)
    return found | carbon.embodied_kgco2e(device, device_hours).parts


def emitted(shared: Setting, facility_kwh: Quantity) -> dict[str, Quantity]:
    """Give facility energy and its operational emissions."""
    return {
        "energy_facility": facility_kwh,
        "operational": carbon.operational_kgco2e(facility_kwh, shared.site.intensity),
    }


def needed_device(shared: Setting) -> tuple[Device, Quantity]:
    """Give the device and its power, or say that the plan names none."""
    if shared.device is None or shared.it_power is None:
        msg = "device is not stated; name an accelerator such as H100, or give peak_tflops and device_power_w"
        raise InputError(msg)
    return shared.device, shared.it_power


def _sizes(plan: RunPlan) -> tuple[float | None, float | None]:
    """Give parameters, all and active, from the shape or as stated; both must agree within 1 %."""
    if plan.shape is None:
        return plan.parameters_n, plan.parameters_n if plan.active_parameters_n is None else plan.active_parameters_n
    counted = parameters(plan.shape)
    if plan.parameters_n is not None and abs(plan.parameters_n / counted.total_n - 1) > 0.01:
        msg = f"parameters_n = {plan.parameters_n:g}, but the shape has {counted.total_n:g}; leave one of them out"
        raise InputError(msg)
    active = counted.active_n if plan.active_parameters_n is None else plan.active_parameters_n
    return float(counted.total_n), float(active)


def _device(plan: RunPlan) -> Device | None:
    """Give the device: from the table, or as stated by its peak and power; None where none is named."""
    if plan.peak_tflops is None:
        return find_device(plan.device) if plan.device else None
    if plan.device_power_w is None:
        msg = "peak_tflops describes a device of your own: give device_power_w (W, host included) too"
        raise InputError(msg)
    name = plan.device or "stated device"
    return Device(name, (), "", name, {"16bit": plan.peak_tflops}, CUSTOM_MEMORY_GB, CUSTOM_BANDWIDTH, None,
                  name, "wattledger_judgement", "", "stated by the user")  # fmt: skip
