"""Power and energy in the kernel's sysfs: reading numbers, rights, and devices that are left out.

What belongs here: what the sources of all sysfs trees share. What must not be here: one tree and what its files mean
(``rapl``, ``hwmon``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import Device, LeftOut, MonotoneCounter, PowerSource

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

FALLBACK_PACKAGE_LIMIT_W = 1_000.0
"""Limit of a processor where the kernel tells none [W], to tell a wrap from a reset: twice the largest x86 package on
sale, 500 W (AMD EPYC 9965 and Intel Xeon 6980P data sheets, 2024)."""
UJ_PER_MJ = 1_000
MAX_UJ = 2**62
"""Energy from here on is no reading, and no number that a journal can hold [uJ]."""


def sysfs_root() -> Path:
    """Return the root of sysfs: ``WATTLEDGER_SYSFS_ROOT`` or ``/sys``."""
    return Path(os.environ.get("WATTLEDGER_SYSFS_ROOT") or "/sys")


def read_text(path: Path) -> str:
    """Return what a file holds; raises where it cannot be read."""
    return path.read_text(encoding="ascii")


def read_number(
    path: Path, read: Callable[[Path], str] = read_text, reasons: Mapping[int | None, str] | None = None
) -> tuple[int | None, str | None]:
    """Return the number that a file holds and ``None``, or ``None`` and the gap reason.

    Args:
        path: the file.
        read: what opens it; tests put failures in its place.
        reasons: gap reasons by the error numbers of the tree's drivers; any other is a failed read.
    """
    try:
        return int(read(path)), None
    except PermissionError:
        return None, "permission_denied"
    except OSError as error:
        return None, (reasons or {}).get(error.errno, "read_failed")
    except Exception:  # noqa: BLE001 - a source never raises out of read()
        return None, "read_failed"


class Meter:
    """A device, its counter, and the kinds of device that it contains."""

    __slots__ = ("counter", "covers", "device")

    def __init__(self, device: Device, counter: MonotoneCounter, covers: Collection[str] = ()) -> None:
        """Take over a device.

        Args:
            device: the device.
            counter: its energy counter.
            covers: kinds of device that it contains, if they are more than its own.
        """
        self.device, self.counter, self.covers = device, counter, covers or (device.kind,)


class SysfsSource(PowerSource):
    """What one tree of sysfs shows.

    Attributes:
        keeps_fix: whether what is left out still tells how to read it.
    """

    keeps_fix = False

    def __init__(self) -> None:
        """Begin with nothing found."""
        self._meters: list[Any] = []
        self._left: list[LeftOut] = []

    def devices(self) -> list[Device]:
        """Return the devices that have a meter."""
        return [meter.device for meter in self._meters]

    def counters(self) -> dict[str, MonotoneCounter]:
        """Return the counters by device id."""
        return {meter.device.id: meter.counter for meter in self._meters}

    def covers(self) -> set[str]:
        """Return the kinds of device that the meters contain; one of the node contains processors and memory."""
        kinds = {kind for meter in self._meters for kind in meter.covers}
        return kinds | {"cpu", "dram"} if "node" in kinds else kinds

    def left_out(self) -> list[LeftOut]:
        """Return what was seen and is not read, and why."""
        return list(self._left)

    def leave_out(self, kinds: Collection[str], reason: str) -> None:
        """Cease to read the meters of some kinds of device.

        Args:
            kinds: the kinds.
            reason: why, for people.
        """
        fix = self.fix if self.keeps_fix else None
        self._left += [
            LeftOut(meter.device.id, meter.device.kind, reason, fix)
            for meter in self._meters
            if meter.device.kind in kinds
        ]
        self._meters = [meter for meter in self._meters if meter.device.kind not in kinds]
        if not self._meters and self.unavailable_reason is None:
            self.unavailable_reason, self.fix = reason, fix
