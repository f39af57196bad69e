"""``sacct --json`` as records.

What belongs here: the shapes of the JSON from Slurm 21.08 on. What must not be here: rows of the ledger, other exports.

Reference: Slurm, src/plugins/openapi/dbv0.0.36 to 38 (21.08, 22.05) and src/plugins/data_parser (23.02 and later).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import MISSING_VALUE, OUT_OF_RANGE, RefusedError, RejectedRow, SourceError
from ...format import Finding, LeftOut, Source, rejected
from .nodes import nodes_of
from .record import NOT_SET, Record, Step, exit_code, gpus_of, state_of

TABLE = "job_event"
_OLD_PLUGIN = re.compile(r"dbv0\.0\.(\d+)")
_START_IS_ELIGIBLE = (36, 37)
"""Plugins that write the time at which a job became eligible where its start belongs."""
_FIRST_GENERATION = (36, 37, 38)
"""Plugins that write the lower 32 bits of the energy of a step, and 0 as the code of every job that exited."""
_MOST_NODE_W = 20_000
"""No node draws more, so a step that stays below 2^32 J at this power cannot have gone round [W]. Twice the rated
maximum of an 8-GPU node, 10.2 kW (NVIDIA, DGX H100 data sheet, 2023)."""
_EXCLUSIVE = {"node": True, "topo": True, "no": False, "user": False, "mcs": False}
Found = Record | RejectedRow | LeftOut | Finding


class SacctJson:
    """One JSON file.

    Attributes:
        version: version of Slurm that wrote it, ``None`` if it is not told.
    """

    def __init__(self, source: Source, path: Path, cluster: str | None) -> None:
        """Read the file.

        Args:
            source: the import.
            path: the file.
            cluster: cluster of records that name none, or ``None``.

        Raises:
            SourceError: if it is no ``sacct --json``.
        """
        self._shown, self._cluster = source.shown(path), cluster
        try:
            document = json.loads(source.read_bytes(path))
        except ValueError as error:
            raise SourceError(self._shown, f"is no JSON: {error}") from error
        jobs = document.get("jobs") if isinstance(document, dict) else None
        if not isinstance(jobs, list) or not all(isinstance(_at(job, "time"), dict) for job in jobs):
            raise SourceError(self._shown, "is no output of sacct --json: it has no list `jobs` with `time` in each")
        meta = document.get("meta") or {}
        slurm = meta.get("slurm") or meta.get("Slurm") or {}
        self.version = str(slurm["release"]) if slurm.get("release") else None
        plugin = _OLD_PLUGIN.search(json.dumps(meta.get("plugin") or {}))
        self._plugin = int(plugin[1]) if plugin else 0
        self._jobs: list[dict[str, Any]] = jobs
        self._errors = document.get("errors") or []

    def records(self) -> Iterator[Found]:
        """Yield the runs of jobs with their steps, and what cannot be taken."""
        if self._errors:
            yield Finding(f"{self._shown}: sacct reported {len(self._errors)} errors; the export may lack jobs")
        for number, job in enumerate(self._jobs, 1):
            try:
                record = self._record(number, job)
            except RefusedError as error:
                shown = {"job_id": job.get("job_id"), "cluster": job.get("cluster"), "nodes": job.get("nodes")}
                yield rejected(TABLE, error.reason, str(error), self._shown, number, shown)
                continue
            yield record

    def _record(self, number: int, job: dict[str, Any]) -> Record:
        times = job["time"]
        submit_ms, start_ms, end_ms = (_ms(times.get(name)) for name in ("submission", "start", "end"))
        cluster = job.get("cluster") or self._cluster
        if submit_ms is None or not cluster:
            what = "time.submission" if submit_ms is None else "cluster (or state it by --cluster)"
            raise RefusedError(MISSING_VALUE, f"{what} is missing")
        suspended_s = _number(times.get("suspended")) or 0
        if self._plugin in _START_IS_ELIGIBLE and start_ms is not None:
            elapsed_s = _number(times.get("elapsed"))
            known = end_ms is not None and elapsed_s is not None
            start_ms = end_ms - (elapsed_s + suspended_s) * 1000 if known else None  # type: ignore[operator]
        if start_ms is not None and end_ms is not None and end_ms < start_ms:
            raise RefusedError(OUT_OF_RANGE, f"time.end {end_ms} ms is before time.start {start_ms} ms")
        tres = _tres(_at(job, "tres", "allocated"))
        energy = tres.get("energy")
        return Record(
            str(cluster),
            _id_of(job),
            state_of(_state(job)),
            submit_ms,
            start_ms,
            end_ms,
            nodes_of(str(job.get("nodes") or "")),
            _fields(job),
            cpus=tres.get("cpu"),
            gpus=gpus_of(tres),
            energy_j=None if energy in NOT_SET else energy,
            steps=[self._step(step) for step in job.get("steps") or ()],
            exclusive=_EXCLUSIVE.get(str(job.get("exclusive") or "").lower()),
            restarts=_number(job.get("restart_cnt")),
            origin=_text(job.get("original_sluid")),
            suspended_s=suspended_s,
            exit_code=_exit_code(job.get("exit_code"), signal_only=self._plugin in _FIRST_GENERATION),
            file=self._shown,
            row=number,
        )

    def _step(self, step: dict[str, Any]) -> Step:
        start_ms, end_ms = _ms(_at(step, "time", "start")), _ms(_at(step, "time", "end"))
        energy = _number(_at(step, "statistics", "energy", "consumed"))
        if energy in NOT_SET or (self._plugin in _FIRST_GENERATION and not _fits_32_bits(step, start_ms, end_ms)):
            energy = None
        name = str(_at(step, "step", "id") or _at(step, "step", "name") or "")
        return Step(name.rpartition(".")[2], start_ms, end_ms, energy)


def _fits_32_bits(step: dict[str, Any], start_ms: int | None, end_ms: int | None) -> bool:
    nodes = _number(_at(step, "nodes", "count")) or 1
    if start_ms is None or end_ms is None:
        return False
    return nodes * (end_ms - start_ms) / 1000 * _MOST_NODE_W < 2**32


def _at(value: object, *path: str) -> Any:  # noqa: ANN401 - JSON has no narrower type
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _number(value: object) -> int | None:
    """Return a number, plain or as ``{set, infinite, number}``; ``None`` if it is not set."""
    if isinstance(value, dict):
        return _number(value.get("number")) if value.get("set", True) and not value.get("infinite") else None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def _ms(value: object) -> int | None:
    seconds = _number(value)
    return None if not seconds or seconds in NOT_SET else seconds * 1000


def _text(value: object) -> str | None:
    return str(value) if value not in (None, "", 0) else None


def _state(job: dict[str, Any]) -> str:
    state = job.get("state")
    current = state.get("current") if isinstance(state, dict) else state
    if isinstance(current, list):
        current = current[0] if current else ""
    return str(current or "")


def _id_of(job: dict[str, Any]) -> str:
    """Return the job id as ``sacct`` shows it."""
    array, task = _number(_at(job, "array", "job_id")), _number(_at(job, "array", "task_id"))
    het, offset = _number(_at(job, "het", "job_id")), _number(_at(job, "het", "job_offset"))
    if array and task is not None and task not in NOT_SET:
        return f"{array}_{task}"
    if array and _at(job, "array", "task"):
        return f"{array}_[{_at(job, 'array', 'task')}]"
    if het and offset is not None and offset not in NOT_SET:
        return f"{het}+{offset}"
    number = _number(job.get("job_id"))
    if not number:
        raise RefusedError(MISSING_VALUE, "job_id is missing")
    return str(number)


def _tres(items: object) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items if isinstance(items, list) else ():
        name, count = "/".join(filter(None, (_at(item, "type"), _at(item, "name")))), _number(_at(item, "count"))
        if count is not None and name != "billing":
            found[name] = count
    return found


def _fields(job: dict[str, Any]) -> dict[str, str]:
    wckey = job.get("wckey")
    comment = job.get("comment")
    found = {
        "account": job.get("account") or _at(job, "association", "account"),
        "user": job.get("user") or _at(job, "association", "user"),
        "partition": job.get("partition"),
        "qos": job.get("qos"),
        "comment": _at(comment, "job") if isinstance(comment, dict) else comment,
        "wckey": _at(wckey, "wckey") if isinstance(wckey, dict) else wckey,
        "job_name": job.get("name"),
        "raw_id": job.get("job_id"),
    }
    return {name: str(value) for name, value in found.items() if value}


def _exit_code(value: object, *, signal_only: bool) -> int | None:
    code = None if signal_only else _number(_at(value, "return_code"))
    signal = _number(_at(value, "signal", "id")) or _number(_at(value, "signal", "signal_id")) or 0
    signal = 0 if signal in NOT_SET else signal
    return None if code is None and not signal else exit_code(code or 0, signal)
