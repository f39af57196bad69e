"""Where the attributes of a job come from: flags, environment, project file, pod labels, scheduler, trackers.

What belongs here: reading these places and the order in which they win. What must not be here: anything that is
guessed. What nobody states stays unknown.

The first that states an attribute wins: a flag, ``WATTLEDGER_<ATTRIBUTE>``, the labels of the pod, the project file,
the scheduler. Labels of all places are put together.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .job import COUNTS, Job, JobError, parse_labels, to_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "WATTLEDGER_"
PROJECT_FILE, PYPROJECT_TABLE = "wattledger-job.toml", "wattledger-job"
POD_PREFIX = "wattledger.io/"
"""Pod labels and annotations with this prefix are attributes, the others labels of the job."""

ATTRIBUTES = tuple(name for name in Job.__dataclass_fields__ if name != "labels")
# Environment variable of a scheduler or tracker -> label of the job. Names of persons are no labels.
_LABELS = {
    "SLURM_JOB_NAME": "slurm_job_name",
    "SLURM_JOB_PARTITION": "slurm_partition",
    "RAY_JOB_ID": "ray_job_id",
    "RAY_SUBMISSION_ID": "ray_submission_id",
    "MLFLOW_RUN_ID": "mlflow_run_id",
    "MLFLOW_EXPERIMENT_NAME": "mlflow_experiment",
    "WANDB_RUN_ID": "wandb_run_id",
    "WANDB_PROJECT": "wandb_project",
    "TORCHELASTIC_RUN_ID": "torchelastic_run_id",
    "KUBEFLOW_RUN_ID": "kubeflow_run_id",
    "POD_NAME": "pod_name",
    "POD_NAMESPACE": "pod_namespace",
}
_POD_LINE = re.compile(r'^([^=\s]+)="((?:[^"\\]|\\.)*)"$')
_MADE_UP = re.compile(r"job-[0-9a-f]{32}")
_ESCAPE = re.compile(r"\\(.)")


def job_from(flags: Mapping[str, Any], environ: Mapping[str, str], folder: Path | None = None) -> Job:
    """Return the job that its surroundings describe.

    Args:
        flags: attribute to value, ``None`` for a flag that was not given; ``labels`` is a mapping.
        environ: environment variables; ``WATTLEDGER_LABELS`` has the form ``k=v,k2=v2``.
        folder: where to look for the project file, and in its parents; by default the working folder.

    Raises:
        JobError: if a value cannot be used; the message says where it stands.
    """
    values: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for place, found, found_labels in _places(flags, environ, folder):
        for name, value in found.items():
            if name not in values and value not in (None, ""):
                values[name] = _typed(place, name, value)
        labels = {**found_labels, **labels}
    return Job(**values, labels=labels)


def is_stated(job: Job) -> bool:
    """Return whether somebody stated the id of a job, so that another event of it can be told."""
    return not _MADE_UP.fullmatch(job.job_id)


def _places(
    flags: Mapping[str, Any], environ: Mapping[str, str], folder: Path | None
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, str]]]:
    """Yield name, attributes and labels of every place, the one that wins first."""
    given = {name: flags.get(name) for name in ATTRIBUTES}
    yield "flags", given, flags.get("labels") or {}
    own = {name: environ.get(PREFIX + name.upper()) for name in ATTRIBUTES}
    yield "environment", own, parse_labels(filter(None, environ.get(PREFIX + "LABELS", "").split(",")))
    if podinfo := environ.get(PREFIX + "PODINFO"):
        yield from _pod(Path(podinfo), environ)
    yield from _project(folder or Path.cwd())
    yield (
        "scheduler",
        _scheduler(environ),
        {label: environ[name] for name, label in _LABELS.items() if environ.get(name)},
    )


def _typed(place: str, name: str, value: object) -> object:
    try:
        if name in COUNTS:
            return to_count(name, value)
        if not isinstance(value, (str, int, float)) or isinstance(value, bool):
            msg = f"{name} {value!r} must be a text"
            raise JobError(msg)
        return str(value)
    except JobError as error:
        msg = f"{place}: {error}"
        raise JobError(msg) from error


def _pod(folder: Path, environ: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """Yield what the downward API of Kubernetes mounted: ``labels`` and ``annotations``, lines of ``key="value"``."""
    attributes: dict[str, str] = {}
    labels: dict[str, str] = {}
    for name in ("labels", "annotations"):
        try:
            lines = (folder / name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            msg = f"{folder / name} ({PREFIX}PODINFO) cannot be read: {error}"
            raise JobError(msg) from error
        for line in lines:
            if match := _POD_LINE.match(line):
                key, value = (
                    match[1],
                    _ESCAPE.sub(lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), match[2]),
                )
                if key.startswith(POD_PREFIX):
                    attributes.setdefault(key.removeprefix(POD_PREFIX).replace("-", "_"), value)
                elif name == "labels":
                    labels[key] = value
    unknown = sorted(set(attributes) - set(ATTRIBUTES))
    if unknown:
        msg = f"{folder}: {POD_PREFIX}{unknown[0]} is no attribute of a job; known are {', '.join(ATTRIBUTES)}"
        raise JobError(msg)
    if uid := environ.get("POD_UID"):
        attributes.setdefault("job_id", f"pod-{uid}")
    yield str(folder), attributes, labels


def _project(folder: Path) -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """Yield what the nearest project file says."""
    for parent in (folder, *folder.parents):
        for path, key in ((parent / PROJECT_FILE, None), (parent / "pyproject.toml", PYPROJECT_TABLE)):
            if not path.is_file():
                continue
            found = _toml(path)
            if key is not None:
                found = found.get("tool", {}).get(key)
                if found is None:
                    continue
            labels = found.pop("labels", {})
            for name in found:
                if name not in ATTRIBUTES:
                    msg = f"{path}: unknown key {name!r}; known are {', '.join((*ATTRIBUTES, 'labels'))}"
                    raise JobError(msg)
            yield str(path), found, {str(name): str(value) for name, value in labels.items()}
            return


def _toml(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        if path.name != PROJECT_FILE:
            return {}  # somebody else's file; its faults are not ours to tell
        msg = f"{path} cannot be read: {error}"
        raise JobError(msg) from error


def _scheduler(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what Slurm or an elastic launcher says: one id on every node of a job, so that it is one job."""
    found: dict[str, Any] = {}
    if job := environ.get("SLURM_JOB_ID"):
        array, task = environ.get("SLURM_ARRAY_JOB_ID"), environ.get("SLURM_ARRAY_TASK_ID")
        number = f"{array}_{task}" if array and task else job
        # The id that the import of sacct gives the same job, so that the two are one.
        found["job_id"] = f"{environ.get('SLURM_CLUSTER_NAME') or 'slurm'}/{number}"
        found["team"] = environ.get("SLURM_JOB_ACCOUNT")
        restarts = environ.get("SLURM_RESTART_COUNT", "0")
        found["attempt"] = int(restarts) + 1 if restarts.isdigit() else None
    elif run := environ.get("TORCHELASTIC_RUN_ID"):
        # "none" is what the launcher says when nobody gave the run an id: all such runs would be one job.
        found["job_id"] = f"torchelastic-{run}" if run != "none" else None
    return found
