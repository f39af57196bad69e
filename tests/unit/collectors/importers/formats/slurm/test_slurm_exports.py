"""The exports of Slurm's accounting: texts and JSON of all releases say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.importers.errors import SourceError
from tests.support.slurm_exports import (
    COLUMNS,
    SAMPLED,
    T0_S,
    import_slurm,
    json_job,
    set_number,
    slurm_job,
    slurm_json,
    slurm_step,
    slurm_text,
)


def test_few_columns_suffice_in_any_order_and_separated_by_anything(tmp_path: Path) -> None:
    few = ["NodeList", "State", "End", "Start", "Submit", "JobIDRaw"]
    for number, (delimiter, end) in enumerate((("|", ""), ("|", "|"), ("\x1f", ""), (";", "")), 1):
        text = slurm_text(slurm_job(), slurm_step("100", "0"), columns=few, delimiter=delimiter, end=end)
        landed = import_slurm(tmp_path, text, f"{number}.txt", cluster="c")
        assert [row[:4] for row in landed.events()] == [
            ("c/100", 1, 0, "submitted"),
            ("c/100", 1, 60, "started"),
            ("c/100", 1, 3660, "ended"),
        ]
        assert landed.result.rows_rejected == 0


def test_a_name_with_the_delimiter_is_harmless_only_in_the_last_column(tmp_path: Path) -> None:
    landed = import_slurm(
        tmp_path, slurm_text(slurm_job(JobName="a|b"), slurm_job(JobID="101", WCKey="a|b")), labels="job_name"
    )
    assert [dict(row["labels"])["job_name"] for row in landed.rows("job_event")] == ["a|b"] * 3 + ["b|process"] * 3
    moved = slurm_text(
        slurm_job(JobName="a|b"), slurm_job(JobID="101"), columns=["JobName", *COLUMNS[:-1], "AllocNodes"]
    )
    result = import_slurm(tmp_path, moved).result
    assert (result.rejected_by_reason, result.rejected[0].row) == ({"torn_row": 1}, 1)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("JobID|State\n1|COMPLETED\n", "the header lacks submit, start, end, nodelist, cluster"),
        ("100|alps|1717200000\n", "begins with no header"),
        ("JobID           JobName  Partition\n", "lacks submit"),
        ("", "begins with no header"),
    ],
)
def test_an_export_without_its_header_is_refused_with_the_command(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        import_slurm(tmp_path, text)
    assert "SLURM_TIME_FORMAT=%s sacct --allusers --duplicates --parsable2" in str(caught.value)


def test_local_times_need_a_zone_and_must_exist_once(tmp_path: Path) -> None:
    local = {"Submit": "2024-06-01T02:00:00", "Start": "2024-06-01T02:01:00", "End": "2024-06-01T03:01:00"}
    with pytest.raises(
        SourceError, match="is local time: export with SLURM_TIME_FORMAT=%s, or state the cluster's zone"
    ):
        import_slurm(tmp_path, slurm_text(slurm_job(**local)))
    landed = import_slurm(tmp_path, slurm_text(slurm_job(**local)), zone="Europe/Berlin")
    assert [row[2] for row in landed.events()] == [0, 60, 3660]
    odd = [
        slurm_job(**{**local, "Start": "2023-10-29T02:30:00", "Submit": "2023-10-29T00:30:00"}),
        slurm_job(JobID="101", **{**local, "Submit": "2024-03-31T02:30:00"}),
        slurm_job(JobID="102", **{**local, "Start": "Ystday 12:00"}),
        slurm_job(JobID="103", **{**local, "End": "2024-06-01T02:00:30"}),
    ]
    assert import_slurm(tmp_path, slurm_text(*odd), zone="Europe/Berlin").result.rejected_by_reason == {
        "ambiguous_time": 1,
        "nonexistent_time": 1,
        "out_of_range": 1,
        "unparseable_time": 1,
    }


def test_the_json_of_a_job_gives_the_rows_that_its_text_gives(tmp_path: Path) -> None:
    columns = [*COLUMNS, "Restarts"]
    text = slurm_text(slurm_job(ConsumedEnergyRaw=2**33, Restarts=0), columns=columns)
    by_text = import_slurm(tmp_path, text, node_cpus="64", **SAMPLED)
    by_json = import_slurm(tmp_path, slurm_json(json_job()), "sacct.json", node_cpus="64", **SAMPLED)
    for name in ("job_event", "job_device", "power_sample"):
        assert by_json.rows(name) == by_text.rows(name)
    assert by_json.column("stated_figure", "version", "value") == [("25.05.1", 2.0**33)]
    assert by_text.column("stated_figure", "version", "value") == [("unknown", 2.0**33)]


def test_older_json_has_plain_numbers_and_texts(tmp_path: Path) -> None:
    old = json_job(
        array={"job_id": 0, "task_id": 4_294_967_294, "task": None},
        het={"job_id": None, "job_offset": None},
        state={"current": "CANCELLED", "reason": "None"},
        exit_code={"status": "SIGNALED", "signal": {"signal_id": 15, "name": "Terminated"}},
        association={"account": "vision", "user": "alice"},
        comment="hello",
        wckey=None,
    )
    meta = {"plugin": {"type": "openapi/dbv0.0.38"}, "Slurm": {"release": "22.05.5"}}
    landed = import_slurm(tmp_path, slurm_json(old, meta=meta), "sacct.json")
    ended = next(row for row in landed.rows("job_event") if row["event"] == "ended")
    assert (ended["job_id"], ended["state"], ended["exit_code"]) == ("alps/100", "cancelled", 143)
    assert landed.rows("stated_figure")[0]["version"] == "22.05.5"


def test_json_of_slurm_21_states_eligibility_in_place_of_the_start_and_no_exit_code(tmp_path: Path) -> None:
    job = json_job(time={"submission": T0_S, "start": T0_S + 5, "end": T0_S + 3660, "elapsed": 3500, "suspended": 100})
    meta = {"plugin": {"type": "openapi/dbv0.0.37"}, "Slurm": {"release": "21.08.8"}}
    landed = import_slurm(tmp_path, slurm_json(job, meta=meta), "sacct.json")
    assert [row[2:4] for row in landed.events()] == [(0, "submitted"), (60, "started"), (3660, "ended")]
    assert {row["exit_code"] for row in landed.rows("job_event")} == {None}
    assert import_slurm(tmp_path, slurm_json(job), "new.json").events()[1][2] == 5


@pytest.mark.parametrize(("plugin", "hours", "stated"), [(38, 1, True), (38, 100, False), (43, 100, True)])
def test_the_energy_of_a_step_may_have_gone_round_in_old_json(
    tmp_path: Path, plugin: int, hours: int, stated: bool
) -> None:
    end = T0_S + 60 + hours * 3600
    step = {
        "step": {"id": "100.extern", "name": "extern"},
        "nodes": {"count": 1, "range": "node01"},
        "time": {"start": set_number(T0_S + 60), "end": set_number(end)},
        "statistics": {"energy": {"consumed": set_number(5_000_000) if plugin > 38 else 5_000_000}},
    }
    times = {"submission": T0_S, "start": T0_S + 60, "end": end}
    job = json_job(time=times, tres={"allocated": []}, steps=[step])
    meta = {"plugin": {"type": f"openapi/dbv0.0.{plugin}"}}
    landed = import_slurm(tmp_path, slurm_json(job, meta=meta), "sacct.json")
    assert [row["value"] for row in landed.rows("stated_figure")] == ([5_000_000.0] if stated else [])


def test_json_arrays_and_heterogeneous_jobs_have_the_ids_that_sacct_shows(tmp_path: Path) -> None:
    jobs = [
        json_job(job_id=8, array={"job_id": 7, "task_id": set_number(1), "task": ""}),
        json_job(job_id=21, het={"job_id": 20, "job_offset": set_number(1)}),
        json_job(
            job_id=7, array={"job_id": 7, "task_id": set_number(None), "task": "2-9"}, state={"current": ["CANCELLED"]}
        ),
        json_job(job_id=0),
    ]
    landed = import_slurm(tmp_path, slurm_json(*jobs, errors=[{"error": "x"}]), "sacct.json")
    assert {row["job_id"] for row in landed.rows("job_event")} == {"alps/7_1", "alps/20+1", "alps/7_[2-9]"}
    assert landed.result.rejected_by_reason == {"missing_value": 1}
    assert any("sacct reported 1 errors" in text for text in landed.result.findings)


@pytest.mark.parametrize(
    "text", ['{"jobs": [{"job_id": 1, "submit_time": 5}]}', '{"nodes": []}', '{"jobs": [{"time"', '{"jobs": 3}']
)
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match=r"sacct\.json: is no"):
        import_slurm(tmp_path, text, "sacct.json")
