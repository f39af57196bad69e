"""Slurm's accounting: which record is which run of which job, and what it held."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.contract import TABLES
from collectors.importers.errors import RefusedError, SourceError
from collectors.importers.formats import load
from collectors.importers.formats.slurm.nodes import nodes_of
from collectors.importers.formats.slurm.record import gpus_of, tres_of
from tests.support.slurm_exports import COLUMNS, T0, T0_S, import_slurm, slurm_job, slurm_step, slurm_text

DOCS = Path(__file__).resolve().parents[6] / "docs" / "importers" / "slurm.md"


def test_a_job_becomes_three_events_and_a_hold_of_each_node(tmp_path: Path) -> None:
    job = slurm_job(
        NodeList="node[01-02]", AllocCPUS=128, AllocTRES="cpu=128,gres/gpu:a100=8,gres/gpu=8", WCKey="*pretrain"
    )
    landed = import_slurm(tmp_path, slurm_text(job), project_from="wckey", org="lab", facility="dc1")
    assert landed.events() == [
        ("alps/100", 1, 0, "submitted", None),
        ("alps/100", 1, 60, "started", None),
        ("alps/100", 1, 3660, "ended", "completed"),
    ]
    assert landed.column("job_device", "host", "device", "start_ms", "end_ms", "share_fraction") == [
        ("node01", "*", T0 + 60_000, T0 + 3_660_000, None),
        ("node02", "*", T0 + 60_000, T0 + 3_660_000, None),
    ]
    event = landed.rows("job_event")[0]
    assert {name: event[name] for name in ("team", "project", "org", "facility", "phase", "user_ref")} == {
        "team": "vision",
        "project": "pretrain",
        "org": "lab",
        "facility": "dc1",
        "phase": "unknown",
        "user_ref": None,
    }
    assert dict(event["labels"]) == {"cluster": "alps", "gpus": "8", "partition": "cpu", "qos": "normal"}
    assert landed.result.rows_read == 1


def test_holds_are_left_to_the_nodes_where_they_tell_them(tmp_path: Path) -> None:
    landed = import_slurm(tmp_path, slurm_text(slurm_job()), holds="none")
    assert (len(landed.rows("job_event")), landed.rows("job_device")) == (3, [])
    assert not any("holds all devices" in text for text in landed.result.assumptions)


@pytest.mark.parametrize(
    ("state", "code", "outcome", "exit_code"),
    [
        ("COMPLETED", "0:0", "completed", 0),
        ("FAILED", "1:0", "failed", 1),
        ("OUT_OF_MEMORY", "0:125", "failed", 253),
        ("CANCELLED by 1000", "0:15", "cancelled", 143),
        ("CANCELLED+", "0:0", "cancelled", 0),
        ("TIMEOUT", "0:0", "timeout", 0),
        ("DEADLINE", "", "timeout", None),
        ("NODE_FAIL", "1:0", "interrupted", 1),
        ("PREEMPTED", "0:0", "interrupted", 0),
        ("BOOT_FAIL", "0:0", "interrupted", 0),
    ],
)
def test_states_become_the_ledgers(tmp_path: Path, state: str, code: str, outcome: str, exit_code: int | None) -> None:
    landed = import_slurm(tmp_path, slurm_text(slurm_job(State=state, ExitCode=code)))
    ended = next(row for row in landed.rows("job_event") if row["event"] == "ended")
    assert (ended["state"], ended["exit_code"]) == (outcome, exit_code)


def test_a_state_that_slurm_does_not_have_is_refused(tmp_path: Path) -> None:
    landed = import_slurm(tmp_path, slurm_text(slurm_job(State="DONE"), slurm_job(JobID="101")))
    assert landed.result.rejected_by_reason == {"unknown_value": 1}
    assert {row["job_id"] for row in landed.rows("job_event")} == {"alps/101"}


def test_jobs_that_wait_are_left_out_and_jobs_that_never_started_have_no_nodes(tmp_path: Path) -> None:
    landed = import_slurm(
        tmp_path,
        slurm_text(
            slurm_job(JobID="1", State="PENDING", Start="Unknown", End="Unknown", NodeList="None assigned"),
            slurm_job(JobID="2_[5-9%2]", State="PENDING", Start="Unknown", End="Unknown", NodeList="None assigned"),
            slurm_job(JobID="3", State="CANCELLED by 7", Start="None", End=T0_S + 9, NodeList="None assigned"),
            slurm_job(JobID="4", State="RUNNING", End="Unknown"),
        ),
    )
    assert landed.events() == [
        ("alps/3", 1, 0, "submitted", None),
        ("alps/3", 1, 9, "ended", "cancelled"),
        ("alps/4", 1, 0, "submitted", None),
        ("alps/4", 1, 60, "started", None),
    ]
    assert landed.rows("job_device") == []
    assert landed.result.rows_filtered == 2
    assert any("1 jobs still run" in text for text in landed.result.findings)


def test_a_later_export_of_a_running_job_repeats_what_landed_and_adds_the_end(tmp_path: Path) -> None:
    running = slurm_job(State="RUNNING", End="Unknown", AllocTRES="cpu=64,gres/gpu=2")
    early = import_slurm(tmp_path, slurm_text(running), "early.txt")
    late = import_slurm(tmp_path, slurm_text({**running, "State": "FAILED", "End": T0_S + 3660}), "late.txt")
    before, after = early.rows("job_event"), late.rows("job_event")
    assert len(before) == 2
    assert all(row in after for row in before)
    assert [row["event"] for row in after if row not in before] == ["ended"]
    both = import_slurm(tmp_path, slurm_text({**running, "State": "FAILED", "End": T0_S + 3660}, running), "both.txt")
    assert both.rows("job_event") == after
    assert both.result.rows_filtered == 1


def test_requeues_are_attempts_of_one_job_in_order_of_submission(tmp_path: Path) -> None:
    runs = [
        slurm_job(Submit=T0_S + 200, Start=T0_S + 210, End=T0_S + 300, NodeList="node02"),
        slurm_job(Submit=T0_S, Start=T0_S + 10, End=T0_S + 100, State="NODE_FAIL"),
        slurm_job(Submit=T0_S + 101, Start=T0_S + 110, End=T0_S + 199, State="PREEMPTED"),
    ]
    landed = import_slurm(tmp_path, slurm_text(*runs))
    assert [row[1:] for row in landed.events() if row[3] == "ended"] == [
        (1, 100, "ended", "interrupted"),
        (2, 199, "ended", "interrupted"),
        (3, 300, "ended", "completed"),
    ]
    assert landed.column("job_device", "attempt", "host") == [(1, "node01"), (2, "node01"), (3, "node02")]
    assert any("numbered by their order" in text for text in landed.result.assumptions)


def test_stated_restarts_number_the_attempts_whatever_the_export_holds(tmp_path: Path) -> None:
    columns = [*COLUMNS, "Restarts"]
    landed = import_slurm(tmp_path, slurm_text(slurm_job(Submit=T0_S + 200, Restarts=2), columns=columns))
    assert {row["attempt"] for row in landed.rows("job_event")} == {3}
    assert not any("numbered by their order" in text for text in landed.result.assumptions)


def test_a_number_that_was_given_anew_is_another_job(tmp_path: Path) -> None:
    later = T0_S + 10_000_000
    anew = {"Submit": later, "Start": later, "End": later + 60}
    landed = import_slurm(tmp_path, slurm_text(slurm_job(), slurm_job(**anew, User="bob")))
    assert {row["job_id"] for row in landed.rows("job_event")} == {"alps/100", f"alps/100@{later}"}
    columns = [*COLUMNS, "OriginalSLUID"]
    same = import_slurm(
        tmp_path,
        slurm_text(slurm_job(OriginalSLUID="s1"), slurm_job(**anew, OriginalSLUID="s2"), columns=columns),
        "b.txt",
    )
    assert {row["job_id"] for row in same.rows("job_event")} == {"alps/100", f"alps/100@{later}"}


def test_a_resized_job_is_one_attempt_that_holds_other_nodes_later(tmp_path: Path) -> None:
    runs = [
        slurm_job(State="RESIZING", NodeList="node[01-04]", End=T0_S + 1000),
        slurm_job(Submit=T0_S + 1000, Start=T0_S + 1000, NodeList="node[01-02]"),
    ]
    landed = import_slurm(tmp_path, slurm_text(*runs))
    assert [row[1:4] for row in landed.events()] == [
        (1, 0, "submitted"),
        (1, 60, "started"),
        (1, 1000, "started"),
        (1, 3660, "ended"),
    ]
    assert len(landed.rows("job_device")) == 6


def test_tasks_of_arrays_and_parts_of_heterogeneous_jobs_are_jobs(tmp_path: Path) -> None:
    landed = import_slurm(
        tmp_path,
        slurm_text(
            slurm_job(JobID="7_1", JobIDRaw="8"),
            slurm_step("7_1", "batch"),
            slurm_job(JobID="7_2", JobIDRaw="7"),
            slurm_job(JobID="20+0", JobIDRaw="20"),
            slurm_job(JobID="20+1", JobIDRaw="21"),
        ),
        labels="raw_id",
    )
    assert sorted({(row["job_id"], dict(row["labels"])["raw_id"]) for row in landed.rows("job_event")}) == [
        ("alps/20+0", "20"),
        ("alps/20+1", "21"),
        ("alps/7_1", "8"),
        ("alps/7_2", "7"),
    ]
    assert landed.result.rows_filtered == 1


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("node[01-03,07]", ["node01", "node02", "node03", "node07"]),
        ("gpu-a[1-2]b[3-4]x,login", ["gpu-a1b3x", "gpu-a1b4x", "gpu-a2b3x", "gpu-a2b4x", "login"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
        ("n1,n1", ["n1"]),
        ("None assigned", []),
        ("", []),
    ],
)
def test_node_lists_are_expanded(text: str, nodes: list[str]) -> None:
    assert list(nodes_of(text)) == nodes


@given(
    st.from_regex(r"[a-z][a-z-]{0,5}", fullmatch=True),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 20)), min_size=1, max_size=5),
    st.sampled_from(["", "-ib0"]),
)
def test_any_ranges_expand_to_their_numbers(name: str, width: int, ranges: list[tuple[int, int]], after: str) -> None:
    parts = [f"{first:0{width}d}-{first + more:0{width}d}" if more else f"{first:0{width}d}" for first, more in ranges]
    expected = {
        name + str(number).zfill(max(width, len(str(first)))) + after
        for first, more in ranges
        for number in range(first, first + more + 1)
    }
    assert set(nodes_of(f"{name}[{','.join(parts)}]{after}")) == expected


@pytest.mark.parametrize("text", ["n[1-2", "n]", "n[2-1]", "n[a-b]", "n[1-2],", "n[1-999999]", "n[1-999]m[1-999]"])
def test_what_is_no_node_list_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(RefusedError, match="NodeList"):
        nodes_of(text)
    assert import_slurm(tmp_path, slurm_text(slurm_job(NodeList=text))).result.rejected_by_reason == {
        "unknown_value": 1
    }


def test_typed_and_untyped_gpus_are_the_same_devices_and_billing_is_none() -> None:
    tres = tres_of("billing=112,cpu=36,gres/gpu:rtx2080ti=4,gres/gpu=4,mem=1.5G,node=1")
    assert tres == {"cpu": 36, "gres/gpu:rtx2080ti": 4, "gres/gpu": 4, "mem": 1_610_612_736, "node": 1}
    assert gpus_of(tres) == 4
    assert gpus_of({"gres/gpu:a100": 2, "gres/gpu:h100": 1}) == 3
    assert gpus_of({"cpu": 1, "gres/gpu": 0}) is None


GPU_JOB = {"AllocTRES": "cpu=16,gres/gpu=2", "AllocCPUS": 16}


SCONTROL = """NodeName=gpu1 Arch=x86_64 CoresPerSocket=64
   CPUAlloc=16 CPUEfctv=126 CPUTot=128 CPULoad=3.1
   Gres=gpu:a100:8(S:0-1)
   CfgTRES=cpu=126,gres/gpu=8

