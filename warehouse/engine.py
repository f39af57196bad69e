"""One pass of the whole line without an orchestrator: take in what landed, compute what it touches, audit, publish.

What belongs here: what is to do and in which order. What must not be here: how one table is filled (``transform``).

What is to do stands in ``audit.pending``: ingest notes days, a computed day notes its month, a computed month notes the
tables without partitions. A note is removed in the transaction that does the work, so a crash loses nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from warehouse import energy, transform
from warehouse.audits import Finding, open_findings, run_audits
from warehouse.energy import DaySegments, InputsChangedError, day_bounds_ms
from warehouse.ingest import IngestReport, ingest_landing
from warehouse.jobs import note_jobs_of_days, settle_jobs
from warehouse.lake import Lake, LakeError
from warehouse.publish import is_current, publish, published_file
from warehouse.reference import sync_reference
from warehouse.remote import RemoteReport, fetch_remote
from warehouse.restatement import factors_before, note_factor_changes, note_restatements, totals_before
from warehouse.samples import compact_pending
from warehouse.shape import shape_problem
from warehouse.temporaries import ALL, parameters, prepare
from warehouse.tidy import tidy
from warehouse.transform import Calculation, fill, month_of

Progress = Callable[[str, int, int, str], None]

FORCED = "forced"
ATTEMPTS = 8

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"\d{4}-\d{2}")


@dataclass(slots=True)
class RunReport:
    """What one pass did.

    Attributes:
        remote: what was brought from the object store of the configuration.
        ingest: what became of each landed file.
        hours_compacted: hours whose hour files were made.
        hour_files_opened: hour files that were read to integrate them.
        computed: rows by (table, partition), in the order in which they were computed.
        published: the published database; ``None`` when only one table was computed, or nothing may be published.
        calc_run_id: calculation by which it was computed.
        findings: what the audits have open after the pass, worst first.
        blocking: those of them that forbid to publish.
    """

    remote: RemoteReport = field(default_factory=RemoteReport)
    ingest: IngestReport = field(default_factory=IngestReport)
    hours_compacted: int = 0
    hour_files_opened: int = 0
    computed: dict[tuple[str, str], int] = field(default_factory=dict)
    published: Path | None = None
    calc_run_id: str = ""
    findings: list[Finding] = field(default_factory=list)
    blocking: list[Finding] = field(default_factory=list)

    @property
    def days(self) -> list[str]:
        """Days that were computed."""
        return sorted({key for _, key in self.computed if _DAY.fullmatch(key)})

    @property
    def months(self) -> list[str]:
        """Months that were computed."""
        return sorted({key for _, key in self.computed if _MONTH.fullmatch(key)})


def begin(lake: Lake) -> Calculation:
    """Bring the reference tables up to date and note the calculation; call it once before computing.

    Raises:
        LakeError: if the lake knows nothing of the files in the archive, because its catalog was lost, or was made by
            another version of the program.
    """
    problem = shape_problem(lake)
    if problem:
        msg = f"{problem}: this lake was made by another version; `wattledger repair` builds it anew from the archive"
        raise LakeError(msg)
    archived = next(lake.config.archive_path.glob("*/date=*/hour=*/*.parquet"), None)
    if archived and not lake.value("SELECT count(*) FROM (SELECT 1 FROM raw.ingest_file LIMIT 1)"):
        msg = (
            f"the archive {lake.config.archive_path} holds files of which the lake knows none: its catalog was lost or "
            "replaced; `wattledger repair` takes them in again"
        )
        raise LakeError(msg)
    sync_reference(lake)
    run = transform.calculation(lake.config)
    transform.note_calculation(lake, run)
    _note_recalculation(lake, run)
    return run


def _note_recalculation(lake: Lake, run: Calculation) -> None:
    """Another way of calculating changes every figure: note the days that were computed otherwise as to do.

    Asked at every run and not only for a calculation that was never used: going back to an earlier configuration
    changes the figures too, and a crash may have come between noting the calculation and noting the days.
    """

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute(
            f"INSERT INTO lake.audit.pending SELECT *, $cause, now() FROM ({_OTHERWISE_SQL})", _otherwise(run)
        )

    if outdated(lake, run):
        lake.transaction(work)
        if _other_sql(lake, run):
            note_jobs_of_days(lake, _otherwise(run)["cause"])


_OTHERWISE_SQL = """
SELECT partition_key FROM lake.audit.materialisation WHERE table_name IN ('core.emission', 'core.asset')
    AND calc_run_id <> $run
