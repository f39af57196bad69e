"""Scraping exporters, served by a local stand-in; texts as the exporters write them."""

from __future__ import annotations

import time

import pytest

from collectors import contract
from collectors.sources.options import ScrapeOptions
from collectors.sources.scrape import ScrapeSource
from tests.support.stub_http import Reply, serving

HOST = "n1"
# A real scrape of 8 x A800 had these three lines for GPU 0, cut in three (research, traces 6.3).
MIG = "".join(
    f'DCGM_FI_DEV_{name}{{UUID="GPU-5f7c",GPU_I_PROFILE="2g.20gb",GPU_I_ID="{instance}",Hostname="n1"}} {value}\n'
    for name, values in {
        "TOTAL_ENERGY_CONSUMPTION": (257858316, 257858316, 257858316),
        "POWER_USAGE": (78.174, 78.174, 78.446),
    }.items()
    for instance, value in zip((3, 4, 5), values, strict=True)
)


def _gpu(
    energy_mj: object = 1_000, watts: object = 300, util: object = 99, uuid: str = "GPU-a", host: str = HOST
) -> str:
    labels = f'{{gpu="0",UUID="{uuid}",Hostname="{host}"}}'
    values = {"TOTAL_ENERGY_CONSUMPTION": energy_mj, "POWER_USAGE": watts, "GPU_UTIL": util}
    return "".join(f"DCGM_FI_DEV_{name}{labels} {value}\n" for name, value in values.items() if value is not None)


@pytest.fixture
def exporter():
    with serving() as stub:
        yield stub


@pytest.fixture
def scrape(exporter, clock):
    sources: list[ScrapeSource] = []

    def make(text: str | None = None, *, environ: dict[str, str] | None = None, **options) -> ScrapeSource:
        if text is not None:
            exporter.answers["/metrics"] = Reply(text.encode())
        given = ScrapeOptions(url=f"{exporter.url}/metrics", timeout_s=options.pop("timeout_s", 3.0), **options)
        source = ScrapeSource(
            given,
            host=HOST,
            monotonic_ns=clock.monotonic_ns,
            now_ms=clock.now_ms,
            first_session=4,
            environ=environ or {},
        )
        sources.append(source)
        return source

    yield make
    for source in sources:
        source.close()


def _set(exporter, text: str, **headers: str) -> None:
    exporter.answers["/metrics"] = Reply(text.encode(), headers={"Content-Type": "text/plain", **headers})


def test_energy_power_and_utilisation_of_a_gpu(scrape):
    source = scrape(_gpu())
    assert [(d.id, d.kind, d.point, d.source) for d in source.devices()] == [("GPU-a", "gpu", "board", "dcgm")]
    (reading,) = source.read()
    assert (reading.energy_mj, reading.power_mw, reading.util_percent) == (1_000, 300_000, 99)
    assert (reading.source, reading.taken_ns, reading.gap_reason) == ("dcgm", None, None)


def test_a_gpu_in_mig_mode_counts_once_and_not_three_times(scrape):
    source = scrape(MIG)
    assert [(r.device_id, r.energy_mj, r.power_mw, r.util_percent) for r in source.read()] == [
        ("GPU-5f7c", 257_858_316, 78_174, None)
    ]


@pytest.mark.parametrize("blank", ["9223372036854775794", "NaN", "+Inf", "-5", "1e300"])
def test_blank_and_impossible_values_are_no_readings(scrape, exporter, blank):
    source = scrape(_gpu())
    _set(exporter, _gpu(blank, blank, blank))
    assert [(r.energy_mj, r.power_mw, r.util_percent, r.gap_reason) for r in source.read()] == [
        (None, None, None, "not_supported")
    ]


def test_a_counter_that_restarts_with_its_exporter_begins_a_session(scrape, exporter, clock):
    source = scrape(_gpu(50_000))
    first = source.read()[0]
    for energy_mj, expected in ((60_000, (60_000, 4, None)), (100, (100, 5, "counter_reset")), (400, (400, 5, None))):
        _set(exporter, _gpu(energy_mj))
        clock.advance_s(5)
        reading = source.read()[0]
        assert (reading.energy_mj, reading.session, reading.gap_reason) == expected
    assert first.session == 4


def test_overlapping_zones_and_exporters_count_once(scrape):
    source = scrape(
        'node_rapl_package_joules_total{index="0",path="/sys/class/powercap/intel-rapl:0"} 1000.5\n'
        'node_rapl_package_joules_total{index="0",path="/sys/class/powercap/intel-rapl-mmio:0"} 1000.4\n'
        'node_rapl_core_joules_total{index="0",path="/sys/class/powercap/intel-rapl:0:0"} 700\n'
        'node_rapl_psys_joules_total{index="0",path="/sys/class/powercap/intel-rapl:1"} 5000\n'
        'node_rapl_dram_joules_total{index="0",path="/sys/class/powercap/intel-rapl:0:1"} 300\n'
        'kepler_node_cpu_joules_total{zone="package"} 1000\n'
        'kepler_node_cpu_joules_total{zone="core"} 700\n'
        'kepler_node_cpu_joules_total{zone="psys"} 5000\n'
    )
    assert {(r.device_id, r.energy_mj, r.source) for r in source.read()} == {
        ("cpu-package-0", 1_000_500, "rapl"),
        ("dram-0", 300_000, "rapl"),
    }