NodeName=node01 CPUAlloc=0 CPUTot=64
   Gres=(null)
"""


SCONTROL_JSON = json.dumps(
    {
        "nodes": [
            {"name": "gpu1", "cpus": 128, "effective_cpus": 126, "gres": "gpu:a100:6,gpu:h100:2(S:0)"},
            {"name": "node01", "cpus": 64, "gres": ""},
        ]
    }
)


@pytest.mark.parametrize(
    ("job", "options", "share"),
    [
        ({"AllocCPUS": 16}, {}, None),
        ({"AllocCPUS": 16}, {"node_cpus": "64"}, 0.25),
        ({"AllocCPUS": 48, "NodeList": "node[01-02]"}, {"node_cpus": "node01=64,node[02-09]=32"}, 0.5),
        ({"AllocCPUS": 48, "NodeList": "node[01-02]"}, {"node_cpus": "node01=64"}, None),
        ({"AllocCPUS": 65}, {"node_cpus": "64"}, None),
        (GPU_JOB, {"node_cpus": "64"}, None),
        (GPU_JOB, {"node_cpus": "64", "node_gpus": "8"}, 0.25),
        ({**GPU_JOB, "NodeList": "gpu1"}, {"nodes": SCONTROL}, 0.25),
        ({**GPU_JOB, "NodeList": "gpu1"}, {"nodes": SCONTROL_JSON}, 0.25),
        ({"AllocCPUS": 63, "NodeList": "gpu1", "AllocTRES": "cpu=63"}, {"nodes": SCONTROL}, 0.5),
        ({"AllocCPUS": 64, "NodeList": "node01"}, {"nodes": SCONTROL}, 1.0),
        ({"AllocCPUS": 16, "Exclusive": "NODE"}, {}, 1.0),
        ({"AllocCPUS": 16, "Exclusive": "USER"}, {}, None),
    ],
)
def test_the_share_of_a_node_is_stated_only_where_its_size_is_known(
    tmp_path: Path, job: dict[str, object], options: dict[str, str], share: float | None
) -> None:
    if "nodes" in options:
        file = tmp_path / "nodes"
        file.write_text(options["nodes"], encoding="utf-8")
        options = {**options, "nodes": str(file)}
    landed = import_slurm(tmp_path, slurm_text(slurm_job(**job), columns=[*COLUMNS, "Exclusive"]), **options)
    assert set(landed.column("job_device", "share_fraction")) == {share}
    assert any("no known share" in text for text in landed.result.findings) is (share is None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"node_cpus": "many"}, "--node-cpus 'many' is no number"),
        ({"node_gpus": "n[2-1]=8"}, "--node-gpus: NodeList"),
        ({"nodes": "/nonexistent"}, "is no file"),
        ({"labels": "user"}, "--labels: user is none of"),
        ({"energy": "samples"}, "--energy-type is required"),
        ({"energy": "samples", "energy_type": "gpu"}, "'gpu' must be one of"),
        ({"zone": "Berlin"}, "unknown zone"),
    ],
)
def test_a_wrong_option_is_named(tmp_path: Path, options: dict[str, str], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        import_slurm(tmp_path, slurm_text(slurm_job()), **options)


def test_no_name_of_a_person_lands_and_a_pseudonym_needs_a_salt(tmp_path: Path) -> None:
    jobs = [
        slurm_job(State="CANCELLED by 31337", Comment="for alice"),
        slurm_job(JobID="101", State="ODD", Comment="alice again", JobName="alice-run"),
        slurm_job(JobID="102", NodeList="n[2-1]", WCKey="alice"),
        slurm_job(JobID="103", Comment="x|y"),
    ]
    columns = [*COLUMNS[:-1], "Comment", "JobName"]
    for options in ({}, {"salt": "pepper"}):
        landed = import_slurm(tmp_path, slurm_text(*jobs, columns=columns), **options)
        rejected = landed.result.rejected_file
        assert rejected
        said = json.dumps([landed.rows(name) for name in TABLES]) + rejected.read_text(encoding="utf-8")
        assert "alice" not in said
        assert "31337" not in said
        assert landed.result.rows_rejected == 3
        refs = {row["user_ref"] for row in landed.rows("job_event")}
        assert refs == ({None} if not options else refs - {None})
    other = import_slurm(tmp_path, slurm_text(slurm_job()), salt="other").rows("job_event")[0]["user_ref"]
    assert other
    assert other not in refs


MAP = """
[[rule]]
job_name = "*finetune*"
partition = "gpu*"
phase = "fine_tuning"
model = "tiny"
team = "alignment"

