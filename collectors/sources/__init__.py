"""Power sources of a host, one interface a file, and the choice among them.

What belongs here: which sources a host has. What must not be here: how one is read (its own file), time stamps, files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..clock import SystemClock, procfs_root
from .common import CounterStep, Device, MonotoneCounter, PowerSource, Reading
from .estimate import EstimateSource
from .nvml import NvmlSource
from .rapl import RaplSource

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from ..clock import Clock

__all__ = [
    "CounterStep",
    "Device",
    "Discovery",
    "EstimateSource",
    "MonotoneCounter",
    "NvmlSource",
    "PowerSource",
    "RaplSource",
    "Reading",
    "cpu_model",
    "discover",
    "first_session",
]

# 2020-01-01 UTC: seconds since then number the sessions of a process and stay inside int32 until 2088.
_SESSION_EPOCH_S = 1_577_836_800


class Discovery(NamedTuple):
    """The sources of this host.

    Attributes:
        sources: usable sources, in the order in which they are read.
        unavailable: sources that cannot be used here; each says why.
    """

    sources: list[PowerSource]
    unavailable: list[PowerSource]


def first_session(clock: Clock) -> int:
    """Return the number of a process's first counter session: another one for each start.

    Counter values of two processes have no common base (each unwraps by itself), so their sessions must differ.

    Args:
        clock: where the time comes from.
    """
    return max(clock.now_ms() // 1000 - _SESSION_EPOCH_S, 0) % (2**31 - 2**16)


def cpu_model(root: Path | None = None) -> str | None:
    """Return the CPU model that ``/proc/cpuinfo`` names, or ``None``.

    Args:
        root: root of procfs; by default ``WATTLEDGER_PROCFS_ROOT`` or ``/proc``.
    """
    try:
        text = ((root or procfs_root()) / "cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next((name for name in names if name), None)


def discover(
    *,
    clock: Clock | None = None,
    provider: str | None = None,
    nvml_module: ModuleType | None = None,
    estimate: bool = True,
) -> Discovery:
    """Find what can be measured here, and model CPU or memory only where it has no counter.

    Args:
        clock: where the time comes from; by default the system's.
        provider: cloud provider, for the factors of the estimate.
        nvml_module: stand-in for ``pynvml``, for tests.
        estimate: whether kinds without a counter are modelled.
    """
    clock = clock or SystemClock()
    session = first_session(clock)
    model = cpu_model()
    found: list[PowerSource] = [
        NvmlSource(nvml_module, monotonic_ns=clock.monotonic_ns, first_session=session),
        RaplSource(monotonic_ns=clock.monotonic_ns, first_session=session, hardware_model=model),
    ]
    kinds = {device.kind for source in found for device in source.devices()}
    # psys covers CPU and memory of the whole platform.
    missing = [kind for kind in ("cpu", "dram") if kind not in kinds and "node" not in kinds]
    if estimate and missing:
        found.append(EstimateSource(missing, provider=provider, hardware_model=model))
    usable = [source for source in found if source.unavailable_reason is None]
    return Discovery(usable, [source for source in found if source.unavailable_reason is not None])
