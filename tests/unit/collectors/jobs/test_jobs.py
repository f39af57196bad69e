"""Jobs: attributes that were stated, and no others; assets told once."""

from __future__ import annotations

import pytest

from collectors.agent.assets import AssetMemory
from collectors.jobs.carriers import job_from
from collectors.jobs.job import Job, JobError, parse_labels
from collectors.landing.reader import read_landed
from collectors.sources import Device

NOON_MS = 1_795_348_800_000


def test_flags_win_over_environment_and_nothing_is_invented():
    environ = {"WATTLEDGER_TEAM": "vision", "WATTLEDGER_ORG": "acme", "WATTLEDGER_REGION": "", "TEAM": "x"}
    job = job_from({"team": "speech", "org": None, "model": ""}, environ)
    assert (job.team, job.org, job.region, job.model, job.phase) == ("speech", "acme", None, None, "unknown")
    assert (job.parameters_n, job.tokens_n, job.provider, job.user_ref, dict(job.labels)) == (
        None,
        None,
        None,
        None,
        {},
    )
    assert job.job_id.startswith("job-")
    assert job.job_id != job_from({}, {}).job_id


def test_every_attribute_has_an_environment_variable():
    environ = {
        "WATTLEDGER_JOB_ID": "j1",
        "WATTLEDGER_ATTEMPT": "2",
        "WATTLEDGER_USER_REF": "u",
        "WATTLEDGER_PHASE": "fine_tuning",
        "WATTLEDGER_PARAMETERS_N": "7e9",
        "WATTLEDGER_TOKENS_N": "15000000000001",
        "WATTLEDGER_LABELS": "a=1, b = x=y ,",
    }
    job = job_from({"labels": {"a": "2"}}, environ)
    assert (job.job_id, job.attempt, job.user_ref, job.phase) == ("j1", 2, "u", "fine_tuning")
    assert (job.parameters_n, job.tokens_n) == (7_000_000_000, 15_000_000_000_001)
    assert job.labels == {"a": "2", "b": "x=y"}


@pytest.mark.parametrize(
    "flags",
    [
        {"phase": "trainning"},
        {"attempt": "0"},
        {"attempt": "one"},
        {"parameters_n": "-5"},
        {"parameters_n": "1.5"},
        {"parameters_n": "nan"},
        {"parameters_n": "inf"},
        {"tokens_n": "1e400"},
        {"tokens_n": str(2**63)},
    ],
)
def test_unusable_attribute_is_refused_by_name(flags):
    with pytest.raises(JobError, match=next(iter(flags))):
        job_from(flags, {})


@pytest.mark.parametrize("label", ["a", "=b", " =b", ""])
def test_label_without_key_or_value_is_refused(label):
    with pytest.raises(JobError, match="key=value"):
        parse_labels([label])


def test_rows_are_valid_under_the_contract(writer):
    job = Job("j", 3, team="t", model="m", phase="training", parameters_n=5, labels={"b": "2", "a": "1"})
    events = [job.event_row(NOON_MS, "started"), job.event_row(NOON_MS + 5, "ended", state="failed", exit_code=7)]
    rows = read_landed(writer.write("job_event", events)[0]).rows.to_pylist()
    assert [row["event"] for row in rows] == ["started", "ended"]
    assert rows[0]["labels"] == [("a", "1"), ("b", "2")]
    assert (rows[1]["state"], rows[1]["exit_code"], rows[1]["team"], rows[1]["org"]) == ("failed", 7, "t", None)
    device = read_landed(writer.write("job_device", [job.device_row("h", NOON_MS, NOON_MS + 5)])[0]).rows.to_pylist()
    assert device == [
        {
            "job_id": "j",
            "attempt": 3,
            "host": "h",
            "device": "*",
            "start_ms": NOON_MS,
            "end_ms": NOON_MS + 5,
            "share_fraction": None,
        }
    ]
    work = read_landed(writer.write("work_counter", [job.work_row(NOON_MS, NOON_MS + 5, {"requests_n": 4})])[0])
    row = work.rows.to_pylist()[0]
    assert (row["model"], row["requests_n"], row["input_tokens_n"], row["other_n"]) == ("m", 4, None, None)


def test_each_asset_is_told_once_a_host(tmp_path, writer):
    devices = [
        Device("GPU-a", "gpu", "board", "nvml_energy", hardware_model="NVIDIA H200"),
        Device("cpu-package-0", "cpu", "package", "rapl"),
        Device("dram-0", "dram", "package", "rapl"),
        Device("gpu-index-3", "gpu", "board", "nvml_energy"),
    ]
    memory = AssetMemory(tmp_path, "h")
    rows = memory.first_seen(devices, NOON_MS, "dc1")
    assert [(row["asset_id"], row["kind"], row["hardware_model"]) for row in rows] == [
        ("h/GPU-a", "accelerator", "NVIDIA H200"),
        ("h/cpu-package-0", "cpu", "unknown"),
    ]
    assert read_landed(writer.write("asset_event", rows)[0]).rows.num_rows == 2
    # Not landed yet: told again. Landed: never again, also by the next process; another host has its own.
    assert AssetMemory(tmp_path, "h").first_seen(devices, NOON_MS) != []
    memory.remember(rows)
    assert memory.first_seen(devices, NOON_MS + 1) == []
    assert AssetMemory(tmp_path, "h").first_seen(devices, NOON_MS + 1) == []
    assert len(AssetMemory(tmp_path, "h2").first_seen(devices, NOON_MS + 1)) == 2


@pytest.mark.parametrize("content", ["", "{", "[1]", "null"])
def test_damaged_memory_is_an_empty_one(tmp_path, content):
    memory = AssetMemory(tmp_path, "h")
    memory.remember([{"asset_id": "h/x", "ts_ms": 1}])
    next(tmp_path.glob("assets-*.json")).write_text(content)
    assert len(AssetMemory(tmp_path, "h").first_seen([Device("x", "cpu", "package", "rapl")], NOON_MS)) == 1
