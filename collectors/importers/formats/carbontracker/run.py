"""One run of carbontracker as landing rows: epochs become counters, statements become stated figures.

What belongs here: which device an average power belongs to, the intervals of epochs, the rows. What must not be here:
the text of the logs (``log``).

Nothing is measured between two epochs, so epochs that do not follow one another directly are counter sessions of their
own: what lies between is a gap, not 0 J.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ....jobs.job import Job
from ...energy import MJ_PER_J, MJ_PER_KWH, Device, counter_rows, session_of
from ..shared.stated import UNKNOWN, Statement
from .log import Consumption, Epoch, Section

TOOL = "carbontracker"
MS_PER_S = 1_000
STAMP_MS = MS_PER_S
"""Stamps are whole seconds: a distance below is none [ms]."""
_RAPL = re.compile(r"(cpu|package|dram)[^:]*:(\d+)", re.IGNORECASE)
_APPLE = frozenset({"GPU", "ANE"})
"""Devices of Apple's chips, for which the log has one power in all."""


class Interval(NamedTuple):
    """The interval of one epoch.

    Attributes:
        start_ms: its start, not before the end of the epoch before it [epoch ms].
        end_ms: its end, in whole seconds [epoch ms].
        epoch: the epoch.
    """

    start_ms: int
    end_ms: int
    epoch: Epoch


def intervals(epochs: Iterable[tuple[Epoch, float, int]]) -> Iterator[Interval]:
    """Yield the intervals of epochs.

    Args:
        epochs: each epoch with its length [s] and its end [epoch ms], in order of time.
    """
    before_ms: int | None = None
    for epoch, duration_s, end_ms in epochs:
        start_ms = end_ms - round(duration_s * MS_PER_S)
        if before_ms is not None and start_ms < before_ms + STAMP_MS:
            start_ms = before_ms
        yield Interval(start_ms, end_ms, epoch)
        before_ms = end_ms


def powers_w(section: Section, epoch: Epoch) -> dict[Device, float]:
    """Return the mean power of each device in an epoch [W]; devices of which nothing was measured are left out.

    Where the log averages over the devices of a component, each device has that mean; processors, whose domains may be
    packages and memory, are then one device with the sum.
    """
    made: dict[Device, float] = {}
    for component, powers in epoch.power_w.items():
        names = names_of(section, component)
        if powers is None:
            continue
        if component not in epoch.is_mean_of_devices:
            if len(powers) == len(names):
                made |= {_device(component, names, number): power for number, power in enumerate(powers)}
        elif component == "gpu":
            made |= {_device(component, names, number): powers[0] for number in range(len(names))}
        else:
            made[_device(component, names, None)] = powers[0] * len(names)
    return {device: power for device, power in made.items() if power > 0}


def names_of(section: Section, component: str) -> list[str]:
    """Return the names of the devices of a component, one for each power that a reading has; at least one."""
    names = section.devices.get(component) or [component]
    return ["GPU"] if component == "gpu" and _APPLE.issuperset(names) else names


def _device(component: str, names: list[str], number: int | None) -> Device:
    if component == "gpu":
        is_apple = names == ["GPU"]
        return Device(f"gpu-{number}", "gpu", "board", "model" if is_apple else "nvml_power", is_estimate=is_apple)
    domains = [_RAPL.fullmatch(name) for name in names]
    is_read = all(domains)
    source = "rapl" if is_read else "model"
    domain = domains[number] if number is not None else None
    if domain is None:
        device = "cpu" if number is None or len(names) == 1 else f"cpu-{number}"
        return Device(device, "cpu", "package", source, is_estimate=not is_read)
    if domain[1].lower() == "dram":
        return Device(f"dram-{domain[2]}", "dram", "package", source, is_estimate=False)
    return Device(f"cpu-package-{domain[2]}", "cpu", "package", source, is_estimate=False)


