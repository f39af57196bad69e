"""Time and devices of a training run, and whether they suffice.

What belongs here: device-hours, days, feasibility. What must not be here: energy, emissions, other phases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.prediction.architecture import Architecture
from models.prediction.efficiency import (
    OWN,
    RUN,
    Case,
    OwnRun,
    forecast_quantity,
    utilisation_forecast,
)
from models.prediction.inputs import InfeasibleError, InputError, checked
from models.prediction.tables import Device
from models.prediction.training import Work, training_work
from models.uncertain import Quantity, exactly

SECONDS_PER_HOUR, HOURS_PER_DAY = 3_600.0, 24.0
"""Exact."""
COUNTED_AT = {"fp32": "fp32", "tf32": "tf32", "16bit": "16bit", "8bit": "16bit", "4bit": "16bit"}
"""Whose peak the utilisation counts against: narrow products against the 16-bit peak, as most layers stay wide."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What is known of a training before it starts.

    Attributes:
        parameters_n: parameters.
        active_parameters_n: parameters that one token uses.
        device: the accelerator.
        tokens_n: tokens to train on; None where only devices and days are reserved.
        devices_n: devices at once, or None.
        days: days of wall time, or None.
        precision: of the matrix products, such as ``16bit``.
        shape: the architecture, or None.
        sequence_length_n: tokens of a sequence, with a shape.
        recompute: activation recompute, see ``training``.
        frozen: only adapters learn.
        utilisation_fraction: MFU that the user states, or None for the forecast.
        own: one's own finished runs.
    """

    parameters_n: float
    active_parameters_n: float
    device: Device
    tokens_n: float | None = None
    devices_n: float | None = None
    days: float | None = None
    precision: str = "16bit"
    shape: Architecture | None = None
    sequence_length_n: float | None = None
    recompute: str = "none"
    frozen: bool = False
    utilisation_fraction: float | None = None
    own: Sequence[OwnRun] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a run takes on what.

    Attributes:
        device_hours: device-hours used [h].
        days: wall time [d]; None where devices are not known.
        devices_n: devices [1]; None where neither they nor days are known.
        utilisation: share of peak [1].
        work: operations; None for a reservation without tokens.
        tokens: tokens trained on; for a reservation the tokens that fit.
        unused_device_hours: reserved but not needed [h]; they are not counted.
        is_reservation: whether device-hours are what was reserved, not what tokens need.
    """

    device_hours: Quantity
    days: Quantity | None
    devices_n: Quantity | None
    utilisation: Quantity
    work: Work | None
    tokens: Quantity
    unused_device_hours: float
    is_reservation: bool


def plan_utilisation(plan: TrainingPlan) -> Quantity:
    """Give the utilisation of a plan [1]: as stated, else forecast from own and published runs.

    Raises:
        InputError: if a stated one is out of range.
    """
    if plan.utilisation_fraction is not None:
        return exactly(checked("utilisation_fraction", plan.utilisation_fraction), "1")
    is_narrow = plan.precision in {"8bit", "4bit"}
    has_experts = plan.active_parameters_n < plan.parameters_n
    family = OWN if plan.own else "the run that is planned"
    generation = plan.device.generation
    case = Case(family, generation, plan.active_parameters_n, has_experts, plan.devices_n, RUN, is_narrow)
    forecast = utilisation_forecast(case, plan.own)
    name = f"utilisation.{plan.device.name}.{plan.active_parameters_n:g}.{plan.devices_n}"
    return forecast_quantity(name, forecast, "1", ("training_runs_published",), "T3")


def schedule(plan: TrainingPlan) -> Schedule:
    """Give device-hours, days and devices of a plan, or say why it does not fit.

    Args:
        plan: tokens with devices or days or both; or devices and days alone (a reservation).

    Raises:
        InputError: if too little is stated, or a value is out of range.
        InfeasibleError: if the tokens need more time than the stated devices have in the stated days.

    Reference: docs/models/prediction.md, time; h = model FLOP / (utilisation * peak * 3600).
    """
    checked("parameters_n", plan.parameters_n)
    checked("active_parameters_n", plan.active_parameters_n)
    if plan.active_parameters_n > plan.parameters_n:
        msg = f"active_parameters_n = {plan.active_parameters_n:g} is more than parameters_n = {plan.parameters_n:g}"
        raise InputError(msg)
    devices = None if plan.devices_n is None else checked("devices_n", plan.devices_n)
    days = None if plan.days is None else checked("days", plan.days)
    used = plan_utilisation(plan)
    per_hour = used.scaled(plan.device.peak_flop_per_s(COUNTED_AT[plan.precision]) * SECONDS_PER_HOUR, "FLOP/h")
    if plan.tokens_n is None:
        return _reservation(plan, devices, days, used, per_hour)
    work = _work(plan, plan.tokens_n)
    needed = exactly(work.model_flop, "FLOP").over(per_hour, "h")
    unused = 0.0
    if devices is not None and days is not None:
        unused = _unused(plan, needed, devices, days)
    wall: Quantity | None = None if devices is None else needed.scaled(1 / devices / HOURS_PER_DAY, "d")
    if devices is None and days is not None:
        wall = exactly(days, "d")
        count: Quantity | None = needed.scaled(1 / days / HOURS_PER_DAY, "devices")
    else:
        count = None if devices is None else exactly(devices, "devices")
    return Schedule(needed, wall, count, used, work, exactly(plan.tokens_n, "tokens"), unused, is_reservation=False)


def _reservation(
    plan: TrainingPlan, devices: float | None, days: float | None, used: Quantity, per_hour: Quantity
) -> Schedule:
    """Give the schedule of devices and days without tokens, and the tokens that fit."""
    if devices is None or days is None:
        msg = "give tokens_n with devices_n or days, or devices_n and days together: nothing says how long the run is"
        raise InputError(msg)
    hours = devices * days * HOURS_PER_DAY
    per_token = _work(plan, 1e9).model_flop / 1e9
    tokens = per_hour.scaled(hours / per_token, "tokens")
    count = exactly(devices, "devices")
    return Schedule(exactly(hours, "h"), exactly(days, "d"), count, used, None, tokens, 0.0, is_reservation=True)


def _unused(plan: TrainingPlan, needed: Quantity, devices: float, days: float) -> float:
    """Give the reserved device-hours that are left over [h], or refuse a plan that has too few."""
    held = devices * days * HOURS_PER_DAY
    if needed.central <= held:
        return held - needed.central
    assert plan.tokens_n is not None
    share = held / needed.central
    msg = (
        f"the plan does not fit: {plan.tokens_n:g} tokens on {plan.active_parameters_n:g} parameters need "
        f"{needed.central:,.0f} device-hours ({needed.low:,.0f}-{needed.high:,.0f} at 90 %) on {plan.device.name}, and "
        f"{devices:,.0f} devices in {days:g} days have {held:,.0f}. It would fit in {days / share:,.1f} days, on "
        f"{devices / share:,.0f} devices, or with {plan.tokens_n * share:.3g} tokens"
    )
    raise InfeasibleError(msg)


def _work(plan: TrainingPlan, tokens_n: float) -> Work:
    """Give the operations of a plan for some tokens."""
    return training_work(
        plan.active_parameters_n,
        tokens_n,
        shape=plan.shape,
        sequence_length_n=plan.sequence_length_n,
        recompute=plan.recompute,
        frozen=plan.frozen,
    )
