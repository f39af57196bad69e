"""``sacct --parsable2`` as records.

What belongs here: the columns of the text. What must not be here: rows of the ledger, other exports.

Reference: Slurm, sacct(1), "Job Accounting Fields"; src/common/parse_time.c for ``Unknown`` and ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path

from ...errors import MISSING_VALUE, OUT_OF_RANGE, TORN_ROW, UNPARSEABLE_TIME, RefusedError, RejectedRow, SourceError
from ...format import LeftOut, Source, rejected
from ...moments import MomentError, moment_ms
from .nodes import nodes_of
from .record import Record, Step, exit_code_of, gpus_of, joules_of, state_of, tres_of

COMMAND = (
    "SLURM_TIME_FORMAT=%s sacct --allusers --duplicates --parsable2 --format=JobID,JobIDRaw,Cluster,Submit,Start,End,"
    "State,ExitCode,NodeList,AllocCPUS,AllocTRES,ConsumedEnergyRaw,Account,User,Partition,QOS,WCKey,JobName"
)
"""The export that has all that is read."""
NEEDED = ("submit", "start", "end", "state", "nodelist")
_NO_TIME = ("", "unknown", "none", "n/a")
_FREE_TEXT = ("jobname", "comment", "admincomment", "systemcomment", "submitline", "workdir", "extra", "reason")
_FIELDS = {
    "account": "account",
    "user": "user",
    "partition": "partition",
    "qos": "qos",
    "comment": "comment",
    "wckey": "wckey",
    "jobname": "job_name",
    "jobidraw": "raw_id",
}
_JOB = re.compile(r"\d+(?:_(?:\d+|\[.*\]))?(?:\+\d+)?\Z")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_/]*")
_SPAN = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)(?:\.\d+)?\Z")
_EXCLUSIVE = {"NODE": True, "TOPO": True, "NO": False, "USER": False, "MCS": False}
_SHOWN = ("jobid", "jobidraw", "cluster", "submit", "start", "end", "state", "nodelist", "alloccpus", "alloctres")
TABLE = "job_event"
Found = Record | RejectedRow | LeftOut


class SacctText:
    """One text file."""

    def __init__(self, source: Source, path: Path, zone: tzinfo | None, cluster: str | None) -> None:
        """Take the file.

        Args:
            source: the import.
            path: the file.
            zone: zone of times that state none, or ``None``.
            cluster: cluster of records that name none, or ``None``.
        """
        self._lines = source.lines(path)
        self._shown = source.shown(path)
        self._zone, self._cluster = zone, cluster
        self._names: list[str] = []

    def records(self) -> Iterator[Found]:
        """Yield the runs of jobs with their steps, and what cannot be taken.

        Raises:
            SourceError: if the header or the times are not those of the command in the documentation.
        """
        delimiter, trailing = self._header(next(self._lines, ""))
        waiting: Record | None = None
        for number, line in enumerate(self._lines, 1):
            if not line:
                continue
            cells = self._cells(line.removesuffix(delimiter) if trailing else line, delimiter)
            if cells is None:
                yield rejected(TABLE, TORN_ROW, "has another number of cells than the header", self._shown, number, {})
                continue
            job = cells.get("jobid") or cells.get("jobidraw", "")
            try:
                if _JOB.match(job):
                    if waiting:
                        yield waiting
                    waiting = None
                    waiting = self._record(number, job, cells)
                else:
                    self._step(job, cells, waiting)
                    yield LeftOut(1)
            except RefusedError as error:
                shown = {name: cells[name] for name in _SHOWN if name in cells}
                shown["state"] = shown.get("state", "").partition(" ")[0]
                yield rejected(TABLE, error.reason, str(error), self._shown, number, shown)
        if waiting:
            yield waiting

    def _header(self, line: str) -> tuple[str, bool]:
        first = _NAME.match(line)
        second = _NAME.search(line, first.end()) if first else None
        if first is None or second is None:
            raise SourceError(self._shown, f"begins with no header of sacct --parsable2. Export with:\n{COMMAND}")
        delimiter = line[first.end() : second.start()]
        trailing = line.endswith(delimiter)
        self._names = [name.lower() for name in line.removesuffix(delimiter).split(delimiter)]
        missing = [name for name in NEEDED if name not in self._names]
        if "jobid" not in self._names and "jobidraw" not in self._names:
            missing.insert(0, "jobid")
        if self._cluster is None and "cluster" not in self._names:
            missing.append("cluster (or state it by --cluster)")
        if missing or (not delimiter.strip(" \t") and delimiter != "\t"):
            what = f"lacks {', '.join(missing)}" if missing else "is not separated by one sign"
            raise SourceError(self._shown, f"the header {what}. Export with:\n{COMMAND}")
        return delimiter, trailing

    def _cells(self, line: str, delimiter: str) -> dict[str, str] | None:
        count = len(self._names)
        # sacct does not escape: what people write may hold the delimiter. That is harmless only in the last column, and
        # only if no other column can have held it.
        written = [name for name in self._names if name in _FREE_TEXT]
        cells = line.split(delimiter, count - 1 if written == self._names[-1:] else -1)
        return dict(zip(self._names, cells, strict=True)) if len(cells) == count else None

    def _record(self, number: int, job: str, cells: dict[str, str]) -> Record:
        submit_ms = self._time(cells["submit"])
        start_ms, end_ms = self._time(cells["start"]), self._time(cells["end"])
        if submit_ms is None:
            raise RefusedError(MISSING_VALUE, "Submit is missing")
        if start_ms is not None and end_ms is not None and end_ms < start_ms:
            raise RefusedError(OUT_OF_RANGE, f"End {cells['end']} is before Start {cells['start']}")
        tres = tres_of(cells.get("alloctres", ""))
        cpus = cells.get("alloccpus") or cells.get("ncpus") or ""
        energy = cells.get("consumedenergyraw") or cells.get("consumedenergy") or ""
        restarts = cells.get("restarts", "")
        return Record(
            cells.get("cluster") or self._cluster or "",
            job,
            state_of(cells["state"]),
            submit_ms,
            start_ms,
            end_ms,
            nodes_of(cells["nodelist"]),
            {name: cells[column] for column, name in _FIELDS.items() if cells.get(column)},
            cpus=int(cpus) if cpus.isdigit() else tres.get("cpu"),
            gpus=gpus_of(tres),
            energy_j=joules_of(energy) if energy else tres.get("energy"),
            exclusive=_EXCLUSIVE.get(cells.get("exclusive", "").upper()),
            restarts=int(restarts) if restarts.isdigit() else None,
            origin=cells.get("originalsluid") or None,
            suspended_s=_seconds(cells.get("suspended", "")),
            exit_code=exit_code_of(cells.get("exitcode", "")),
            file=self._shown,
            row=number,
        )

    def _step(self, job: str, cells: dict[str, str], record: Record | None) -> None:
        """Add a step to its job; steps follow it, and those of a job that was refused are left out."""
        owner, dot, name = job.partition(".")
        if not dot or not _JOB.match(owner):
            raise RefusedError(MISSING_VALUE, f"JobID {job!r} is neither a job nor a step")
        if record is None or owner not in (record.number, record.fields.get("raw_id")):
            return
        energy = joules_of(cells.get("consumedenergyraw") or cells.get("consumedenergy") or "")
        record.steps.append(Step(name, self._time(cells["start"]), self._time(cells["end"]), energy))

    def _time(self, text: str) -> int | None:
        text = text.strip()
        if text.lower() in _NO_TIME:
            return None
        if text.isdigit():
            return int(text) * 1000 or None
        if self._zone is None:
            msg = f"{text!r} is local time: export with SLURM_TIME_FORMAT=%s, or state the cluster's zone by --zone"
            raise SourceError(self._shown, msg)
        try:
            return moment_ms(text, self._zone)
        except MomentError as error:
            hint = "; export with SLURM_TIME_FORMAT=%s" if error.reason == UNPARSEABLE_TIME else ""
            raise RefusedError(error.reason, f"{error}{hint}") from error


def _seconds(text: str) -> int:
    match = _SPAN.match(text.strip())
    if match is None:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
