"""Made-up jobs of a made-up fleet: gangs over several hosts, services, notebooks that share a GPU, and many short jobs.

What belongs here: who holds which device when, as rows of the landing contract. What must not be here: readings (see
``fleet``). Everything of a day follows from the seed and the day alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from collectors.contract import JOB_EVENT

MS_PER_HOUR = 3_600_000
MS_PER_DAY = 24 * MS_PER_HOUR
# What a host is for, by its number: gangs hold most, as in a training cluster.
POOLS = ("gang", "short", "notebook", "service", "gang", "gang", "short", "short", "gang", "service")
GANG_HOSTS = 4
NOTEBOOKS_PER_GPU = 3


@dataclass(frozen=True, slots=True)
class Load:
    """A job on one GPU, for the power of that GPU.

    Attributes:
        host: number of the host.
        gpu: number of the GPU in its host.
        start_ms: start [epoch ms].
        end_ms: end [epoch ms].
        busy_fraction: part of the GPU's range of power that it draws, in [0, 1].
    """

    host: int
    gpu: int
    start_ms: int
    end_ms: int
    busy_fraction: float


@dataclass(slots=True)
class JobDay:
    """The jobs of one day.

    Attributes:
        events: rows of ``job_event``.
        devices: rows of ``job_device``.
        loads: the same as loads of GPUs.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    devices: list[dict[str, Any]] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)

    def add(
        self, job_id: str, phase: str, span: tuple[int, int], places: list[tuple[int, int]], busy_fraction: float
    ) -> None:
        """Add a job's events and loads; its reservations are added by the caller."""
        number = int(job_id.rsplit("-", 1)[1])
        common = dict.fromkeys(column.name for column in JOB_EVENT.columns) | {
            "job_id": job_id,
            "attempt": 1,
            "org": "example",
            "team": f"team-{number % 7}",
            "project": f"project-{number % 31}",
            "model": f"model-{number % 53}",
            "model_version": str(number % 5),
            "phase": phase,
        }
        failed = number % 11 == 0
        self.events.append(common | {"ts_ms": span[0], "event": "started"})
        self.events.append(
            common
            | {
                "ts_ms": span[1],
                "event": "ended",
                "state": "failed" if failed else "completed",
                "exit_code": int(failed),
            }
        )
        self.loads += [Load(host, gpu, *span, busy_fraction) for host, gpu in places]

    def hold(
        self, job_id: str, span: tuple[int, int], host: str, device: str, share_fraction: float | None = None
    ) -> None:
        """Add a reservation."""
        self.devices.append(
            {
                "job_id": job_id,
                "attempt": 1,
                "host": host,
                "device": device,
                "start_ms": span[0],
                "end_ms": span[1],
                "share_fraction": share_fraction,
            }
        )


def make_day(seed: int, day_ms: int, hosts: list[str], gpus: list[list[str]]) -> JobDay:
    """Return the jobs of a day; none crosses midnight.

    Args:
        seed: seed of the fleet.
        day_ms: start of the day [epoch ms].
        hosts: names of the hosts.
        gpus: device ids of the GPUs of each host.
    """
    chance = np.random.default_rng([seed, day_ms // MS_PER_DAY, 1])
    day = JobDay()
    pools = {name: [at for at in range(len(hosts)) if POOLS[at % len(POOLS)] == name] for name in POOLS}
    for first in range(0, len(pools["gang"]), GANG_HOSTS):
        _gangs(day, chance, day_ms, pools["gang"][first : first + GANG_HOSTS], hosts, gpus)
    for host in pools["service"]:
        for gpu, device in enumerate(gpus[host]):
            job_id = f"service-{day_ms // MS_PER_DAY}-{host * 64 + gpu}"
            span = (day_ms, day_ms + MS_PER_DAY)
            day.add(job_id, "inference", span, [(host, gpu)], float(chance.uniform(0.2, 0.6)))
            day.hold(job_id, span, hosts[host], device)
    for host in pools["notebook"]:
        for gpu, device in enumerate(gpus[host]):
            _notebooks(day, chance, day_ms, host, gpu, hosts[host], device)
    for host in pools["short"]:
        for gpu, device in enumerate(gpus[host]):
            _short(day, chance, day_ms, host, gpu, hosts[host], device)
    return day


def _job_id(kind: str, day: JobDay, day_ms: int) -> str:
    return f"{kind}-{day_ms // MS_PER_DAY}-{len(day.events) // 2}"


def _gangs(
    day: JobDay, chance: np.random.Generator, day_ms: int, members: list[int], hosts: list[str], gpus: list[list[str]]
) -> None:
    """Add jobs that hold whole hosts, one after another; every second one names the devices, the others say ``*``."""
    start = day_ms + int(chance.integers(0, MS_PER_HOUR))
    while start < day_ms + MS_PER_DAY - MS_PER_HOUR // 4:
        end = min(start + int(chance.uniform(0.5, 12) * MS_PER_HOUR), day_ms + MS_PER_DAY - 1)
        job_id = _job_id("gang", day, day_ms)
        places = [(host, gpu) for host in members for gpu in range(len(gpus[host]))]
        day.add(job_id, "training", (start, end), places, float(chance.uniform(0.75, 1.0)))
        by_name = int(job_id.rsplit("-", 1)[1]) % 2 == 0
        for host in members:
            for device in gpus[host] if by_name else ["*"]:
                day.hold(job_id, (start, end), hosts[host], device)
        start = end + int(chance.uniform(60_000, 1_200_000))


def _notebooks(
    day: JobDay, chance: np.random.Generator, day_ms: int, host: int, gpu: int, name: str, device: str
) -> None:
    """Add notebooks that overlap on one GPU, most with a share."""
    for number in range(NOTEBOOKS_PER_GPU):
        start = day_ms + int(chance.uniform(7, 16) * MS_PER_HOUR)
        span = (start, min(start + int(chance.uniform(0.5, 8) * MS_PER_HOUR), day_ms + MS_PER_DAY - 1))
        job_id = _job_id("notebook", day, day_ms)
        day.add(job_id, "experimentation", span, [(host, gpu)], 0.15)
        day.hold(job_id, span, name, device, None if number == 2 and gpu % 2 else 1 / NOTEBOOKS_PER_GPU)


def _short(day: JobDay, chance: np.random.Generator, day_ms: int, host: int, gpu: int, name: str, device: str) -> None:
    """Add jobs one after another, half of them under ten minutes."""
    start = day_ms + int(chance.uniform(0, 600_000))
    while True:
        end = start + int(chance.lognormal(np.log(600_000), 1.2))
        if end >= day_ms + MS_PER_DAY:
            return
        job_id = _job_id("short", day, day_ms)
        phase = ("experimentation", "evaluation", "fine_tuning", "data_processing")[gpu % 4]
        day.add(job_id, phase, (start, end), [(host, gpu)], float(chance.uniform(0.3, 0.95)))
        day.hold(job_id, (start, end), name, device)
        start = end + int(chance.exponential(180_000)) + 1_000
