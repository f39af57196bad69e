"""Slurm's energy: whose a figure is, and when it may become readings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.importers.formats.slurm.record import joules_of
from tests.support.slurm_exports import COLUMNS, SAMPLED, T0, T0_S, import_slurm, slurm_job, slurm_step, slurm_text


@pytest.mark.parametrize(
    ("text", "joules"),
    [
        ("", None),
        ("0", 0),
        ("7200000", 7_200_000),
        ("12.34K", 12_340),
        ("1.5G", 1_500_000_000),
        (str(2**32 - 1), None),
        (str(2**32 - 2), None),
        (str(2**64 - 1), None),
        (str(2**64 - 2), None),
        (str(2**32), 2**32),
    ],
)
def test_energies_that_mean_not_set_are_none(text: str, joules: int | None) -> None:
    assert joules_of(text) == joules


@pytest.mark.parametrize(
    ("job", "steps", "stated"),
    [
        (7200, [("batch", 3600), ("extern", 7200), ("0", 3500)], (7200, "job")),
        (0, [("batch", 3600), ("extern", 7200), ("0", 3500)], (7200, "extern")),
        (2**32 - 2, [("extern", 7200)], (7200, "extern")),
        ("", [("0", 100, 60, 1000), ("1", 200, 1000, 3660)], (300, "steps")),
        ("", [("0", 100, 60, 1001), ("1", 200, 1000, 3660)], None),
        ("", [("batch", 100), ("0", 90)], None),
        ("", [("0", 100)], (100, "steps")),
        (190, [("batch", 100), ("0", 90)], (190, "repeated")),
        (0, [], None),
    ],
)
def test_energy_is_that_of_the_job_or_of_its_steps_and_never_of_both(
    tmp_path: Path, job: object, steps: list[Any], stated: tuple[int, str] | None
) -> None:
    landed = import_slurm(
        tmp_path, slurm_text(slurm_job(ConsumedEnergyRaw=job), *(slurm_step("100", *step) for step in steps))
    )
    found = [(row["value"], dict(row["labels"])["basis"]) for row in landed.rows("stated_figure")]
    assert found == ([stated] if stated else [])
    assert landed.rows("power_sample") == []
    assert landed.result.rows_filtered == len(steps)


def test_a_stated_energy_says_who_states_it_of_what(tmp_path: Path) -> None:
    landed = import_slurm(tmp_path, slurm_text(slurm_job(ConsumedEnergyRaw=7200)))
    row = landed.rows("stated_figure")[0]
    assert (row["source"], row["method"], row["subject"], row["job_id"]) == (
        "slurm",
        "acct_gather_energy",
        "alps/100#1",
        "alps/100",
    )
    assert (row["quantity"], row["value"], row["unit"], row["start_ms"], row["end_ms"]) == (
        "energy",
        7200.0,
        "J",
        T0 + 60_000,
        T0 + 3_660_000,
    )
    assert dict(row["labels"])["exclusive"] == "unknown"


def test_energy_becomes_readings_only_of_jobs_that_had_their_nodes_alone(tmp_path: Path) -> None:
    jobs = [
        slurm_job(JobID="1", ConsumedEnergyRaw=1000, AllocCPUS=64),
        slurm_job(JobID="2", ConsumedEnergyRaw=1000, AllocCPUS=63, NodeList="node02"),
        slurm_job(JobID="3", ConsumedEnergyRaw=1000, AllocCPUS=8, NodeList="node03", Exclusive="NODE"),
    ]
    landed = import_slurm(tmp_path, slurm_text(*jobs, columns=[*COLUMNS, "Exclusive"]), node_cpus="64", **SAMPLED)
    assert landed.column("power_sample", "host", "device", "kind", "point", "energy_mj", "source", "is_estimate") == [
        (host, "node", "node", "ac", energy, "ipmi", False)
        for host in ("node01", "node03")
        for energy in (0, 1_000_000)
    ]
    assert len(landed.rows("stated_figure")) == 3
    assert any("energy of 1 runs lands as stated only" in text for text in landed.result.findings)


def test_readings_of_several_nodes_add_up_to_the_joule_and_are_estimates(tmp_path: Path) -> None:
    job = slurm_job(NodeList="node[1-3]", AllocCPUS=192, ConsumedEnergyRaw=10_000)
    options = {**SAMPLED, "energy_type": "rapl"}
    landed = import_slurm(tmp_path, slurm_text(job), node_cpus="64", **options)
    rows = landed.rows("power_sample")
    assert sum(row["energy_mj"] for row in rows if row["ts_ms"] == T0 + 3_660_000) == 10_000_000
    assert all(row["is_estimate"] and row["device"] == "cpu-packages" for row in rows)


def test_jobs_that_follow_one_another_on_a_node_share_no_reading(tmp_path: Path) -> None:
    jobs = [
        slurm_job(JobID="1", ConsumedEnergyRaw=1000),
        slurm_job(JobID="2", ConsumedEnergyRaw=500, Start=T0_S + 3660, End=T0_S + 3720),
    ]
    landed = import_slurm(tmp_path, slurm_text(*jobs), node_cpus="64", **SAMPLED)
    keys = landed.column("power_sample", "host", "device", "point", "ts_ms")
    assert len(set(keys)) == len(keys) == 4
    assert len(set(landed.column("power_sample", "session"))) == 2
