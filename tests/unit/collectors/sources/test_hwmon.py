"""Power sensors on fake hwmon trees; names and units as the kernel's documents state them."""

from __future__ import annotations

import errno
import re

import pytest

from collectors import contract
from collectors.sources.hwmon import SENSORS_PATH, HwmonSource, load_sensors
from tests.support.fake_hwmon import FakeHwmon


@pytest.fixture
def hwmon(tmp_path):
    return FakeHwmon(tmp_path / "sys")


@pytest.fixture
def source(hwmon, clock):
    return lambda **options: HwmonSource(hwmon.root, monotonic_ns=clock.monotonic_ns, **options)


def _unused(source: HwmonSource) -> dict[str, str]:
    return {part.name: part.reason for part in source.left_out()}


def test_socket_energy_of_amd_counts_and_that_of_its_cores_does_not(hwmon, source, clock):
    chip = hwmon.chip(
        "amd_energy",
        {
            "energy1_label": "Ecore000",
            "energy1_input": 7_000_000,
            "energy2_label": "Esocket0",
            "energy2_input": 1_000_000_000,
            "energy3_label": "Esocket1",
            "energy3_input": 2_000_000_000,
        },
    )
    found = source(hardware_model="AMD EPYC 7763")
    assert [(d.id, d.kind, d.point, d.source, d.hardware_model) for d in found.devices()] == [
        ("cpu-package-0", "cpu", "package", "rapl", "AMD EPYC 7763"),
        ("cpu-package-1", "cpu", "package", "rapl", "AMD EPYC 7763"),
    ]
    before = found.read()
    (chip / "energy2_input").write_text("1280000000")
    clock.advance_s(1)
    after = found.read()
    assert [b.energy_mj - a.energy_mj for a, b in zip(before, after, strict=True)] == [280_000, 0]
    assert list(_unused(found).values()) == ["it is inside its socket"]


def test_a_meter_of_the_whole_system_is_the_node(hwmon, source):
    chip = hwmon.chip("power_meter", {"power1_average": 324_000_000, "power1_oem_info": ""}, in_device=True)
    (chip / "measures").mkdir()
    (chip / "measures" / "LNXSYBUS:00").write_text("")
    found = source()
    assert [(d.id, d.kind, d.point) for d in found.devices()] == [("node", "node", "ac")]
    assert [(r.power_mw, r.energy_mj, r.gap_reason) for r in found.read()] == [(324_000, None, None)]
    assert found.covers() == {"node", "cpu", "dram"}
    assert found.every_s == 1  # firmware answers it, so it gets a thread of its own
    assert source(node_point="dc").devices()[0].point == "dc"


def test_a_meter_of_a_part_is_not_the_node(hwmon, source):
    chip = hwmon.chip("power_meter", {"power1_average": 90_000_000}, in_device=True)
    (chip / "measures").mkdir()
    (chip / "measures" / "ACPI0007:00").write_text("")
    found = source()
    assert found.devices() == []
    assert next(iter(_unused(found).values())) == "it measures ACPI0007:00 and not the whole system"


def test_several_meters_without_a_name_are_no_sum(hwmon, source):
    for _ in range(2):
        hwmon.chip("power_meter", {"power1_average": 200_000_000}, in_device=True)
    found = source()
    assert (found.devices(), found.read()) == ([], [])
    assert "several sensors claim to be it" in _unused(found)["node"]


@pytest.mark.parametrize(("sockets", "watts"), [((0,), 180), ((0, 1), 360)])
def test_a_grace_host_has_its_sockets_once(hwmon, source, sockets, watts):
    """Grace lists four meters a socket that lie inside one another (NVIDIA, Grace Performance Tuning Guide)."""
    for socket in sockets:
        for text, power in (("Module", 900), ("Grace", 180), ("CPU", 100), ("SysIO", 20)):
            files = {"power1_average": power * 1_000_000, "power1_oem_info": f"{text} Power Socket {socket}"}
            hwmon.chip("power_meter", files, in_device=True)
    found = source()
    assert [device.id for device in found.devices()] == [f"cpu-package-{socket}" for socket in sockets]
    assert sum(reading.power_mw for reading in found.read()) == watts * 1000
    assert found.covers() == {"cpu", "dram"}  # no memory is modelled beside it
    assert len(_unused(found)) == 3 * len(sockets)