def sample_rows(job_id: str, section: Section, epochs: Iterable[Interval]) -> list[dict[str, Any]]:
    """Return the readings of all devices: each counter rises over an epoch by its mean power times its length.

    Args:
        job_id: the run, also its host.
        section: the run's log.
        epochs: its epochs, in order of time.
    """
    made: dict[tuple[str, int], dict[str, Any]] = {}
    ends: dict[Device, tuple[int, int, int]] = {}
    for start_ms, end_ms, epoch in epochs:
        for device, power_w in powers_w(section, epoch).items():
            energy_mj = round(power_w * (epoch.duration_s or 0) * MJ_PER_J)
            last_ms, before_mj, session = ends.get(device, (None, 0, 0))
            if last_ms != start_ms:
                before_mj, session = 0, session_of(TOOL, job_id, device.device, str(start_ms))
            if end_ms > start_ms:
                rows = counter_rows(
                    host=job_id,
                    start_ms=start_ms,
                    end_ms=end_ms,
                    energy_mj=energy_mj,
                    before_mj=before_mj,
                    session=session,
                    **device._asdict(),
                )
                made |= {(device.device, row["ts_ms"]): row for row in rows}
            elif (known := made.get((device.device, end_ms))) is not None:
                # Several epochs in one second: the reading at its end has them all.
                known["energy_mj"] = before_mj + energy_mj
            else:
                continue
            ends[device] = (end_ms, before_mj + energy_mj, session)
    return list(made.values())


def job_rows(job: Job, epochs: list[Interval]) -> dict[str, list[dict[str, Any]]]:
    """Return the events and the reservation of a run; its state the log does not tell."""
    start_ms, end_ms = epochs[0].start_ms, epochs[-1].end_ms
    return {
        "job_event": [job.event_row(start_ms, "started"), job.event_row(end_ms, "ended")],
        "job_device": [job.device_row(job.job_id, start_ms)],
    }


def energy_kwh(section: Section, epochs: Iterable[Interval]) -> float:
    """Return the energy of the epochs by carbontracker's own sum, without overhead: mean powers times length [kWh]."""
    return (
        sum(
            sum(sum(powers) for powers in epoch.power_w.values() if powers) * (epoch.duration_s or 0) * MJ_PER_J
            for _, _, epoch in epochs
        )
        / MJ_PER_KWH
    )


def stated_rows(
    said: Consumption, section: Section | None, job_id: str, start_ms: int, end_ms: int
) -> list[dict[str, Any]]:
    """Return a statement of an output log as stated figures, with overhead, as it is written.

    Args:
        said: the statement.
        section: standard log of the run, or ``None`` where there is none.
        job_id: the run.
        start_ms: start of the interval [epoch ms].
        end_ms: its end [epoch ms].
    """
    labels: dict[str, str] = {"epochs": str(said.epochs_n)} if said.epochs_n is not None else {}
    if section is not None and section.pue is not None:
        labels["pue"] = f"{section.pue:g}"
    says = _statement("predicted" if said.is_prediction else "actual", section, job_id, start_ms, end_ms, labels)
    made = [says.figure("energy", said.energy_kwh, "kWh")]
    if said.emissions_g is not None:
        made.append(says.figure("emissions", said.emissions_g, "gCO2e"))
    return made


def intensity_rows(section: Section, job_id: str, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
    """Return the mean carbon intensity that a log states; the place behind it is a label and nothing more."""
    if section.intensity is None:
        return []
    labels = {"location": section.location} if section.location else {}
    says = _statement("actual", section, job_id, start_ms, end_ms, labels)
    return [says.figure("intensity", section.intensity, "gCO2e/kWh")]


def _statement(
    method: str, section: Section | None, job_id: str, start_ms: int, end_ms: int, labels: Mapping[str, str]
) -> Statement:
    version = (section.version if section else None) or UNKNOWN
    return Statement(TOOL, method, "job", job_id, start_ms, end_ms, version=version, job_id=job_id, labels=labels)
