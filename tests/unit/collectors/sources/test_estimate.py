"""The labelled estimate: published factors, linear in utilisation, only where nothing is measured."""

from __future__ import annotations

import pytest

from collectors.sources import EstimateSource, discover
from collectors.sources.estimate import load_factors

STAT = "cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0 0 0\ncpu1 1 0 0 1 0 0 0 0 0 0\nintr 5\n"


@pytest.fixture
def procfs(tmp_path):
    root = tmp_path / "proc"
    root.mkdir()
    (root / "meminfo").write_text("MemTotal:       67108864 kB\nMemFree: 1 kB\n")
    (root / "cpuinfo").write_text("processor : 0\nmodel name\t: Xeon Test\n")

    def stat(user: int, idle: int) -> None:
        (root / "stat").write_text(STAT.format(user=user, idle=idle))

    stat(100, 100)
    root_stat = stat
    return root, root_stat


def test_power_is_linear_between_the_published_idle_and_full_power(procfs):
    root, stat = procfs
    source = EstimateSource(root=root)
    for busy in (0, 25, 100):
        before = [int(value) for value in (root / "stat").read_text().split()[1:5]]
        stat(before[0] + busy, before[3] + 100 - busy)
        cpu, dram = source.read()
        assert cpu.power_mw == round(2 * (0.74 + busy / 100 * (3.76 - 0.74)) * 1000)
        assert (cpu.util_percent, cpu.session, cpu.energy_mj) == (busy, 0, None)
        assert dram.power_mw == round(64 * 0.392 * 1000)
    assert [(d.id, d.kind, d.source, d.is_estimate) for d in source.devices()] == [
        ("cpu-package-0", "cpu", "model", True),
        ("dram-0", "dram", "model", True),
    ]


@pytest.mark.parametrize(("provider", "idle", "full"), [("aws", 0.74, 3.5), ("gcp", 0.71, 4.26), ("azure", 0.78, 3.76)])
def test_a_providers_own_figures_are_used(procfs, provider, idle, full):
    source = EstimateSource(root=procfs[0], provider=provider)
    assert source.cpu_power_w(0) == pytest.approx(2 * idle)
    assert source.cpu_power_w(1) == pytest.approx(2 * full)


def test_waiting_for_disks_and_guests_is_not_counted_as_busy_twice(procfs):
    root, _ = procfs
    source = EstimateSource(["cpu"], root)
    # user nice system idle iowait irq softirq steal guest guest_nice: 30 busy of 100 since (100, 100).
    (root / "stat").write_text("cpu  120 0 10 130 40 0 0 0 20 0\ncpu0 1\ncpu1 1\n")
    assert source.read()[0].util_percent == 30


def test_a_first_reading_without_a_tick_waits_for_one(procfs):
    root, stat = procfs
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        stat(103, 101)

    reading = EstimateSource(["cpu"], root, sleep=sleep).read()[0]
    assert len(waits) == 1
    assert reading.util_percent == 75


def test_a_stat_that_cannot_be_read_is_a_reason_not_zero(procfs):
    root, _ = procfs
    source = EstimateSource(root=root)
    for content in ("", "cpu x y\n", "cpu0 1 2\n"):
        (root / "stat").write_text(content)
        reading = source.read()[0]
        assert (reading.power_mw, reading.gap_reason) == (None, "read_failed")
    (root / "stat").unlink()
    assert source.read()[0].gap_reason == "read_failed"
    assert EstimateSource(root=root).unavailable_reason


def test_every_factor_has_source_date_and_range():
    for factor in load_factors().values():
        assert factor.low <= factor.central <= factor.high
        assert factor.source
        assert factor.date
        assert factor.note
        assert factor.unit in ("W/vCPU", "W/GB")
    # Crucial: 3 W per 8 GB; Micron: 408.3 mW per GB; Cloud Carbon Footprint takes the middle.
    dram = load_factors()["dram-default"]
    assert dram.central == pytest.approx((3 / 8 + 0.4083) / 2, abs=5e-4)


def test_only_kinds_without_a_counter_are_estimated(procfs, powercap, monkeypatch, clock):
    monkeypatch.setenv("WATTLEDGER_PROCFS_ROOT", str(procfs[0]))
    monkeypatch.setenv("WATTLEDGER_SYSFS_ROOT", str(powercap.root))

    def devices() -> dict[str, str]:
        return {d.id: d.source for source in discover(clock=clock).sources for d in source.devices()}

    assert devices() == {"cpu-package-0": "model", "dram-0": "model"}
    powercap.zone("0", "package-0", 5)
    assert devices() == {"cpu-package-0": "rapl", "dram-0": "model"}
    powercap.zone("0:0", "dram", 5)
    assert devices() == {"cpu-package-0": "rapl", "dram-0": "rapl"}


def test_cpu_model_names_the_device(procfs, powercap, monkeypatch, clock):
    monkeypatch.setenv("WATTLEDGER_PROCFS_ROOT", str(procfs[0]))
    monkeypatch.setenv("WATTLEDGER_SYSFS_ROOT", str(powercap.root))
    found = discover(clock=clock)
    assert found.sources[0].devices()[0].hardware_model == "Xeon Test"
    assert [source.name for source in found.unavailable] == ["nvml", "amdsmi", "rapl", "hwmon"]
    assert all(source.unavailable_reason and source.fix for source in found.unavailable)