@pytest.mark.parametrize("blank", [4_294_967_295_000, 0])
def test_blank_values_of_a_meter_are_no_power(hwmon, source, blank):
    """4294967295000 uW is what a meter without a value shows (Kepler issue 1049); no running node draws 0 W."""
    hwmon.chip("power_meter", {"power1_average": blank}, in_device=True)
    assert [(r.power_mw, r.gap_reason) for r in source().read()] == [(None, "not_supported")]


def test_rails_of_a_jetson_are_voltage_times_current_and_the_module_is_the_node(hwmon, source):
    """Labels of a Jetson Orin NX (Linux, tegra234-p3767.dtsi); the kernel gives no power of an INA3221."""
    rails = {1: ("VDD_IN", 5_040, 1_500), 2: ("VDD_CPU_GPU_CV", 5_040, 400), 3: ("VDD_SOC", 5_040, 300)}
    files = {}
    for number, (label, millivolts, milliamperes) in rails.items():
        files |= {f"in{number}_label": label, f"in{number}_input": millivolts, f"curr{number}_input": milliamperes}
    hwmon.chip("ina3221", {**files, "in7_label": "sum of shunt voltages", "in7_input": 5, "curr4_input": 2_200})
    found = source()
    assert [(d.id, d.kind, d.point, d.source) for d in found.devices()] == [
        ("node", "node", "dc", "meter"),
        ("gpu-rail-0", "gpu", "board", "meter"),
        ("soc-rail-0", "cpu", "board", "meter"),
    ]
    assert [reading.power_mw for reading in found.read()] == [7_560, 2_016, 1_512]


def test_a_rail_of_a_board_that_nobody_described_is_told(hwmon, source):
    hwmon.chip("ina3221", {"in1_label": "5V_FAN", "in1_input": 5_000, "curr1_input": 100}, address="1-0041")
    hwmon.chip("nct6775", {"in1_input": 1_000, "curr1_input": 100})  # a voltage and a current that are no rail
    found = source()
    assert _unused(found) == {"ina3221 1-0041 in1_input (5V_FAN)": "its meaning is not known"}
    assert "hwmon_sensors.csv" in found.left_out()[0].fix


def test_the_parts_of_an_xgene_add_up(hwmon, source):
    files = {"power1_label": "CPU power", "power1_input": 30_000_000, "power2_label": "IO power"}
    hwmon.chip("apm_xgene", {**files, "power2_input": 5_000_000})
    assert [(r.device_id, r.power_mw) for r in source().read()] == [("cpu-package-0", 30_000), ("cpu-io-0", 5_000)]


def test_intel_gpus_count_the_card_and_not_what_is_inside(hwmon, source, clock):
    card = hwmon.chip("xe", {"energy1_input": 5_000_000, "energy2_label": "pkg", "energy2_input": 4_000_000},
                      address="0000:03:00.0")  # fmt: skip
    hwmon.chip("i915", {"energy1_input": 9_000_000}, address="0000:04:00.0")
    hwmon.chip("i915_gt0", {"energy1_input": 3_000_000}, address="0000:04:00.1")
    found = source()
    assert [(d.id, d.kind) for d in found.devices()] == [("gpu-0000:03:00.0", "gpu"), ("gpu-0000:04:00.0", "gpu")]
    first = found.read()[0]
    (card / "energy1_input").write_text("155000000")
    clock.advance_s(1)
    assert found.read()[0].energy_mj - first.energy_mj == 150_000


@pytest.mark.parametrize("driver", ["amdgpu", "ina219", "ina226", "BAT0", "corsairpsu", "scmi_sensors"])
def test_sensors_without_a_sure_meaning_are_seen_and_not_used(hwmon, source, driver):
    hwmon.chip(driver, {"power1_input": 100_000_000, "power1_label": "PPT"})
    found = source()
    assert (found.devices(), found.read()) == ([], [])
    (part,) = found.left_out()
    assert part.name.startswith(driver)
    assert part.reason
    assert found.unavailable_reason


