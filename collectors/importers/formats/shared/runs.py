"""Options and rows that all formats share whose rows are runs of a tracker: no host, local times, no organisation.

What belongs here: the options that state what such files never tell, a job made of them, rows in batches. What must not
be here: the columns of any tool.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ....contract import PHASES
from ....jobs.job import Job
from ...format import Option, Options, Rows

ZONE = Option(
    "zone",
    "zone of the times in the files, which state none: an IANA name such as Europe/Berlin, UTC, or +08:00",
    required=True,
)
PHASE = Option("phase", "life-cycle phase of the runs; the files do not tell it", choices=PHASES, default="unknown")
ORG = Option("org", "organisation that answers for the runs; without it none")
TEAM = Option("team", "team that ran them; without it none")
PROJECT = Option("project", "project they belong to; without it none")
FACILITY = Option(
    "facility", "id of the facility in wattledger.toml where they ran; without it the patterns of its host names decide"
)

BATCH_ROWS = 2_000
"""Rows of a landing table that are handed on at once."""


def run_job(options: Options, job_id: str, **attributes: Any) -> Job:  # noqa: ANN401 - attributes of Job, of any type
    """Return the job of one run: what its file says, and what the options state.

    Args:
        options: options of the import.
        job_id: identifier of the run.
        **attributes: what the file says; an attribute that it leaves out or states as ``None`` comes from the options.
    """
    given: dict[str, Any] = {name: options.get(name) for name in ("org", "team", "project", "facility")}
    given |= {name: value for name, value in attributes.items() if value is not None}
    given.setdefault("phase", options.get("phase", "unknown"))
    return Job(job_id=job_id, **given)


class Batches:
    """Rows of several landing tables, handed on in batches: a table of Arrow for each row would be slow."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._read = 0

    def add(self, rows: Mapping[str, list[dict[str, Any]]], read: int) -> Iterator[Rows]:
        """Take rows; yield those of all tables once there are enough.

        Args:
            rows: landing table -> rows.
            read: source rows that they were made of.
        """
        self._read += read
        for table, made in rows.items():
            self._rows.setdefault(table, []).extend(made)
        if max((len(held) for held in self._rows.values()), default=0) >= BATCH_ROWS:
            yield from self.rest()

    def rest(self) -> Iterator[Rows]:
        """Yield what is left."""
        held, read = self._rows or {"power_sample": []}, self._read
        self._rows, self._read = {}, 0
        for table, rows in held.items():
            yield Rows(table, rows, read=read)
            read = 0
