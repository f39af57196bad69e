"""Exports of a Slurm cluster as text and JSON, and what an import of them landed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from collectors.contract import TABLES
from collectors.importers.formats import load
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult
from collectors.landing.reader import read_landed

T0_S = 1_717_200_000  # 2024-06-01 00:00:00 UTC
T0 = T0_S * 1000
COLUMNS = [
    *("JobID", "JobIDRaw", "Cluster", "Submit", "Start", "End", "State", "ExitCode", "NodeList", "AllocCPUS"),
    *("AllocTRES", "ConsumedEnergyRaw", "Account", "User", "Partition", "QOS", "WCKey", "JobName"),
]
DEFAULT = {
    "JobID": "100",
    "Cluster": "alps",
    "Submit": T0_S,
    "Start": T0_S + 60,
    "End": T0_S + 3660,
    "State": "COMPLETED",
    "ExitCode": "0:0",
    "NodeList": "node01",
    "AllocCPUS": 64,
    "AllocTRES": "billing=64,cpu=64,mem=16G,node=1",
    "Account": "vision",
    "User": "alice",
    "Partition": "cpu",
    "QOS": "normal",
    "WCKey": "*",
    "JobName": "process",
}
SAMPLED = {"energy": "samples", "energy_type": "ipmi"}


def slurm_job(**changes: object) -> dict[str, object]:
    """Return a job as columns of sacct; what is not stated is that of `DEFAULT`."""
    job = {**DEFAULT, **changes}
    return {"JobIDRaw": str(job["JobID"]).partition("_")[0], **job}


def slurm_step(job: str, name: str, energy: object = "", start: int = 60, end: int = 3660) -> dict[str, object]:
    """Return a step of a job; start and end in seconds after `T0_S`, energy as written."""
    times = {"Submit": T0_S + start, "Start": T0_S + start, "End": T0_S + end}
    return slurm_job(JobID=f"{job}.{name}", JobIDRaw=f"{job}.{name}", ConsumedEnergyRaw=energy, User="", **times)


def slurm_text(*jobs: dict[str, object], columns: list[str] | None = None, delimiter: str = "|", end: str = "") -> str:
    """Return jobs and steps as `sacct --parsable2` writes them."""
    names = columns or COLUMNS
    lines = [names, *([str(job.get(name, "")) for name in names] for job in jobs)]
    return "".join(delimiter.join(line) + end + "\n" for line in lines)


def set_number(number: int | None) -> dict[str, Any]:
    """Return a number as newer JSON of Slurm writes it; `None` is not set."""
    return {"set": number is not None, "infinite": False, "number": number or 0}


def json_job(**changes: Any) -> dict[str, Any]:
    """Return the job of `slurm_job` as `sacct --json` writes it."""
    job = {
        "job_id": 100,
        "array": {"job_id": 0, "task_id": set_number(None), "task": ""},
        "het": {"job_id": 0, "job_offset": set_number(None)},
        "cluster": "alps",
        "account": "vision",
        "user": "alice",
        "partition": "cpu",
        "qos": "normal",
        "name": "process",
        "wckey": {"wckey": "", "flags": []},
        "comment": {"administrator": "", "job": "", "system": ""},
        "state": {"current": ["COMPLETED"], "reason": "None"},
        "exit_code": {
            "status": ["SUCCESS"],
            "return_code": set_number(0),
            "signal": {"id": set_number(None), "name": ""},
        },
        "nodes": "node01",
        "restart_cnt": 0,
        "time": {"submission": T0_S, "start": T0_S + 60, "end": T0_S + 3660, "elapsed": 3600, "suspended": 0},
        "tres": {
            "allocated": [
                {"type": "cpu", "name": "", "id": 1, "count": 64},
                {"type": "billing", "name": "", "id": 5, "count": 999},
                {"type": "energy", "name": "", "id": 3, "count": 2**33},
            ]
        },
        "steps": [],
    }
    return job | changes


def slurm_json(*jobs: dict[str, Any], **more: Any) -> str:
    """Return jobs as `sacct --json` writes them."""
    meta = {"plugin": {"data_parser": "data_parser/v0.0.43"}, "slurm": {"release": "25.05.1"}}
    return json.dumps({"jobs": list(jobs), "meta": meta, "errors": [], "warnings": [], **more})


class Landed:
    """What an import landed, by table."""

    def __init__(self, result: ImportResult) -> None:
        self.result = result
        self._rows: dict[str, list[dict[str, Any]]] = {}
        for file in result.files:
            landed = read_landed(file)
            self._rows.setdefault(file.relative_to(file.parents[3]).parts[0], []).extend(landed.rows.to_pylist())

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return the rows of a table in order of key."""
        key = TABLES[table].key
        return sorted(self._rows.get(table, []), key=lambda row: tuple(map(str, (row[name] for name in key))))

    def column(self, table: str, *names: str) -> list[Any]:
        """Return one column as values, several as tuples."""
        return [tuple(row[name] for name in names) if len(names) > 1 else row[names[0]] for row in self.rows(table)]

    def events(self) -> list[tuple[Any, ...]]:
        """Return job, attempt, seconds after `T0_S`, event and state, in order."""
        found = self.column("job_event", "job_id", "attempt", "ts_ms", "event", "state")
        return sorted((*row[:2], (row[2] - T0) // 1000, *row[3:]) for row in found)


def import_slurm(tmp_path: Path, content: str, name: str = "sacct.txt", **options: str) -> Landed:
    """Import an export and return what landed."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return Landed(import_format(load("slurm"), path, tmp_path / "landing", options))
