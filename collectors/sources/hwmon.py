"""Power sensors of the kernel's hwmon tree, for boards and servers that have no other meter.

What belongs here: finding sensors whose meaning is documented, and reading them. What must not be here: what a sensor
measures (``hwmon_sensors.csv``), network meters, time stamps.

Drivers name their sensors as they like, and rails lie inside one another. Only sensors of the table are read; every
other one is told as seen and not used. Two sensors that claim to be the same device are both left out.

Reference: Linux, Documentation/hwmon/sysfs-interface.rst: power in uW, energy in uJ, voltage in mV, current in mA.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .common import Device, LeftOut, MonotoneCounter, Reading
from .sysfs import FALLBACK_PACKAGE_LIMIT_W, MAX_UJ, UJ_PER_MJ, Meter, SysfsSource, read_number, sysfs_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SENSORS_PATH = Path(__file__).with_name("hwmon_sensors.csv")
_FILE = re.compile(r"^(power|energy|curr)(\d+)_(input|average)$")
_UW_PER_MW = 1_000
_MAX_UW = 4_000_000_000_000
"""Power from here on is a blank value (0xFFFFFFFF mW of an ACPI meter), not a reading [uW]."""
_REASONS: dict[int | None, str] = {
    **dict.fromkeys((errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ESHUTDOWN), "driver_lost"),
    **dict.fromkeys((errno.ENODATA, errno.EOPNOTSUPP, errno.ENOTSUP), "not_supported"),
}
_SYSTEM_BUS = "LNXSYBUS"
"""Name that Linux gives to \\_SB, the device that an ACPI meter of the whole system measures (ACPI 10.4.8)."""

FIX_UNKNOWN = (
    "find out what it measures and add a line to a copy of hwmon_sensors.csv, named by `table` in [hwmon] of the "
    "configuration file"
)
FIX_ABSENT = "in a container: mount the host's /sys and set WATTLEDGER_SYSFS_ROOT"
FIX_PERMISSION = "run as root, or: sudo chgrp $(id -gn) {path} && sudo chmod g+r {path}   (until the next boot)"


class SensorRow(NamedTuple):
    """One line of the table: what a sensor of a driver measures.

    Attributes:
        driver: name of the chip, a regular expression.
        quantity: ``power``, ``energy``, or ``rail`` for a voltage times a current.
        label: label of the sensor, a regular expression; empty for a sensor without one.
        device: device id; ``{1}`` is the label's first group, ``{chip}`` the address of the chip.
        kind: kind of device.
        point: where it is measured.
        covers: kinds of device that it contains, if they are more than its own.
        interface: interface in the rows, one of the contract's ``SOURCES``.
        every_s: time between two readings where one is slow [s], else ``None``.
        skip: why the sensor is not used; empty if it is.
    """

    driver: str
    quantity: str
    label: str
    device: str
    kind: str
    point: str
    covers: str
    interface: str
    every_s: float | None
    skip: str


def load_sensors(path: Path = SENSORS_PATH) -> list[SensorRow]:
    """Return the lines of a table.

    Args:
        path: CSV file with the columns of ``hwmon_sensors.csv``.

    Raises:
        OSError: if it cannot be read.
        ValueError: if a column is missing or a value cannot be.
    """
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        try:
            return [_row(line) for line in csv.DictReader(file)]
        except (KeyError, TypeError, ValueError, re.error) as error:
            msg = f"{path} is no table of sensors: {error}"
            raise ValueError(msg) from error


def _row(line: dict[str, str]) -> SensorRow:
    for name in ("driver", "label"):
        re.compile(line[name])
    texts = {name: line[name] for name in SensorRow._fields if name != "every_s"}
    return SensorRow(**texts, every_s=float(line["every_s"]) if line["every_s"] else None)


class _Sensor(NamedTuple):
    """A sensor that is there: its chip, its files and its label."""

    driver: str
    chip: str
    name: str
    quantity: str
    label: str
    paths: tuple[Path, ...]


class _Found(Meter):
    """A device and the sensors that measure it."""

    __slots__ = ("energy", "power", "row")

    def __init__(self, device: Device, counter: MonotoneCounter, row: SensorRow) -> None:
        super().__init__(device, counter, row.covers.split())
        self.row = row
        self.energy: _Sensor | None = None
        self.power: _Sensor | None = None


class HwmonSource(SysfsSource):
    """Documented power sensors of this host.

    Attributes:
        every_s: time between two readings if one of the sensors is slow [s], else ``None``.
    """

    name = "hwmon"
    kinds = "node, cpu, gpu, dram"
    _meters: list[_Found]

    def __init__(
        self,
        root: Path | None = None,
        *,
        monotonic_ns: Callable[[], int],
        first_session: int = 0,
        table: Path | None = None,
        node_point: str | None = None,
        hardware_model: str | None = None,
    ) -> None:
        """Find the sensors.

        Args:
            root: root of sysfs; by default ``WATTLEDGER_SYSFS_ROOT`` or ``/sys``.
            monotonic_ns: the monotonic clock [ns].
            first_session: number of the first counter session.
            table: a table of the user's own, whose lines come before the shipped ones.
            node_point: where a meter of the whole node measures, if somebody knows better than the table.
            hardware_model: name of the CPU model, if known.
        """
        super().__init__()
        self._monotonic_ns, self._first_session = monotonic_ns, first_session
        self._node_point, self._model = node_point, hardware_model
        sensors = list(_sensors((root or sysfs_root()) / "class" / "hwmon"))
        # The table is read only where there is something to look up.
        rows = [*(load_sensors(table) if table else ()), *load_sensors()] if sensors else []
        self._meters = self._match(sensors, rows)
        self.every_s = max((item.row.every_s for item in self._meters if item.row.every_s), default=None)
        for item in self._meters:
            sensor = item.energy or item.power
            if sensor and self._value(sensor)[1] == "permission_denied":
                self.fix = FIX_PERMISSION.format(path=sensor.paths[0])
        if not self._meters:
            self.unavailable_reason, self.fix = "no power sensor of a known meaning", FIX_ABSENT

    def counters(self) -> dict[str, MonotoneCounter]:
        """Return the counters by device id; a sensor of power has none."""
        return {item.device.id: item.counter for item in self._meters if item.energy}

    def read(self) -> list[Reading]:
        """Return cumulative energy [mJ] and power [mW] a device, as far as it has sensors, or why there is none."""
        return [self._read(item) for item in self._meters]

    def _read(self, item: _Found) -> Reading:
        raw, energy_reason = self._value(item.energy)
        at_ns = self._monotonic_ns()
        power_uw, power_reason = self._value(item.power)
        if item.device.kind == "node" and power_uw == 0:
            power_uw, power_reason = None, "not_supported"  # no running node draws 0 W
        power_mw = None if power_uw is None else power_uw // _UW_PER_MW
        if raw:
            step = item.counter.update(raw, at_ns)
            return Reading(item.device.id, power_mw, step.energy_mj, step.session, None, step.gap_reason)
        reason = None if power_mw is not None else power_reason or energy_reason or "not_supported"
        return Reading(item.device.id, power_mw, None, item.counter.session, None, reason)

    def _value(self, sensor: _Sensor | None) -> tuple[int | None, str | None]:
        """Return the value of a sensor [uW, uJ] and ``None``, or ``None`` and the gap reason."""
        if sensor is None:
            return None, None
        value = 1
        for path in sensor.paths:  # a rail has two: mV x mA = uW
            number, reason = read_number(path, reasons=_REASONS)
            if number is None:
                return None, reason
            value *= number
        if not 0 <= value < MAX_UJ:
            return None, "read_failed"
        if sensor.quantity != "energy" and value >= _MAX_UW:
            return None, "not_supported"
        return value, None

    def _match(self, sensors: list[_Sensor], rows: list[SensorRow]) -> list[_Found]:
        claims: dict[str, list[tuple[_Sensor, SensorRow, Device]]] = {}
        for sensor in sensors:
            row, match = _row_of(sensor, rows)
            shown = f"{sensor.driver} {sensor.chip} {sensor.name}" + (f" ({sensor.label})" if sensor.label else "")
            if row is None or match is None:
                # A pair of voltage and current is a rail only on chips that measure rails.
                if sensor.quantity != "rail" or any(_is_rail_of(sensor, row) for row in rows):
                    self._left.append(LeftOut(shown, "-", "its meaning is not known", FIX_UNKNOWN))
                continue
            reason = row.skip or (_partial(sensor) if row.kind == "node" else None)
            if reason:
                self._left.append(LeftOut(shown, row.kind, reason))
                continue
            device = self._device(sensor, row, match)
            claims.setdefault(device.id, []).append((sensor, row, device))
        return [item for claim in claims.values() if (item := self._one(claim))]

    def _device(self, sensor: _Sensor, row: SensorRow, match: re.Match[str]) -> Device:
        device_id = row.device.replace("{chip}", sensor.chip).replace("{1}", _first_group(match))
        point = self._node_point if self._node_point and row.kind == "node" else row.point
        model = self._model if row.kind == "cpu" else None
        limit_w = FALLBACK_PACKAGE_LIMIT_W if row.kind == "cpu" else None
        return Device(device_id, row.kind, point, row.interface, hardware_model=model, limit_w=limit_w)

    def _one(self, claim: list[tuple[_Sensor, SensorRow, Device]]) -> _Found | None:
        """Return the device with its sensors, or nothing if several of one quantity claim to be it."""
        _, row, device = claim[0]
        counter = MonotoneCounter(None, device.limit_w, per_mj=UJ_PER_MJ, first_session=self._first_session)
        found = _Found(device, counter, row)
        for sensor, _, _ in claim:
            slot = "energy" if sensor.quantity == "energy" else "power"
            if getattr(found, slot) is not None:
                names = ", ".join(f"{other.driver} {other.chip} {other.name}" for other, _, _ in claim)
                reason = f"several sensors claim to be it: {names}"
                self._left.append(LeftOut(device.id, device.kind, reason, FIX_UNKNOWN))
                return None
            setattr(found, slot, sensor)
        return found


def _first_group(match: re.Match[str]) -> str:
    return (match[1] or "") if match.re.groups else ""


def _is_rail_of(sensor: _Sensor, row: SensorRow) -> bool:
    return row.quantity == "rail" and re.fullmatch(row.driver, sensor.driver) is not None


def _row_of(sensor: _Sensor, rows: list[SensorRow]) -> tuple[SensorRow | None, re.Match[str] | None]:
    for row in rows:
        if row.quantity == sensor.quantity and re.fullmatch(row.driver, sensor.driver):
            match = re.fullmatch(row.label, sensor.label)
            if match:
                return row, match
    return None, None


def _partial(sensor: _Sensor) -> str | None:
    """Return what a meter of the node measures if that is not the whole node."""
    try:
        measured = [entry.name for entry in (sensor.paths[0].parent / "measures").iterdir()]
    except OSError:
        return None
    parts = sorted(name for name in measured if not name.startswith(_SYSTEM_BUS))
    return f"it measures {', '.join(parts)} and not the whole system" if parts else None


def _sensors(folder: Path) -> Iterator[_Sensor]:
    """Yield the sensors of power and energy of all chips."""
    try:
        chips = sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name))
    except OSError:
        return
    for path in chips:
        # Drivers of the old interface keep their files in the folder of the device.
        places = (path, path / "device")
        driver = next((name for place in places if (name := _text(place / "name"))), "")
        try:
            chip = (path / "device").resolve(strict=True).name
        except OSError:
            chip = path.name
        for place in places:
            found = list(_of_place(place, driver, chip))
            yield from found
            if found:
                break


def _of_place(place: Path, driver: str, chip: str) -> Iterator[_Sensor]:
    try:
        names = sorted(entry.name for entry in place.iterdir())
    except OSError:
        return
    for match in filter(None, map(_FILE.match, names)):
        quantity, number, way = match.groups()
        if way == "average" and f"{quantity}{number}_input" in names:
            continue
        if quantity == "curr":
            voltage = f"in{number}_input"
            if voltage in names:
                paths = (place / voltage, place / match[0])
                yield _Sensor(driver, chip, voltage, "rail", _text(place / f"in{number}_label"), paths)
            continue
        label = _text(place / f"{quantity}{number}_label") or _text(place / f"{quantity}{number}_oem_info")
        yield _Sensor(driver, chip, match[0], quantity, label, (place / match[0],))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
