"""Which of a host's sources are read: everything once, nothing twice, and what is missing is modelled or said."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from collectors.cli import main
from collectors.sources import Discovery, PolledSource, discover
from collectors.sources.options import (
    EstimateOptions,
    HwmonOptions,
    IpmiOptions,
    RedfishOptions,
    ScrapeOptions,
    SourceOptions,
)
from tests.support.fake_amdsmi import FakeAmdSmi
from tests.support.fake_hwmon import FakeHwmon
from tests.support.stub_http import Reply, as_json, serving

RAPL = 'node_rapl_package_joules_total{index="0"} 5\nnode_rapl_dram_joules_total{index="0"} 5\n'
NODE = "ipmi_dcmi_power_consumption_watts 500\n"


@pytest.fixture
def host(tmp_path, powercap, monkeypatch, clock):
    """A host of fake trees; without anything in them it has two modelled devices."""
    for name in list(os.environ):
        if name.startswith("WATTLEDGER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WATTLEDGER_SYSFS_ROOT", str(powercap.root))
    monkeypatch.setenv("WATTLEDGER_HOST", "h")
    monkeypatch.setattr("collectors.sources._IPMI_DEVICES", (tmp_path / "ipmi0",))

    made: list[Discovery] = []

    def find(**options) -> Discovery:
        modules = {name: options.pop(name) for name in ("nvml_module", "amdsmi_module") if name in options}
        made.append(discover(clock=clock, host="h", is_threaded=False, options=SourceOptions(**options), **modules))
        return made[-1]

    yield SimpleNamespace(root=powercap.root, zone=powercap.zone, find=find, hwmon=FakeHwmon(powercap.root))
    for source in [source for found in made for source in (*found.sources, *found.unavailable)]:
        source.close()


@pytest.fixture
def exporter():
    with serving() as stub:
        yield stub


def _devices(found: Discovery) -> dict[str, str]:
    listed = [(device.id, source.name) for source in found.sources for device in source.devices()]
    assert len({name for name, _ in listed}) == len(listed), f"a device is read twice: {listed}"
    return dict(listed)


def _left_out(found: Discovery) -> dict[str, str]:
    return {part.name: part.reason for source in (*found.sources, *found.unavailable) for part in source.left_out()}


def test_a_bare_host_is_modelled_and_says_what_it_lacks(host):
    found = host.find()
    assert _devices(found) == {"cpu-package-0": "estimate", "dram-0": "estimate"}
    assert [source.name for source in found.unavailable] == ["nvml", "amdsmi", "rapl", "hwmon"]
    assert all(source.unavailable_reason and source.fix for source in found.unavailable)
    assert _devices(host.find(estimate=EstimateOptions(is_enabled=False))) == {}


def test_gpus_of_both_makers_are_read_side_by_side(host):
    found = host.find(amdsmi_module=FakeAmdSmi())
    assert [source.name for source in found.sources] == ["amdsmi", "estimate"]
    assert len(_devices(found)) == 4


def test_a_counter_is_better_than_a_sensor_and_a_sensor_better_than_a_model(host):
    host.hwmon.chip("amd_energy", {"energy1_label": "Esocket0", "energy1_input": 5_000_000})
    assert _devices(host.find()) == {"cpu-package-0": "hwmon", "dram-0": "estimate"}
    host.zone("0", "package-0", 5_000_000)
    found = host.find()
    assert _devices(found) == {"cpu-package-0": "rapl", "dram-0": "estimate"}
    assert _left_out(found)["cpu-package-0"] == "rapl reads it"


@pytest.mark.parametrize(
    ("options", "reader"),
    [
        ({}, "hwmon"),
        ({"redfish": (RedfishOptions("https://bmc.invalid"),)}, "redfish"),
        ({"ipmi": IpmiOptions("sh")}, "ipmi"),
        ({"hwmon": HwmonOptions(is_enabled=False)}, "rapl"),
    ],
)
def test_the_node_is_read_once_by_the_best_meter(host, options, reader):
    host.zone("0", "psys", 5_000_000)
    host.hwmon.chip("power_meter", {"power1_average": 300_000_000}, in_device=True)
    found = host.find(**options)
    readers = {source.name for source in found.sources for device in source.devices() if device.kind == "node"}
    assert readers == {reader}
    # The platform zone and the sensor contain the processor; a meter on the network may be silent, so that is modelled.
    assert ("cpu-package-0" in _devices(found)) == (reader in ("redfish", "ipmi"))


def test_several_controllers_are_kept_because_somebody_says_that_they_do_not_overlap(host):
    shelf = RedfishOptions("https://shelf.invalid", device="shelf")
    found = host.find(redfish=(RedfishOptions("https://bmc.invalid"), shelf))
    assert {name for name, source in _devices(found).items() if source == "redfish"} == {"node", "shelf"}


def test_slow_sources_have_a_pace_of_their_own(host, exporter):
    host.hwmon.chip("power_meter", {"power1_average": 300_000_000}, in_device=True)
    exporter.answers["/metrics"] = Reply(RAPL.encode())
    found = host.find(scrape=(ScrapeOptions(f"{exporter.url}/metrics"),))
    assert {source.name for source in found.sources if isinstance(source, PolledSource)} == {"hwmon", "scrape"}


def test_an_exporter_fills_in_what_nothing_local_reads(host, exporter):
    exporter.answers["/metrics"] = Reply((RAPL + NODE).encode())
    scrape = (ScrapeOptions(f"{exporter.url}/metrics"),)
    assert set(_devices(host.find(scrape=scrape)).items()) == {
        ("cpu-package-0", "scrape"),
        ("dram-0", "scrape"),
        ("node", "scrape"),
    }
    host.zone("0", "package-0", 5_000_000)
    found = host.find(scrape=scrape, redfish=(RedfishOptions("https://bmc.invalid"),))
    assert _devices(found) == {"cpu-package-0": "rapl", "dram-0": "scrape", "node": "redfish"}


def test_a_gpu_that_its_driver_shows_is_not_scraped(host, exporter):
    smi = FakeAmdSmi()
    lines = [f'kepler_node_gpu_watts{{gpu_uuid="{uuid}"}} 100' for uuid in (smi.uuid[0], "another")]
    exporter.answers["/metrics"] = Reply(("\n".join(lines) + "\n").encode())
    found = host.find(amdsmi_module=smi, scrape=(ScrapeOptions(f"{exporter.url}/metrics"),))
    assert {name: reader for name, reader in _devices(found).items() if reader != "estimate"} == {
        smi.uuid[0]: "amdsmi",
        smi.uuid[1]: "amdsmi",
        "another": "scrape",
    }


def test_two_exporters_of_one_thing_count_once_also_if_they_come_up_late(host, exporter):
    with serving() as second:
        options = tuple(ScrapeOptions(f"{stub.url}/metrics", timeout_s=2.0) for stub in (exporter, second))
        found = host.find(scrape=options)
        assert [device for device in _devices(found) if device == "node"] == []
        for stub in (exporter, second):
            stub.answers["/metrics"] = Reply(NODE.encode())
        readings = [reading for source in found.sources if source.name == "scrape" for reading in _poll(source)]
        assert [reading.device_id for reading in readings] == ["node"]


def test_an_exporter_that_is_silent_at_the_start_does_not_double_the_model(host, exporter):
    silent = host.find(scrape=(ScrapeOptions(f"{exporter.url}/metrics"),))
    assert _devices(silent) == {"cpu-package-0": "estimate", "dram-0": "estimate"}
    exporter.answers["/metrics"] = Reply(RAPL.encode())
    assert [reading for source in silent.sources if source.name == "scrape" for reading in _poll(source)] == []
    exporter.answers.clear()
    promised = host.find(scrape=(ScrapeOptions(f"{exporter.url}/metrics", kinds=("cpu", "dram")),))
    assert _devices(promised) == {}  # a gap until it answers, and then the measured value
    exporter.answers["/metrics"] = Reply(RAPL.encode())
    late = [reading for source in promised.sources if source.name == "scrape" for reading in _poll(source)]
    assert {reading.device_id for reading in late} == {"cpu-package-0", "dram-0"}


def _poll(source: PolledSource) -> list:
    source.poll()
    return source.read()


def test_a_controller_that_nobody_configured_is_hinted_at(host, tmp_path):
    (tmp_path / "ipmi0").write_text("")
    found = host.find()
    (hint,) = [source for source in found.unavailable if source.name == "ipmi"]
    assert hint.unavailable_reason == "not configured"
    assert "[ipmi]" in hint.fix
    assert (hint.devices(), hint.read()) == ([], [])
    assert not [s for s in host.find(redfish=(RedfishOptions("https://x.invalid"),)).unavailable if s.name == "ipmi"]


# ---- a counter that may not be read ----


@pytest.fixture
def denied(host, monkeypatch):
    host.zone("0", "package-0", 5_000_000)
    host.zone("0:0", "dram", 5_000_000)
    real = Path.read_text

    def read_text(path, *arguments, **options):
        if path.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr("pathlib.Path.read_text", read_text)
    return host


def test_a_denied_counter_is_a_reason_and_no_estimate(denied):
    found = denied.find()
    assert _devices(found) == {"cpu-package-0": "rapl", "dram-0": "rapl"}
    assert {reading.gap_reason for source in found.sources for reading in source.read()} == {"permission_denied"}


def test_a_denied_counter_is_modelled_where_somebody_asks_for_it_and_still_told(denied):
    found = denied.find(estimate=EstimateOptions(is_denied_modelled=True))
    assert _devices(found) == {"cpu-package-0": "estimate", "dram-0": "estimate"}
    assert all(device.is_estimate for source in found.sources for device in source.devices())
    assert all("permission denied" in reason for reason in _left_out(found).values())
    assert len(_left_out(found)) == 2


@pytest.mark.parametrize("how", ["flag", "file"])
def test_probe_tells_the_reason_and_the_command_beside_the_model(denied, tmp_path, capsys, how):
    config = tmp_path / "collect.toml"
    config.write_text("[estimate]\nestimate_denied = true\n")
    assert main(["probe", *(["--estimate-denied"] if how == "flag" else ["--config", str(config)])]) == 0
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith("cpu-package-0")]
    assert ["estimated" in line for line in lines] == [True, False]
    assert "permission denied" in lines[1]
    assert "sudo chmod g+r" in out


def test_the_last_of_the_sources_is_closed_and_may_be_closed_twice(host, exporter):
    exporter.answers["/redfish/v1/Chassis"] = as_json({"Members": []})
    found = host.find(redfish=(RedfishOptions(exporter.url),), scrape=(ScrapeOptions(f"{exporter.url}/metrics"),))
    for _ in range(2):
        for source in (*found.sources, *found.unavailable):
            source.close()


def test_what_probe_prints_is_json_with_the_same_keys_for_every_row(denied, capsys):
    denied.hwmon.chip("nvme", {"power1_input": 5})
    assert main(["probe", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["findings"]
    assert {tuple(row) for row in rows} == {("device", "kind", "source", "status", "reason", "fix", "hardware_model")}
    assert {row["status"] for row in rows} == {"not measured", "not used"}
