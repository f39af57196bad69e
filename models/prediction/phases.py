"""The phases of a run: data processing, experimentation, training, fine-tuning, inference, storage.

What belongs here: what each phase takes. What must not be here: the equations (see the other modules).
A phase is there only if the plan states something for it; nothing is estimated unasked.
"""

from __future__ import annotations

from dataclasses import replace

from models.prediction import carbon
from models.prediction.inputs import InputError, checked
from models.prediction.plan import HOURS_PER_DAY, Schedule, TrainingPlan, schedule
from models.prediction.request import PUBLISHED, RunPlan
from models.prediction.serving import serving
from models.prediction.setting import Phase, Setting, emitted, needed_device, powered
from models.prediction.site import Assumed
from models.prediction.tables import constant
from models.uncertain import Quantity, exactly

TRAINING_BYTES_PER_PARAMETER = 16.0
"""16-bit weights and gradients, 32-bit weights and two moments of Adam [B] (Rajbhandari et al. 2020, ZeRO, 3.1)."""


def all_phases(plan: RunPlan, shared: Setting) -> list[Phase]:
    """Give the phases that a plan states something for, in the order of a life.

    Raises:
        InputError: if the plan states no phase, or half of one.
        InfeasibleError: if training or serving does not fit.
    """
    trained = _training(plan, shared) if plan.tokens_n is not None or plan.days is not None else None
    found = [
        _stated_energy(plan, shared),
        _experimentation(plan, shared, trained),
        trained,
        _fine_tuning(plan, shared),
        serving(plan, shared),
        _storage(plan, shared),
    ]
    stated = [phase for phase in found if phase is not None]
    if not stated:
        msg = (
            "the plan states no phase: give tokens_n with devices_n or days (training), fine_tuning_tokens_n, "
            "requests_per_day_n (inference), storage_tb or data_processing_kwh"
        )
        raise InputError(msg)
    return stated


def _training(plan: RunPlan, shared: Setting) -> Phase:
    """Give the training phase."""
    timed = schedule(_training_plan(plan, shared))
    notes = (*_embodied_notes(shared), *_memory_note(plan, shared))
    return Phase("training", _time_lines(timed) | powered(shared, timed.device_hours), notes)


def _memory_note(plan: RunPlan, shared: Setting) -> tuple[Assumed, ...]:
    """Give a note where the stated devices cannot hold what training usually keeps of each parameter."""
    device, _ = needed_device(shared)
    if plan.devices_n is None or plan.peak_tflops is not None or shared.parameters_n is None:
        return ()
    needed, held = shared.parameters_n * TRAINING_BYTES_PER_PARAMETER / 1e9, plan.devices_n * device.memory_gb
    if needed <= held:
        return ()
    why = f"{needed:,.0f} GB at 16 bytes a parameter do not fit into {held:,.0f} GB; published runs hold all of it"
    return (Assumed("memory", "smaller optimiser state or offloading", why, "T5", ()),)


def _fine_tuning(plan: RunPlan, shared: Setting) -> Phase | None:
    """Give the fine-tuning phase, or None where the plan states none."""
    if plan.fine_tuning_tokens_n is None:
        return None
    tuned = replace(_training_plan(plan, shared), tokens_n=plan.fine_tuning_tokens_n, days=None,
                    frozen=plan.fine_tuning_frozen)  # fmt: skip
    timed = schedule(tuned)
    return Phase("fine_tuning", _time_lines(timed) | powered(shared, timed.device_hours))


def _experimentation(plan: RunPlan, shared: Setting, trained: Phase | None) -> Phase | None:
    """Give the experimentation phase: a share of training, or stated trials; None where the plan states neither."""
    if plan.experimentation_share is not None:
        if trained is None or plan.trials_n is not None:
            msg = "experimentation_share needs a training phase, and excludes trials_n"
            raise InputError(msg)
        return _share_of(plan.experimentation_share, trained)
    if plan.trials_n is None:
        return None
    if plan.trial_parameters_n is None or plan.trial_tokens_n is None:
        msg = "trials_n needs trial_parameters_n and trial_tokens_n: how large the trials are and how long they run"
        raise InputError(msg)
    size = plan.trial_parameters_n
    trial = TrainingPlan(size, size, needed_device(shared)[0], plan.trial_tokens_n, precision=plan.precision,
                         utilisation_fraction=plan.utilisation_fraction, own=shared.own)  # fmt: skip
    hours = schedule(trial).device_hours.scaled(plan.trials_n)
    return Phase("experimentation", {"device_hours": hours} | powered(shared, hours))