def test_of_the_entries_of_one_controller_the_widest_counts(scrape):
    source = scrape(
        'kepler_platform_watts{source="redfish",power_control_id="0",node_name="n1"} 200\n'
        'kepler_platform_watts{source="redfish",power_control_id="1",node_name="n1"} 500\n'
        'kepler_platform_watts{source="redfish",power_control_id="2",node_name="n1"} 60\n'
    )
    assert [(r.device_id, r.power_mw, r.source) for r in source.read()] == [("node", 500_000, "redfish")]


def test_a_node_at_0_w_is_no_reading(scrape):
    assert [(r.power_mw, r.gap_reason) for r in scrape("ipmi_dcmi_power_consumption_watts 0\n").read()] == [
        (None, "not_supported")
    ]


def test_sensors_of_node_exporter_are_joined_with_the_name_of_their_driver(scrape):
    source = scrape(
        'node_hwmon_chip_names{chip="acpi_000d:00",chip_name="power_meter"} 1\n'
        'node_hwmon_chip_names{chip="nvme_0",chip_name="nvme"} 1\n'
        'node_hwmon_power_average_watt{chip="acpi_000d:00",sensor="power1"} 324\n'
        'node_hwmon_power_watt{chip="nvme_0",sensor="power1"} 5\n'
    )
    assert [(r.device_id, r.power_mw) for r in source.read()] == [("node", 324_000)]


# ---- whose metrics they are ----


@pytest.mark.parametrize(
    ("label", "options", "taken"),
    [
        ("n1", {}, True),
        ("n1.lab.example", {}, True),
        ("n2", {}, False),
        ("n2", {"host": "n2"}, True),
        ("n2", {"host": "*"}, True),
        ("dcgm-exporter-x7x2", {}, False),
        ("dcgm-exporter-x7x2", {"host": "*"}, True),
        ("n2", {"host": "n3"}, False),
    ],
)
def test_only_series_of_this_host_are_taken(scrape, label, options, taken):
    source = scrape(_gpu(host=label), **options)
    assert [device.id for device in source.devices()] == (["GPU-a"] if taken else [])
    if not taken:
        assert label in source.trouble()
        assert "[[scrape]]" in source.trouble()


def test_series_of_another_host_in_the_same_answer_are_left_out(scrape):
    source = scrape(_gpu(uuid="GPU-a") + _gpu(uuid="GPU-b", host="n2"))
    assert [device.id for device in source.devices()] == ["GPU-a"]


def test_series_without_a_host_are_this_hosts_only_where_that_is_sure(clock):
    """node_exporter names no host: on this host it is ours, elsewhere somebody must say so."""

    def source(url: str, **options) -> ScrapeSource:
        given = ScrapeOptions(url=url, timeout_s=0.01, **options)
        return ScrapeSource(given, host=HOST, monotonic_ns=clock.monotonic_ns, now_ms=clock.now_ms)

    assert source("http://127.0.0.1:9/metrics")._is_own(None)
    assert source("http://localhost:9/metrics")._is_own(None)
    assert not source("http://monitor.invalid/metrics")._is_own(None)
    assert source("http://monitor.invalid/metrics", host=HOST)._is_own(None)


def test_another_label_may_name_the_host(scrape):
    text = _gpu(host="dcgm-exporter-x7x2").replace("gpu=", 'rack_node="n1",gpu=')
    assert scrape(text).devices() == []
    assert len(scrape(text, host_label="rack_node").devices()) == 1


# ---- stamps ----


def test_a_stamp_of_the_exporter_is_the_moment_of_the_reading(scrape, exporter, clock):
    source = scrape(_gpu())
    stamp_ms = clock.now_ms() - 2_000
    _set(exporter, f'DCGM_FI_DEV_POWER_USAGE{{UUID="GPU-a",Hostname="n1"}} 300 {stamp_ms}\n')
    (reading,) = source.read()
    assert reading.taken_ns == clock.monotonic_ns() - 2_000_000_000
    assert source.read() == []  # the same again: nothing new to say
    clock.advance_s(400)
    (reading,) = source.read()
    assert (reading.power_mw, reading.gap_reason) == (None, "read_failed")  # stale


def test_openmetrics_states_seconds(scrape, exporter, clock):
    source = scrape(_gpu())
    stamp_s = clock.now_ms() / 1000 - 3
    text = f'DCGM_FI_DEV_POWER_USAGE{{UUID="GPU-a",Hostname="n1"}} 300 {stamp_s}\n# EOF\n'
    _set(exporter, text, **{"Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8"})
    assert source.read()[0].taken_ns == clock.monotonic_ns() - 3_000_000_000


