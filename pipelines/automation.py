"""What is asked for next: a pure function from the state of the ledger to run requests.

What belongs here: the policy by which late and ordinary days, months and publications are requested, and the reading
of the state it decides on. What must not be here: Dagster's daemon (``sensors``), the computation (``assets``).

The policy is driven by state and not by events: ``audit.pending`` is written in the transaction that takes a file in or
computes a day, so it names exactly what is to do, late days and neighbours of midnight included, and nothing else. See
docs/dagster.md for why Dagster's own conditions are not used here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import duckdb

from pipelines.partitions import DAYS, MONTHS, day_ranges, month_key, month_ranges
from warehouse import engine, transform
from warehouse.audits import all_checks, open_findings
from warehouse.lake import Lake
from warehouse.publish import ORGANISATION
from warehouse.temporaries import ALL

INGEST_JOB = "ingest"
DAYS_JOB = "compute_days"
MONTHS_JOB = "compute_months"
PUBLISH_JOB = "publish"
PULL_JOB = "pull_feeds"
# A failed request is made again when the next hour begins, not at every look: at most 24 failed runs a day and range.
RETRY_S = 3600
# A month in a run: a failure costs little to repeat, and a year asked for at once is twelve runs and not 365.
DAYS_A_RUN = 31
RUNS_A_LOOK = 12

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"\d{4}-\d{2}")


@dataclass(frozen=True, slots=True)
class Request:
    """One run that is asked for.

    Attributes:
        job: name of the job.
        run_key: identity of the request; Dagster runs one key once.
        first: first partition key, or ``None`` for a job without partitions.
        last: last partition key.
    """

    job: str
    run_key: str
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What the ledger says.

    Attributes:
        pending: partition (day, month or ``*``) to a digest of why it is to do.
        blocked_days: open blocking findings of days, which hold months and publication back.
        blocked: all open blocking findings, which hold publication back.
        outdated: days computed by another configuration or program and not yet noted as to do.
        unsettled: hours and jobs that were taken in and not yet worked out, for example after a crash.
        computed: digest of everything that was computed, or empty when nothing was.
        ledger: digest of everything else that is published (files, findings).
        published_computed: the first digest as the published file has it.
        published_ledger: the second digest as the published file has it.
        calc_run_id: calculation of the present configuration.
    """

    pending: dict[str, str] = field(default_factory=dict)
    blocked_days: int = 0
    blocked: int = 0
    outdated: int = 0
    unsettled: int = 0
    computed: str = ""
    ledger: str = ""
    published_computed: str = ""
    published_ledger: str = ""
    calc_run_id: str = ""