def test_a_table_of_ones_own_names_a_sensor_and_comes_first(hwmon, source, tmp_path):
    hwmon.chip("corsairpsu", {"power1_input": 311_000_000, "power1_label": "power total"})
    header = SENSORS_PATH.read_text().splitlines()[0]
    table = tmp_path / "mine.csv"
    table.write_text(header + "\ncorsairpsu,power,power total,node,node,dc,,meter,,,manual,\n")
    found = source(table=table)
    assert [(d.id, d.point) for d in found.devices()] == [("node", "dc")]
    assert found.read()[0].power_mw == 311_000


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "{header}\n(,power,,node,node,dc,,meter,,,s,\n", "{header}\nx,power\n"]
)
def test_a_table_that_is_none_is_an_error_with_its_name(tmp_path, text):
    table = tmp_path / "mine.csv"
    table.write_text(text.format(header=SENSORS_PATH.read_text().splitlines()[0]))
    if text:
        with pytest.raises(ValueError, match=r"mine\.csv is no table of sensors"):
            load_sensors(table)
    else:
        assert load_sensors(table) == []


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "permission_denied"),
        (errno.ENODEV, "driver_lost"),
        (errno.ENXIO, "driver_lost"),
        (errno.ENODATA, "not_supported"),
        (errno.EIO, "read_failed"),
    ],
)
def test_every_failure_is_a_reason_and_never_zero(hwmon, source, monkeypatch, number, reason):
    hwmon.chip("power_meter", {"power1_average": 100_000_000}, in_device=True)
    found = source()
    monkeypatch.setattr("pathlib.Path.read_text", lambda *_, **__: (_ for _ in ()).throw(OSError(number, "x")))
    assert [(r.power_mw, r.energy_mj, r.gap_reason) for r in found.read()] == [(None, None, reason)]


@pytest.mark.parametrize("text", ["", "garbage", "-5", "1 2"])
def test_garbage_is_a_failed_read(hwmon, source, text):
    chip = hwmon.chip("power_meter", {"power1_average": text}, in_device=True)
    found = source()
    assert [(r.power_mw, r.gap_reason) for r in found.read()] == [(None, "read_failed")]
    (chip / "power1_average").unlink()
    assert found.read()[0].gap_reason == "driver_lost"


def test_a_counter_that_may_not_be_read_says_how_to_get_it(hwmon, source, monkeypatch):
    hwmon.chip("amd_energy", {"energy1_label": "Esocket0", "energy1_input": 5})
    real = type(hwmon.root).read_text

    def read_text(path, *arguments, **options):
        if path.name == "energy1_input":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr("pathlib.Path.read_text", read_text)
    found = source()
    assert found.read()[0].gap_reason == "permission_denied"
    assert re.search(r"sudo chmod g\+r .*/energy1_input", found.fix)


def test_a_counter_that_reads_0_is_none_and_one_that_falls_begins_a_session(hwmon, source, clock):
    chip = hwmon.chip("amd_energy", {"energy1_label": "Esocket0", "energy1_input": 0})
    found = source(first_session=3)
    assert found.read()[0].gap_reason == "not_supported"
    for text, expected in (("900000000", (3, None)), ("5000", (4, "counter_reset"))):
        (chip / "energy1_input").write_text(text)
        clock.advance_s(1)
        reading = found.read()[0]
        assert (reading.session, reading.gap_reason) == expected


def test_a_host_without_sensors_loads_no_table_and_says_so(hwmon, source, monkeypatch):
    monkeypatch.setattr("collectors.sources.hwmon.load_sensors", lambda *_: pytest.fail("table was loaded"))
    hwmon.chip("coretemp", {"temp1_input": 40_000})
    found = source()
    assert found.unavailable_reason == "no power sensor of a known meaning"
    assert found.read() == []


def test_sensors_are_left_to_another_source_on_demand(hwmon, source):
    hwmon.chip("power_meter", {"power1_average": 100_000_000}, in_device=True)
    found = source()
    found.leave_out({"node"}, "the management controller reads it")
    assert (found.devices(), found.read()) == ([], [])
    assert found.unavailable_reason
    assert _unused(found)["node"] == "the management controller reads it"


def test_every_line_of_the_table_is_sound():
    import csv

    with SENSORS_PATH.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(load_sensors()) > 15
    for row, line in zip(load_sensors(), lines, strict=True):
        assert row.quantity in ("power", "energy", "rail")
        assert row.kind in contract.DEVICE_KINDS
        assert row.point in contract.POINTS
        assert bool(row.skip) != bool(row.device)
        assert row.skip or row.interface in contract.SOURCES
        assert set(row.covers.split()) <= set(contract.DEVICE_KINDS)
        assert line["source"].startswith(("Linux, ", "NVIDIA, "))
