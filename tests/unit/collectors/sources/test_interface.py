"""One claim over all sources: a value or a reason, never an exception, never negative, devices that stay the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from collectors import contract
from collectors.sources import (
    AmdSmiSource,
    EstimateSource,
    HwmonSource,
    NvmlSource,
    PolledSource,
    PowerSource,
    RaplSource,
)
from collectors.sources.ipmi import IpmiSource
from collectors.sources.options import IpmiOptions, RedfishOptions, ScrapeOptions
from collectors.sources.redfish import RedfishSource
from collectors.sources.scrape import ScrapeSource
from tests.support.fake_amdsmi import FakeAmdSmi
from tests.support.fake_hwmon import FakeHwmon
from tests.support.stub_http import Reply, as_json, serving

GARBAGE = ("", "garbage", "-5", "nan", "1" * 40, "1 2", "\x00")


class Case(NamedTuple):
    """A source and everything that happens to what it reads, one thing after another."""

    source: PowerSource
    events: list[Callable[[], Any]]


def _files(*paths: Path) -> list[Callable[[], Any]]:
    """Files that hold garbage, lose their right, vanish, become a folder, and are back."""
    events: list[Callable[[], Any]] = []
    for path in paths:
        sound = path.read_text()
        events += [lambda path=path, text=text: path.write_text(text) for text in GARBAGE]
        events += [path.unlink, path.mkdir, path.rmdir, lambda path=path, sound=sound: path.write_text(sound)]
    return events


def _nvml(**_: Any) -> Case:
    values = {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetHandleByUUID": lambda uuid: 0,
        "nvmlDeviceGetUUID": lambda _: "GPU-a",
        "nvmlDeviceGetName": lambda _: "NVIDIA H200",
        "nvmlDeviceGetEnforcedPowerLimit": lambda _: 700_000,
        "nvmlDeviceGetTotalEnergyConsumption": lambda _: 5_000,
        "nvmlDeviceGetPowerUsage": lambda _: 300_000,
        "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=50, memory=1),
    }
    module = SimpleNamespace(**values)

    def put(name: str, value: Any) -> Callable[[], None]:
        return lambda: setattr(module, name, (lambda *_: value) if not isinstance(value, Exception) else _raiser(value))

    odd = (-1, 2**64 - 1, None, "x", 1.5, OSError(5, "io"), ValueError("x"))
    events = [put(name, value) for name in list(values)[8:] for value in odd]
    return Case(NvmlSource(module, monotonic_ns=_["clock"].monotonic_ns), events)


def _raiser(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def _amdsmi(clock: Any, **_: Any) -> Case:
    smi = FakeAmdSmi()
    events: list[Callable[[], Any]] = []
    for odd in (-1, 2**64 - 1, None, "x", 0, 5, 10**9):
        events += [lambda odd=odd: smi.raw.update({0: odd}), lambda odd=odd: smi.current_w.update({0: odd})]
        events += [lambda odd=odd: smi.util.update({0: odd})]
    for code in (2, 10, 31, 0xFFFFFFFF):
        events += [lambda code=code: smi.fail.update({("amdsmi_get_energy_count", 1): code}), smi.fail.clear]
    return Case(AmdSmiSource(smi, monotonic_ns=clock.monotonic_ns), events)


def _rapl(clock: Any, powercap: Any, **_: Any) -> Case:
    zones = [powercap.zone("0", "package-0", 5_000_000), powercap.zone("0:0", "dram", 7_000_000)]
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns, sleep=lambda _: None)
    return Case(source, _files(*(zone / "energy_uj" for zone in zones)))


def _hwmon(clock: Any, tmp_path: Path, **_: Any) -> Case:
    tree = FakeHwmon(tmp_path / "hwmon-sys")
    meter = tree.chip("power_meter", {"power1_average": 300_000_000}, in_device=True)
    amd = tree.chip("amd_energy", {"energy1_label": "Esocket0", "energy1_input": 9_000_000})
    rail = tree.chip("ina3221", {"in1_label": "VDD_GPU_SOC", "in1_input": 5_000, "curr1_input": 100})
    files = (meter / "power1_average", amd / "energy1_input", rail / "in1_input", rail / "curr1_input")
    return Case(HwmonSource(tree.root, monotonic_ns=clock.monotonic_ns), _files(*files))


def _estimate(tmp_path: Path, **_: Any) -> Case:
    root = tmp_path / "proc"
    root.mkdir()
    (root / "meminfo").write_text("MemTotal:       67108864 kB\n")
    (root / "stat").write_text("cpu  100 0 0 100 0 0 0 0 0 0\ncpu0 1\ncpu1 1\n")
    return Case(EstimateSource(root=root, sleep=lambda _: None), _files(root / "stat"))


def _redfish(clock: Any, stack: ExitStack, **_: Any) -> Case:
    stub = stack.enter_context(serving())
    chassis = "/redfish/v1/Chassis/1"
    stub.answers |= {
        "/redfish/v1/Chassis": as_json({"Members": [{"@odata.id": chassis}]}),
        chassis: as_json({"Power": {"@odata.id": f"{chassis}/Power"}}),
    }
    odd = [Reply(b"{"), Reply(b"[1]"), Reply(b"", 500), Reply(raw=b""), Reply(b"x" * (2 << 20)), Reply(b"", 302)]
    odd += [as_json({"PowerControl": [{"PowerConsumedWatts": value}]}) for value in (0, -1, None, "x", 1e300, 300)]
    events = [lambda reply=reply: stub.answers.update({f"{chassis}/Power": reply}) for reply in odd]
    options = RedfishOptions(url=stub.url, timeout_s=2.0)
    return Case(RedfishSource(options, monotonic_ns=clock.monotonic_ns, environ={}), events)


def _ipmi(**_: Any) -> Case:
    said: list[Any] = [(0, "Instantaneous power reading: 200 Watts\n", "")]
    odd = [(0, text, "") for text in (*GARBAGE, "Instantaneous power reading: 0 Watts\n")]
    odd += [(1, "", "Permission denied"), OSError(2, "x"), TimeoutError(), UnicodeError("x")]

    def run(*_: object) -> tuple[int, str, str]:
        if isinstance(said[0], Exception):
            raise said[0]
        return said[0]

    return Case(
        IpmiSource(IpmiOptions(), run=run), [lambda item=item: said.__setitem__(0, item) for item in [*odd, said[0]]]
    )


def _scrape(clock: Any, stack: ExitStack, **_: Any) -> Case:
    stub = stack.enter_context(serving())
    sound = b'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-a"} 300\nDCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{UUID="GPU-a"} 5000\n'
    stub.answers["/metrics"] = Reply(sound)
    odd = [Reply(text.encode()) for text in GARBAGE] + [Reply(b"", 500), Reply(raw=b""), Reply(sound, cut=9)]
    values = ("-5", "NaN", "+Inf", "9223372036854775794", "1e300", "0")
    odd += [Reply(sound.replace(b"5000", value.encode()).replace(b"300", value.encode())) for value in values]
    odd += [Reply(sound)]
    options = ScrapeOptions(url=f"{stub.url}/metrics", timeout_s=2.0)
    source = ScrapeSource(options, host="h", monotonic_ns=clock.monotonic_ns, now_ms=clock.now_ms, environ={})
    return Case(source, [lambda reply=reply: stub.answers.update({"/metrics": reply}) for reply in odd])


CASES = (_nvml, _amdsmi, _rapl, _hwmon, _estimate, _redfish, _ipmi, _scrape)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as found:
        yield found


@pytest.mark.parametrize("is_polled", [False, True])
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__.strip("_"))
def test_every_source_keeps_the_interface_whatever_happens(make, is_polled, clock, powercap, tmp_path, stack):
    case = make(clock=clock, powercap=powercap, tmp_path=tmp_path, stack=stack)
    source = case.source
    polled = PolledSource(source, 1.0, monotonic_ns=clock.monotonic_ns, is_threaded=False) if is_polled else None
    devices = source.devices()
    assert devices
    assert len({device.id for device in devices}) == len(devices)
    for device in devices:
        assert device.kind in contract.DEVICE_KINDS
        assert device.point in contract.POINTS
        assert device.source in contract.SOURCES
        assert device.kind in source.covers() or device.kind in source.kinds
    highest: dict[tuple[str, int], int] = {}
    seen_n = 0
    for event in [lambda: None, *case.events]:
        event()
        for _ in range(2):
            clock.advance_s(1)
            if polled:
                polled.poll()
            for reading in (polled or source).read():
                seen_n += 1
                assert reading.device_id in {device.id for device in devices}
                assert reading.has_value or reading.gap_reason is not None
                assert reading.gap_reason is None or reading.gap_reason in contract.GAP_REASONS
                assert reading.source is None or reading.source in contract.SOURCES
                assert reading.power_mw is None or 0 <= reading.power_mw <= contract.MAX_POWER_MW
                assert reading.util_percent is None or 0 <= reading.util_percent <= 100
                assert 0 <= reading.session < 2**31
                assert polled is None or reading.taken_ns is not None
                if reading.energy_mj is not None:
                    assert 0 <= reading.energy_mj < 2**63
                    key = (reading.device_id, reading.session)
                    assert reading.energy_mj >= highest.get(key, 0)
                    highest[key] = reading.energy_mj
        assert source.devices() == devices
    assert seen_n >= len(case.events)
    # After all of it the source is sound again, or says why not.
    for reading in source.read():
        assert reading.has_value or reading.gap_reason
    for part in source.left_out():
        assert part.name
        assert part.reason
    source.close()
    source.close()