EXCEPT SELECT partition_key FROM lake.audit.pending WHERE cause = $cause
"""


def _other_sql(lake: Lake, run: Calculation) -> bool:
    """Tell whether days were computed by another program or other SQL: then jobs may come out otherwise too."""
    return bool(
        lake.value(
            "SELECT count(*) FROM audit.materialisation JOIN audit.calc_run AS former USING (calc_run_id), "
            "audit.calc_run AS present WHERE present.calc_run_id = $run AND (former.sql_sha256 <> present.sql_sha256 "
            "OR former.program_version <> present.program_version)",
            {"run": run.calc_run_id},
        )
    )


def _otherwise(run: Calculation) -> dict[str, str]:
    return {"cause": f"calculation {run.calc_run_id}", "run": run.calc_run_id}


def outdated(lake: Lake, run: Calculation) -> list[str]:
    """Return the days (ISO 8601) that were computed otherwise and are not noted as to do for this calculation."""
    return sorted(day for (day,) in lake.rows(_OTHERWISE_SQL, _otherwise(run)))


def pending(lake: Lake) -> list[str]:
    """Return the partitions to compute: days, then months, then ``*``."""
    keys = [key for (key,) in lake.rows("SELECT DISTINCT partition_key FROM audit.pending")]
    return sorted(keys, key=lambda key: (key == ALL, -len(key), key))


def run_all(
    lake: Lake,
    *,
    from_day: str | None = None,
    to_day: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> RunReport:
    """Take in what landed, compute what is to do, audit it, publish it unless a blocking finding is open.

    Args:
        lake: an open, writable lake.
        from_day: compute no earlier day (ISO 8601).
        to_day: compute no later day (ISO 8601).
        force: compute every day with readings in that range, also those that nothing touched.
        progress: called with the stage, steps done, steps in all and what is at hand.
    """
    tell = progress or (lambda _stage, _done, _all, _what: None)
    report = RunReport()
    run = begin(lake)
    report.calc_run_id = run.calc_run_id
    report.remote = fetch_remote(lake, progress=lambda done, whole, name: tell("fetch", done, whole, name))
    report.ingest = ingest_landing(lake, progress=lambda done, whole, name: tell("ingest", done, whole, name))
    if force:
        days = days_with_facts(lake, from_day, to_day)
        note_days(lake, days, FORCED)
        if days:
            note_jobs_of_days(lake, FORCED, day_bounds_ms(days[0])[0], day_bounds_ms(days[-1])[1])
    compute_pending(lake, run, report, from_day=from_day, to_day=to_day, progress=tell)
    _audit(lake, report, tell)
    if not report.blocking:
        tell("publish", 0, 1, "organisation")
        report.published = published_file(lake.config.published_path) if is_current(lake) else publish(lake)
        tell("publish", 1, 1, "organisation")
    return report


def settle(lake: Lake, *, progress: Progress | None = None) -> int:
    """Work out what was taken in before days are computed from it: hour files and jobs. Days that change are noted.

    Args:
        lake: an open, writable lake.
        progress: as in ``run_all``.

    Returns:
        Hours whose hour files were made.
    """
    tell = progress or (lambda _stage, _done, _all, _what: None)
    hours = compact_pending(lake, progress=lambda done, whole, name: tell("compact", done, whole, name))
    settle_jobs(lake)
    return len(hours)


def unsettled(lake: Lake) -> int:
    """Return how many hours and jobs were taken in and not yet worked out."""
    sql = "SELECT (SELECT count(*) FROM audit.pending_hour) + (SELECT count(*) FROM audit.pending_job)"
    return int(lake.value(sql))


def _audit(lake: Lake, report: RunReport, tell: Progress) -> None:
    """Audit the days that were computed; days that nothing touched keep the findings they have."""
    if report.computed:
        tell("audit", 0, 1, "")
        run_audits(lake, days=report.days)
        tell("audit", 1, 1, "")
    report.findings = open_findings(lake)
    report.blocking = open_findings(lake, blocking_only=True) if report.findings else []


def compute_pending(
    lake: Lake,
    run: Calculation,
    report: RunReport,
    *,
    from_day: str | None = None,
    to_day: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Compute every pending partition: days first, then the months and whole tables that they ask for."""
    tell = progress or (lambda _stage, _done, _all, _what: None)
    report.hours_compacted += settle(lake, progress=tell)
    days = [key for key in pending(lake) if _DAY.fullmatch(key) and _within(key, from_day, to_day)]
    for number, day in enumerate(days):
        tell("compute", number, len(days), day)
        report.computed.update(compute_day(lake, run, day, report=report, progress=tell))
    tell("compute", len(days), len(days), "")
    # Another process may finish a day meanwhile: go on until months and whole tables agree with the days, so that there
    # is a state to publish in which they do.
    while summaries := [key for key in pending(lake) if not _DAY.fullmatch(key)]:
        for month in (key for key in summaries if _MONTH.fullmatch(key)):
            report.computed.update(compute_month(lake, run, month))
        report.computed.update(compute_whole(lake, run))


