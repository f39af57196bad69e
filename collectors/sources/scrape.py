"""Power that other exporters of this host already measure, read from their Prometheus metrics.

What belongs here: which series of an exporter is a device of this host, so that nothing counts twice. What must not be
here: the grammar of the text (``metrics.text``), what a metric means (``metrics.known``), HTTP (``http_client``).

A GPU in MIG mode is stated once for every instance, zones of a processor overlap, and two exporters of a host state the
same thing: one series counts for each quantity of a device. Counters of exporters restart with them; a counter that
fell begins a new session, and nothing is counted over the fall.

Reference: Prometheus, "Exposition formats"; dcgm-exporter, etc/default-counters.csv; Kepler, docs/user/metrics.md.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from ..closed_sets import DEVICE_KINDS, POINTS
from ..metrics.asking import ask
from .common import Device, LeftOut, MonotoneCounter, PowerSource, Reading
from .http_client import HttpClient, HttpError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from ..metrics.known import KnownMetric
    from ..metrics.text import Sample
    from .options import ScrapeOptions

STALE_MS = 300_000
"""A reading that its exporter stamped longer ago says nothing about now [ms]; Prometheus looks back as far."""
FIRST_LOOK_S = 1.5
"""Longest time for the look at the start [s]: a job must not wait long for an exporter that is down."""
_NS_PER_MS = 1_000_000
_MAX_MW = 10_000_000_000
_MAX_MJ = 2**62
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

FIX_HOST = 'set host = "NAME" in [[scrape]] to what the exporter calls this host, or host = "*" if it is the only one'


class _Member(NamedTuple):
    """A series that states a quantity of a device."""

    metric: KnownMetric
    device: Device
    sample: Sample


class ScrapeSource(PowerSource):
    """The devices of this host that one exporter states."""

    name = "scrape"
    kinds = "gpu, cpu, dram, node"

    def __init__(
        self,
        options: ScrapeOptions,
        *,
        host: str,
        monotonic_ns: Callable[[], int],
        now_ms: Callable[[], int],
        first_session: int = 0,
        environ: Mapping[str, str] | None = None,
        claims: dict[str, str] | None = None,
    ) -> None:
        """Read the exporter once, to see which devices it has; one that does not answer may do so later.

        Args:
            options: which exporter, and what of it.
            host: name of this host.
            monotonic_ns: the monotonic clock [ns].
            now_ms: the wall clock [epoch ms], for what exporters stamp themselves.
            first_session: number of the first counter session.
            environ: environment that holds the token; by default this process's.
            claims: which exporter of this host states what, shared by all of them: the first one that does.
        """
        self._claims = {} if claims is None else claims
        self._options, self._host = options, host
        self._monotonic_ns, self._now_ms, self._first_session = monotonic_ns, now_ms, first_session
        self._environ = os.environ if environ is None else environ
        parts = urlsplit(options.url)
        self._path = (parts.path or "/metrics") + (f"?{parts.query}" if parts.query else "")
        self._is_here = parts.hostname in _LOOPBACK or parts.hostname == host
        self._client = HttpClient(
            options.url,
            timeout_s=options.timeout_s,
            max_bytes=options.max_bytes,
            ca_file=options.ca_file,
            is_verified=options.is_verified,
        )
        self._devices: dict[str, Device] = {}
        self._counters: dict[str, MonotoneCounter] = {}
        self._stamps: dict[str, int] = {}
        self._omitted: dict[str, str] = {}
        self._left: dict[str, LeftOut] = {}
        self._trouble: str | None = None
        self._read(FIRST_LOOK_S)
        self._stamps.clear()  # what was read here is not handed over, so it is new at the next reading

    def devices(self) -> list[Device]:
        """Return the devices that the exporter stated so far."""
        return list(self._devices.values())

    def counters(self) -> dict[str, MonotoneCounter]:
        """Return the counters by device id."""
        return dict(self._counters)

    def covers(self) -> set[str]:
        """Return the kinds of the devices, and those that the options promise of an exporter that is silent yet."""
        return {device.kind for device in self.devices()} | (set(self._options.kinds) - set(self._omitted))

    def left_out(self) -> list[LeftOut]:
        """Return what the exporter states and is not read, and why."""
        return list(self._left.values())

    def leave_out(self, kinds: Collection[str], reason: str) -> None:
        """Cease to read some kinds of device; single devices may be named as well.

        Args:
            kinds: kinds or ids of devices.
            reason: why, for people.
        """
        self._omitted |= dict.fromkeys(kinds, reason)
        for device in self.devices():
            self._is_omitted(device)
        kept = {name: device for name, device in self._devices.items() if name not in self._left}
        self._devices = kept

    def trouble(self) -> str | None:
        """Return why the last reading failed, in words."""
        return self._trouble

    def read(self) -> list[Reading]:
        """Return cumulative energy [mJ], power [mW] and utilisation [%] a device, or why there are none."""
        return self._read()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    # ---- one scrape ----

    def _read(self, at_most_s: float = math.inf) -> list[Reading]:
        self._trouble = None
        try:
            return self._readings(self._scraped(at_most_s))
        except HttpError as error:
            self._trouble, reason = f"{self._options.url}: {error}", error.gap_reason
        except Exception as error:  # noqa: BLE001 - a source never raises out of read()
            self._trouble, reason = f"{self._options.url}: {type(error).__name__} {error}", "read_failed"
        return [self._missing(name, reason) for name in self._devices]

    def _scraped(self, at_most_s: float) -> list[Sample]:
        """Return the series of this host.

        Raises:
            HttpError: if there are none, and why.
        """
        from ..metrics.known import BY_NAME, CHIP_NAMES
        from ..metrics.text import MetricsTextError, parse_metrics_text

        self._client.begin(at_most_s)
        body, is_open = ask(self._client, self._path, self._options.token_env, self._environ)
        try:
            parsed = parse_metrics_text(body.decode("utf-8"), openmetrics=is_open)
            known = [sample for sample in parsed if sample.name in BY_NAME or sample.name == CHIP_NAMES]
        except (MetricsTextError, UnicodeDecodeError) as error:
            message = f"its answer is no metrics text: {error}"
            raise HttpError(message) from error
        return self._of_host(known)

    def _of_host(self, known: list[Sample]) -> list[Sample]:
        """Return the series of known metrics that are this host's."""
        from ..metrics.known import BY_NAME, host_of

        if not any(sample.name in BY_NAME for sample in known):
            message = "it states no known metric of power or energy"
            raise HttpError(message, "not_supported")
        hosts = [host_of(sample.labels, None, self._options.host_label) for sample in known]
        own = [sample for sample, host in zip(known, hosts, strict=True) if self._is_own(host)]
        if not any(sample.name in BY_NAME for sample in own):
            named = ", ".join(sorted({host or "no host" for host in hosts})[:5])
            message = f"its metrics are of {named} and not of {self._options.host or self._host}: {FIX_HOST}"
            raise HttpError(message, "not_supported")
        return own

    def _is_own(self, host: str | None) -> bool:
        wanted = self._options.host
        if wanted == "*":
            return True
        if host is None:
            # Who asks an exporter on this host, or says which host it is, knows whose metrics they are.
            return self._is_here or wanted is not None
        names = {wanted} if wanted else {self._host, self._host.partition(".")[0]}
        return host in names or host.partition(".")[0] in names

    def _readings(self, samples: list[Sample]) -> list[Reading]:
        groups = _chosen(self._members(samples))
        readings = [reading for device, members in groups.items() if (reading := self._reading(device, members))]
        stated = {device.id for device in groups}
        return readings + [self._missing(name, "read_failed") for name in self._devices if name not in stated]

    def _members(self, samples: list[Sample]) -> list[_Member]:
        """Return the series that name a device."""
        from ..metrics.known import BY_NAME, CHIP_NAMES, UnknownDeviceError

        chips = {
            item.labels.get("chip"): item.labels.get("chip_name", "") for item in samples if item.name == CHIP_NAMES
        }
        members: list[_Member] = []
        for sample in samples:
            labels = sample.labels
            if "chip" in labels:
                labels = {**labels, "chip_name": chips.get(labels["chip"], "")}
            for metric in BY_NAME.get(sample.name, ()):
                try:
                    found = metric.device_of(labels)
                except UnknownDeviceError as error:
                    self._left.setdefault(sample.name, LeftOut(sample.name, "-", str(error)))
                    break
                if found is not None and found.kind in DEVICE_KINDS and found.point in POINTS:
                    is_estimate = labels.get("is_estimate") == "true"
                    device = Device(*found[:3], metric.source, found.parent, is_estimate=is_estimate)
                    if not self._is_omitted(device):
                        members.append(_Member(metric, device, sample))
                    break
        return members

    def _is_omitted(self, device: Device) -> bool:
        """Return whether a device is not to be read, and note why."""
        reason = self._omitted.get(device.id) or self._omitted.get(device.kind)
        if self._options.kinds and device.kind not in self._options.kinds:
            reason = "`kinds` in [[scrape]] does not name it"
        if reason is None:
            # A host has many GPUs and one node: what must not be there twice is the GPU, or the kind.
            what = device.id if device.kind == "gpu" else device.kind
            first = self._claims.setdefault(what, self._options.url)
            reason = None if first == self._options.url else f"{first} states it"
        if reason is None:
            return False
        self._left.setdefault(device.id, LeftOut(device.id, device.kind, reason))
        return True

    def _reading(self, device: Device, members: dict[str, list[_Member]]) -> Reading | None:
        """Return what the exporter states of a device, ``None`` if it stated it before."""
        known = self._devices.get(device.id)
        if known is None or known._replace(source=device.source) != device:
            self._devices = {**self._devices, device.id: device}
        found = {quantity: _value(items) for quantity, items in members.items()}
        energy, power, util = (found.get(name, (None, None)) for name in ("energy", "power", "utilisation"))
        stamp_ms = energy[1] if energy[0] is not None else power[1]
        if energy[0] is None and power[0] is None:
            return self._missing(device.id, "not_supported")
        taken_ns = self._taken_ns(stamp_ms)
        if stamp_ms is not None:
            if self._now_ms() - stamp_ms > STALE_MS:
                return self._missing(device.id, "read_failed")
            if self._stamps.get(device.id) == stamp_ms:
                return None
            self._stamps[device.id] = stamp_ms
        util_percent = util[0] if util[0] is not None and util[0] <= 100 else None
        power_mw = None if device.kind == "node" and power[0] == 0 else power[0]
        if energy[0] is None:
            reason = None if power_mw is not None else "not_supported"
            session = self._counter(device.id).session
            return Reading(device.id, power_mw, None, session, util_percent, reason, device.source, taken_ns)
        step = self._counter(device.id).update(energy[0], taken_ns or self._monotonic_ns())
        return Reading(
            device.id, power_mw, step.energy_mj, step.session, util_percent, step.gap_reason, device.source, taken_ns
        )

    def _taken_ns(self, stamp_ms: int | None) -> int | None:
        """Return the moment that the exporter states, on the monotonic clock; the scrape's own where it states none."""
        if stamp_ms is None:
            return None
        age_ms = max(self._now_ms() - stamp_ms, 0)
        return self._monotonic_ns() - age_ms * _NS_PER_MS

    def _missing(self, name: str, reason: str) -> Reading:
        return Reading(name, session=self._counter(name).session, gap_reason=reason)

    def _counter(self, name: str) -> MonotoneCounter:
        if name not in self._counters:
            self._counters = {**self._counters, name: MonotoneCounter(None, None, first_session=self._first_session)}
        return self._counters[name]