def next_requests(state: LedgerState, now_s: float) -> list[Request]:
    """Return the runs to ask for: of one stage only, and a begun chain is ended before another begins.

    In this order: recalculation after a change of configuration or program; what was taken in and not worked out;
    months that a computed day asks for; publication of what was computed; days that a landed file or a recalculation
    asks for; publication of ledgers. So a stream of files cannot keep months and publication waiting, and nothing is
    published while a month lags behind its days.

    Args:
        state: the ledger.
        now_s: the time [s since 1970]; only the hour of it counts.
    """
    hour = int(now_s // RETRY_S)
    if state.outdated:
        return [Request(INGEST_JOB, _key("recalculate", [state.calc_run_id], hour))]
    if state.unsettled:
        return [Request(INGEST_JOB, _key("settle", [state.unsettled, state.ledger], hour))]
    months = _in(MONTHS.has_partition_key, (month_key(key) for key in state.pending if _MONTH.fullmatch(key)))
    if months and not state.blocked_days:
        ranges = month_ranges(key[:7] for key in months)
        return [_months(state, first, last, hour) for first, last in ranges[:RUNS_A_LOOK]]
    days = _in(DAYS.has_partition_key, (key for key in state.pending if _DAY.fullmatch(key)))
    if not months and not state.blocked and _publication_is_due(state, waiting=bool(days)):
        return [Request(PUBLISH_JOB, _key("publish", [state.computed, state.ledger], hour))]
    ranges = day_ranges(days, DAYS_A_RUN)
    return [_days(state, first, last, hour) for first, last in ranges[:RUNS_A_LOOK]]


def _publication_is_due(state: LedgerState, *, waiting: bool) -> bool:
    """Tell whether the published file lags behind what was computed; for anything else it waits for days to do.

    A recalculation notes days and the tables of all time together: those are made from the days when these are done.
    """
    if state.computed != state.published_computed:
        return True
    return not waiting and (ALL in state.pending or state.ledger != state.published_ledger)


def _in(has: Callable[[str], bool], keys: Iterable[str]) -> list[str]:
    """Keep the keys that have a partition by now; a planned end in the future waits for its day."""
    return sorted(key for key in keys if has(key))


def _days(state: LedgerState, first: str, last: str, hour: int) -> Request:
    return Request(DAYS_JOB, _key("days", _causes(state, _DAY, first, last), hour), first, last)


def _months(state: LedgerState, first: str, last: str, hour: int) -> Request:
    run_key = _key("months", _causes(state, _MONTH, first, last), hour)
    return Request(MONTHS_JOB, run_key, month_key(first), month_key(last))


def _causes(state: LedgerState, shape: re.Pattern[str], first: str, last: str) -> list[str]:
    keys = sorted(key for key in state.pending if shape.fullmatch(key) and first <= key <= last)
    return [f"{key} {state.pending[key]}" for key in keys]


def _key(stage: str, parts: Sequence[object], hour: int) -> str:
    return f"{stage}-{_digest(parts)}-{hour}"


def _digest(parts: Iterable[object]) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


_PENDING_SQL = "SELECT partition_key, cause, noted_at FROM audit.pending ORDER BY ALL"
_COMPUTED_SQL = (
    "SELECT table_name, partition_key, epoch_us(computed_at) FROM audit.materialisation "
    "WHERE table_name IN (SELECT unnest($tables)) ORDER BY ALL"
)
_LEDGER_SQL = (
    "SELECT 'file', count(*), max(file_sha256), '' FROM raw.ingest_file UNION ALL "
    "SELECT 'refused file', count(*), state, '' FROM raw.quarantine_file GROUP BY state UNION ALL "
    "SELECT 'refused row', count(*), state, '' FROM raw.quarantine_row GROUP BY state UNION ALL "
    "SELECT check_id, 1, entity, state || observed FROM audit.finding ORDER BY ALL"
)


def read_state(lake: Lake) -> LedgerState:
    """Read the state of the ledger.

    Args:
        lake: an open lake.
    """
    causes: dict[str, list[object]] = {}
    for partition, *why in lake.rows(_PENDING_SQL):
        causes.setdefault(partition, []).append(why)
    run = transform.calculation(lake.config)
    daily = {check.id for check in all_checks() if check.scope == "day"}
    blocking = open_findings(lake, blocking_only=True)
    published = lake.config.published_path / ORGANISATION
    computed, ledger = _digests(lake.connection)
    shown = ("", "")
    if published.exists():
        with duckdb.connect(str(published), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            shown = _digests(connection)
    return LedgerState(
        pending={partition: _digest(why) for partition, why in causes.items()},
        blocked_days=sum(finding.check_id in daily for finding in blocking),
        blocked=len(blocking),
        outdated=len(engine.outdated(lake, run)),
        unsettled=engine.unsettled(lake),
        computed=computed,
        ledger=ledger,
        published_computed=shown[0],
        published_ledger=shown[1],
        calc_run_id=run.calc_run_id,
    )


def _digests(connection: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    """Return digests of what was computed and of the ledgers; empty where there is nothing."""
    computed = connection.execute(_COMPUTED_SQL, {"tables": list(transform.COMPUTED)}).fetchall()
    ledger = connection.execute(_LEDGER_SQL).fetchall()
    nothing = [("file", 0, None, "")]
    return _digest(computed) if computed else "", _digest(ledger) if ledger != nothing else ""
