"""The inference phase: busy and standing energy of the devices that serve a load.

What belongs here: a load over days on whole replicas. What must not be here: one request (see ``inference``).
"""

from __future__ import annotations

from models.prediction import carbon
from models.prediction.energy import W_PER_KW
from models.prediction.inference import Request, Served, request_cost, serving_devices
from models.prediction.inputs import InputError, checked
from models.prediction.plan import HOURS_PER_DAY, SECONDS_PER_HOUR
from models.prediction.request import RunPlan
from models.prediction.setting import Phase, Setting, emitted, needed_device
from models.prediction.site import Assumed
from models.prediction.tables import constant
from models.uncertain import Quantity, exactly, total

DEFAULT_WEIGHT_BYTES = 2.0
"""Bytes of a parameter in 16 bits [B], exact; taken, and noted, where the plan states none."""


def serving(plan: RunPlan, shared: Setting) -> Phase | None:
    """Give the inference phase of a plan, or None where it states none.

    Raises:
        InputError: if half of it is stated.
        InfeasibleError: if the stated devices cannot serve the load.

    Reference: docs/models/inference.md, load.
    """
    if plan.requests_per_day_n is None:
        return None
    device, it_power = needed_device(shared)
    if plan.peak_tflops is not None:
        msg = "inference needs memory and bandwidth: name a device of the table instead of peak_tflops"
        raise InputError(msg)
    served, request, days, notes = _stated(plan, shared)
    cost = request_cost(served, request, device)
    count = serving_devices(cost, plan.requests_per_day_n, plan.serving_devices_n)
    requests_n = plan.requests_per_day_n * days
    busy_h = total((cost.prefill_device_s, cost.decode_device_s), "s").scaled(requests_n / SECONDS_PER_HOUR, "h")
    held_h = count * days * HOURS_PER_DAY
    busy = _kwh(busy_h, it_power, constant("inference_power_fraction"))
    standing_h = exactly(max(held_h - busy_h.central, 0.0), "h")
    standing = _kwh(standing_h, it_power, constant("idle_power_fraction"))
    it = busy.plus(standing)
    facility = it.times(shared.site.pue, "kWh")
    found: dict[str, Quantity] = {
        "requests": exactly(requests_n, "requests"),
        "devices": exactly(count, "devices"),
        "device_hours": exactly(held_h, "h"),
        "busy_device_hours": busy_h,
        "prefill_flop": exactly(cost.prefill_flop * requests_n, "FLOP"),
        "decode_flop": exactly(cost.decode_flop * requests_n, "FLOP"),
        "decode_bytes": exactly(cost.decode_bytes * requests_n, "B"),
        "energy_busy": busy,
        "energy_standing": standing,
        "energy_it": it,
        **emitted(shared, facility),
        **carbon.embodied_kgco2e(device, exactly(held_h, "h")).parts,
        "energy_per_request": facility.scaled(1000 / requests_n, "Wh"),
    }
    return Phase("inference", found, notes)


def _stated(plan: RunPlan, shared: Setting) -> tuple[Served, Request, float, tuple[Assumed, ...]]:
    """Give the model, the request and the days that a plan states, with notes on what it does not."""
    missing = [name for name in ("input_tokens_n", "output_tokens_n", "inference_days") if getattr(plan, name) is None]
    if missing or shared.parameters_n is None or shared.active_parameters_n is None:
        msg = f"requests_per_day_n needs {', '.join(missing or ['parameters_n or shape'])} too"
        raise InputError(msg)
    assert plan.input_tokens_n is not None
    assert plan.output_tokens_n is not None
    assert plan.inference_days is not None
    notes = []
    if plan.batch_n is None:
        notes.append(Assumed("batch_n", "1", "not stated: each request alone, the dearest way to serve", "T5", ()))
    if plan.weight_bytes is None:
        notes.append(Assumed("weight_bytes", "2", "not stated: 16-bit weights", "T4", ()))
    if plan.shape is None:
        why = "not stated: attention and cache are not counted; long contexts cost more"
        notes.append(Assumed("shape", "none", why, "T5", ()))
    width = DEFAULT_WEIGHT_BYTES if plan.weight_bytes is None else plan.weight_bytes
    served = Served(shared.parameters_n, shared.active_parameters_n, checked("weight_bytes", width), shape=plan.shape)
    batch = 1.0 if plan.batch_n is None else plan.batch_n
    request = Request(plan.input_tokens_n, plan.output_tokens_n, batch)
    return served, request, checked("days", plan.inference_days, "inference_days"), tuple(notes)


def _kwh(hours: Quantity, it_power: Quantity, fraction: Quantity) -> Quantity:
    """Give the IT energy of device-hours at a fraction of training power [kWh]."""
    return hours.times(it_power, "Wh").times(fraction, "Wh").scaled(1 / W_PER_KW, "kWh")
