"""What a measured job holds of its host, and for how much of it.

What belongs here: the two ways to hold a host, all of it or by the CPU time used, as landing rows. What must not be
here: how CPU time is known (``cputime``), or when rows are written.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Protocol

from .events import devices_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..sources.common import Device
    from .cputime import CpuTime
    from .job import Job

WAYS = ("host", "share")
_NS_PER_MS = 1_000_000


class Hold(Protocol):
    """What a job holds."""

    def rows(self, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        """Return the rows of an interval that ends now; each interval is asked for once, in order."""
        ...

    def open_rows(self, start_ms: int) -> list[dict[str, Any]]:
        """Return the rows of an interval whose end nobody may be there to tell."""
        ...


class HostHold:
    """All of the host, whatever else runs there."""

    def __init__(self, job: Job, host: str) -> None:
        """Name the job and its host."""
        self._job, self._host = job, host

    def rows(self, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        """Return one row for all devices."""
        return [self._job.device_row(self._host, start_ms, end_ms)]

    def open_rows(self, start_ms: int) -> list[dict[str, Any]]:
        """Return the same without an end."""
        return [self._job.device_row(self._host, start_ms)]


class ShareHold:
    """Processors and memory by the share of the host's CPU time that the job used, and the GPUs it was given whole.

    The share is CPU time over the time of all logical CPUs: a job that keeps one of four busy has a quarter, and what
    nobody used is idle.
    """

    def __init__(
        self, job: Job, host: str, devices: Callable[[], Iterable[Device]], cpu: CpuTime, gpus: str | None
    ) -> None:
        """Name the job and what it was given.

        Args:
            job: the job.
            host: its host.
            devices: returns the devices of the host.
            cpu: CPU time of the job.
            gpus: indices or UUIDs of its GPUs with commas between them; ``None`` where nobody said.

        Raises:
            UsageError: if this host has no such GPU.
        """
        self._job, self._host, self._devices, self._cpu, self._gpus = job, host, devices, cpu, gpus or ""
        self._cpus_n = os.cpu_count() or 1
        self._used_ns, self._share = 0, 0.0
        devices_of(self._gpus, self._devices(), None)

    def rows(self, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        """Return one row a device, with the share that was used since the interval before."""
        used_ns = max(self._cpu.used_ns(), self._used_ns)
        whole_ns = (end_ms - start_ms) * _NS_PER_MS * self._cpus_n
        self._share = min((used_ns - self._used_ns) / whole_ns, 1.0)
        self._used_ns = used_ns
        return self._made(start_ms, end_ms)

    def open_rows(self, start_ms: int) -> list[dict[str, Any]]:
        """Return the rows with the share of the last interval, the best that is known of one that nobody ends."""
        return self._made(start_ms, None)

    def _made(self, start_ms: int, end_ms: int | None) -> list[dict[str, Any]]:
        return [
            self._job.device_row(self._host, start_ms, end_ms, device=name, share_fraction=share)
            for name, share in devices_of(self._gpus, self._devices(), self._share)
        ]
