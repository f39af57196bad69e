"""CPU packages and DRAM by RAPL, through the kernel's powercap tree.

What belongs here: finding zones and reading their counters. What must not be here: estimates for what has no counter.

Zones overlap, so they are chosen, never summed: the top-level packages, and DRAM, which is a subzone in the tree but
not part of the package's energy. Core and uncore are inside the package and left out. ``psys`` covers the whole
platform, packages included, and is used only on a host that has no package zone. ``intel-rapl-mmio`` repeats the
packages by another way and is never read.

A counter that reads exactly 0 and stays there is none: virtual machines and parts without the zone answer 0.

Reference: Linux, Documentation/power/powercap/powercap.rst.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from .common import Device, LeftOut, MonotoneCounter, Reading
from .sysfs import FALLBACK_PACKAGE_LIMIT_W, MAX_UJ, UJ_PER_MJ, Meter, SysfsSource, read_number, read_text, sysfs_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FALLBACK_DRAM_LIMIT_W = 400.0
"""Limit of the memory of one socket where the kernel tells none [W], to tell a wrap from a reset: 24 modules at about
15 W."""

_ZONE = re.compile(r"^intel-rapl:(\d+)$")
_SUBZONE = re.compile(r"^intel-rapl:(\d+):(\d+)$")
_PACKAGE = re.compile(r"^package-(\d+(?:-die-\d+)?)$")
_ZERO_WAIT_S = 0.01
"""Wait before a counter that reads 0 is read again [s]; a live one is updated every millisecond."""

FIX_PERMISSION = (
    "run as root, or let this user's group read the counters: "
    "sudo chgrp $(id -gn) /sys/class/powercap/intel-rapl:*/energy_uj && "
    "sudo chmod g+r /sys/class/powercap/intel-rapl:*/energy_uj   (until the next boot; in a service use "
    "AmbientCapabilities=CAP_DAC_READ_SEARCH)"
)
FIX_ABSENT = (
    "on a physical machine: sudo modprobe intel_rapl_msr; in a container: mount the host's /sys and set "
    "WATTLEDGER_SYSFS_ROOT; in a virtual machine: the hypervisor shows no counter, run the agent on the host"
)
FIX_MASKED = (
    "the container runtime hides the counters: mount the host's /sys elsewhere and name it, "
    "docker run -v /sys:/host/sys:ro -e WATTLEDGER_SYSFS_ROOT=/host/sys ..."
)


class _Zone(Meter):
    """A zone and the file of its counter."""

    __slots__ = ("energy_path",)

    def __init__(self, device: Device, counter: MonotoneCounter, energy_path: Path) -> None:
        super().__init__(device, counter)
        self.energy_path = energy_path


class RaplSource(SysfsSource):
    """RAPL counters of this host.

    Attributes:
        denied: whether a counter exists that this user may not read.
        denied_kinds: kinds of device of which this user may read no counter.
    """

    name = "rapl"
    kinds = "cpu, dram"
    keeps_fix = True
    _meters: list[_Zone]

    def __init__(
        self,
        root: Path | None = None,
        *,
        monotonic_ns: Callable[[], int],
        first_session: int = 0,
        read_text: Callable[[Path], str] = read_text,
        hardware_model: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Find the zones.

        Args:
            root: root of sysfs; by default ``WATTLEDGER_SYSFS_ROOT`` or ``/sys``.
            monotonic_ns: the monotonic clock [ns].
            first_session: number of the first counter session.
            read_text: opener of the files; tests put failures in its place.
            hardware_model: name of the CPU model, if known.
            sleep: how to wait [s]; tests put another in its place.
        """
        super().__init__()
        self._read_text, self._sleep = read_text, sleep
        self._monotonic_ns = monotonic_ns
        self._first_session = first_session
        self._model = hardware_model
        self._denied_paths: set[Path] = set()
        folder = (root or sysfs_root()) / "class" / "powercap"
        self._meters = self._find(folder)
        self.denied = bool(self._denied_paths)
        readable = {zone.device.kind for zone in self._meters if zone.energy_path not in self._denied_paths}
        self.denied_kinds = {zone.device.kind for zone in self._meters} - readable
        if self.denied:
            self.fix = FIX_PERMISSION
        if not self._meters:
            self.unavailable_reason = "no RAPL package zone in the powercap tree"
            self.fix = FIX_MASKED if self._is_masked(folder) else FIX_ABSENT

    def read(self) -> list[Reading]:
        """Return cumulative energy [mJ] a zone, or why there is none."""
        return [self._read_zone(zone) for zone in self._meters]

    def _read_zone(self, zone: _Zone) -> Reading:
        raw, reason = read_number(zone.energy_path, self._read_text)
        if raw == 0:
            reason = "not_supported"
        elif raw is None or not 0 <= raw < MAX_UJ:
            reason = reason or "read_failed"
        if raw is None or reason is not None:
            return Reading(zone.device.id, session=zone.counter.session, gap_reason=reason)
        step = zone.counter.update(raw, self._monotonic_ns())
        return Reading(zone.device.id, energy_mj=step.energy_mj, session=step.session, gap_reason=step.gap_reason)

    def _find(self, folder: Path) -> list[_Zone]:
        try:
            names = sorted(entry.name for entry in folder.iterdir())
        except OSError:
            return []
        tops = [(match[1], folder / match[0]) for name in names if (match := _ZONE.match(name))]
        packages = [(index, path, match[1]) for index, path in tops if (match := _PACKAGE.match(self._name(path)))]
        zones: list[_Zone] = []
        taken: set[str] = set()
        for index, path, suffix in packages:
            # Names may repeat on odd parts; the zone's own index then tells them apart.
            suffix = f"{suffix}-zone-{index}" if f"cpu-package-{suffix}" in taken else suffix
            taken.add(f"cpu-package-{suffix}")
            zones += self._zone(path, f"cpu-package-{suffix}", "cpu", "package")
            for sub in self._subzones(folder, names, index):
                if self._name(sub) == "dram":
                    zones += self._zone(sub, f"dram-{suffix}", "dram", "package")
        platform = [path for _, path in tops if self._name(path) == "psys"][:1]
        if any(zone.device.kind == "cpu" for zone in zones):
            reason = "it covers the packages, which are read"
            self._left += [LeftOut("psys", "node", reason) for _ in platform]
        else:
            for path in platform:
                zones = self._zone(path, "psys", "node", "dc")
        return zones

    @staticmethod
    def _is_masked(folder: Path) -> bool:
        """Return whether the tree lists zones whose files are hidden, as container runtimes do."""
        try:
            zones = [entry for entry in folder.iterdir() if _ZONE.match(entry.name)]
            return bool(zones) and not any((zone / "name").exists() for zone in zones)
        except OSError:
            return False

    @staticmethod
    def _subzones(folder: Path, names: list[str], index: str) -> list[Path]:
        flat = {name: folder / name for name in names if (match := _SUBZONE.match(name)) and match[1] == index}
        try:
            inner = [entry for entry in (folder / f"intel-rapl:{index}").iterdir() if _SUBZONE.match(entry.name)]
        except OSError:
            inner = []
        for entry in inner:
            flat.setdefault(entry.name, entry)
        return [flat[name] for name in sorted(flat)]

    def _zone(self, path: Path, device_id: str, kind: str, point: str) -> list[_Zone]:
        """Return the zone, or nothing if its counter is none."""
        if self._is_dead(path / "energy_uj"):
            self._left.append(LeftOut(device_id, kind, "its counter reads 0 and does not move: there is none"))
            return []
        counter_range = self._number(path / "max_energy_range_uj")
        limit_w = self._limit_w(path, kind)
        device = Device(
            device_id,
            kind,
            point,
            "rapl",
            hardware_model=self._model if kind == "cpu" else None,
            limit_w=limit_w,
            counter_range_mj=counter_range // UJ_PER_MJ if counter_range else None,
        )
        counter = MonotoneCounter(counter_range, limit_w, per_mj=UJ_PER_MJ, first_session=self._first_session)
        return [_Zone(device, counter, path / "energy_uj")]

    def _is_dead(self, path: Path) -> bool:
        """Return whether a counter reads 0 twice; notes whether it may be read at all."""
        for wait_s in (0.0, _ZERO_WAIT_S):
            if wait_s:
                self._sleep(wait_s)
            raw, reason = read_number(path, self._read_text)
            if reason == "permission_denied":
                self._denied_paths.add(path)
            if raw != 0:
                return False
        return True

    def _limit_w(self, path: Path, kind: str) -> float:
        fallback = FALLBACK_DRAM_LIMIT_W if kind == "dram" else FALLBACK_PACKAGE_LIMIT_W
        known = [self._number(path / f"constraint_{index}_power_limit_uw") for index in (0, 1)]
        limit_uw = max((value for value in known if value), default=0)
        return limit_uw / 1_000_000 if limit_uw else fallback

    def _number(self, path: Path) -> int | None:
        return read_number(path, self._read_text)[0]

    def _name(self, path: Path) -> str:
        try:
            return self._read_text(path / "name").strip()
        except Exception:  # noqa: BLE001 - a zone without a name is no zone of ours
            return ""
