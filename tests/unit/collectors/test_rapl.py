"""RAPL on a fake powercap tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.sources import RaplSource

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
