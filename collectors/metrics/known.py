"""Metrics of other exporters that state power or energy, and what each of them means.

What belongs here: the table and how the labels of a series name a device and its host. What must not be here: reading
of any format (see ``text``), samples, files.

One thing may be measured by several exporters of a host. ``covers`` says what a metric measures, and of all metrics of
a host that cover the same only those of the lowest ``rank`` may be used; otherwise it would count twice.

Reference: dcgm-exporter, etc/default-counters.csv; Kepler, docs/user/metrics.md; node_exporter, collector/rapl_linux.go
and hwmon_linux.go; ipmi_exporter, docs/metrics.md; redfish_exporter, collector/chassis_collector.go; OpenTelemetry,
semantic conventions for hardware metrics, with names as its Prometheus exporter writes them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Quantity = Literal["energy", "power", "utilisation"]
Scope = Literal["gpu", "cpu", "dram", "node"]

PER_UNIT = 1
"""The metric is in millijoules, milliwatts or percent already."""
PER_BASE = 1_000
"""The metric is in joules or watts."""
HOST_LABELS = ("Hostname", "node_name", "host_name", "nodename", "node", "host", "instance")
"""Labels that name the host, the most specific first: ``instance`` is what was scraped, often a pod or a controller."""

_PORT = re.compile(r":\d{1,5}\Z")
_BLANK_ABOVE = {"energy": 2.0**62, "power": 1e7, "utilisation": 100.0}
_NUMBERS = re.compile(r"(\d+)")
_MOST_PACKAGES, _MOST_DIES = 8, 4


class Device(NamedTuple):
    """What a series measures.

    Attributes:
        device: device id of the landing contract.
        kind: kind of device.
        point: where it is measured.
        parent: device that contains it, ``None`` if that is not stated.
    """

    device: str
    kind: str
    point: str
    parent: str | None = None


class UnknownDeviceError(ValueError):
    """A series that should name a device and does not; the message says which label is missing."""


@dataclass(frozen=True, slots=True)
class KnownMetric:
    """One metric and its meaning.

    Attributes:
        name: name in the exposition.
        exporter: who states it.
        quantity: what it states.
        per_unit: milli-units in its unit: 1,000 for joules and watts, 1 for millijoules and percent.
        source: interface, one of the contract's.
        covers: what it measures; see the module.
        rank: lower is better among the metrics of a host that cover the same.
        device: the device, label names in braces: ``cpu-package-{index}``; after a bar, what holds without the label.
        select: label whose value chooses the device in ``devices``; other values are left out on purpose, because they
            overlap with those.
        devices: device by the value of that label, in place of ``device``.
        prefer: labels by which one reading of the device is repeated: the series without them counts, else the one with
            the lowest number in them.
        overlaps: several series of the device overlap and the widest contains the others: the largest value counts.
        standard_path: a text in the label ``path`` that the zone to prefer has.
        goes_round: the counter is the hardware's own and starts again at zero when it is full. A fall is then left to
            the reader, who knows the range. Every other counter that fell was reset.
        only_without: another scope; the metric contains it and is used only on hosts where nothing covers that.
    """

    name: str
    exporter: str
    quantity: Quantity
    per_unit: int
    source: str
    covers: Scope
    rank: int
    device: Device | None = None
    select: str | None = None
    devices: Mapping[str, Device] = field(default_factory=dict)
    prefer: tuple[str, ...] = ()
    overlaps: bool = False
    standard_path: str | None = None
    goes_round: bool = False
    only_without: Scope | None = None

    def device_of(self, labels: Mapping[str, str]) -> Device | None:
        """Return the device of a series, ``None`` if this part of the metric is left out on purpose.

        Args:
            labels: labels of the series.

        Raises:
            UnknownDeviceError: if a label that names the device is missing.
        """
        template = self.device
        if self.select is not None:
            template = self.devices.get(labels.get(self.select, ""))
        if template is None:
            return None
        device, kind, point = (_filled(text, labels, self.name) for text in template[:3])
        parent = labels.get(template.parent or "") or None
        return Device(device, kind, point, parent)

    def preference(self, labels: Mapping[str, str]) -> tuple[bool, list[tuple[bool, int, str]], str]:
        """Return what orders the series of one device: the lowest counts, the others repeat it.

        Args:
            labels: labels of the series.
        """
        odd_path = self.standard_path is not None and self.standard_path not in labels.get("path", self.standard_path)
        repeats = [_natural(labels[name]) for name in self.prefer if labels.get(name)]
        return odd_path, repeats, repr(sorted(labels.items()))

    def is_blank(self, value: float) -> bool:
        """Return whether a value is one of the huge numbers that mean "not available".

        Args:
            value: value as stated.
        """
        return _BLANK_ABOVE[self.quantity] < value < math.inf


def host_of(labels: Mapping[str, str], stated: str | None = None, label: str | None = None) -> str | None:
    """Return the host of a series without its port, ``None`` if no label names it.

    Args:
        labels: labels of the series.
        stated: name to take if no label names the host.
        label: the only label to read, where the usual ones mislead.
    """
    for name in (label,) if label else HOST_LABELS:
        text = labels.get(name, "")
        if text:
            # An IPv6 address without brackets has several colons and no port.
            bare = _PORT.sub("", text) if text.count(":") == 1 or text.startswith("[") else text
            return bare.strip("[]") or None
    return stated


def _filled(template: str, labels: Mapping[str, str], name: str) -> str:
    if "{" not in template:
        return template
    for choice in template.split("|"):
        names = re.findall(r"{(\w+)}", choice)
        if all(labels.get(item) for item in names):
            return choice.format_map(labels)
    msg = f"{name} has none of the labels {template}"
    raise UnknownDeviceError(msg)


def _natural(text: str) -> tuple[bool, int, str]:
    match = _NUMBERS.search(text)
    return (match is None, int(match[1]) if match else 0, text)


_UUID = "{UUID}|{uuid}|{gpu_uuid}"
_GPU = Device(_UUID, "gpu", "board")
_NODE = Device("node", "node", "ac")
_MIG = ("GPU_I_ID", "GPU_I_PROFILE", "pod", "container")
_KEPLER_ZONES = {"package": Device("cpu-packages", "cpu", "package")}
_KEPLER_DRAM = {"dram": Device("dram", "dram", "package")}
_PSYS = {"psys": Device("psys", "node", "dc")}
# Our own agent states these metrics with the point as a label (``exporter``); others state none.
_OTEL = {
    "gpu": Device("{hw_id}", "gpu", "{point}|board", "hw_parent"),
    "cpu": Device("{hw_id}", "cpu", "{point}|package", "hw_parent"),
    "memory": Device("{hw_id}", "dram", "{point}|package", "hw_parent"),
}
_OTEL_HOST = Device("node", "node", "{point}|ac")
_OTEL_SCOPES: tuple[tuple[str, Scope], ...] = (("gpu", "gpu"), ("cpu", "cpu"), ("memory", "dram"))


def _dcgm() -> list[KnownMetric]:
    names: tuple[tuple[str, Quantity, int], ...] = (
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "energy", PER_UNIT),
        ("DCGM_FI_DEV_POWER_USAGE", "power", PER_BASE),
        ("DCGM_FI_DEV_POWER_USAGE_INSTANT", "power", PER_BASE),
        ("DCGM_FI_DEV_GPU_UTIL", "utilisation", PER_UNIT),
    )
    return [
        KnownMetric(name, "dcgm-exporter", quantity, per, "dcgm", "gpu", 1, _GPU, prefer=_MIG)
        for name, quantity, per in names
    ]


def _rapl() -> list[KnownMetric]:
    zones: tuple[tuple[str, Scope, int, Device], ...] = (
        ("package", "cpu", 1, Device("cpu-package-{index}|cpu-package-0", "cpu", "package")),
        ("dram", "dram", 1, Device("dram-{index}|dram-0", "dram", "package")),
        ("psys", "node", 8, _PSYS["psys"]),
        # Parts with several dies a package have the numbers in the name of the metric.
        *(
            (f"package_{package}_die_{die}", "cpu", 1, Device(f"cpu-package-{package}-die-{die}", "cpu", "package"))
            for package in range(_MOST_PACKAGES)
            for die in range(_MOST_DIES)
        ),
    )
    return [
        KnownMetric(
            f"node_rapl_{zone}_joules_total",
            "node_exporter rapl",
            "energy",
            PER_BASE,
            "rapl",
            scope,
            rank,
            device,
            # The memory-mapped twin of a zone (intel-rapl-mmio) repeats it.
            standard_path="/intel-rapl:",
            goes_round=True,
            only_without="cpu" if zone == "psys" else None,
        )
        for zone, scope, rank, device in zones
    ]


def _kepler() -> list[KnownMetric]:
    zones: tuple[tuple[Scope, int, Mapping[str, Device]], ...] = (
        ("cpu", 2, _KEPLER_ZONES),
        ("dram", 2, _KEPLER_DRAM),
        ("node", 9, _PSYS),
    )
    names: tuple[tuple[str, Quantity], ...] = (("joules_total", "energy"), ("watts", "power"))
    found = [
        KnownMetric(
            f"kepler_node_cpu_{unit}",
            "kepler",
            quantity,
            PER_BASE,
            "prometheus",
            scope,
            rank,
            select="zone",
            devices=devices,
            only_without="cpu" if scope == "node" else None,
        )
        for unit, quantity in names
        for scope, rank, devices in zones
    ]
    found += [
        KnownMetric(f"kepler_node_gpu_{unit}", "kepler", quantity, PER_BASE, "prometheus", "gpu", 2, _GPU)
        for unit, quantity in names
    ]
    # Entries of one controller overlap: the server, and its processors and memory.
    found.append(
        KnownMetric(
            "kepler_platform_watts", "kepler platform", "power", PER_BASE, "redfish", "node", 3, _NODE, overlaps=True
        )
    )
    return found


def _controllers() -> list[KnownMetric]:
    ipmi = [
        KnownMetric(name, "ipmi_exporter", "power", PER_BASE, "ipmi", "node", 1, _NODE)
        for name in ("ipmi_dcmi_power_consumption_watts", "ipmi_dcmi_power_consumption_current_watts")
    ]
    redfish = KnownMetric(
        "redfish_chassis_power_average_consumed_watts",
        "redfish_exporter",
        "power",
        PER_BASE,
        "redfish",
        "node",
        2,
        _NODE,
        overlaps=True,
    )
    return [*ipmi, redfish]


def _hwmon() -> list[KnownMetric]:
    """Sensors by the driver that ``node_hwmon_chip_names`` tells; the reader joins it as the label ``chip_name``."""
    chips: tuple[tuple[str, Scope, int, Device], ...] = (
        ("power_meter", "node", 7, _NODE),
        ("amdgpu", "gpu", 4, Device("{chip}", "gpu", "board")),
    )
    return [
        KnownMetric(
            name,
            "node_exporter hwmon",
            "power",
            PER_BASE,
            "prometheus",
            scope,
            rank,
            select="chip_name",
            devices={chip: device},
            prefer=("sensor",),
        )
        for name in ("node_hwmon_power_average_watt", "node_hwmon_power_watt")
        for chip, scope, rank, device in chips
    ]


def _opentelemetry() -> list[KnownMetric]:
    names: tuple[tuple[str, str, Quantity], ...] = (
        ("hw_energy_joules_total", "hw_host_energy_joules_total", "energy"),
        ("hw_power_watts", "hw_host_power_watts", "power"),
    )
    found = []
    for part, host, quantity in names:
        found += [
            KnownMetric(
                part,
                "opentelemetry",
                quantity,
                PER_BASE,
                "prometheus",
                scope,
                3,
                select="hw_type",
                devices={kind: _OTEL[kind]},
            )
            for kind, scope in _OTEL_SCOPES
        ]
        found.append(KnownMetric(host, "opentelemetry", quantity, PER_BASE, "prometheus", "node", 4, _OTEL_HOST))
    return found


CHIP_NAMES = "node_hwmon_chip_names"
"""The metric that names the driver of a chip: labels ``chip`` and ``chip_name``."""
METRICS: tuple[KnownMetric, ...] = (
    *_dcgm(),
    *_rapl(),
    *_kepler(),
    *_controllers(),
    *_hwmon(),
    *_opentelemetry(),
)
BY_NAME: dict[str, tuple[KnownMetric, ...]] = {
    name: tuple(metric for metric in METRICS if metric.name == name) for name in {item.name for item in METRICS}
}
"""Metric name -> its meanings; several where a label decides what is measured."""