def _share_of(share: float | str, trained: Phase) -> Phase:
    """Give experimentation as a share of the training: stated, or the published range."""
    if share == PUBLISHED:
        factor = constant("experimentation_share")
        value = f"{factor.central:g} ({factor.low:g}-{factor.high:g})"
        why = "published shares of three projects; yours may be anywhere"
        notes: tuple[Assumed, ...] = (Assumed("experimentation_share", value, why, factor.tier, factor.source_ids),)
    else:
        factor, notes = exactly(float(share), "per_training"), ()
    kept = [
        name for name in trained.quantities if name.startswith(("device_hours", "energy", "operational", "embodied"))
    ]
    found = {name: trained.quantities[name].times(factor, trained.quantities[name].unit) for name in kept}
    return Phase("experimentation", found, notes)


def _storage(plan: RunPlan, shared: Setting) -> Phase | None:
    """Give the storage phase, or None where the plan states none."""
    if plan.storage_tb is None:
        return None
    if plan.storage_days is None or not plan.storage_media:
        msg = "storage_tb needs storage_days and storage_media (ssd or hdd)"
        raise InputError(msg)
    power = constant(f"storage_{plan.storage_media}")
    hours = checked("days", plan.storage_days, "storage_days") * HOURS_PER_DAY
    it = power.scaled(plan.storage_tb * hours / 1000, "kWh")
    note = Assumed("storage_power", f"{power.central:g} W per TB ({power.low:g}-{power.high:g})",
                   "one copy; multiply storage_tb by the copies; embodied of drives is not known here", power.tier,
                   power.source_ids)  # fmt: skip
    return Phase("storage", {"energy_it": it} | emitted(shared, it.times(shared.site.pue, "kWh")), (note,))


def _stated_energy(plan: RunPlan, shared: Setting) -> Phase | None:
    """Give the data-processing phase from its stated IT energy, or None."""
    if plan.data_processing_kwh is None:
        return None
    it = exactly(plan.data_processing_kwh, "kWh")
    return Phase("data_processing", {"energy_it": it} | emitted(shared, it.times(shared.site.pue, "kWh")))


def _training_plan(plan: RunPlan, shared: Setting) -> TrainingPlan:
    """Give the training part of a plan."""
    if shared.parameters_n is None or shared.active_parameters_n is None:
        msg = "parameters_n or shape is needed for training"
        raise InputError(msg)
    return TrainingPlan(
        shared.parameters_n, shared.active_parameters_n, needed_device(shared)[0], plan.tokens_n, plan.devices_n,
        plan.days, plan.precision, plan.shape, plan.sequence_length_n, plan.recompute, frozen=False,
        utilisation_fraction=plan.utilisation_fraction, own=shared.own,
    )  # fmt: skip


def _time_lines(timed: Schedule) -> dict[str, Quantity]:
    """Give the figures of a schedule that are known."""
    found = {"tokens": timed.tokens, "utilisation": timed.utilisation, "device_hours": timed.device_hours}
    if timed.work is not None:
        found |= {
            "model_flop": exactly(timed.work.model_flop, "FLOP"),
            "hardware_flop": exactly(timed.work.hardware_flop, "FLOP"),
        }
    found |= {"devices": timed.devices_n} if timed.devices_n is not None else {}
    found |= {"days": timed.days} if timed.days is not None else {}
    return found | (
        {"unused_device_hours": exactly(timed.unused_device_hours, "h")} if timed.unused_device_hours else {}
    )


def _embodied_notes(shared: Setting) -> tuple[Assumed, ...]:
    """Give what stands in for the hardware around the accelerator."""
    found = carbon.embodied_kgco2e(needed_device(shared)[0], exactly(1, "h"))
    return tuple(
        Assumed(name, factor.hardware_model, "catalogue of embodied factors", factor.tier, (factor.source_id,))
        for name, factor in found.factors.items()
    )