# ---- what counts elsewhere ----


def test_devices_that_are_read_by_something_better_are_left_out(scrape):
    source = scrape(_gpu() + _gpu(uuid="GPU-b") + 'node_rapl_package_joules_total{index="0"} 5\n')
    source.leave_out({"GPU-a", "cpu"}, "NVML and RAPL read them")
    assert [reading.device_id for reading in source.read()] == ["GPU-b"]
    assert {part.name for part in source.left_out()} == {"GPU-a", "cpu-package-0"}


def test_only_the_kinds_that_were_asked_for_are_taken(scrape):
    source = scrape(_gpu() + 'node_rapl_package_joules_total{index="0"} 5\n', kinds=("cpu",))
    assert [device.id for device in source.devices()] == ["cpu-package-0"]


def test_a_modelled_value_stays_an_estimate(scrape):
    source = scrape('hw_power_watts{host_name="n1",hw_id="cpu-package-0",hw_type="cpu",is_estimate="true"} 50\n')
    assert [(d.id, d.is_estimate) for d in source.devices()] == [("cpu-package-0", True)]


def test_another_agents_metrics_keep_their_measuring_point(scrape):
    source = scrape('hw_host_power_watts{host_name="n1",hw_id="node",point="dc",source="redfish"} 500\n')
    assert [(d.id, d.kind, d.point) for d in source.devices()] == [("node", "node", "dc")]
    assert source.read()[0].power_mw == 500_000


# ---- what goes wrong ----


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(b"no metrics at all"), "read_failed"),
        (Reply(b"\xff\xfe"), "read_failed"),
        (Reply(_gpu().encode()[:-1]), "read_failed"),  # cut off: the last line has no end
        (Reply(_gpu().encode(), cut=_gpu().index("\n") + 1), "read_failed"),  # cut off behind a whole line
        (Reply(b""), "not_supported"),
        (Reply(b"go_goroutines 5\n"), "not_supported"),
        (Reply(_gpu(host="n2").encode()), "not_supported"),
        (Reply(_gpu(uuid="GPU-other").encode()), "read_failed"),
        (Reply(b"x", 401), "permission_denied"),
        (Reply(b"x", 404), "not_supported"),
        (Reply(b"x", 500), "read_failed"),
        (Reply(_gpu().encode() + b"# " + b"x" * 70_000 + b"\n"), "read_failed"),
        (Reply(b"", 301, {"Location": "http://elsewhere.example/metrics"}), "read_failed"),
        (Reply(raw=b"\x15\x03\x01\x00\x02\x02\x16"), "read_failed"),
        (Reply(raw=b""), "read_failed"),
    ],
)
def test_every_broken_answer_is_a_reason_for_every_device_and_the_next_one_counts_again(
    scrape, exporter, reply, reason
):
    source = scrape(_gpu(), max_bytes=65_536)
    exporter.answers["/metrics"] = reply
    found = {reading.device_id: reading for reading in source.read()}
    assert (found["GPU-a"].power_mw, found["GPU-a"].energy_mj, found["GPU-a"].gap_reason) == (None, None, reason)
    assert reason in contract.GAP_REASONS
    _set(exporter, _gpu(2_000))
    back = {reading.device_id: reading for reading in source.read()}["GPU-a"]
    assert (back.energy_mj, back.session, back.gap_reason) == (2_000, 4, None)


def test_an_exporter_that_sends_a_byte_now_and_then_is_not_waited_for(scrape, exporter):
    source = scrape(_gpu(), timeout_s=0.4)
    exporter.answers["/metrics"] = Reply(_gpu().encode() * 20, pace_s=0.05)
    began = time.monotonic()
    assert source.read()[0].gap_reason == "read_failed"
    assert time.monotonic() - began < 2


def test_an_exporter_that_comes_up_later_is_read_then(scrape, exporter):
    source = scrape()
    assert (source.devices(), source.read()) == ([], [])
    assert "status 404" in source.trouble()
    _set(exporter, _gpu())
    assert [reading.device_id for reading in source.read()] == ["GPU-a"]
    assert [device.id for device in source.devices()] == ["GPU-a"]


def test_a_token_comes_from_the_environment_only(scrape, exporter):
    exporter.answers["/metrics"] = lambda request: (
        Reply(_gpu().encode()) if request.headers.get("authorization") == "Bearer s3cret" else Reply(b"", 401)
    )
    assert len(scrape(token_env="TOKEN", environ={"TOKEN": "s3cret"}).devices()) == 1
    source = scrape(token_env="TOKEN")
    assert "TOKEN" in source.trouble()
    assert len(exporter.seen) == 1  # nobody was asked without it


def test_gpus_without_a_uuid_are_told_and_not_read(scrape):
    source = scrape('DCGM_FI_DEV_POWER_USAGE{gpu="0",Hostname="n1"} 300\n')
    assert source.devices() == []
    assert [part.name for part in source.left_out()] == ["DCGM_FI_DEV_POWER_USAGE"]
