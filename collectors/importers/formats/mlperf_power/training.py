"""Training submissions of MLPerf with power: from the logs of a run to its items.

What belongs here: what a run's result log and power logs become in the ledger. What must not be here: how logs are read
(``result_log``, ``power_log``), names and options (``submission``).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from ....contract import MAX_POWER_MW
from ....jobs.job import Job
from ...errors import NON_POSITIVE_POWER, OUT_OF_RANGE, SourceError
from ...format import Assumption, Finding, Item, Rows, rejected
from ...staging import Figure
from ..shared.integral import integrate
from ..shared.logfiles import LogFile
from ..shared.meters import Meter, Meters, Reading, Series
from ..shared.stated import UNKNOWN
from .power_log import Channel, official_energy_j, read_channel
from .result_log import RunLog, read_run
from .submission import MS_PER_S, MW_PER_W, Names, Settings, figure_items, need_name, place_of

# Llama 2 70B LoRA adapts a trained model; every other benchmark of MLPerf Training trains one.
_PHASES = {"llama2_70b_lora": "fine_tuning"}
# The logs call every quality eval_accuracy; these are the names in the rules of MLPerf Training v4.0.
_QUALITY = {
    "bert": "masked_lm_accuracy",
    "dlrm_dcnv2": "auc",
    "gpt3": "log_perplexity",
    "llama2_70b_lora": "eval_loss",
    "resnet": "top1_accuracy",
    "ssd": "map",
    "unet3d": "mean_dice",
}
_STATES = {"success": "completed", "aborted": "failed"}
_STEP_MS = 5_000
"""Distance of the samples that are made of a constant estimate [ms]."""
_QUARTER_HOUR_MS = 900_000
"""Zones differ by multiples of this [ms]; a clock that is off by one is probably set to a wrong zone."""


class RunFiles(NamedTuple):
    """The files of one run.

    Attributes:
        name: name of the run.
        result: its result log, or ``None`` if it is missing.
        power: its power logs, at least one.
    """

    name: str
    result: LogFile | None
    power: list[LogFile]


class _Held(NamedTuple):
    """A power log, the device that it speaks of, and what is taken of it."""

    channel: Channel
    meter: Meter
    series: Series


def training_items(files: RunFiles, meters: Meters, settings: Settings) -> Generator[Item, None, str]:
    """Yield the items of one run.

    Args:
        files: its files.
        meters: readings taken so far.
        settings: options of the import.

    Returns:
        Identifier of the run.

    Raises:
        SourceError: if something that decides a figure is neither in the logs nor given.
    """
    run = read_run(files.result) if files.result else RunLog()
    names = _names(files, run, settings)
    channels = [read_channel(log, settings.shift_ms(log.path.stem)) for log in files.power]
    devices = [_meter(channel, names, settings) for channel in channels]
    if len({(meter.host, meter.device) for meter in devices}) < len(devices):
        # Equal readings of two nodes would be taken as repeated and their energy be lost.
        msg = "has several nodes, and --host gives them one name; put {channel} into the pattern"
        raise SourceError(files.power[0].shown, msg)
    held = []
    for channel, meter in zip(channels, devices, strict=True):
        readings = yield from _readings(channel, run)
        series = yield from meters.take(meter, channel.shown, readings)
        held.append(_Held(channel, meter, series))
    yield from _run_items(names, run, held, settings)
    return names.job_id


def _names(files: RunFiles, run: RunLog, settings: Settings) -> Names:
    shown = files.result.shown if files.result else files.power[0].shown
    place = place_of(files.power[0].path)
    return Names(
        place.submitter or run.texts.get("submission_org", ""),
        need_name(settings, "system", shown, place.system, run.texts.get("submission_platform")),
        need_name(settings, "benchmark", shown, place.benchmark, run.texts.get("submission_benchmark")),
        "",
        files.name,
    )


def _meter(channel: Channel, names: Names, settings: Settings) -> Meter:
    host = settings.host(names, channel.name, "{system}-{channel}")
    if channel.is_constant:
        # An estimate is measured nowhere; it stands beside the nodes, at their point if that is stated.
        return Meter(host, "switch-0", "switch", settings.options.get("point", "ac"), "model", is_estimate=True)
    device = "switch-0" if channel.kind == "switch" else "node"
    return Meter(host, device, channel.kind, settings.point(channel.point, channel.shown), settings.options["source"])


def _readings(channel: Channel, run: RunLog) -> Generator[Item, None, list[Reading]]:
    yield from channel.refused
    if channel.is_constant:
        return _constant(channel, run)
    taken = []
    for row, ts_ms, watts in channel.readings:
        power_mw = round(watts * MW_PER_W)
        if power_mw < 0 or (power_mw == 0 and channel.kind == "node"):
            reason, detail = NON_POSITIVE_POWER, f"{watts:g} W; a running {channel.kind} draws more"
        elif power_mw > MAX_POWER_MW:
            reason, detail = OUT_OF_RANGE, f"{watts:g} W is more than any device draws"
        else:
            taken.append(Reading(row, ts_ms, power_mw))
            continue
        yield rejected("power_sample", reason, detail, channel.shown, row, {"time_ms": ts_ms, "value": watts})
    return taken


def _constant(channel: Channel, run: RunLog) -> list[Reading]:
    """Return samples of a constant over the run: between runs nothing is claimed, so there is none."""
    if run.start_ms is None or run.stop_ms is None or run.stop_ms <= run.start_ms:
        return []
    power_mw = round((channel.constant_w or 0.0) * MW_PER_W)
    stamps = [*range(run.start_ms, run.stop_ms, _STEP_MS), run.stop_ms]
    return [Reading(None, stamp, power_mw) for stamp in stamps]


def _run_items(names: Names, run: RunLog, held: list[_Held], settings: Settings) -> Iterator[Item]:
    job_id = names.job_id
    start_ms, stop_ms = run.start_ms, run.stop_ms
    if start_ms is None:
        yield Finding(f"{job_id}: there is no run_start, so its power lands without a job")
        return
    phase = _PHASES.get(names.benchmark, "training")
    if "phase" not in settings.options:
        yield Assumption(f"benchmark {names.benchmark} is taken as phase {phase}; the logs name none")
    job = settings.job(names, phase, _labels(names, run, held))
    events = list(_events(job, names, run))
    yield Rows("job_event", events, read=len(events))
    yield Rows("job_device", [_device_row(job, item, start_ms, stop_ms) for item in held])
    yield from _findings(job_id, run, held)
    if stop_ms is None or stop_ms <= start_ms:
        yield Finding(f"{job_id}: there is no run_stop behind run_start, so there is no energy of the run")
        return
    yield from _figures(job, start_ms, stop_ms, held)


def _labels(names: Names, run: RunLog, held: list[_Held]) -> dict[str, object]:
    return {
        "submitter": names.submitter,
        "system": names.system,
        "benchmark": names.benchmark,
        "division": run.texts.get("submission_division"),
        "nodes": sum(item.meter.kind == "node" for item in held),
        "seed": run.texts.get("seed"),
        "global_batch_size": run.texts.get("global_batch_size"),
    }


def _events(job: Job, names: Names, run: RunLog) -> Iterator[dict[str, object]]:
    yield job.event_row(run.start_ms or 0, "started")
    for at_ms, begins in run.evaluations():
        yield job.event_row(at_ms, "phase_changed", phase="evaluation" if begins else job.phase)
    if run.stop_ms is not None:
        quality = {}
        if run.quality is not None:
            metric = _QUALITY.get(names.benchmark, "eval_accuracy")
            quality = {"quality_metric": metric, "quality_value": float(run.quality[1])}
        yield job.event_row(run.stop_ms, "ended", state=_STATES.get(run.status or ""), **quality)


def _device_row(job: Job, item: _Held, start_ms: int, stop_ms: int | None) -> dict[str, object]:
    end_ms = None if stop_ms is None else max(start_ms, stop_ms)
    return job.device_row(item.meter.host, start_ms, end_ms, device=item.meter.device)


def _findings(job_id: str, run: RunLog, held: list[_Held]) -> Iterator[Item]:
    if len(run.starts) > 1 or len(run.stops) > 1:
        yield Finding(f"{job_id}: several run_start or run_stop; the first start and the last stop are taken")
    if run.unread:
        yield Finding(f"{job_id}: {run.unread} records of the result log cannot be read and are left out")
    for item in held:
        efficiency = item.channel.efficiency
        if efficiency != 1:
            yield Finding(
                f"the power logs state conversion_eff {efficiency:g}; readings land as measured, only the official "
                "figure is multiplied by it"
            )
        if not item.meter.is_estimate and item.series and run.start_ms is not None and run.stop_ms is not None:
            yield from _clock(job_id, item, run.start_ms, run.stop_ms)


def _clock(job_id: str, item: _Held, start_ms: int, stop_ms: int) -> Iterator[Item]:
    """Say where no reading lies inside the run: its energy would be lost without any error."""
    first_ms, last_ms = item.series[0][0], item.series[-1][0]
    if first_ms < stop_ms and last_ms > start_ms:
        return
    off_ms = (start_ms + stop_ms - first_ms - last_ms) // 2
    shift_ms = round(off_ms / _QUARTER_HOUR_MS) * _QUARTER_HOUR_MS
    fits = first_ms + shift_ms < stop_ms and last_ms + shift_ms > start_ms
    option = f"--shift {item.channel.name}={shift_ms // MS_PER_S}"
    advice = f"; if its clock was in a wrong zone: {option}" if fits and shift_ms else ""
    yield Finding(
        f"{job_id}: no reading of {item.channel.name} lies inside the run, its middle is {off_ms / MS_PER_S:g} s "
        f"before the run's{advice}"
    )


def _figures(job: Job, start_ms: int, stop_ms: int, held: list[_Held]) -> Iterator[Item]:
    run_ms = stop_ms - start_ms
    official_j = sum(official_energy_j(item.channel, run_ms) for item in held)
    integrals = [(item.meter, integrate(item.series, start_ms, stop_ms)) for item in held]
    measured = [part for meter, part in integrals if not meter.is_estimate]
    labels = {
        "nodes": sum(item.meter.kind == "node" for item in held),
        "conversion_eff": ",".join(sorted({f"{item.channel.efficiency:g}" for item in held})),
        "estimated_j": sum(official_energy_j(item.channel, run_ms) for item in held if item.meter.is_estimate) or None,
    }
    yield from figure_items(job, start_ms, stop_ms, [("energy", official_j, "J")], UNKNOWN, labels)
    yield Figure(job.job_id, "integral", sum(part.energy_j for _, part in integrals), "J")
    covered_ms = sum(part.covered_ms for part in measured)
    yield Figure(job.job_id, "integral_coverage", covered_ms / (run_ms * max(len(measured), 1)), "fraction")
