"""AMD SMI with a stand-in library that fails in every way at every call; no AMD hardware was at hand."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from collectors import contract
from collectors.sources.amdsmi import AmdSmiSource
from collectors.sources.amdsmi_library import AmdSmi, AmdSmiError, EnergyCount, PowerInfo
from collectors.sources.library_gpus import RECOVERY_S
from tests.support.fake_amdsmi import NOT_AVAILABLE, FakeAmdSmi

# amdsmi_status_t of ROCm/amdsmi 0ceca28f.
CODES = [*range(1, 20), *range(30, 35), *range(40, 56), 0xFFFFFFFE, 0xFFFFFFFF]
PER_DIE = (
    "amdsmi_get_processor_type",
    "amdsmi_get_gpu_device_uuid",
    "amdsmi_get_gpu_asic_info",
    "amdsmi_get_power_cap_info",
    "amdsmi_get_power_info",
    "amdsmi_get_energy_count",
    "amdsmi_get_gpu_activity",
)
EXPECTED = {2: "not_supported", 10: "permission_denied", 31: "driver_lost", 34: "driver_lost", 12: "read_failed"}


@pytest.fixture
def smi() -> FakeAmdSmi:
    return FakeAmdSmi()


def _source(smi, clock, **options) -> AmdSmiSource:
    """A source whose counters have moved, so that they are believed."""
    source = AmdSmiSource(smi, monotonic_ns=clock.monotonic_ns, **options)
    for die, raw in smi.raw.items():
        if raw:
            smi.spend(die, 1)
    return source


def test_energy_is_the_counter_times_its_resolution(smi, clock):
    source = _source(smi, clock)
    assert [(d.id, d.kind, d.point, d.source, d.hardware_model, d.limit_w) for d in source.devices()] == [
        (smi.uuid[die], "gpu", "board", "amdsmi", "AMD Instinct MI300X", 750.0) for die in (0, 1)
    ]
    before = source.read()
    assert [(r.power_mw, r.util_percent, r.gap_reason) for r in before] == [(100_000, 0, None), (200_000, 10, None)]
    assert before[0].energy_mj == round(smi.raw[0] * 15.3 / 1000 - 0.5)
    smi.spend(0, 300)
    clock.advance_s(1)
    after = source.read()
    assert after[0].energy_mj - before[0].energy_mj == pytest.approx(300_000, abs=1)
    assert after[1].energy_mj == before[1].energy_mj


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("call", [*PER_DIE, "amdsmi_get_processor_handles"])
def test_every_error_of_every_call_gives_a_value_or_a_reason_and_spares_the_other_gpu(smi, clock, call, code):
    smi.fail[call, 0] = code
    source = _source(smi, clock)
    readings = [*source.read(), *source.read()]
    assert len(readings) == 4
    for reading in readings:
        assert reading.has_value or reading.gap_reason in contract.GAP_REASONS
        assert min(reading.energy_mj or 0, reading.power_mw or 0) >= 0
        assert reading.device_id in {device.id for device in source.devices()}
    for reading in readings[1::2]:
        assert (reading.power_mw, reading.util_percent) == (200_000, 10)
        assert reading.energy_mj is not None


@pytest.mark.parametrize("code", CODES)
def test_without_counter_and_power_the_reason_is_told(smi, clock, code):
    source = _source(smi, clock)
    smi.fail["amdsmi_get_energy_count", 0] = code
    assert (source.read()[0].power_mw, source.read()[0].energy_mj) == (100_000, None)
    smi.fail["amdsmi_get_power_info", 0] = code
    reading = source.read()[0]
    assert (reading.energy_mj, reading.power_mw) == (None, None)
    assert reading.gap_reason == EXPECTED.get(code, reading.gap_reason)
    assert reading.gap_reason in contract.GAP_REASONS


@pytest.mark.parametrize("error", [RuntimeError("x"), AttributeError("y"), ValueError("z"), OSError(5, "io")])
def test_foreign_exceptions_are_failed_reads(smi, clock, error):
    source = _source(smi, clock)
    for call in PER_DIE[4:]:
        smi.fail[call, 0] = error
    assert [reading.gap_reason for reading in source.read()] == ["read_failed", None]


def test_the_second_die_of_a_card_is_not_counted_and_said_to_be_inside_the_first(clock):
    """Two MI250: the driver shows power and energy 0 on the second die of each (Linux 076f55a45e9e)."""
    smi = FakeAmdSmi(((0,), (1,), (2,), (3,)))
    for die in (1, 3):
        smi.raw[die] = smi.current_w[die] = 0
    source = _source(smi, clock)
    assert [device.id for device in source.devices()] == [smi.uuid[0], smi.uuid[2]]
    assert [(part.name, part.reason.split("'")[0]) for part in source.left_out()] == [
        (smi.uuid[1], f"its energy is part of {smi.uuid[0]}"),
        (smi.uuid[3], f"its energy is part of {smi.uuid[2]}"),
    ]
    assert [reading.power_mw for reading in source.read()] == [100_000, 300_000]


def test_partitions_of_one_socket_count_once(clock):
    """An MI300X in eight partitions: every partition states the whole socket."""
    smi = FakeAmdSmi((tuple(range(8)),))
    smi.raw, smi.current_w = dict.fromkeys(range(8), 5_000_000), dict.fromkeys(range(8), 600)
    source = _source(smi, clock)
    assert [device.id for device in source.devices()] == [smi.uuid[0]]
    assert sum(reading.power_mw for reading in source.read()) == 600_000
    assert len(source.left_out()) == 7


def test_equal_uuids_count_once(clock):
    smi = FakeAmdSmi(((0,), (1,)))
    smi.uuid[1] = smi.uuid[0]
    assert len(AmdSmiSource(smi, monotonic_ns=clock.monotonic_ns).read()) == 1


def test_a_counter_that_stands_still_is_not_zero_joules(smi, clock):
    """MI100 until it is reset: the counter never moves while the GPU draws power (ROCm/amdsmi issue 22)."""
    source = AmdSmiSource(smi, monotonic_ns=clock.monotonic_ns)
    for _ in range(3):
        clock.advance_s(1)
        assert [(r.energy_mj, r.power_mw, r.gap_reason) for r in source.read()] == [
            (None, 100_000, None),
            (None, 200_000, None),
        ]
    smi.spend(0, 10)
    assert [reading.energy_mj is None for reading in source.read()] == [False, True]


@pytest.mark.parametrize("blank", [2**64 - 1, -1, None, 1.5, True])
def test_blank_values_are_not_readings(smi, clock, blank):
    source = _source(smi, clock)
    smi.raw[0], smi.current_w[0], smi.util[0] = blank, 0xFFFF, 0xFFFF
    reading = source.read()[0]
    assert (reading.energy_mj, reading.power_mw, reading.util_percent) == (None, None, None)
    assert reading.gap_reason == "not_supported"


def test_older_gpus_state_the_mean_power(smi, clock):
    smi.current_w[0], smi.average_w[0] = NOT_AVAILABLE, 222
    assert _source(smi, clock).read()[0].power_mw == 222_000


def test_a_counter_that_falls_begins_a_session(smi, clock):
    """A driver reload; and seen on MI210 without one (ROCm/amdsmi issue 115)."""
    source = _source(smi, clock, first_session=7)
    first = source.read()[0]
    smi.raw[0] = 500
    clock.advance_s(1)
    second = source.read()[0]
    assert (first.session, second.session, second.gap_reason, second.energy_mj) == (7, 8, "counter_reset", 7)


def test_a_lost_gpu_is_found_again_by_its_uuid(smi, clock):
    source = _source(smi, clock)
    source.read()
    for call in PER_DIE[1:]:
        smi.fail[call, 1] = 31
    assert [reading.gap_reason for reading in source.read()] == [None, "driver_lost"]
    clock.advance_s(1)
    assert [reading.gap_reason for reading in source.read()] == [None, "driver_lost"]
    assert smi.inits == 2  # not at every tick
    smi.fail.clear()
    smi.sockets = ((1,), (0,))  # in another order
    smi.raw[1] = 300
    clock.advance_s(RECOVERY_S)
    source.read()  # looks for the GPU
    back = source.read()[1]
    assert (back.device_id, back.session, back.gap_reason) == (smi.uuid[1], 1, "counter_reset")


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("call", ["amdsmi_init", "amdsmi_get_socket_handles"])
def test_no_usable_library_says_why(smi, clock, call, code):
    smi.fail[call, None] = code
    source = AmdSmiSource(smi, monotonic_ns=clock.monotonic_ns)
    assert (source.devices(), source.read()) == ([], [])
    assert source.unavailable_reason.startswith("AMD SMI cannot be used: ")
    assert source.fix
    source.close()


def test_missing_library_says_what_to_install(clock):
    source = AmdSmiSource(monotonic_ns=clock.monotonic_ns)
    assert source.unavailable_reason == "no AMD SMI library (libamd_smi.so)"
    assert "amd-smi-lib" in source.fix


def test_a_host_without_gpu_says_so(clock):
    assert AmdSmiSource(FakeAmdSmi(()), monotonic_ns=clock.monotonic_ns).unavailable_reason == "AMD SMI reports no GPU"


def _library(release: int, power: bytes) -> AmdSmi:
    """The binding over functions that write what the library's structures hold."""
    p, u32 = ctypes.c_void_p, ctypes.c_uint

    def function(*types, writes):
        def call(*arguments: int) -> int:
            for at, data in writes(*arguments).items():
                ctypes.memmove(at, data, len(data))
            return 0

        return ctypes.CFUNCTYPE(ctypes.c_int, *types)(call)

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "little")

    one = ctypes.c_float(15.3)
    library = AmdSmi.__new__(AmdSmi)
    library.__init__("libc.so.6")
    library._library = SimpleNamespace(
        amdsmi_init=ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint64)(lambda flags: 0 if flags == 2 else 1),
        amdsmi_shut_down=ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 32),
        amdsmi_get_lib_version=function(p, writes=lambda at: {at: number(release, 4)}),
        amdsmi_get_socket_handles=function(
            p, p, writes=lambda n, at: {n: number(2, 4)} | ({at: number(17, 8) + number(18, 8)} if at else {})
        ),
        amdsmi_get_processor_type=function(p, p, writes=lambda _, at: {at: number(1, 4)}),
        amdsmi_get_gpu_device_uuid=function(p, p, p, writes=lambda _, n, at: {n: number(37, 4), at: b"02ff-uuid\0"}),
        amdsmi_get_gpu_asic_info=function(p, p, writes=lambda _, at: {at: b"MI300X\0" + b"x" * 500}),
        amdsmi_get_power_cap_info=function(p, u32, p, writes=lambda _, sensor, at: {at: number(750_000_000, 8)}),
        amdsmi_get_power_info=function(p, p, writes=lambda _, at: {at: power}),
        amdsmi_get_energy_count=function(
            p, p, p, p, writes=lambda _, n, r, t: {n: number(2**40, 8), r: bytes(one), t: number(9, 8)}
        ),
        amdsmi_get_gpu_activity=function(p, p, writes=lambda _, at: {at: number(97, 4) + number(3, 4)}),
    )
    return library


