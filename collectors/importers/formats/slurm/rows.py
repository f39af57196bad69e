"""Records of Slurm as rows of the ledger.

What belongs here: events, holds of nodes and stated energy of one run of a job. What must not be here: exports, and
which records are runs of one job (``slurm``).
"""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ....jobs.job import Job
from ...energy import MJ_PER_J, counter_rows, session_of
from ...errors import SourceError
from ...format import Options
from ..shared.stated import UNKNOWN, Statement
from .nodes import NodeSizes
from .record import RESIZING, Energy, Record
from .rules import Rules

SAMPLES = "samples"
NODES, NONE = "nodes", "none"
"""What becomes of the nodes of a job: a hold of each, or nothing, because the nodes themselves tell."""
SOURCE = "slurm"
METHOD = "acct_gather_energy"
PROJECT_FIELDS = ("wckey", "account", "comment", "partition", "qos", "job_name")
LABEL_FIELDS = ("partition", "qos", "job_name", "comment", "wckey", "account", "raw_id")
_PSEUDONYM_DIGITS = 32
_DEFAULT_WCKEY = "*"


@dataclass(frozen=True, slots=True)
class Meter:
    """What a plugin for energy of Slurm reads.

    Attributes:
        device: device id.
        kind: kind of device.
        point: where it is measured.
        source: interface.
    """

    device: str
    kind: str
    point: str
    source: str


METERS = {
    "ipmi": Meter("node", "node", "ac", "ipmi"),
    "xcc": Meter("node", "node", "ac", "ipmi"),
    "pm_counters": Meter("node", "node", "dc", "meter"),
    "rapl": Meter("cpu-packages", "cpu", "package", "rapl"),
}
"""Value of AcctGatherEnergyType after its last slash -> what it reads. ``gpu`` is not among them: its figure is the sum
over GPUs whose ids Slurm does not tell."""