def _chosen(members: list[_Member]) -> dict[Device, dict[str, list[_Member]]]:
    """Return the series of each device by quantity, the best first, and of each thing from its best exporter only."""
    from ..metrics.known import METRICS

    order = {metric.name: number for number, metric in enumerate(METRICS)}
    ranks: dict[str, int] = {}
    for member in members:
        if member.metric.quantity != "utilisation":
            best = ranks.get(member.metric.covers, member.metric.rank)
            ranks[member.metric.covers] = min(best, member.metric.rank)
    groups: dict[str, tuple[Device, dict[str, list[_Member]]]] = {}
    for member in members:
        metric, device = member.metric, member.device
        if metric.rank != ranks.get(metric.covers, metric.rank) or (metric.only_without in ranks):
            continue
        _, by_quantity = groups.setdefault(device.id, (device, {}))
        by_quantity.setdefault(metric.quantity, []).append(member)
    for _, by_quantity in groups.values():
        for items in by_quantity.values():
            items.sort(key=lambda item: (order[item.metric.name], item.metric.preference(item.sample.labels)))
    return dict(groups.values())


def _value(members: Iterable[_Member]) -> tuple[int | None, int | None]:
    """Return the value that counts of series that state one quantity of one device [mJ, mW or %], and its stamp."""
    found: tuple[int | None, int | None] = (None, None)
    for member in members:
        value = member.sample.value
        limit: Any = _MAX_MJ if member.metric.quantity == "energy" else _MAX_MW
        if not math.isfinite(value) or member.metric.is_blank(value) or not 0 <= value * member.metric.per_unit < limit:
            continue
        milli = round(value * member.metric.per_unit)
        if found[0] is None or (member.metric.overlaps and milli > found[0]):
            found = milli, member.sample.timestamp_ms
    return found
