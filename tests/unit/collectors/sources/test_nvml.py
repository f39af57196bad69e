"""NVML with a stand-in library that fails in every way at every call."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pynvml
import pytest

from collectors import contract
from collectors.sources import NvmlSource
from collectors.sources.library_gpus import RECOVERY_S

CODES = sorted(
    {
        value
        for name, value in vars(pynvml).items()
        if re.match(r"^NVML_ERROR_[A-Z_]+$", name) and isinstance(value, int)
    }
)
PER_DEVICE = (
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetName",
    "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetUtilizationRates",
)
EXPECTED = {3: "not_supported", 4: "permission_denied", 9: "driver_lost", 15: "driver_lost", 999: "read_failed"}


class FakeNvml:
    """Two GPUs; ``fail[(call, index)]`` is an error code or an exception."""

    NVMLError = pynvml.NVMLError

    def __init__(self) -> None:
        self.fail: dict[tuple[str, int | None], int | Exception] = {}
        self.energy_mj = [10_000, 20_000]
        self.power_mw = [70_000, 300_000]
        self.util = [0, 99]
        self.inits = 0
        self.fields: dict[int, int] = {}  # code by field; what is not there is an old driver

    def _check(self, call: str, index: int | None) -> None:
        error = self.fail.get((call, index))
        if error is not None:
            raise error if isinstance(error, Exception) else pynvml.NVMLError(error)

    def nvmlInit(self):  # noqa: N802
        self._check("nvmlInit", None)
        self.inits += 1

    def nvmlShutdown(self):  # noqa: N802
        self._check("nvmlShutdown", None)

    def nvmlDeviceGetCount(self):  # noqa: N802
        self._check("nvmlDeviceGetCount", None)
        return 2

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        self._check("nvmlDeviceGetHandleByIndex", index)
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        index = int(uuid[-1])
        self._check("nvmlDeviceGetHandleByUUID", index)
        return index

    def nvmlDeviceGetFieldValues(self, index, fields):  # noqa: N802
        self._check("nvmlDeviceGetFieldValues", index)
        if not self.fields:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        return [SimpleNamespace(fieldId=field, nvmlReturn=self.fields[field]) for field in fields]

    def __getattr__(self, call):
        values = {
            "nvmlDeviceGetUUID": lambda i: f"GPU-4e817856-{i}",
            "nvmlDeviceGetName": lambda _: "NVIDIA H200",
            "nvmlDeviceGetEnforcedPowerLimit": lambda _: 700_000,
            "nvmlDeviceGetTotalEnergyConsumption": lambda i: self.energy_mj[i],
            "nvmlDeviceGetPowerUsage": lambda i: self.power_mw[i],
            "nvmlDeviceGetUtilizationRates": lambda i: SimpleNamespace(gpu=self.util[i], memory=1),
        }
        value = values[call]

        def answer(index: int) -> object:
            self._check(call, index)
            return value(index)

        return answer


@pytest.fixture
def nvml() -> FakeNvml:
    return FakeNvml()


def test_counter_power_and_utilisation_are_read_by_uuid(nvml, clock):
    source = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns)
    assert [(d.id, d.kind, d.point, d.hardware_model, d.limit_w) for d in source.devices()] == [
        ("GPU-4e817856-0", "gpu", "board", "NVIDIA H200", 700.0),
        ("GPU-4e817856-1", "gpu", "board", "NVIDIA H200", 700.0),
    ]
    assert [(r.device_id, r.energy_mj, r.power_mw, r.util_percent, r.gap_reason) for r in source.read()] == [
        ("GPU-4e817856-0", 10_000, 70_000, 0, None),
        ("GPU-4e817856-1", 20_000, 300_000, 99, None),
    ]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("call", [*PER_DEVICE, "nvmlDeviceGetHandleByIndex"])
def test_every_error_of_every_call_gives_a_value_or_a_reason_and_spares_the_other_gpu(nvml, clock, call, code):
    nvml.fail[call, 0] = code
    source = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns)
    readings = [*source.read(), *source.read()]
    assert len(readings) == 4
    for reading in readings:
        assert reading.has_value or reading.gap_reason in contract.GAP_REASONS
        assert reading.device_id in {device.id for device in source.devices()}
        assert (reading.source or "nvml_energy") in contract.SOURCES
    for reading in readings[1::2]:
        assert (reading.energy_mj, reading.power_mw, reading.util_percent) == (20_000, 300_000, 99)


@pytest.mark.parametrize("code", CODES)
def test_a_lost_counter_falls_back_to_power_and_says_so(nvml, clock, code):
    nvml.fail["nvmlDeviceGetTotalEnergyConsumption", 0] = code
    reading = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns).read()[0]
    assert (reading.energy_mj, reading.power_mw, reading.source) == (None, 70_000, "nvml_power")
    assert reading.gap_reason is None


@pytest.mark.parametrize(
    ("average", "instant", "source"),
    [
        (0, 0, "nvml_power_average"),  # Ampere and later
        (pynvml.NVML_ERROR_NOT_SUPPORTED, 0, "nvml_power_instant"),  # GA100, and before Ampere
        (pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NOT_SUPPORTED, "nvml_power"),
        (pynvml.NVML_ERROR_UNKNOWN, pynvml.NVML_ERROR_INVALID_ARGUMENT, "nvml_power"),
    ],
)
def test_power_is_told_as_the_mean_or_the_moment_that_it_is(nvml, clock, average, instant, source):
    nvml.fields = {pynvml.NVML_FI_DEV_POWER_AVERAGE: average, pynvml.NVML_FI_DEV_POWER_INSTANT: instant}
    nvml.fail["nvmlDeviceGetTotalEnergyConsumption", 0] = pynvml.NVML_ERROR_NOT_SUPPORTED
    readings = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns).read()
    assert [reading.source for reading in readings] == [source, None]


@pytest.mark.parametrize("code", CODES)
def test_without_counter_and_power_the_reason_is_told(nvml, clock, code):
    nvml.fail["nvmlDeviceGetTotalEnergyConsumption", 0] = code
    nvml.fail["nvmlDeviceGetPowerUsage", 0] = code
    reading = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns).read()[0]
    assert (reading.energy_mj, reading.power_mw) == (None, None)
    assert reading.gap_reason in contract.GAP_REASONS
    assert EXPECTED.get(code, reading.gap_reason) == reading.gap_reason


@pytest.mark.parametrize("error", [RuntimeError("x"), AttributeError("y"), ValueError("z"), OSError(5, "io")])
def test_foreign_exceptions_are_failed_reads(nvml, clock, error):
    source = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns)
    for call in PER_DEVICE[3:]:
        nvml.fail[call, 0] = error
    assert [reading.gap_reason for reading in source.read()] == ["read_failed", None]


@pytest.mark.parametrize("blank", [2**64 - 1, 0x7FFFFFFFFFFFFFF0, -1, None, 1.5, True])
def test_blank_values_are_not_readings(nvml, clock, blank):
    nvml.energy_mj[0] = blank
    nvml.power_mw[0] = 0xFFFFFFFF
    nvml.util[0] = 0xFFFFFFFF
    reading = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns).read()[0]
    assert (reading.energy_mj, reading.power_mw, reading.util_percent) == (None, None, None)
    assert reading.gap_reason == "not_supported"


def test_driver_reload_begins_a_session_without_counting_over_it(nvml, clock):
    source = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns, first_session=7)
    first = source.read()[0]
    nvml.energy_mj[0] = 50
    clock.advance_s(1)
    second = source.read()[0]
    assert (first.session, second.session, second.gap_reason, second.energy_mj) == (7, 8, "counter_reset", 50)


def test_a_lost_gpu_is_found_again_by_its_uuid(nvml, clock):
    source = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns)
    source.read()
    for call in PER_DEVICE[3:]:
        nvml.fail[call, 1] = 15
    nvml.fail["nvmlDeviceGetHandleByUUID", 1] = 15
    assert [reading.gap_reason for reading in source.read()] == [None, "driver_lost"]
    clock.advance_s(1)
    assert [reading.gap_reason for reading in source.read()] == [None, "driver_lost"]
    assert nvml.inits == 2  # not at every tick
    nvml.fail.clear()
    nvml.energy_mj[1] = 3
    clock.advance_s(RECOVERY_S)
    source.read()  # looks for the GPU
    back = source.read()[1]
    assert (back.session, back.energy_mj) == (1, 3)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("call", ["nvmlInit", "nvmlDeviceGetCount"])
def test_no_usable_library_says_why(nvml, clock, call, code):
    nvml.fail[call, None] = code
    source = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns)
    assert source.devices() == []
    assert source.read() == []
    assert source.unavailable_reason.startswith("NVML cannot be used: ")
    assert source.fix
    source.close()


def test_gpu_without_uuid_keeps_a_visible_place(nvml, clock):
    nvml.fail["nvmlDeviceGetHandleByIndex", 0] = 15
    source = NvmlSource(nvml, monotonic_ns=clock.monotonic_ns)
    assert [device.id for device in source.devices()] == ["gpu-index-0", "GPU-4e817856-1"]
    assert source.read()[0].gap_reason == "driver_lost"
