"""Metrics of exporters: what becomes a reading, what would count twice, what is no reading at all."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.contract import DEVICE_KINDS, POINTS, SOURCES
from collectors.metrics.known import METRICS
from tests.support.prometheus_answers import ENERGY, POWER, T0, UTIL, answer_of, column, dcgm, import_text, series_of


def test_energy_power_and_utilisation_of_a_gpu_become_one_row_a_time(tmp_path: Path) -> None:
    rows, result = import_text(
        tmp_path,
        answer_of(
            dcgm(ENERGY, [5_000_000_000_123, 5_000_000_900_000]),
            dcgm(POWER, [60.0005, 60.1239, 61]),
            dcgm(UTIL, [7, 100, None, 3]),
            dcgm("FB_USED", [1, 2]),
        ),
    )
    assert column(rows, "ts_ms", "energy_mj", "power_mw", "util_percent") == [
        (T0, 5_000_000_000_123, 60_000, 7),
        (T0 + 15_000, 5_000_000_900_000, 60_124, 100),
        (T0 + 30_000, None, 61_000, None),
    ]
    assert {tuple(row[name] for name in ("host", "device", "kind", "point", "source", "session")) for row in rows} == {
        ("n1", "GPU-a", "gpu", "board", "dcgm", 0)
    }
    assert (result.rows_read, result.rows_landed, result.rows_filtered, result.rows_rejected) == (10, 3, 3, 0)


def test_stamps_keep_their_milliseconds(tmp_path: Path) -> None:
    rows, _ = import_text(
        tmp_path, answer_of(series_of("ipmi_dcmi_power_consumption_watts", [1, 2], 0.781, instance="n1"))
    )
    assert column(rows, "ts_ms") == [T0, T0 + 781]


def test_mig_instances_repeat_their_gpu_and_are_neither_summed_nor_landed_thrice(tmp_path: Path) -> None:
    instances = [
        item
        for number, power in (("5", 78.2), ("3", 78.1), ("11", 78.5))
        for item in (
            dcgm(ENERGY, [51_000_123, 52_000_123], GPU_I_ID=number, GPU_I_PROFILE="2g.20gb"),
            dcgm(POWER, [power, power], GPU_I_ID=number, GPU_I_PROFILE="2g.20gb"),
        )
    ]
    rows, result = import_text(tmp_path, answer_of(*instances))
    assert column(rows, "energy_mj", "power_mw", "session") == [(51_000_123, 78_100, 0), (52_000_123, 78_100, 0)]
    assert result.rows_filtered == 8
    assert any("1 GPUs are split into MIG instances" in text for text in result.findings)


def test_the_entry_of_the_whole_gpu_outranks_those_of_its_instances(tmp_path: Path) -> None:
    rows, _ = import_text(tmp_path, answer_of(dcgm(POWER, [10], GPU_I_ID="1"), dcgm(POWER, [200])))
    assert column(rows, "power_mw") == [200_000]


def test_averaged_power_outranks_instant_power(tmp_path: Path) -> None:
    rows, _ = import_text(tmp_path, answer_of(dcgm("POWER_USAGE_INSTANT", [500, 501]), dcgm(POWER, [300])))
    assert column(rows, "power_mw") == [300_000, 501_000]


def test_a_gpu_in_several_pods_over_time_is_one_counter(tmp_path: Path) -> None:
    rows, _ = import_text(
        tmp_path,
        answer_of(dcgm(ENERGY, [100, None, 300], pod="a"), dcgm(ENERGY, [None, 200, 300], pod="b", namespace="ml")),
    )
    assert column(rows, "energy_mj", "session") == [(100, 0), (200, 0), (300, 0)]


def test_a_counter_that_fell_begins_a_new_session(tmp_path: Path) -> None:
    rows, _ = import_text(tmp_path, answer_of(dcgm(ENERGY, [900, 1000, 10, 30, 5])))
    assert column(rows, "energy_mj", "session") == [(900, 0), (1000, 0), (10, 1), (30, 1), (5, 2)]


def test_a_hardware_counter_that_goes_round_stays_one_session_for_the_ledger_to_judge(tmp_path: Path) -> None:
    zone = series_of("node_rapl_package_joules_total", [262_000, 262_100, 50], index="0", instance="n1:9100")
    rows, _ = import_text(tmp_path, answer_of(zone))
    assert column(rows, "device", "kind", "point", "source", "energy_mj", "session") == [
        ("cpu-package-0", "cpu", "package", "rapl", value, 0) for value in (262_000_000, 262_100_000, 50_000)
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=30), st.integers(1, 4))
def test_the_rises_inside_sessions_are_all_rises_whatever_repeats_the_counter(values: list[int], copies: int) -> None:
    series = [dcgm(ENERGY, list(values), GPU_I_ID=str(number)) for number in range(copies)]
    with TemporaryDirectory() as folder:
        rows, _ = import_text(Path(folder), answer_of(*series))
    landed = sum(
        later["energy_mj"] - earlier["energy_mj"]
        for earlier, later in pairwise(rows)
        if earlier["session"] == later["session"]
    )
    assert landed == sum(max(0, later - earlier) for earlier, later in pairwise(values))
    assert len(rows) == len(values)


def test_values_that_mean_not_available_and_stale_values_are_left_out(tmp_path: Path) -> None:
    blanks = ["9223372036854775794", "9.223372036854775792e18", "NaN"]
    rows, result = import_text(
        tmp_path,
        answer_of(
            dcgm(ENERGY, [*blanks, 5]), dcgm(POWER, [50, "140737488355328", "NaN", 60]), dcgm(UTIL, [2147483632])
        ),
    )
    assert column(rows, "energy_mj", "power_mw", "util_percent") == [(None, 50_000, None), (5, 60_000, None)]
    assert (result.rows_filtered, result.rows_rejected) == (6, 0)
    assert "4 values are so large that they mean 'not available'; they were left out" in result.findings


def test_impossible_values_are_refused_and_cost_no_other(tmp_path: Path) -> None:
    rows, result = import_text(
        tmp_path,
        answer_of(
            dcgm(POWER, ["+Inf", -3, 60]),
            series_of("ipmi_dcmi_power_consumption_watts", [0, 500], instance="n1:9290"),
            {
                "metric": {"__name__": "DCGM_FI_DEV_POWER_USAGE", "UUID": "GPU-b", "Hostname": "n1"},
                "value": [17.5, "3"],
            },
        ),
    )
    assert column(rows, "device", "power_mw") == [("GPU-a", 60_000), ("node", 500_000)]
    assert result.rejected_by_reason == {"non_positive_power": 1, "out_of_range": 2, "unparseable_number": 1}
    assert result.rejected[0].values["labels"]["UUID"] == "GPU-a"


def test_kepler_zones_are_chosen_and_never_summed(tmp_path: Path) -> None:
    zones = {"package": 1000, "dram": 200, "core": 700, "uncore": 50, "psys": 1500}
    series = [
        series_of(
            "kepler_node_cpu_joules_total", [value, value + 10], zone=zone, node_name="n1", instance="10.1.1.1:28282"
        )
        for zone, value in zones.items()
    ]
    pods = series_of("kepler_pod_cpu_joules_total", [5, 6], zone="package", node_name="n1")
    rows, result = import_text(tmp_path, answer_of(*series, pods))
    assert column(rows, "device", "kind", "energy_mj") == [
        ("cpu-packages", "cpu", 1_000_000),
        ("cpu-packages", "cpu", 1_010_000),
        ("dram", "dram", 200_000),
        ("dram", "dram", 210_000),
    ]
    assert result.rows_filtered == 8


def test_the_platform_zone_counts_only_where_no_package_zone_does(tmp_path: Path) -> None:
    rows, _ = import_text(tmp_path, answer_of(series_of("node_rapl_psys_joules_total", [10, 20], instance="n1:9100")))
    assert column(rows, "device", "kind", "point") == [("psys", "node", "dc")] * 2


def test_two_exporters_of_one_thing_do_not_count_twice(tmp_path: Path) -> None:
    rows, result = import_text(
        tmp_path,
        answer_of(
            dcgm(ENERGY, [1000]),
            series_of("kepler_node_gpu_joules_total", [1], gpu_uuid="GPU-a", node_name="n1"),
            series_of("kepler_node_cpu_joules_total", [7], zone="package", node_name="n1"),
            series_of("node_rapl_package_joules_total", [8], index="1", instance="n1:9100"),
            series_of("kepler_platform_watts", [400], power_control_id="PC1", node_name="n1"),
            series_of("ipmi_dcmi_power_consumption_watts", [410], instance="n1:9290"),
            series_of("kepler_node_gpu_joules_total", [3], gpu_uuid="GPU-z", node_name="n2"),
        ),
    )
    assert column(rows, "host", "device", "source") == [
        ("n1", "GPU-a", "dcgm"),
        ("n1", "cpu-package-1", "rapl"),
        ("n1", "node", "ipmi"),
        ("n2", "GPU-z", "prometheus"),
    ]
    said = [text for text in result.findings if "count twice" in text]
    assert len(said) == 3
    assert said[0].endswith("gpu is read from dcgm-exporter")


def test_memory_mapped_twins_of_rapl_zones_repeat_them(tmp_path: Path) -> None:
    base = "/sys/class/powercap/"
    name, n1 = "node_rapl_package_joules_total", {"instance": "n1:9100"}
    rows, _ = import_text(
        tmp_path,
        answer_of(
            series_of(name, [999], index="0", path=base + "intel-rapl-mmio:0", **n1),
            series_of(name, [100], index="0", path=base + "intel-rapl:0", **n1),
            series_of(name, [300], index="1", path=base + "intel-rapl:1", **n1),
            series_of("node_rapl_dram_joules_total", [20], index="1", **n1),
            series_of("node_rapl_core_joules_total", [70], index="0", **n1),
            series_of("node_rapl_package_1_die_0_joules_total", [30], index="0", **n1),
        ),
    )
    assert column(rows, "device", "energy_mj") == [
        ("cpu-package-0", 100_000),
        ("cpu-package-1", 300_000),
        ("cpu-package-1-die-0", 30_000),
        ("dram-1", 20_000),
    ]


@pytest.mark.parametrize(
    ("name", "key", "source"),
    [
        ("kepler_platform_watts", "power_control_id", "redfish"),
        ("redfish_chassis_power_average_consumed_watts", "power_voltage_id", "redfish"),
    ],
)
def test_of_overlapping_entries_of_a_controller_the_widest_counts(
    tmp_path: Path, name: str, key: str, source: str
) -> None:
    entries = [
        series_of(name, values, instance="n1", **{key: number})
        for number, values in (("0", [90, 95]), ("1", [400, 410]))
    ]
    rows, result = import_text(tmp_path, answer_of(*entries))
    assert column(rows, "device", "point", "power_mw", "source") == [
        ("node", "ac", 400_000, source),
        ("node", "ac", 410_000, source),
    ]
    assert result.rows_filtered == 2


def test_both_names_of_the_ipmi_exporter_are_known_and_slow_power_is_told(tmp_path: Path) -> None:
    name = "ipmi_dcmi_power_consumption_current_watts"
    rows, result = import_text(
        tmp_path, answer_of(series_of(name, [350, 351], step_s=60, instance="n1.lab.example:9290"))
    )
    assert column(rows, "host", "power_mw", "source") == [
        ("n1.lab.example", 350_000, "ipmi"),
        ("n1.lab.example", 351_000, "ipmi"),
    ]
    assert any("every 60 s" in text and "{ ipmi = 90 }" in text for text in result.findings)


def test_sensors_of_the_kernel_count_where_their_driver_is_known(tmp_path: Path) -> None:
    chips = {"acpi": "power_meter", "pci_3": "amdgpu", "i2c_1": "ina226"}
    names = [
        series_of("node_hwmon_chip_names", [1], chip=chip, chip_name=name, instance="n1:9100")
        for chip, name in chips.items()
    ]
    values = [
        series_of("node_hwmon_power_average_watt", [100 + number], chip=chip, sensor="power1", instance="n1:9100")
        for number, chip in enumerate(chips)
    ]
    rows, result = import_text(tmp_path, answer_of(*values, *names))
    assert column(rows, "device", "kind", "power_mw") == [("node", "node", 100_000), ("pci_3", "gpu", 101_000)]
    assert any("chip i2c_1 (ina226) is left out" in text for text in result.findings)


def test_opentelemetry_parts_land_with_their_parent_and_supplies_do_not(tmp_path: Path) -> None:
    kinds = {"gpu": "g0", "cpu": "c0", "memory": "m0", "power_supply": "psu0", "enclosure": "box"}
    parts = [
        series_of("hw_energy_joules_total", [5], hw_id=item, hw_type=kind, hw_parent="box", host_name="n1")
        for kind, item in kinds.items()
    ]
    host = series_of("hw_host_power_watts", [700], hw_id="n1", host_name="n1", instance="otel:8889")
    rows, _ = import_text(tmp_path, answer_of(*parts, host))
    assert column(rows, "device", "kind", "parent", "energy_mj", "power_mw") == [
        ("c0", "cpu", "box", 5_000, None),
        ("g0", "gpu", "box", 5_000, None),
        ("m0", "dram", "box", 5_000, None),
        ("node", "node", None, None, 700_000),
    ]


def test_our_own_metrics_say_where_they_were_read_and_whether_they_are_modelled(tmp_path: Path) -> None:
    labels = {"host_name": "n1", "source": "rapl"}
    rows, result = import_text(
        tmp_path,
        answer_of(
            series_of("hw_energy_joules_total", [1.5], hw_id="GPU-a", hw_type="gpu", point="board", **labels),
            series_of("hw_power_watts", [2], hw_id="dram-0", hw_type="memory", is_estimate="true", **labels),
            series_of("hw_power_watts", [2], hw_id="cpu-0", hw_type="cpu", point="socket", **labels),
            series_of("hw_power_watts", [2], hw_type="cpu", **labels),
            series_of("hw_host_power_watts", [9], hw_id="node", point="dc", **labels),
        ),
    )
    assert column(rows, "device", "kind", "point", "energy_mj", "power_mw", "is_estimate") == [
        ("GPU-a", "gpu", "board", 1_500, None, False),
        ("dram-0", "dram", "package", None, 2_000, True),
        ("node", "node", "dc", None, 9_000, False),
    ]
    assert result.rejected_by_reason == {"missing_value": 1, "unknown_value": 1}


def test_every_known_metric_lands_as_what_the_contract_allows() -> None:
    devices = [item for metric in METRICS for item in (metric.device, *metric.devices.values()) if item]
    assert {device.kind for device in devices} <= set(DEVICE_KINDS)
    assert {device.point.rpartition("|")[2] for device in devices} <= set(POINTS)
    assert {metric.source for metric in METRICS} <= set(SOURCES)
    ranks = {(metric.covers, metric.rank): set() for metric in METRICS}
    for metric in METRICS:
        ranks[metric.covers, metric.rank].add(metric.exporter)
    assert all(len(exporters) == 1 for exporters in ranks.values())