def compute_day(
    lake: Lake,
    run: Calculation,
    day: str,
    *,
    names: Iterable[str] | None = None,
    follow: bool = True,
    report: RunReport | None = None,
    progress: Progress | None = None,
) -> dict[tuple[str, str], int]:
    """Compute the tables of one day: segments first, then everything in one transaction; the month is noted as to do.

    Readings are integrated outside of the transaction, so that nobody waits for it. If other readings or jobs come in
    meanwhile, it is done again for the hours that they touch. A day that nothing notes as to do is made anew in all its
    parts; of one that is noted, what rests on the same inputs as before stays.

    Args:
        lake: an open, writable lake.
        run: the calculation.
        day: the day (ISO 8601).
        names: daily tables, schema.name, in the order of ``transform.DAILY``; by default all of them. The day stays
            noted as to do where it is, if others are left out.
        follow: note the month as to do.
        report: where to count the hour files that were opened.
        progress: as in ``run_all``.

    Returns:
        Rows by table and partition.
    """
    whole = names is None
    wanted = transform.DAILY if names is None else tuple(names)
    tell = progress or (lambda _stage, _done, _all, _what: None)
    for _ in range(ATTEMPTS):
        settle(lake)
        made = None
        if "core.energy_segment" in wanted:
            prepare(lake, day)
            forced = not whole or _is_forced(lake.connection, day)
            hours = functools.partial(tell, "integrate")
            made = energy.make_segments(lake, day, force=forced, progress=hours)
            if report is not None:
                report.hour_files_opened += made.files_opened
        try:
            month = month_of(day) if follow else None
            return _compute(lake, run, wanted, day, follow=month, made=made, whole=whole)
        except InputsChangedError:
            continue
    msg = f"readings or jobs of {day} come in faster than the day is computed; run again when less lands"
    raise LakeError(msg)


def _is_forced(connection: duckdb.DuckDBPyConnection, partition: str) -> bool:
    """Tell whether everything of a partition is to be made anew: that was asked for, or it was asked for unnoted."""
    notes = "SELECT DISTINCT cause FROM lake.audit.pending WHERE partition_key = $key"
    causes = {cause for (cause,) in connection.execute(notes, {"key": partition}).fetchall()}
    return not causes or FORCED in causes


def compute_month(lake: Lake, run: Calculation, month: str) -> dict[tuple[str, str], int]:
    """Compute the tables of one month in one transaction, and note what changed in a month that was closed before."""
    return _compute(lake, run, transform.MONTHLY, month, follow=ALL)


def compute_whole(lake: Lake, run: Calculation) -> dict[tuple[str, str], int]:
    """Compute the tables without partitions in one transaction, and tidy the lake: it is the last step of a pass."""
    done = _compute(lake, run, transform.WHOLE, ALL, follow=None)
    tidy(lake)
    return done


def _compute(
    lake: Lake,
    run: Calculation,
    names: Iterable[str],
    partition: str,
    *,
    follow: str | None,
    made: DaySegments | None = None,
    whole: bool = True,
) -> dict[tuple[str, str], int]:
    notes = "SELECT cause FROM lake.audit.pending WHERE partition_key = $key"

    def work(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
        # What is to do and what it is computed from are read in one transaction: a file that another process takes in
        # meanwhile is either in both or its note stays.
        causes = connection.execute(notes, {"key": partition}).fetchall()
        if _DAY.fullmatch(partition):
            prepare(lake, partition)
        before = totals_before(connection, partition) if _MONTH.fullmatch(partition) else None
        old_run = factors_before(connection, partition) if "core.emission" in names else None
        forced = not whole or _is_forced(connection, partition)
        done = fill(connection, lake.config, run, names, partition, made, force=forced)
        if before is not None:
            note_restatements(connection, partition, before, run.calc_run_id)
        if old_run is not None:
            values = parameters(connection, lake.config, run.calc_run_id, partition)
            note_factor_changes(connection, old_run, values)
        if whole:
            connection.execute(
                "DELETE FROM lake.audit.pending WHERE partition_key = $key AND list_contains($causes, cause)",
                {"key": partition, "causes": [cause for (cause,) in causes]},
            )
        if follow:
            _note_once(connection, follow, partition)
        return done

    return lake.transaction(work)


def _note_once(connection: duckdb.DuckDBPyConnection, partition: str, cause: str) -> None:
    connection.execute(
        "INSERT INTO lake.audit.pending SELECT $key, $cause, now() "
        "WHERE NOT EXISTS (SELECT 1 FROM lake.audit.pending WHERE partition_key = $key AND cause = $cause)",
        {"key": partition, "cause": cause},
    )


def note_days(lake: Lake, days: Iterable[str], cause: str) -> None:
    """Note days as to do."""
    wanted = list(days)

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        for day in wanted:
            _note_once(connection, day, cause)

    if wanted:
        lake.transaction(work)


def days_with_facts(lake: Lake, from_day: str | None = None, to_day: str | None = None) -> list[str]:
    """Return the days (ISO 8601) of a range that have readings, job events or work counters."""
    sql = (
        "SELECT DISTINCT day FROM raw.sample_hour UNION SELECT DISTINCT day FROM raw.job_event "
        "UNION SELECT DISTINCT day FROM raw.work_counter"
    )
    days = sorted(str(day) for (day,) in lake.rows(sql))
    return [day for day in days if _within(day, from_day, to_day)]


def _within(day: str, from_day: str | None, to_day: str | None) -> bool:
    return (from_day is None or day >= from_day) and (to_day is None or day <= to_day)
