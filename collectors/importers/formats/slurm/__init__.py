"""Jobs of a Slurm cluster from its accounting, ``sacct``.

What belongs here: the options, which records are runs of one job, and the course of the import. What must not be here:
the exports (``sacct_text``, ``sacct_json``), the rows of a run (``rows``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ...errors import RejectedRow
from ...format import Assumption, Finding, Format, Item, LeftOut, Option, Options, Rows, Source, files_matching
from ...moments import zone_of
from ..shared.stated import UNKNOWN
from .nodes import NodeSizes
from .record import RESIZING, Record
from .rows import LABEL_FIELDS, METERS, NODES, NONE, PROJECT_FIELDS, SAMPLES, RowMaker, Tally
from .rules import Rules
from .sacct_json import SacctJson
from .sacct_text import SacctText

BATCH_JOBS = 5_000
_STATED = "stated"
_PATTERNS = ("*.json", "*.txt", "*.csv", "*.psv", "*.sacct")
_TABLES = ("job_event", "job_device", "stated_figure", "power_sample")
_SAYS: tuple[tuple[str, type[Assumption] | type[Finding], str], ...] = (
    ("spread", Assumption, "{n} runs on several nodes hold the same part of each, though Slurm may split unevenly"),
    ("gpu nodes", Assumption, "{n} runs without a GPU on nodes with GPUs hold their share of CPUs of all devices"),
    ("evenly", Assumption, "energy of {n} runs on several nodes is split evenly over them and marked as estimate"),
    (
        "attempts in order",
        Assumption,
        "{n} runs are numbered by their order in this export; add Restarts to it (Slurm 24.11 and later), or let every "
        "export hold all runs of a job",
    ),
    ("number given anew", Finding, "{n} job numbers were given anew; the later job has its submission in its id"),
    ("waiting", Finding, "{n} jobs still wait; they are left out until an export shows that they started"),
    ("running", Finding, "{n} jobs still run; their nodes and energy land when an export shows that they ended"),
    ("never started", Finding, "{n} jobs ended before they started; they have events and no nodes"),
    ("overlap", Finding, "energy of {n} runs is stated only by steps that ran at the same time, so it is not known"),
    (
        "repeated",
        Finding,
        "energy of {n} runs is a sum of steps that ran at the same time, which counts twice; it lands as stated only. "
        "PrologFlags=Contain in slurm.conf avoids that",
    ),
    ("no samples", Finding, "energy of {n} runs lands as stated only: they are not known to be exclusive"),
)


class Run(NamedTuple):
    """A record with its place in the ledger.

    Attributes:
        record: the record.
        job_id: job.
        attempt: attempt, from 1.
        is_continued: whether it goes on from a resized run of the same attempt.
    """

    record: Record
    job_id: str
    attempt: int
    is_continued: bool


def _read(source: Source, options: Options) -> Iterator[Item]:
    if options["energy"] == SAMPLES:
        options.need("energy_type")
    sizes = NodeSizes.of(options.get("node_cpus"), options.get("node_gpus"), options.get("nodes"))
    tally = Tally()
    maker = RowMaker(Rules.of(options.get("phase_map")), sizes, options, tally)
    found: dict[tuple[str, str, int], Record] = {}
    versions: set[str] = set()
    for item in _found(source, options, versions):
        if not isinstance(item, Record):
            yield item
            continue
        key = (item.cluster, item.number, item.submit_ms)
        if key in found:
            yield LeftOut(1)
            if found[key].has_ended and not item.has_ended:
                continue
        found[key] = item
    maker.version = versions.pop() if len(versions) == 1 else UNKNOWN
    batch: dict[str, list[dict[str, object]]] = {name: [] for name in _TABLES}
    count = 0
    for run in runs_of(found.values(), tally):
        left_out = _take(maker, run, batch)
        if left_out:
            yield left_out
            continue
        count += 1
        if count == BATCH_JOBS:
            yield from _flush(batch, count)
            count = 0
    yield from _flush(batch, count)
    yield from _said(tally, options)


def _found(source: Source, options: Options, versions: set[str]) -> Iterator[Record | RejectedRow | LeftOut | Finding]:
    zone = zone_of(options["zone"]) if "zone" in options else None
    for path in source.files:
        first = next((line for line in source.lines(path) if line.strip()), "")
        if first.lstrip().startswith("{"):
            export = SacctJson(source, path, options.get("cluster"))
            if export.version:
                versions.add(export.version)
            yield from export.records()
        else:
            yield from SacctText(source, path, zone, options.get("cluster")).records()


def _take(maker: RowMaker, run: Run, batch: dict[str, list[dict[str, object]]]) -> LeftOut | None:
    record = run.record
    counts = maker.tally.counts
    if not record.has_started and not record.has_ended:
        counts["waiting"] += 1
        return LeftOut(1)
    job = maker.job(record, run.job_id, run.attempt)
    energy = record.energy()
    counts["running"] += record.has_started and not record.has_ended
    counts["never started"] += record.has_ended and not record.has_started
    counts["overlap"] += energy.basis == "overlap"
    counts["repeated"] += energy.basis == "repeated"
    batch["job_event"] += maker.events(record, job, is_continued=run.is_continued)
    batch["job_device"] += maker.holds(record, job)
    batch["stated_figure"] += maker.stated(record, job, energy)
    if maker.options["energy"] == SAMPLES:
        batch["power_sample"] += maker.samples(record, job, energy)
    return None


def _flush(batch: dict[str, list[dict[str, object]]], count: int) -> Iterator[Rows]:
    for name, rows in batch.items():
        if rows or (name == _TABLES[0] and count):
            yield Rows(name, rows, read=count if name == _TABLES[0] else 0)
            batch[name] = []


def runs_of(records: Iterable[Record], tally: Tally) -> Iterator[Run]:
    """Yield records with their job and attempt.

    Records of one number are runs of one job as long as nothing says that the number was given anew: another user or
    name, a count of restarts that is lower, or another origin. A job of its own then has its submission in its id.

    Args:
        records: all records, each submission of a number once.
        tally: what is told at the end.
    """
    by_number: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        by_number[record.cluster, record.number].append(record)
    for (cluster, number), same in by_number.items():
        same.sort(key=lambda record: record.submit_ms)
        job_id, attempt, before = f"{cluster}/{number}", 0, None
        for record in same:
            is_continued = before is not None and before.state == RESIZING
            if before is not None and not _is_rerun(before, record):
                job_id, attempt, is_continued = f"{cluster}/{number}@{record.submit_ms // 1000}", 0, False
                tally.counts["number given anew"] += 1
            attempt += not is_continued
            tally.counts["attempts in order"] += attempt > 1 and record.restarts is None
            known = attempt if record.restarts is None else record.restarts + 1
            yield Run(record, job_id, known, is_continued)
            before = record


def _is_rerun(before: Record, record: Record) -> bool:
    if before.origin and record.origin:
        return before.origin == record.origin
    if before.restarts is not None and record.restarts is not None and record.restarts < before.restarts:
        return False
    if record.restarts == 0 and before.state != RESIZING:
        return False
    names = ("user", "job_name")
    return all(before.fields.get(name, "") == record.fields.get(name, "") for name in names)


def _said(tally: Tally, options: Options) -> Iterator[Item]:
    counts = tally.counts
    if options["holds"] == NODES:
        yield Assumption("a job holds all devices of its nodes from its start to its end: sacct names no GPU by its id")
        yield Assumption("names of nodes with --host-suffix are the host names of the readings")
    if "phase_map" not in options:
        yield Assumption("no --phase-map was given: the phase of every job is unknown")
    for name, kind, text in _SAYS:
        if counts[name]:
            yield kind(text.format(n=counts[name]))
    for name in sorted(counts):
        if name.startswith("no share ") and counts[name]:
            why = name.removeprefix("no share ")
            yield Finding(f"{counts[name]} runs have no known share of their nodes: {why}; see --nodes and --node-gpus")


def _find(path: Path) -> list[Path]:
    return files_matching(path, *_PATTERNS, *(f"{pattern}.gz" for pattern in _PATTERNS))


FORMAT = Format(
    "slurm",
    "jobs of a Slurm cluster: sacct --parsable2 with its header, or sacct --json",
    _find,
    _read,
    (
        Option("zone", "zone of times that are not epoch seconds, for example Europe/Berlin"),
        Option("cluster", "cluster of records that name none"),
        Option(
            "phase_map", "TOML file with rules for phase, model ... of jobs; else the phase is unknown", is_file=True
        ),
        Option("project_from", "field that is the project of a job", choices=PROJECT_FIELDS),
        Option("salt", "secret with which user names become pseudonyms; without it no user is noted"),
        Option("labels", f"fields to keep as labels, of {', '.join(LABEL_FIELDS)}", default="partition,qos"),
        Option("org", "organisation that answers for the jobs"),
        Option("facility", "facility of the configuration in which the cluster stands"),
        Option("node_cpus", "CPUs of the nodes as Slurm counts them: 64, or node[01-04]=64,gpu[1-2]=128"),
        Option("node_gpus", "GPUs of the nodes, written likewise"),
        Option("nodes", "file with the output of `scontrol show node`: CPUs and GPUs of the nodes", is_file=True),
        Option(
            "holds", "none: prolog and epilog of the nodes tell what jobs hold", choices=(NODES, NONE), default=NODES
        ),
        Option("host_suffix", "text after the name of a node that makes it the host name, for example .lab.example"),
        Option("energy", "what becomes of ConsumedEnergy", choices=(_STATED, SAMPLES), default=_STATED),
        Option("energy_type", "AcctGatherEnergyType after its last slash; for --energy samples", choices=tuple(METERS)),
    ),
)
