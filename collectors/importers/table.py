"""``wattledger import table``: any CSV or Parquet file into the landing contract, through a mapping.

What belongs here: the course of an import, from the files to the landing folder. What must not be here: the meaning of
a key of the mapping, conversions, or the command line.

An import lands all or nothing, and the same mapping and source give the same files (``staging``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from .columns import Converter
from .errors import MISSING_VALUE, MappingError, Problem, RejectedRow, WrongTypeError
from .mapping import assumed_names, load_mapping, shipped_mappings
from .rows import Buckets, Lookup, expand, explode, fulfils, refuse_overlap
from .source import ROW, Batch, find_files, read_all, read_batches
from .spec import Mapping, TableSpec
from .staging import ImportResult, Staging, digest_of

__all__ = ["ImportResult", "MappingError", "RejectedRow", "import_table", "load_mapping", "shipped_mappings"]

Progress = Callable[[int, int], None]


def import_table(mapping: Path | str, source: Path, landing: Path, *, progress: Progress | None = None) -> ImportResult:
    """Import a file or folder into landing.

    Args:
        mapping: name of a shipped mapping, or path of a mapping file.
        source: file, or folder that holds the files that the mapping names.
        landing: landing folder; made if it is missing.
        progress: called with bytes read so far and bytes in all.

    Returns:
        Counts, files, refused rows and assumptions.

    Raises:
        MappingError: if the mapping is wrong or does not fit the source; nothing is landed.
        OSError: if landing cannot be written.
    """
    plan = load_mapping(mapping)
    jobs = _jobs(plan, Path(source))
    digest = _digest(plan, jobs)
    with tempfile.TemporaryDirectory(prefix="wattledger-import-") as name:
        staging = Path(name)
        run = _Run(plan, digest, staging, progress, sum(job.size for job in jobs))
        for job in jobs:
            try:
                run.read(job)
            except WrongTypeError as error:
                job.spec.where.fail(f"{job.shown}: a column {error}")
        return run.publish(Path(landing))


def assumptions(mapping: Mapping) -> tuple[str, ...]:
    """Return what a mapping takes without finding it in the data, one sentence each.

    Args:
        mapping: the mapping.
    """
    found = {name: f"{name} = {item.value!r}: {item.reason}" for name, item in mapping.constants.items()}
    for table in mapping.tables:
        for target, value in (*table.targets.items(), *table.labels.items()):
            if value.assumption and value.assumption[0] not in mapping.constants:
                _, origin, reason = value.assumption
                found[target] = f"{target} from {origin!r}: {reason}"
    found |= {name: f"{name}: {text}" for name, text in mapping.assumptions.items()}
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class _Job:
    """One entry of the mapping with one source file and the files that it joins."""

    spec: TableSpec
    path: Path
    shown: str
    joined: dict[str, Path]
    size: int


def _jobs(plan: Mapping, source: Path) -> list[_Job]:
    names = {spec.file for spec in plan.tables if spec.file}
    single = source.is_file() and len(names) <= 1
    jobs = []
    for spec in plan.tables:
        for path in find_files(spec.where, source, spec.file, single=single):
            root = source if source.is_dir() else source.parent
            joined = {}
            for join in spec.joins:
                joined[join.file] = root / join.file
                if not joined[join.file].is_file():
                    join.where.at("file").fail(f"{root} has no {join.file}")
            jobs.append(_Job(spec, path, path.relative_to(root).as_posix(), joined, path.stat().st_size))
    if not jobs:
        msg = f"{source.name} is none of the files that it reads: {', '.join(sorted(names))}"
        raise MappingError(plan.path.name, None, "file", msg)
    return jobs


def _digest(plan: Mapping, jobs: list[_Job]) -> str:
    files = {job.shown: job.path for job in jobs} | {name: path for job in jobs for name, path in job.joined.items()}
    return digest_of(plan.content.decode("utf-8", "replace"), files)


class _Run:
    """One import on its way through the entries of a mapping."""

    def __init__(self, plan: Mapping, digest: str, staging: Path, progress: Progress | None, size: int) -> None:
        self.plan = plan
        self.progress, self.size, self.done = progress, size, 0
        self.staged = Staging(staging, plan.name, digest)
        self.rows_read = self.rows_filtered = 0

    def read(self, job: _Job) -> None:
        """Bring one source file through one entry."""
        spec = job.spec
        assumed = assumed_names(spec)
        marks = {"mapping": self.plan.name} | ({"assumed": ",".join(assumed)} if assumed else {})
        has_labels = any(column.name == "labels" for column in spec.landing.columns)
        converter = Converter.of(spec, marks if has_labels else {})
        lookups = _lookups(job)
        buckets = Buckets(spec.aggregate) if spec.aggregate else None
        first = True
        for batch in read_batches(spec.where, job.path, source_columns(spec), spec.csv):
            self._note_broken(job, batch)
            self.rows_read += batch.rows.num_rows
            rows = self._choose(job, batch.rows, lookups)
            if spec.expand:
                rows = explode(self._without(job, *_swap(rows, expand(spec, spec.expand, rows))))
            if buckets:
                prepared, problems = buckets.prepare(spec, rows)
                buckets.add(prepared.filter(self._keep(job, rows, problems)))
            elif rows.num_rows:
                self._land(job, converter, rows, first=first)
                first = False
            self._report(batch.read_bytes)
        if buckets:
            self._land(job, converter, buckets.result(), first=True)
        self.done += job.size
        self._report(0)

    def _choose(self, job: _Job, rows: pa.RecordBatch, lookups: list[Lookup]) -> pa.RecordBatch:
        """Return the rows that fulfil every condition, with the columns of the joins."""
        waiting = list(job.spec.conditions)
        for lookup in (None, *lookups):
            if lookup:
                rows = self._without(job, *_swap(rows, lookup.add(job.spec, rows)))
            for condition in [item for item in waiting if item.columns() <= set(rows.schema.names)]:
                waiting.remove(condition)
                keep, problems = fulfils(job.spec, rows, condition)
                self.rows_filtered += rows.num_rows - (pc.sum(keep).as_py() or 0)
                rows = rows.filter(pc.and_(keep, self._keep(job, rows, problems)))
        return rows

    def _without(
        self, job: _Job, before: pa.RecordBatch, rows: pa.RecordBatch, problems: list[Problem]
    ) -> pa.RecordBatch:
        return rows.filter(self._keep(job, before, problems))

    def _keep(self, job: _Job, rows: pa.RecordBatch, problems: list[Problem]) -> pa.BooleanArray:
        """Note the rows with a problem, each once with the first, and return the mask of the others."""
        keep = pa.repeat(pa.scalar(True), rows.num_rows)
        for problem in problems:
            mask = pc.and_(keep, problem.mask)
            if pc.any(mask).as_py():
                for row in rows.filter(mask).to_pylist():
                    self.staged.reject(_rejected(job, row, problem))
                keep = pc.and_(keep, pc.invert(mask))
        return keep

    def _note_broken(self, job: _Job, batch: Batch) -> None:
        self.rows_read += len(batch.broken)
        for number, text in batch.broken:
            detail = "the line has another number of cells than the header"
            table = job.spec.landing.name
            self.staged.reject(RejectedRow(table, MISSING_VALUE, detail, job.shown, number, {"line": text}))

    def _land(self, job: _Job, converter: Converter, rows: pa.RecordBatch, *, first: bool) -> None:
        table, problems = converter.convert(rows, first=first)
        table = table.filter(self._keep(job, rows, problems))
        self.staged.add(job.spec.landing.name, table)

    def publish(self, landing: Path) -> ImportResult:
        """Move the files into landing and return the result."""
        return self.staged.publish(
            landing, rows_read=self.rows_read, rows_filtered=self.rows_filtered, assumptions=assumptions(self.plan)
        )

    def _report(self, read_bytes: int) -> None:
        if self.progress:
            self.progress(min(self.done + read_bytes, self.size), self.size)


def source_columns(spec: TableSpec) -> set[str]:
    """Return the columns that an entry reads from its own file.

    Args:
        spec: entry of the mapping.
    """
    values = [*spec.labels.values()]
    if spec.aggregate:
        names = {*spec.aggregate.by, *spec.aggregate.sums, str(spec.aggregate.time.column)}
    else:
        values += spec.targets.values()
        names = set()
    if spec.expand:
        values += [spec.expand.start, spec.expand.end]
    for value in values:
        names |= value.columns()
    for condition in spec.conditions:
        names |= condition.columns()
    for join in spec.joins:
        names |= set(join.on)
    for join in spec.joins:
        names -= set(join.columns)
    return names - ({"sample_time"} if spec.expand else set())


def _lookups(job: _Job) -> list[Lookup]:
    lookups = []
    known = source_columns(job.spec)
    for join in job.spec.joins:
        refuse_overlap(join, known)
        known |= set(join.columns)
        columns = {*join.on.values(), *join.columns.values(), *([join.order_by] if join.order_by else [])}
        columns |= {name for condition in join.conditions for name in condition.columns()}
        other = read_all(join.where, job.joined[join.file], columns, job.spec.csv)
        lookups.append(Lookup.of(job.spec, join, other))
    return lookups


def _swap(
    before: pa.RecordBatch, result: tuple[pa.RecordBatch, list[Problem]]
) -> tuple[pa.RecordBatch, pa.RecordBatch, list[Problem]]:
    return before, result[0], result[1]


def _rejected(job: _Job, row: dict[str, object], problem: Problem) -> RejectedRow:
    shown = ", ".join(f"{name}={row.get(name)!r}" for name in problem.columns)
    detail = f"{problem.target}: {shown} {problem.detail}" if shown else f"{problem.target}: {problem.detail}"
    number = row.pop(ROW, None)
    values = {name: value for name, value in row.items() if name != "sample_time"}
    return RejectedRow(
        job.spec.landing.name, problem.reason, detail, job.shown, number if isinstance(number, int) else None, values
    )