[[rule]]
comment = "eval:*"
phase = "evaluation"
"""


def test_rules_of_the_site_state_phase_model_and_team(tmp_path: Path) -> None:
    rules = tmp_path / "map.toml"
    rules.write_text(MAP, encoding="utf-8")
    jobs = [
        slurm_job(JobID="1", JobName="my-finetune-3", Partition="gpu-long"),
        slurm_job(JobID="2", JobName="my-finetune-3", Partition="cpu"),
        slurm_job(JobID="3", Comment="eval:mmlu"),
        slurm_job(JobID="4"),
    ]
    landed = import_slurm(tmp_path, slurm_text(*jobs, columns=[*COLUMNS, "Comment"]), phase_map=str(rules))
    found = {row["job_id"]: (row["phase"], row["model"], row["team"]) for row in landed.rows("job_event")}
    assert found == {
        "alps/1": ("fine_tuning", "tiny", "alignment"),
        "alps/2": ("unknown", None, "vision"),
        "alps/3": ("evaluation", None, "vision"),
        "alps/4": ("unknown", None, "vision"),
    }
    assert not any("--phase-map" in text for text in landed.result.assumptions)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("[[rule]]\njob_name = 'x'\nphase = 'learning'", "rule 1: phase 'learning' is none of"),
        ("[[rule]]\nname = 'x'\nphase = 'training'", "rule 1: name is unknown; allowed are job_name"),
        ("[[rule]]\nphase = 'training'", "rule 1: it needs one of job_name"),
        ("[[rule]]\njob_name = 1\nphase = 'training'", "every value must be a text"),
        ("rule = 1", "must have a list"),
        ("[[rule", "is no TOML"),
    ],
)
def test_wrong_rules_are_named(tmp_path: Path, rules: str, says: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(rules, encoding="utf-8")
    with pytest.raises(SourceError, match=says):
        import_slurm(tmp_path, slurm_text(slurm_job()), phase_map=str(path))


def test_the_worked_example_of_the_page_works(tmp_path: Path) -> None:
    page = DOCS.read_text(encoding="utf-8")
    content = re.search(r"<!-- example: sacct.txt -->\n```\n(.*?)```", page, re.S)
    rules = re.search(r"<!-- example: phases.toml -->\n```toml\n(.*?)```", page, re.S)
    said = re.search(r"read (\d+) rows, filtered (\d+), landed (\d+), rejected (\d+)", page)
    assert content
    assert rules
    assert said
    (tmp_path / "phases.toml").write_text(rules[1], encoding="utf-8")
    landed = import_slurm(tmp_path, content[1], node_gpus="8", phase_map=str(tmp_path / "phases.toml"))
    result = landed.result
    counts = (result.rows_read, result.rows_filtered, result.rows_landed, result.rows_rejected)
    assert counts == tuple(map(int, said.groups()))
    assert {row["phase"] for row in landed.rows("job_event")} == {"fine_tuning"}
    assert landed.column("job_device", "attempt", "host", "share_fraction") == [(1, "gpu1", 0.5), (2, "gpu2", 0.5)]
    assert all(f"`--{option.name.replace('_', '-')}" in page for option in load("slurm").options)
