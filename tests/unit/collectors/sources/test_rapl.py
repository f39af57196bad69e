"""RAPL on a fake powercap tree."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from collectors.sources import RaplSource, Reading

RANGE_UJ = 262_143_328_850


def _energy(readings) -> dict[str, int | None]:
    return {reading.device_id: reading.energy_mj for reading in readings}


@pytest.fixture
def two_sockets(powercap):
    zones = {}
    for socket in (0, 1):
        zones[f"p{socket}"] = powercap.zone(f"{socket}", f"package-{socket}", 1_000_000_000, limit_uw=300_000_000)
        powercap.zone(f"{socket}:0", "core", 400_000_000)
        zones[f"d{socket}"] = powercap.zone(f"{socket}:1", "dram", 2_000_000_000, 65_712_999_613)
    powercap.zone("2", "psys", 9_000_000_000)
    return zones


def _add(zone: Path, joules: float, wrap_uj: int = RANGE_UJ) -> None:
    path = zone / "energy_uj"
    path.write_text(str((int(path.read_text()) + round(joules * 1_000_000)) % wrap_uj))


def test_two_sockets_with_memory_are_counted_once(powercap, two_sockets, clock):
    # CodeCarbon 3.3.2 with rapl_include_dram counts 200 J of these 280 J (research, seed systems 3.3).
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    assert [(d.id, d.kind, d.parent, d.point) for d in source.devices()] == [
        ("cpu-package-0", "cpu", None, "package"),
        ("dram-0", "dram", None, "package"),
        ("cpu-package-1", "cpu", None, "package"),
        ("dram-1", "dram", None, "package"),
    ]
    before = _energy(source.read())
    for name, zone in two_sockets.items():
        _add(zone, 100 if name.startswith("p") else 40)
    clock.advance_s(1)
    after = _energy(source.read())
    assert {key: after[key] - before[key] for key in after} == {
        "cpu-package-0": 100_000,
        "cpu-package-1": 100_000,
        "dram-0": 40_000,
        "dram-1": 40_000,
    }


def test_wrap_is_unwrapped_and_reset_begins_a_session(powercap, two_sockets, clock):
    zone = two_sockets["p0"]
    (zone / "energy_uj").write_text(str(RANGE_UJ - 50_000_000))
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    first = source.read()[0]
    _add(zone, 100)
    clock.advance_s(1)
    wrapped = source.read()[0]
    assert wrapped.energy_mj - first.energy_mj == 100_000
    assert (wrapped.session, wrapped.gap_reason) == (first.session, None)
    (zone / "energy_uj").write_text("0")  # root writes "0" to reset
    clock.advance_s(1)
    _add(zone, 10)
    reset = source.read()[0]
    assert (reset.session, reset.gap_reason, reset.energy_mj) == (first.session + 1, "counter_reset", 10_000)


def test_unreadable_counter_is_a_reason_every_tick_and_never_zero(powercap, two_sockets, clock):
    def read_text(path: Path) -> str:
        if path.name == "energy_uj" and "intel-rapl:1" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_text()

    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns, read_text=read_text)
    assert source.denied
    assert "chmod g+r" in source.fix
    for _ in range(3):
        readings = {reading.device_id: reading for reading in source.read()}
        assert readings["cpu-package-0"].energy_mj is not None
        for device in ("cpu-package-1", "dram-1"):
            assert readings[device].energy_mj is None
            assert readings[device].power_mw is None
            assert readings[device].gap_reason == "permission_denied"


def test_one_failed_read_gives_a_reason_and_the_energy_is_still_exact(powercap, two_sockets, clock):
    failing = False

    def read_text(path: Path) -> str:
        if failing and path.name == "energy_uj":
            raise OSError(5, "Input/output error")
        return path.read_text()

    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns, read_text=read_text)
    readings = []
    for second in range(5):
        failing = second == 2
        readings.append(source.read()[0])
        _add(two_sockets["p0"], 100)
        clock.advance_s(1)
    assert [reading.gap_reason for reading in readings] == [None, None, "read_failed", None, None]
    assert readings[2].energy_mj is None
    assert readings[4].energy_mj - readings[0].energy_mj == 400_000
    assert {reading.session for reading in readings} == {0}


@pytest.mark.parametrize("content", ["", "garbage", "-5", "1 2"])
def test_garbage_in_the_counter_is_a_failed_read(powercap, two_sockets, clock, content):
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    (two_sockets["p0"] / "energy_uj").write_text(content)
    assert source.read()[0].gap_reason == "read_failed"


def test_zone_that_goes_away_is_a_failed_read(powercap, two_sockets, clock):
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    (two_sockets["p0"] / "energy_uj").unlink()
    assert source.read()[0].gap_reason == "read_failed"
    assert source.read()[1].gap_reason is None


def test_platform_zone_is_used_only_without_packages(powercap, clock):
    powercap.zone("0", "psys", 5_000_000)
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    assert [(d.id, d.kind) for d in source.devices()] == [("psys", "node")]
    assert source.read()[0].energy_mj == 5000


def test_dies_and_repeated_names_are_different_devices(powercap, clock):
    powercap.zone("0", "package-0-die-0", 1)
    powercap.zone("1", "package-0-die-1", 1)
    powercap.zone("2", "package-1", 1)
    powercap.zone("3", "package-1", 1)
    ids = [device.id for device in RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns).devices()]
    assert ids == ["cpu-package-0-die-0", "cpu-package-0-die-1", "cpu-package-1", "cpu-package-1-zone-3"]


def test_no_tree_says_why_and_what_to_do(tmp_path, clock):
    source = RaplSource(tmp_path, monotonic_ns=clock.monotonic_ns)
    assert source.devices() == []
    assert source.read() == []
    assert "no RAPL" in source.unavailable_reason
    assert "modprobe" in source.fix


def test_root_comes_from_the_environment(powercap, two_sockets, clock, monkeypatch):
    monkeypatch.setenv("WATTLEDGER_SYSFS_ROOT", str(powercap.root))
    assert len(RaplSource(monotonic_ns=clock.monotonic_ns).devices()) == 4


def _counted_j(readings: list[Reading], device: str) -> float:
    """What any reader of the samples may count: differences inside sessions, over readings that failed."""
    known = [item for item in readings if item.device_id == device and item.energy_mj is not None]
    pairs = itertools.pairwise(known)
    return sum(b.energy_mj - a.energy_mj for a, b in pairs if a.session == b.session) / 1000


def test_one_missing_read_among_400_j_gives_400_j_and_not_262543(powercap, two_sockets, clock):
    """The fault of research, reliability 3: 100 J/s, the third of five reads fails, on every zone in turn."""
    failing = ""

    def read_text(path: Path) -> str:
        if failing and path.name == "energy_uj" and path.parent.name == failing:
            raise OSError(5, "Input/output error")
        return path.read_text()

    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns, read_text=read_text)
    for zone, device in (("p0", "cpu-package-0"), ("d0", "dram-0"), ("p1", "cpu-package-1"), ("d1", "dram-1")):
        readings: list[Reading] = []
        for second in range(5):
            failing = two_sockets[zone].name if second == 2 else ""
            readings += source.read()
            for name, folder in two_sockets.items():
                _add(folder, 100, RANGE_UJ if name.startswith("p") else 65_712_999_613)
            clock.advance_s(1)
        assert {_counted_j(readings, name) for name in ("cpu-package-0", "dram-0", "cpu-package-1", "dram-1")} == {400}
        assert [item.gap_reason for item in readings if item.device_id == device] == [
            None,
            None,
            "read_failed",
            None,
            None,
        ]


def test_energy_is_exact_or_a_gap_through_wrap_failure_denial_and_reset(powercap, two_sockets, clock):
    """Two sockets with memory, 100 W and 40 W for ten minutes, with everything that may go wrong at once."""
    (two_sockets["p0"] / "energy_uj").write_text(str(RANGE_UJ - 20_000_000_000))  # wraps after 200 s
    (two_sockets["d1"] / "energy_uj").write_text(str(65_712_999_613 - 10_000_000_000))  # wraps after 250 s
    second = 0

    def read_text(path: Path) -> str:
        if path.name == "energy_uj":
            if "intel-rapl:1/energy" in str(path) and 100 <= second < 110:
                raise PermissionError(13, "Permission denied", str(path))
            if second % 37 == 5:
                raise OSError(5, "Input/output error")
        return path.read_text()

    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns, read_text=read_text)
    readings: list[Reading] = []
    for second in range(601):
        if second == 300:
            (two_sockets["d0"] / "energy_uj").write_text("7000000")  # somebody resets it
        readings += source.read()
        for name, zone in two_sockets.items():
            _add(zone, 100 if name.startswith("p") else 40, RANGE_UJ if name.startswith("p") else 65_712_999_613)
        clock.advance_s(1)
    by_device = {name: _counted_j(readings, name) for name in ("cpu-package-0", "cpu-package-1", "dram-0", "dram-1")}
    # The interval of the reset is a gap with its reason; everything else is exact.
    assert by_device == {"cpu-package-0": 60_000, "cpu-package-1": 60_000, "dram-0": 23_960, "dram-1": 24_000}
    reasons = {(item.device_id, item.gap_reason) for item in readings if item.gap_reason}
    assert ("dram-0", "counter_reset") in reasons
    assert ("cpu-package-1", "permission_denied") in reasons
    assert {device for device, reason in reasons if reason == "counter_reset"} == {"dram-0"}
    assert all(item.energy_mj is not None or item.gap_reason for item in readings)


@pytest.mark.parametrize("name", ["core", "uncore", "psys"])
def test_zones_inside_or_around_a_package_are_never_added_to_it(powercap, clock, name):
    powercap.zone("0", "package-0", 5_000_000)
    powercap.zone("1" if name == "psys" else "0:0", name, 6_000_000)
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    assert [device.id for device in source.devices()] == ["cpu-package-0"]
    assert [part.name for part in source.left_out()] == (["psys"] if name == "psys" else [])
    assert source.covers() == {"cpu"}


def test_the_memory_mapped_twin_of_a_package_is_not_read(powercap, clock):
    """Client parts list package-0 twice: intel-rapl:0 and intel-rapl-mmio:0."""
    powercap.zone("0", "package-0", 5_000_000)
    twin = powercap.root / "devices" / "virtual" / "powercap" / "intel-rapl-mmio" / "intel-rapl-mmio:0"
    twin.mkdir(parents=True)
    for file, text in {"name": "package-0", "energy_uj": "5000000", "max_energy_range_uj": "262143328850"}.items():
        (twin / file).write_text(text)
    (powercap.root / "class" / "powercap" / "intel-rapl-mmio:0").symlink_to(twin)
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    assert [(device.id, device.limit_w) for device in source.devices()] == [("cpu-package-0", 1000.0)]


def test_amd_packages_have_no_limits_and_still_tell_a_wrap_from_a_reset(powercap, clock):
    """AMD zones have no constraint files, a range of 65.5 kJ and, with several dies, one package a socket."""
    zone = powercap.zone("0", "package-0", 65_532_610_987 - 50_000_000, 65_532_610_987)
    powercap.zone("0:0", "core", 5_000_000, 65_532_610_987)
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    (device,) = source.devices()
    assert (device.limit_w, device.counter_range_mj) == (1000.0, 65_532_610)
    first = source.read()[0]
    _add(zone, 280, 65_532_610_987)
    clock.advance_s(1)
    assert source.read()[0].energy_mj - first.energy_mj == 280_000
    (zone / "energy_uj").write_text("60000000000")  # 60 kJ within a second is no package
    clock.advance_s(1)
    assert source.read()[0].gap_reason == "counter_reset"


def test_a_counter_that_reads_0_for_ever_is_none(powercap, clock):
    waits: list[float] = []
    powercap.zone("0", "package-0", 5_000_000)
    powercap.zone("0:0", "dram", 0)
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns, sleep=waits.append)
    assert [device.id for device in source.devices()] == ["cpu-package-0"]
    assert [(part.name, part.kind) for part in source.left_out()] == [("dram-0", "dram")]
    assert "reads 0" in source.left_out()[0].reason
    assert source.covers() == {"cpu"}  # memory is modelled then
    assert len(waits) == 1


def test_a_counter_that_reads_0_by_chance_is_read_again(powercap, clock):
    zone = powercap.zone("0", "package-0", 0)
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns, sleep=lambda _: _add(zone, 1))
    assert [device.id for device in source.devices()] == ["cpu-package-0"]


def test_a_counter_that_turns_to_0_is_a_reason_and_never_energy(powercap, two_sockets, clock):
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    source.read()
    (two_sockets["p0"] / "energy_uj").write_text("0\n")
    for _ in range(3):
        clock.advance_s(1)
        reading = source.read()[0]
        assert (reading.energy_mj, reading.gap_reason) == (None, "not_supported")


def test_a_dead_package_gives_way_to_the_platform_zone(powercap, clock):
    powercap.zone("0", "package-0", 0)
    powercap.zone("1", "psys", 5_000_000)
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns, sleep=lambda _: None)
    assert [device.id for device in source.devices()] == ["psys"]
    assert source.covers() == {"node", "cpu", "dram"}


def test_a_container_that_hides_the_counters_is_told_how_to_mount_them(tmp_path, clock):
    """Container runtimes mask /sys/devices/virtual/powercap: the links in class/ lead nowhere."""
    folder = tmp_path / "class" / "powercap"
    folder.mkdir(parents=True)
    (folder / "intel-rapl:0").symlink_to(tmp_path / "devices" / "virtual" / "powercap" / "intel-rapl" / "intel-rapl:0")
    source = RaplSource(tmp_path, monotonic_ns=clock.monotonic_ns)
    assert source.devices() == []
    assert "-v /sys:/host/sys:ro -e WATTLEDGER_SYSFS_ROOT=/host/sys" in source.fix


def test_zones_are_left_to_another_source_on_demand(powercap, two_sockets, clock):
    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns)
    source.leave_out({"dram"}, "read by something better")
    assert {reading.device_id for reading in source.read()} == {"cpu-package-0", "cpu-package-1"}
    source.leave_out({"cpu"}, "likewise")
    assert (source.read(), source.devices()) == ([], [])
    assert source.unavailable_reason


def test_kinds_of_which_no_counter_may_be_read_are_named(powercap, two_sockets, clock):
    def read_text(path: Path) -> str:
        if path.name == "energy_uj" and path.parent.name != two_sockets["p0"].name:
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_text()

    source = RaplSource(powercap.root, monotonic_ns=clock.monotonic_ns, read_text=read_text)
    # package-0 can be read, package-1 and both memory zones cannot.
    assert (source.denied, source.denied_kinds) == (True, {"dram"})