# amdsmi_power_info_t: ROCm 6.2 begins with two 32-bit numbers, 6.4 and 7 have 64 bits before them.
@pytest.mark.parametrize(
    ("release", "layout", "expected"),
    [
        (24, (700).to_bytes(4, "little") + (65535).to_bytes(4, "little"), PowerInfo(700, 65535, None)),
        (25, b"\xff" * 8 + (700).to_bytes(4, "little") + b"\xff" * 4, PowerInfo(700, NOT_AVAILABLE, None)),
        (
            26,
            (650).to_bytes(8, "little") + b"\xff" * 4 + (650).to_bytes(4, "little"),
            PowerInfo(NOT_AVAILABLE, 650, 650),
        ),
    ],
)
def test_the_binding_reads_fields_where_each_release_has_them(release, layout, expected):
    library = _library(release, layout)
    library.amdsmi_init()
    handle = library.amdsmi_get_socket_handles()[1]
    assert handle.value == 18
    assert library.amdsmi_get_processor_type(handle) == 1
    assert library.amdsmi_get_gpu_device_uuid(handle) == "02ff-uuid"
    assert library.amdsmi_get_gpu_asic_info(handle) == "MI300X"
    assert library.amdsmi_get_power_cap_info(handle) == 750_000_000
    assert library.amdsmi_get_power_info(handle) == expected
    assert library.amdsmi_get_energy_count(handle) == EnergyCount(2**40, pytest.approx(15.3))
    assert library.amdsmi_get_gpu_activity(handle) == 97
    with pytest.raises(AmdSmiError) as error:
        library.amdsmi_shut_down()
    assert error.value.value == 32


def test_power_of_a_release_with_an_uncertain_layout_is_not_read():
    """ROCm 6.0 and 6.1 have different layouts and the same version number, 23.4.0."""
    library = _library(23, (1).to_bytes(4, "little") * 4)
    with pytest.raises(AmdSmiError) as error:
        library.amdsmi_get_power_info(ctypes.c_void_p(17))
    assert error.value.value == 2


def test_a_function_that_the_library_lacks_is_not_supported():
    library = AmdSmi("libc.so.6")
    with pytest.raises(AmdSmiError) as error:
        library.amdsmi_get_gpu_activity(ctypes.c_void_p(17))
    assert error.value.value == 5
