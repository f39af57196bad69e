"""A library that comes after the start of the process: found, seldom looked for, and never read twice."""

from __future__ import annotations

import pytest

from collectors.agent.loop import SamplingLoop
from collectors.agent.run import run_agent
from collectors.sources import AmdSmiSource, Discovery, EstimateSource, NvmlSource, PowerSource, library_gpus
from collectors.sources.library_gpus import LATE_S, RECOVERY_S
from tests.support.fake_amdsmi import FakeAmdSmi
from tests.support.measuring import FakeSource, LandHere, landed, settings_of


class Host:
    """A host on which AMD SMI is installed when ``is_there`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, clock) -> None:
        self.smi, self.is_there, self.looks = FakeAmdSmi(), False, 0
        monkeypatch.setattr(library_gpus, "loadable", self._loadable)
        monkeypatch.setattr(AmdSmiSource, "_load", lambda _source, _name: self.smi)
        self.source = AmdSmiSource(monotonic_ns=clock.monotonic_ns)

    def _loadable(self, files: tuple[str, ...]) -> str | None:
        self.looks += 1
        return files[0] if self.is_there else None


@pytest.fixture
def host(monkeypatch, clock) -> Host:
    return Host(monkeypatch, clock)


def test_a_missing_library_is_looked_for_at_a_slow_pace(host, clock):
    for _ in range(3600):
        clock.advance_s(1)
        assert host.source.read() == []
    assert host.looks == 1 + 3600 // LATE_S


def test_a_library_that_comes_late_is_read_from_then_on(host, clock):
    host.is_there = True
    assert host.source.read() == []  # the next look is not due
    clock.advance_s(LATE_S)
    first = host.source.read()
    assert [reading.device_id for reading in first] == list(host.smi.uuid.values())
    assert (host.source.unavailable_reason, host.source.fix, host.source.may_come) == (None, None, False)
    for die in host.smi.raw:
        host.smi.spend(die, 5)
    clock.advance_s(1)
    assert all(reading.energy_mj for reading in host.source.read())
    # From here on it is lost and found like any other.
    host.smi.fail["amdsmi_get_energy_count", 1] = host.smi.fail["amdsmi_get_power_info", 1] = 31
    host.source.read()
    assert host.smi.inits == 2
    clock.advance_s(RECOVERY_S)
    host.source.read()
    assert (host.smi.inits, host.looks) == (3, 2)


@pytest.mark.parametrize("call", ["amdsmi_init", "amdsmi_get_socket_handles"])
def test_a_late_library_without_its_driver_is_tried_until_it_works(host, clock, call):
    host.is_there, host.smi.fail[call, None] = True, 34
    clock.advance_s(LATE_S)
    assert host.source.read() == []
    assert host.source.unavailable_reason.startswith("AMD SMI cannot be used: ")
    host.smi.fail.clear()
    clock.advance_s(LATE_S)
    assert len(host.source.read()) == 2


def test_a_library_that_fails_at_the_start_is_not_tried_again(clock):
    smi = FakeAmdSmi()
    smi.fail["amdsmi_init", None] = 34
    source = AmdSmiSource(smi, monotonic_ns=clock.monotonic_ns)
    smi.fail.clear()
    clock.advance_s(LATE_S)
    assert (source.may_come, source.read()) == (False, [])


class _Reads(PowerSource):
    """A source of some name that reads something."""

    def __init__(self, name: str, *kinds: str) -> None:
        self.name, self._kinds = name, set(kinds)

    def devices(self):
        return []

    def read(self):
        return []

    def covers(self):
        return self._kinds


@pytest.mark.parametrize(
    ("readers", "awaited"),
    [
        ([], ["nvml", "amdsmi"]),
        ([_Reads("rapl", "cpu", "dram")], ["nvml", "amdsmi"]),
        ([_Reads("hwmon", "gpu")], []),
        ([_Reads("scrape")], []),
    ],
)
def test_no_library_is_awaited_where_something_else_may_read_the_gpus(monkeypatch, clock, readers, awaited):
    monkeypatch.setattr(library_gpus, "loadable", lambda _: None)
    nvml, smi = NvmlSource(monotonic_ns=clock.monotonic_ns), AmdSmiSource(monotonic_ns=clock.monotonic_ns)
    found = Discovery(readers, [nvml, smi, EstimateSource([], sleep=lambda _: None)])
    assert [source.name for source in found.awaited()] == awaited


def test_the_agent_lands_samples_of_gpus_that_came_late(host, clock, tmp_path):
    settings = settings_of(tmp_path, interval_s=LATE_S)
    loop = SamplingLoop(settings, [FakeSource(clock.monotonic_ns), host.source], clock=clock, child=LandHere(settings))

    class Stop:
        def is_set(self) -> bool:
            host.is_there = True
            return len(clock.slept_until) == 4

    run_agent(loop, Stop())
    rows = landed(tmp_path)["power_sample"]
    assert {row["device"] for row in rows} >= set(host.smi.uuid.values())
    stamps = sorted({row["ts_ms"] for row in rows})
    assert min(row["ts_ms"] for row in rows if row["device"] in host.smi.uuid.values()) == stamps[1]
