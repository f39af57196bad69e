"""A labelled estimate of CPU and memory power, for hosts where neither has a counter.

What belongs here: the linear model from utilisation to power, its factors read from ``estimate_factors.csv``. What must
not be here: anything that is measured. Every reading of this source is marked as an estimate.

Reference: Cloud Carbon Footprint, Methodology: average watts = minimum + utilisation x (maximum - minimum), per vCPU.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..clock import procfs_root
from .common import Device, PowerSource, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FACTORS_PATH = Path(__file__).with_name("estimate_factors.csv")
PROVIDERS = ("aws", "gcp", "azure")
_FIRST_WAIT_S = 0.05
"""Wait before the first reading where no tick of /proc/stat (10 ms) has passed yet [s]."""
_FIRST_LINE_BYTES = 512
"""More than the first line of /proc/stat can take [bytes]."""
_KIB_PER_GIB = 1024 * 1024
_MW_PER_W = 1_000


class Factor(NamedTuple):
    """One published figure of the estimate.

    Attributes:
        factor_id: identifier, for example ``cpu-idle-default``.
        quantity: ``cpu_idle``, ``cpu_max`` or ``dram``.
        unit: ``W/vCPU`` or ``W/GB``.
        low: low value, in the unit.
        central: value used, in the unit.
        high: high value, in the unit.
        source: publication that states it.
        date: year of the publication.
        note: what to know about it.
    """

    factor_id: str
    quantity: str
    unit: str
    low: float
    central: float
    high: float
    source: str
    date: str
    note: str


def load_factors(path: Path = FACTORS_PATH) -> dict[str, Factor]:
    """Return the factors of the data file by id.

    Args:
        path: CSV file of the factors.
    """
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["factor_id"]: Factor(
                row["factor_id"],
                row["quantity"],
                row["unit"],
                float(row["low"]),
                float(row["central"]),
                float(row["high"]),
                row["source"],
                row["date"],
                row["note"],
            )
            for row in csv.DictReader(file)
        }


class _Ticks(NamedTuple):
    busy: int
    total: int


class EstimateSource(PowerSource):
    """Modelled power of the host's CPU and memory."""

    name = "estimate"
    kinds = "cpu, dram"

    def __init__(
        self,
        kinds: Collection[str] = ("cpu", "dram"),
        root: Path | None = None,
        *,
        provider: str | None = None,
        hardware_model: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Read the size of the host and take the first count of busy time.

        Args:
            kinds: kinds of device that have no counter here: ``cpu``, ``dram`` or both.
            root: root of procfs; by default ``WATTLEDGER_PROCFS_ROOT`` or ``/proc``.
            provider: cloud provider whose factors to take; any other gets the default ones.
            hardware_model: name of the CPU model, if known.
            sleep: how to wait [s]; tests put another in its place.
        """
        self._root = root or procfs_root()
        self._stat_path = str(self._root / "stat")
        self._sleep = sleep
        self._kinds = tuple(kind for kind in ("cpu", "dram") if kind in kinds)
        factors = load_factors()
        group = provider if provider in PROVIDERS else "default"
        self._idle_w = factors[f"cpu-idle-{group}"].central
        self._max_w = factors[f"cpu-max-{group}"].central
        self._dram_w = factors["dram-default"].central
        self._last: _Ticks | None = None
        self._util: float | None = None
        self._cpus = 0
        self._memory_gb = 0.0
        self._model = hardware_model
        self._devices: list[Device] = []
        try:
            self._last, self._cpus = self._ticks(), self._count_cpus()
            self._memory_gb = self._memory()
        except (OSError, ValueError) as error:
            self.unavailable_reason = f"cannot read {self._root}: {error}"
            self.fix = "mount the host's /proc and set WATTLEDGER_PROCFS_ROOT"
        else:
            self._devices = self._found()

    def devices(self) -> list[Device]:
        """Return the modelled devices: ``cpu-package-0`` for all CPUs, ``dram-0`` for all memory."""
        return list(self._devices)

    def _found(self) -> list[Device]:
        known = {
            "cpu": Device(
                "cpu-package-0",
                "cpu",
                "package",
                "model",
                hardware_model=self._model,
                limit_w=self._cpus * self._max_w,
                is_estimate=True,
            ),
            "dram": Device(
                "dram-0", "dram", "package", "model", limit_w=self._memory_gb * self._dram_w, is_estimate=True
            ),
        }
        return [known[kind] for kind in self._kinds]

    def read(self) -> list[Reading]:
        """Return modelled power [mW] and utilisation [%] since the reading before."""
        return [self._read_cpu() if device.kind == "cpu" else self._read_dram() for device in self._devices]

    def cpu_power_w(self, utilisation: float) -> float:
        """Return modelled power of all CPUs [W].

        Args:
            utilisation: share of time that the logical CPUs are busy, 0 to 1.
        """
        return self._cpus * (self._idle_w + utilisation * (self._max_w - self._idle_w))

    def _read_cpu(self) -> Reading:
        try:
            utilisation = self._utilisation()
        except Exception:  # noqa: BLE001 - a source never raises out of read()
            return Reading("cpu-package-0", gap_reason="read_failed")
        if utilisation is None:
            return Reading("cpu-package-0", gap_reason="read_failed")
        power_mw = round(self.cpu_power_w(utilisation) * _MW_PER_W)
        return Reading("cpu-package-0", power_mw=power_mw, util_percent=round(100 * utilisation))

    def _read_dram(self) -> Reading:
        return Reading("dram-0", power_mw=round(self._memory_gb * self._dram_w * _MW_PER_W))

    def _utilisation(self) -> float | None:
        """Return the busy share since the reading before; the last one known where no time has passed."""
        ticks = self._ticks()
        if self._util is None and self._last is not None and ticks.total <= self._last.total:
            self._sleep(_FIRST_WAIT_S)
            ticks = self._ticks()
        if self._last is not None and ticks.total > self._last.total:
            share = (ticks.busy - self._last.busy) / (ticks.total - self._last.total)
            self._util = min(max(share, 0.0), 1.0)
        self._last = ticks
        return self._util

    def _ticks(self) -> _Ticks:
        """Return the counts of busy and of all time; only the line that sums all CPUs is read, at every tick."""
        descriptor = os.open(self._stat_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            head = os.read(descriptor, _FIRST_LINE_BYTES)
        finally:
            os.close(descriptor)
        # user nice system idle iowait irq softirq steal; guest time is already part of user and nice.
        name, *fields = head.partition(b"\n")[0].split()[:9]
        if name != b"cpu" or len(fields) < 5:
            msg = "stat has no cpu line"
            raise ValueError(msg)
        counts = [int(value) for value in fields]
        total = sum(counts)
        return _Ticks(total - counts[3] - counts[4], total)

    def _count_cpus(self) -> int:
        lines = (self._root / "stat").read_text(encoding="ascii").splitlines()
        cpus = sum(1 for line in lines if line.startswith("cpu") and line[3:4].isdigit())
        if cpus == 0:
            msg = "stat has no line of a cpu"
            raise ValueError(msg)
        return cpus

    def _memory(self) -> float:
        for line in (self._root / "meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) / _KIB_PER_GIB
        msg = "meminfo has no MemTotal"
        raise ValueError(msg)
