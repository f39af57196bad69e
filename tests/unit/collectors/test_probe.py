"""Probing, and the configuration file on the command line: what wins, what is told, and how long it may take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from collectors.cli import main
from collectors.landing.reader import read_landed
from collectors.probe import findings, is_measured, table
from collectors.sources import Device, Discovery, PolledSource, PowerSource, Reading
from tests.support.stub_http import Reply, as_json, serving

REPOSITORY = Path(__file__).resolve().parents[3]


class Slow(PowerSource):
    """A source that answers after a while, or never before its test is over."""

    name, kinds = "slow", "node"

    def __init__(self, seconds: float, device: str = "node") -> None:
        self._wait = threading.Event()
        self._seconds, self._device = seconds, Device(device, "node", "ac", "redfish")

    def devices(self) -> list[Device]:
        return [self._device]

    def read(self) -> list[Reading]:
        self._wait.wait(self._seconds)
        return [Reading(self._device.id, power_mw=5_000)]

    def close(self) -> None:
        self._wait.set()


@pytest.fixture
def environ(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("WATTLEDGER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WATTLEDGER_SYSFS_ROOT", str(tmp_path / "no-sys"))
    return monkeypatch


@pytest.fixture
def bmc():
    with serving() as stub:
        chassis = "/redfish/v1/Chassis/1"
        stub.answers |= {
            "/redfish/v1/Chassis": as_json({"Members": [{"@odata.id": chassis}]}),
            chassis: as_json({"Power": {"@odata.id": f"{chassis}/Power"}}),
            f"{chassis}/Power": as_json({"PowerControl": [{"Name": "Server", "PowerConsumedWatts": 321}]}),
        }
        yield stub


def _polled(*sources: PowerSource) -> Discovery:
    return Discovery(
        [PolledSource(item, 1.0, monotonic_ns=time.monotonic_ns, is_threaded=False) for item in sources], []
    )


def test_slow_sources_are_waited_for_all_at_once_and_not_without_end():
    found = _polled(Slow(0.2, "a"), Slow(0.2, "b"), Slow(60.0, "c"))
    began = time.monotonic()
    rows = {row["device"]: row for row in findings(found, limit_s=1.0)}
    assert time.monotonic() - began < 1.8
    assert {name: row["status"] for name, row in rows.items()} == {
        "a": "measured",
        "b": "measured",
        "c": "not measured",
    }
    assert rows["c"]["reason"] == "no answer within 1 s"
    for source in found.sources:
        source.close()


def test_what_went_wrong_is_told_in_words_beside_the_reason(environ, bmc, tmp_path, capsys):
    bmc.answers.pop("/redfish/v1/Chassis/1")
    config = tmp_path / "collect.toml"
    config.write_text(f'[[redfish]]\nurl = "{bmc.url}"\n[[scrape]]\nurl = "{bmc.url}/metrics"\n')
    assert main(["probe", "--json", "--config", str(config)]) == 0
    rows = {row["source"]: row for row in json.loads(capsys.readouterr().out)["findings"]}
    assert rows["redfish"]["device"] == "node"
    assert rows["redfish"]["reason"] == f"not_supported: {bmc.url}: it answers with status 404"
    assert (rows["scrape"]["device"], rows["scrape"]["status"]) == ("-", "not measured")
    assert "status 404" in rows["scrape"]["reason"]


def test_a_meter_on_the_network_satisfies_require(environ, bmc, tmp_path, capsys):
    config = tmp_path / "collect.toml"
    config.write_text(f'[[redfish]]\nurl = "{bmc.url}"\n')
    assert main(["probe", "--require"]) == 3
    assert main(["probe", "--require", "--config", str(config)]) == 0
    environ.setenv("WATTLEDGER_COLLECT_CONFIG", str(config))
    assert main(["probe", "--require"]) == 0
    assert "node" in capsys.readouterr().out
    marker = tmp_path / "ran"
    assert main(["exec", "--landing", str(tmp_path / "l"), "--require", "--", "touch", str(marker)]) == 0
    assert marker.exists()


def test_the_table_has_a_line_a_row_and_the_fixes_once():
    rows = [
        {"device": name, "kind": "cpu", "source": "rapl", "status": "not measured", "reason": "r", "fix": "do it"}
        for name in ("a", "b")
    ]
    lines = list(table(rows))
    assert [line.split() for line in lines[:3]] == [
        ["device", "kind", "source", "status", "reason"],
        ["a", "cpu", "rapl", "not", "measured", "r"],
        ["b", "cpu", "rapl", "not", "measured", "r"],
    ]
    assert lines[3:] == ["\nTo measure by rapl: do it"]
    assert not is_measured(rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[agent]\nintervall_s = 1\n", "intervall_s is not known"), ("[agent", "is no TOML"), (None, "cannot be read")],
)
@pytest.mark.parametrize("command", [["probe"], ["agent"], ["exec", "--", "true"]])
def test_a_file_that_cannot_be_used_is_wrong_use(environ, tmp_path, capsys, command, text, message):
    config = tmp_path / "collect.toml"
    if text is not None:
        config.write_text(text)
    environ.setenv("WATTLEDGER_COLLECT_CONFIG", str(config))
    assert main(command) == 2
    told = capsys.readouterr().err
    assert message in told
    assert str(config) in told


def test_a_flag_wins_over_the_environment_and_that_over_the_file(environ, tmp_path, monkeypatch):
    config = tmp_path / "collect.toml"
    config.write_text(
        '[agent]\nlanding = "of-file"\nhost = "of-file"\ninterval_s = 7\nflush_s = 70\nfacility = "f-file"\n'
        'provider = "aws"\nstate_dir = "state"\nspool_mb = 5\n'
    )
    seen = {}

    def run_job(command, job, settings, sources, **options):
        seen.update(settings._asdict(), job=job)
        raise SystemExit(0)

    monkeypatch.setattr("collectors.jobs.execute.run_job", run_job)

    def run(*flags: str) -> dict:
        with pytest.raises(SystemExit):
            main(["exec", "--config", str(config), *flags, "--", "true"])
        return seen

    run()
    assert (seen["landing"], seen["host"]) == (str(tmp_path / "of-file"), "of-file")
    assert (seen["interval_s"], seen["flush_s"], seen["max_spool_bytes"]) == (7.0, 70.0, 5 << 20)
    assert (seen["facility"], seen["job"].facility, seen["job"].provider) == ("f-file", "f-file", "aws")
    assert seen["state_dir"] == tmp_path / "state"
    environ.setenv("WATTLEDGER_LANDING", str(tmp_path / "of-environment"))
    environ.setenv("WATTLEDGER_HOST", "of-environment")
    environ.setenv("WATTLEDGER_FACILITY", "f-environment")
    run()
    assert (seen["landing"], seen["host"]) == (str(tmp_path / "of-environment"), "of-environment")
    assert (seen["facility"], seen["job"].facility) == ("f-environment", "f-environment")
    run("--landing", str(tmp_path / "of-flag"), "--host", "of-flag", "--facility", "f-flag", "--interval-s", "3")
    assert (seen["landing"], seen["host"]) == (str(tmp_path / "of-flag"), "of-flag")
    assert (seen["facility"], seen["interval_s"], seen["flush_s"]) == ("f-flag", 3.0, 70.0)


def test_without_a_file_the_defaults_are_as_ever(environ, tmp_path, monkeypatch):
    seen = {}

    def run_job(command, job, settings, sources, **options):
        seen.update(settings._asdict())
        raise SystemExit(0)

    monkeypatch.setattr("collectors.jobs.execute.run_job", run_job)
    with pytest.raises(SystemExit):
        main(["exec", "--landing", str(tmp_path / "l"), "--", "true"])
    assert (seen["interval_s"], seen["flush_s"], seen["max_spool_bytes"]) == (1.0, 300.0, 256 << 20)


def test_land_and_event_find_the_places_that_the_agent_has(environ, tmp_path, capsys):
    config = tmp_path / "collect.toml"
    config.write_text('[agent]\nlanding = "landing"\nstate_dir = "state"\nhost = "h9"\nfacility = "dc9"\n')
    assert main(["event", "started", "--config", str(config), "--job-id", "j"]) == 0
    assert list((tmp_path / "state" / "spool").glob("*.journal"))
    assert main(["land", "--config", str(config)]) == 0
    assert f"wait in {tmp_path / 'state' / 'spool'}" in capsys.readouterr().out
    (event,) = [
        row for path in (tmp_path / "landing").rglob("*.parquet") if (file := read_landed(path)).table == "job_event"
        for row in file.rows.to_pylist()
    ]  # fmt: skip
    assert (event["job_id"], event["facility"]) == ("j", "dc9")


def test_an_agent_reads_controller_and_exporter_at_their_own_pace(environ, bmc, tmp_path):
    """A controller that takes 0.4 s for an answer costs the samples of the others nothing."""
    slow = bmc.answers["/redfish/v1/Chassis/1/Power"]

    def answer(_):
        time.sleep(0.4)
        return slow

    bmc.answers["/redfish/v1/Chassis/1/Power"] = answer
    bmc.answers["/metrics"] = Reply(b'DCGM_FI_DEV_POWER_USAGE{UUID="GPU-a",Hostname="h1"} 300\n')
    landing, config = tmp_path / "landing", tmp_path / "collect.toml"
    config.write_text(
        f'[agent]\nlanding = "landing"\nhost = "h1"\ninterval_s = 0.1\n'
        f'[[redfish]]\nurl = "{bmc.url}"\nevery_s = 0.5\n'
        f'[[scrape]]\nurl = "{bmc.url}/metrics"\nevery_s = 0.5\n'
    )
    agent = subprocess.Popen([sys.executable, "-m", "collectors", "agent", "--config", str(config)], cwd=REPOSITORY)
    deadline = time.monotonic() + 30
    while len([r for r in bmc.seen if r.path.endswith("/Power")]) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(timeout=30) == 0
    samples = [
        row for path in landing.rglob("*.parquet") if (file := read_landed(path)).table == "power_sample"
        for row in file.rows.to_pylist()
    ]  # fmt: skip
    by_device = {name: [s for s in samples if s["device"] == name] for name in ("node", "GPU-a", "dram-0")}
    node = by_device["node"]
    assert {(s["power_mw"], s["kind"], s["point"], s["source"]) for s in node} == {(321_000, "node", "ac", "redfish")}
    assert {s["source"] for s in by_device["GPU-a"]} == {"dcgm"}
    assert len(node) >= 3
    assert len({s["ts_ms"] for s in node}) == len(node)
    # The modelled memory was sampled five times as often meanwhile; a busy machine may cost some of it.
    assert len(by_device["dram-0"]) > 1.5 * len(node)
