"""Power sources of a host, one interface a file, and the choice among them.

What belongs here: which sources a host has. What must not be here: how one is read (its own file), time stamps, files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

# Sources that few hosts have are imported where they are made: the agent lives for months on somebody else's memory.
from ..clock import SystemClock, procfs_root
from .amdsmi import AmdSmiSource
from .common import CounterStep, Device, LeftOut, MonotoneCounter, PowerSource, Reading
from .estimate import EstimateSource
from .hwmon import HwmonSource
from .nvml import NvmlSource
from .options import SourceOptions
from .polled import PolledSource
from .rapl import RaplSource

if TYPE_CHECKING:
    from types import ModuleType

    from ..clock import Clock
    from .options import ScrapeOptions

__all__ = [
    "AmdSmiSource",
    "CounterStep",
    "Device",
    "Discovery",
    "EstimateSource",
    "HwmonSource",
    "LeftOut",
    "MonotoneCounter",
    "NvmlSource",
    "PolledSource",
    "PowerSource",
    "RaplSource",
    "Reading",
    "SourceOptions",
    "cpu_model",
    "discover",
    "first_session",
]

_IPMI_DEVICES = (Path("/dev/ipmi0"), Path("/dev/ipmi/0"), Path("/dev/ipmidev/0"))
FIX_IPMI = (
    "the host has a management controller: install ipmitool and add a line [ipmi] to the configuration file, or ask it "
    "by Redfish: [[redfish]]"
)
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

    def awaited(self) -> list[PowerSource]:
        """Return unavailable sources that a process of months reads all the same, because they may become usable.

        There are none where something else reads GPUs, or an exporter may: one that came later would read them twice.
        """
        if any(source.name == "scrape" or "gpu" in source.covers() for source in self.sources):
            return []
        return [source for source in self.unavailable if source.may_come]


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
    amdsmi_module: ModuleType | None = None,
    estimate: bool = True,
    options: SourceOptions | None = None,
    host: str = "",
    is_threaded: bool = True,
) -> Discovery:
    """Find what can be measured here, and model CPU or memory only where it has no counter.

    Args:
        clock: where the time comes from; by default the system's.
        provider: cloud provider, for the factors of the estimate.
        nvml_module: stand-in for ``pynvml``, for tests.
        amdsmi_module: stand-in for the binding of AMD SMI, for tests.
        estimate: whether kinds without a counter are modelled.
        options: options of the sources; by default those that need no configuration.
        host: name of this host, for exporters that name it.
        is_threaded: whether slow sources are read in threads of their own; otherwise somebody calls their ``poll``.
    """
    maker = _Maker(options or SourceOptions(), clock or SystemClock(), host, is_threaded=is_threaded)
    model = maker.options.estimate
    gpus: list[PowerSource] = [maker.nvml(nvml_module), maker.amdsmi(amdsmi_module)]
    rapl, hwmon, meters, exporters = maker.rapl(), maker.hwmon(), maker.meters(), maker.exporters()
    if estimate and model.is_enabled and model.is_denied_modelled and rapl.denied_kinds:
        rapl.leave_out(rapl.denied_kinds, "permission denied; modelled instead, as estimate_denied says")
    _choose([*meters, *exporters, *hwmon, rapl], "node")
    for kind in ("cpu", "dram"):
        _choose([rapl, *hwmon, *exporters], kind)
    for exporter in exporters:
        known = {device.id for source in gpus for device in source.devices()}
        exporter.leave_out(known, "the driver of the GPU is read")
    # A meter that is asked over the network may be silent for days, so what it contains is modelled all the same.
    covered = {kind for source in [*gpus, rapl, *hwmon, *exporters] for kind in source.covers()}
    missing = [kind for kind in ("cpu", "dram") if kind not in covered]
    found = [*gpus, rapl, *hwmon, *exporters, *meters]
    if estimate and model.is_enabled and missing:
        found.append(EstimateSource(missing, provider=provider, hardware_model=maker.model))
        for exporter in exporters:
            exporter.leave_out(
                missing, "the exporter was silent at the start and `kinds` in [[scrape]] did not name it"
            )
    usable = [source for source in found if source.unavailable_reason is None]
    return Discovery(usable, [source for source in found if source.unavailable_reason is not None])


def _choose(sources: list[PowerSource], kind: str) -> None:
    """Let the first source that has a kind of device keep it, and the others leave it out: they measure the same.

    Several sources of the first's own sort are kept: whoever configured them says that they do not overlap, and
    exporters agree among themselves.
    """
    first = next((source for source in sources if any(device.kind == kind for device in source.devices())), None)
    for source in sources if first is not None else ():
        if first is not None and source.name != first.name:
            source.leave_out({kind}, f"{first.name} reads it")


class _NotConfigured(PowerSource):
    """A source that this host seems to have and that nobody configured."""

    def __init__(self, name: str, kinds: str, reason: str, fix: str) -> None:
        self.name, self.kinds, self.unavailable_reason, self.fix = name, kinds, reason, fix

    def devices(self) -> list[Device]:
        """Return nothing."""
        return []

    def read(self) -> list[Reading]:
        """Return nothing."""
        return []


class _Maker:
    """Makes the sources of one host, all on one clock."""

    def __init__(self, options: SourceOptions, clock: Clock, host: str, *, is_threaded: bool) -> None:
        self.options, self._clock, self._host, self._is_threaded = options, clock, host, is_threaded
        self._session = first_session(clock)
        self.model = cpu_model()

    def nvml(self, module: ModuleType | None) -> NvmlSource:
        return NvmlSource(module, monotonic_ns=self._clock.monotonic_ns, first_session=self._session)

    def amdsmi(self, module: ModuleType | None) -> AmdSmiSource:
        return AmdSmiSource(module, monotonic_ns=self._clock.monotonic_ns, first_session=self._session)

    def rapl(self) -> RaplSource:
        return RaplSource(monotonic_ns=self._clock.monotonic_ns, first_session=self._session, hardware_model=self.model)

    def hwmon(self) -> list[PowerSource]:
        if not self.options.hwmon.is_enabled:
            return []
        source = HwmonSource(
            monotonic_ns=self._clock.monotonic_ns,
            first_session=self._session,
            table=self.options.hwmon.table,
            node_point=self.options.hwmon.node_point,
            hardware_model=self.model,
        )
        return [source if source.every_s is None else self._polled(source, source.every_s)]

    def meters(self) -> list[PowerSource]:
        """Return the meters of the node that somebody configured, and a hint at one that nobody did."""
        made: list[PowerSource] = []
        if self.options.redfish:
            from .redfish import RedfishSource

            for options in self.options.redfish:
                redfish = RedfishSource(options, monotonic_ns=self._clock.monotonic_ns, first_session=self._session)
                made.append(self._polled(redfish, options.every_s))
        if self.options.ipmi is not None:
            from .ipmi import IpmiSource

            made.append(self._polled(IpmiSource(self.options.ipmi), self.options.ipmi.every_s))
        elif not self.options.redfish and any(path.exists() for path in _IPMI_DEVICES):
            made.append(_NotConfigured("ipmi", "node", "not configured", FIX_IPMI))
        return made

    def exporters(self) -> list[PowerSource]:
        claims: dict[str, str] = {}
        return [self._exporter(options, claims) for options in self.options.scrape]

    def _exporter(self, options: ScrapeOptions, claims: dict[str, str]) -> PowerSource:
        from .scrape import ScrapeSource

        source = ScrapeSource(
            options,
            host=self._host,
            monotonic_ns=self._clock.monotonic_ns,
            now_ms=self._clock.now_ms,
            first_session=self._session,
            claims=claims,
        )
        return self._polled(source, options.every_s)

    def _polled(self, source: PowerSource, every_s: float) -> PolledSource:
        return PolledSource(source, every_s, monotonic_ns=self._clock.monotonic_ns, is_threaded=self._is_threaded)
