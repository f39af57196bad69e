"""Series of known metrics, grouped by the device that they measure, so that nothing counts twice.

What belongs here: which series of which exporter count, and the values of one device by time. What must not be here:
reading of files, rows.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from ....contract import DEVICE_KINDS, MAX_POWER_MW, MAX_TIME_MS, MIN_TIME_MS, POINTS
from ....metrics.known import (
    BY_NAME,
    CHIP_NAMES,
    METRICS,
    Device,
    KnownMetric,
    Quantity,
    UnknownDeviceError,
    host_of,
)
from ...errors import (
    CONFLICTING_ROW,
    MISSING_VALUE,
    NON_POSITIVE_POWER,
    OUT_OF_RANGE,
    UNKNOWN_VALUE,
    UNPARSEABLE_NUMBER,
    RejectedRow,
    SourceError,
)
from ...format import Finding, LeftOut, rejected
from .files import FoundSeries

TABLE = "power_sample"
_ORDER = {metric.name: number for number, metric in enumerate(METRICS)}
Said = RejectedRow | Finding | LeftOut


@dataclass(slots=True)
class _Raw:
    """A series of a known name as it was read, from all files together."""

    name: str
    labels: dict[str, str]
    file: str
    stamps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))


class Member(NamedTuple):
    """A series with its meaning."""

    metric: KnownMetric
    device: Device
    raw: _Raw


class Measured(NamedTuple):
    """What is measured of one device at one point.

    Attributes:
        host: host of the device.
        device: the device.
        members: series by quantity, the one that counts first.
    """

    host: str
    device: Device
    members: dict[Quantity, list[Member]]


class HostRule(NamedTuple):
    """How the host of a series is found.

    Attributes:
        stated: name to take if no label names the host.
        label: the only label to read, or ``None`` for the usual ones.
        cut_domain: whether a name ends at its first dot.
    """

    stated: str | None
    label: str | None
    cut_domain: bool

    def of(self, labels: dict[str, str]) -> str | None:
        """Return the host of a series, ``None`` if it is not known."""
        host = host_of(labels, self.stated, self.label)
        if host and self.cut_domain and not host.replace(".", "").isdigit() and ":" not in host:
            return host.partition(".")[0]
        return host


class Book:
    """All series of an import."""

    def __init__(self, hosts: HostRule) -> None:
        """Begin with nothing.

        Args:
            hosts: how the host of a series is found.
        """
        self._hosts = hosts
        self._series: dict[tuple[str, frozenset[tuple[str, str]]], _Raw] = {}
        self._chips: dict[tuple[str | None, str], str] = {}
        self._unknown: Counter[str] = Counter()
        self._nameless = 0

    def add(self, found: FoundSeries, file: str) -> None:
        """Take a series.

        Args:
            found: the series.
            file: name of its file.
        """
        points = list(found.points)
        if not found.name:
            self._nameless += len(points)
        elif found.name == CHIP_NAMES:
            chip = (self._hosts.of(found.labels), found.labels.get("chip", ""))
            self._chips[chip] = found.labels.get("chip_name", "")
            self._unknown[found.name] += len(points)
        elif found.name not in BY_NAME:
            self._unknown[found.name] += len(points)
        else:
            key = (found.name, frozenset(found.labels.items()))
            raw = self._series.get(key)
            if raw is None:
                raw = self._series[key] = _Raw(found.name, found.labels, file)
            raw.stamps.extend(stamp for stamp, _ in points)
            raw.values.extend(value for _, value in points)

    def measured(self) -> Iterator[Said | Measured]:
        """Yield what is measured, device by device, and before it what was left out and why.

        Raises:
            SourceError: if there is no series of a known metric, or the host of one is not known.
        """
        yield from self._left_out()
        by_host: dict[str, list[Member]] = defaultdict(list)
        for key in list(self._series):
            raw = self._series.pop(key)
            host = self._hosts.of(raw.labels)
            if host is None:
                label = f"label {self._hosts.label!r}" if self._hosts.label else "label"
                raise SourceError(raw.file, f"no {label} of {raw.name} names the host: state it by --host NAME")
            member = self._member(raw, host)
            if isinstance(member, Member):
                by_host[host].append(member)
            else:
                yield from member
        for host, members in sorted(by_host.items()):
            yield from _of_host(host, members)

    def _left_out(self) -> Iterator[Said]:
        if not self._series:
            named = ", ".join(sorted(self._unknown)[:5]) or "nothing"
            msg = f"no known metric of power or energy among {named}; docs/importers/prometheus.md lists those that are"
            raise SourceError(None, msg)
        if self._unknown:
            yield LeftOut(self._unknown.total())
        if self._nameless:
            yield LeftOut(self._nameless)
            yield Finding(
                f"{self._nameless} values have no metric name: they are the result of an expression such as rate(); "
                "export the counter itself"
            )

    def _member(self, raw: _Raw, host: str) -> Member | list[Said]:
        """Return the series with its meaning, or what is to be said of it."""
        labels = raw.labels
        if "chip" in labels:
            labels = {**labels, "chip_name": self._chips.get((host, labels["chip"]), "")}
        for metric in BY_NAME[raw.name]:
            try:
                device = metric.device_of(labels)
            except UnknownDeviceError as error:
                return _refused(raw, MISSING_VALUE, str(error))
            if device is None:
                continue
            for allowed, value in ((DEVICE_KINDS, device.kind), (POINTS, device.point)):
                if value not in allowed:
                    return _refused(raw, UNKNOWN_VALUE, f"{raw.name}: {value!r} is none of {', '.join(allowed)}")
            return Member(metric, device, raw)
        said: list[Said] = [LeftOut(len(raw.stamps))]
        if "chip" in labels:
            chip = labels["chip_name"] or f"unknown driver, because {CHIP_NAMES} is not in the export"
            said.append(Finding(f"{host}: {raw.name} of chip {labels['chip']} ({chip}) is left out"))
        return said


def _refused(raw: _Raw, reason: str, detail: str) -> list[Said]:
    row = rejected(TABLE, reason, detail, raw.file, None, {"metric": raw.name, "labels": raw.labels})
    return [row, LeftOut(len(raw.stamps) - 1)] if len(raw.stamps) > 1 else [row]


def _of_host(host: str, members: list[Member]) -> Iterator[Said | Measured]:
    """Yield the devices of a host, of each thing from its best exporter only."""
    stating: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for member in members:
        if member.metric.quantity != "utilisation":
            stating[member.metric.covers].add((member.metric.rank, member.metric.exporter))
    groups: dict[Device, dict[Quantity, list[Member]]] = defaultdict(lambda: defaultdict(list))
    for member in members:
        metric = member.metric
        best = min(stating[metric.covers], default=(metric.rank, metric.exporter))
        if metric.rank == best[0] and not (metric.only_without and stating.get(metric.only_without)):
            groups[member.device][metric.quantity].append(member)
            continue
        yield LeftOut(len(member.raw.stamps))
        better = (
            f"{metric.covers} is read from {best[1]}" if metric.rank != best[0] else f"{metric.only_without} is read"
        )
        yield Finding(f"{host}: {metric.name} of {metric.exporter} is left out, it would count twice: {better}")
    for device, by_quantity in sorted(groups.items(), key=lambda item: tuple(map(str, item[0]))):
        for found in by_quantity.values():
            found.sort(key=lambda member: (_ORDER[member.metric.name], member.metric.preference(member.raw.labels)))
        yield Measured(host, device, dict(by_quantity))


@dataclass(slots=True)
class Values:
    """The values of one quantity of one device by time.

    Attributes:
        by_ms: stamp [epoch ms] -> value [mJ, mW or %].
        left_out_n: values that repeat another, are stale or mean "not available".
        blank_n: how many of them mean "not available".
        refused: values that cannot be.
    """

    by_ms: dict[int, int] = field(default_factory=dict)
    left_out_n: int = 0
    blank_n: int = 0
    refused: list[RejectedRow] = field(default_factory=list)


def values_of(members: list[Member]) -> Values:
    """Return the values of one quantity from the series that state it.

    Args:
        members: series of one device, the one that counts first.
    """
    found = Values()
    origin: dict[int, int] = {}
    for number, (metric, device, raw) in enumerate(members):
        for stamp, value in zip(raw.stamps, raw.values, strict=True):
            if math.isnan(value) or metric.is_blank(value):
                found.left_out_n += 1
                found.blank_n += not math.isnan(value)
                continue
            problem = _problem(metric, device, stamp, value)
            milli = 0 if problem else round(value * metric.per_unit)
            known = found.by_ms.get(stamp)
            if problem is None and known is None:
                found.by_ms[stamp], origin[stamp] = milli, number
                continue
            if problem is None and origin[stamp] == number and milli != known:
                problem = CONFLICTING_ROW, f"another value of the series at the same time is {known}"
            if problem is None:
                found.left_out_n += 1
                if metric.overlaps and known is not None:
                    found.by_ms[stamp] = max(known, milli)
                continue
            detail = f"{raw.name}: {value} {problem[1]}"
            shown = {"metric": raw.name, "labels": raw.labels, "ts_ms": stamp, "value": value}
            found.refused.append(rejected(TABLE, problem[0], detail, raw.file, None, shown))
    return found


def _problem(metric: KnownMetric, device: Device, stamp: int, value: float) -> tuple[str, str] | None:
    if math.isinf(value):
        return UNPARSEABLE_NUMBER, "is no number"
    if not MIN_TIME_MS <= stamp <= MAX_TIME_MS:
        return OUT_OF_RANGE, f"is stamped {stamp} ms, which is no time of a reading"
    if value < 0:
        return OUT_OF_RANGE, "is negative"
    if metric.quantity == "power" and value == 0 and device.kind == "node":
        return NON_POSITIVE_POWER, "W of a running node"
    if metric.quantity == "power" and value * metric.per_unit > MAX_POWER_MW:
        return OUT_OF_RANGE, "W is more than one device draws"
    return None
