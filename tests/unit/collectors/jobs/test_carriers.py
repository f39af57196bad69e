"""Attributes of a job come from where somebody stated them, and the nearest statement wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.jobs.carriers import job_from
from collectors.jobs.job import JobError

SLURM = {
    "SLURM_JOB_ID": "4711",
    "SLURM_CLUSTER_NAME": "alpha",
    "SLURM_JOB_ACCOUNT": "vision",
    "SLURM_JOB_NAME": "resnet",
    "SLURM_JOB_PARTITION": "gpu",
    "SLURM_JOB_USER": "jane",
    "SLURM_RESTART_COUNT": "2",
}


def _project(folder: Path, text: str, name: str = "wattledger-job.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_slurm_job_is_the_same_job_on_all_its_nodes(tmp_path: Path) -> None:
    nodes = [job_from({}, SLURM | {"SLURM_NODEID": str(node), "SLURM_PROCID": "9"}, tmp_path) for node in range(3)]
    assert nodes[0] == nodes[1] == nodes[2]
    assert (nodes[0].job_id, nodes[0].attempt, nodes[0].team) == ("alpha/4711", 3, "vision")
    assert nodes[0].labels == {"slurm_job_name": "resnet", "slurm_partition": "gpu"}
    assert nodes[0].user_ref is None


def test_tasks_of_an_array_are_jobs_of_their_own(tmp_path: Path) -> None:
    array = {"SLURM_ARRAY_JOB_ID": "4700", "SLURM_ARRAY_TASK_ID": "11"}
    assert job_from({}, SLURM | array, tmp_path).job_id == "alpha/4700_11"


def test_an_elastic_launcher_without_a_run_id_makes_no_common_job(tmp_path: Path) -> None:
    assert job_from({}, {"TORCHELASTIC_RUN_ID": "r7"}, tmp_path).job_id == "torchelastic-r7"
    assert job_from({}, {"TORCHELASTIC_RUN_ID": "none"}, tmp_path).job_id.startswith("job-")


def test_the_nearest_statement_wins_and_labels_are_put_together(tmp_path: Path) -> None:
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    _project(
        tmp_path, 'team = "file"\nproject = "file"\nmodel = "file"\nparameters_n = 7e9\n[labels]\nx = "file"\ny = 1\n'
    )
    environ = SLURM | {
        "WATTLEDGER_TEAM": "environment",
        "WATTLEDGER_MODEL": "environment",
        "WATTLEDGER_LABELS": "x=env",
    }
    job = job_from({"model": "flag", "labels": {"z": "flag"}}, environ, work)
    assert (job.model, job.team, job.project, job.parameters_n) == ("flag", "environment", "file", 7_000_000_000)
    assert job.job_id == "alpha/4711"
    assert {name: job.labels[name] for name in "xyz"} == {"x": "env", "y": "1", "z": "flag"}


def test_the_project_may_stand_in_pyproject(tmp_path: Path) -> None:
    _project(tmp_path, '[tool.other]\na = 1\n[tool.wattledger-job]\nteam = "t"\n', "pyproject.toml")
    assert job_from({}, {}, tmp_path).team == "t"
    inner = _project(tmp_path / "inner", "[tool.other]\na = 1\n", "pyproject.toml")
    assert job_from({}, {}, inner).team == "t"
    broken = _project(tmp_path / "broken", "[tool.other\n", "pyproject.toml")
    assert job_from({}, {}, broken).team == "t"


def test_what_a_pod_was_given_by_the_downward_api(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text('app="trainer"\nwattledger.io/team="vision"\nwattledger.io/model-version="2"\n')
    (tmp_path / "annotations").write_text('wattledger.io/project="a \\"b\\"\\nc"\nkubernetes.io/config.seen="x"\n')
    environ = {"WATTLEDGER_PODINFO": str(tmp_path), "POD_UID": "u-1", "POD_NAME": "p"}
    job = job_from({}, environ, tmp_path)
    assert (job.job_id, job.team, job.model_version, job.project) == ("pod-u-1", "vision", "2", 'a "b"\nc')
    assert job.labels == {"app": "trainer", "pod_name": "p"}


def test_trackers_are_labels(tmp_path: Path) -> None:
    environ = {"MLFLOW_RUN_ID": "m", "RAY_JOB_ID": "r", "WANDB_RUN_ID": "w"}
    assert job_from({}, environ, tmp_path).labels == {"mlflow_run_id": "m", "ray_job_id": "r", "wandb_run_id": "w"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("taem = 'x'", "unknown key 'taem'; known are job_id, attempt, org"),
        ("team = [1]", r"team \[1\] must be a text"),
        ("team = ", "cannot be read"),
        ("phase = 'trainning'", "phase 'trainning' is not known"),
        ("parameters_n = 'many'", "wattledger-job.toml: parameters_n 'many' is not a whole number"),
    ],
)
def test_a_wrong_project_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(JobError, match=says):
        job_from({}, {}, _project(tmp_path, text))


def test_a_pod_label_that_is_no_attribute_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text('wattledger.io/taem="vision"\n')
    with pytest.raises(JobError, match=r"wattledger\.io/taem is no attribute"):
        job_from({}, {"WATTLEDGER_PODINFO": str(tmp_path)}, tmp_path)