@dataclass(slots=True)
class Tally:
    """What is told at the end of an import, counted as it comes.

    Attributes:
        counts: what -> how many runs of jobs.
    """

    counts: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class RowMaker:
    """Makes the rows of a run of a job.

    Attributes:
        rules: rules of the site.
        sizes: sizes of the nodes.
        options: options of the import.
        tally: what is told at the end.
        version: version of Slurm, if the export tells it.
    """

    rules: Rules
    sizes: NodeSizes
    options: Options
    tally: Tally
    version: str = UNKNOWN

    def job(self, record: Record, job_id: str, attempt: int) -> Job:
        """Return the job with all that is known of it from the start; what can change later is no part of it.

        Args:
            record: the run.
            job_id: its job.
            attempt: its attempt, from 1.
        """
        given = self.rules.apply(record.fields)
        fields = record.fields
        user, salt = fields.get("user"), self.options.get("salt")
        project = given.get("project") or fields.get(self.options.get("project_from", ""), "")
        chosen = [name.strip() for name in self.options["labels"].split(",") if name.strip()]
        wrong = [name for name in chosen if name not in LABEL_FIELDS]
        if wrong:
            msg = f"--labels: {', '.join(wrong)} is none of {', '.join(LABEL_FIELDS)}"
            raise SourceError(None, msg)
        labels = {name: fields[name] for name in chosen if name in fields}
        if record.gpus:
            labels["gpus"] = str(record.gpus)
        return Job(
            job_id=job_id,
            attempt=attempt,
            org=self.options.get("org"),
            team=given.get("team") or fields.get("account"),
            project=project.removeprefix(_DEFAULT_WCKEY) or None,
            user_ref=pseudonym(salt, user) if salt and user else None,
            model=given.get("model"),
            model_version=given.get("model_version"),
            task=given.get("task"),
            phase=given.get("phase", UNKNOWN),
            facility=self.options.get("facility"),
            labels={"cluster": record.cluster, **labels},
        )

    def events(self, record: Record, job: Job, *, is_continued: bool) -> list[dict[str, Any]]:
        """Return the events of a run.

        Args:
            record: the run.
            job: its job.
            is_continued: whether the run goes on from a resized one, and so was not submitted by itself.
        """
        rows = [] if is_continued else [job.event_row(record.submit_ms, "submitted")]
        if record.has_started and record.start_ms is not None:
            rows.append(job.event_row(record.start_ms, "started"))
        if record.has_ended and record.end_ms is not None and record.state != RESIZING:
            labels = dict(job.labels) | {"slurm_state": record.state}
            if record.suspended_s:
                labels["suspended_s"] = str(record.suspended_s)
            more = {"state": record.outcome, "exit_code": record.exit_code, "labels": sorted(labels.items())}
            rows.append(job.event_row(record.end_ms, "ended", **more))
        return rows

    def holds(self, record: Record, job: Job) -> list[dict[str, Any]]:
        """Return the holds of an ended run: every node of it, all devices, by its share.

        Args:
            record: the run.
            job: its job.
        """
        if not (record.has_started and record.has_ended) or record.start_ms is None or self.options["holds"] == NONE:
            return []
        share = self.sizes.share(record)
        self.tally.counts[f"share {share.why}" if share.fraction is not None else f"no share {share.why}"] += 1
        self.tally.counts["gpu nodes"] += self.sizes.shares_gpus(record) and share.fraction is not None
        self.tally.counts["spread"] += len(record.nodes) > 1 and share.fraction not in (None, 1.0)
        return [
            job.device_row(self.host(node), record.start_ms, record.end_ms, share_fraction=share.fraction)
            for node in record.nodes
        ]

    def stated(self, record: Record, job: Job, energy: Energy) -> list[dict[str, Any]]:
        """Return the energy that Slurm states of an ended run.

        Args:
            record: the run.
            job: its job.
            energy: its energy.
        """
        if energy.joules is None or not record.has_ended or record.start_ms is None or record.end_ms is None:
            return []
        exclusive = {True: "yes", False: "no", None: "unknown"}[self.exclusive(record)]
        statement = Statement(
            SOURCE,
            METHOD,
            "job",
            f"{job.job_id}#{job.attempt}",
            record.start_ms,
            record.end_ms,
            self.version,
            job.job_id,
            labels={"basis": energy.basis, "exclusive": exclusive, "nodes": str(len(record.nodes))},
        )
        return [statement.figure("energy", float(energy.joules), "J")]

    def samples(self, record: Record, job: Job, energy: Energy) -> list[dict[str, Any]]:
        """Return the energy of an exclusive run as readings of its nodes, none if it may hold the energy of others.

        Args:
            record: the run.
            job: its job.
            energy: its energy.
        """
        if energy.joules is None or not record.has_ended or record.start_ms is None or record.end_ms is None:
            return []
        if energy.basis == "repeated" or self.exclusive(record) is not True or record.end_ms <= record.start_ms:
            self.tally.counts["no samples"] += 1
            return []
        meter = METERS[self.options["energy_type"]]
        self.tally.counts["evenly"] += len(record.nodes) > 1
        rows: list[dict[str, Any]] = []
        total_mj, count = energy.joules * MJ_PER_J, len(record.nodes)
        for index, node in enumerate(record.nodes):
            rows += counter_rows(
                host=self.host(node),
                device=meter.device,
                kind=meter.kind,
                point=meter.point,
                source=meter.source,
                # A job may start in the second in which another ended; two readings must not share a time.
                start_ms=record.start_ms + 1,
                end_ms=record.end_ms,
                energy_mj=total_mj * (index + 1) // count - total_mj * index // count,
                session=session_of(SOURCE, job.job_id, str(job.attempt), str(record.submit_ms)),
                is_estimate=count > 1,
            )
        return rows

    def exclusive(self, record: Record) -> bool | None:
        """Return whether a run had its nodes for itself, ``None`` if that is not known."""
        if record.exclusive or self.sizes.fills(record):
            return True
        return record.exclusive

    def host(self, node: str) -> str:
        """Return the name of a node as readings have it."""
        return node + self.options.get("host_suffix", "")


def pseudonym(salt: str, user: str) -> str:
    """Return what stands for a user: the same for the same salt, and of no use without it.

    Args:
        salt: secret of the site.
        user: user name.
    """
    digest = hmac.new(salt.encode(), user.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
    return f"user-{digest[:_PSEUDONYM_DIGITS]}"
