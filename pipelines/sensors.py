"""Sensors: one watches the landing folder, one the ledger for what is to do, one the plans of runs.

What belongs here: looking and asking for runs. What must not be here: the policy (``automation``), the work
(``assets``).

Correctness never rests on a cursor: files are known by their content, work by ``audit.pending``. A cursor only saves
asking.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg

from pipelines import jobs
from pipelines.automation import (
    DAYS_JOB,
    INGEST_JOB,
    MONTHS_JOB,
    PUBLISH_JOB,
    PULL_JOB,
    RETRY_S,
    Request,
    next_requests,
    read_state,
)
from pipelines.checks import RANGE_TAGS
from pipelines.forecasts import plan_files
from pipelines.resources import Installation
from warehouse.config import Config, ConfigError
from warehouse.files import sha256_of
from warehouse.lake import LakeError
from warehouse.landed import landed_files
from warehouse.publish import ORGANISATION
from warehouse.rejected import REJECTED_FOLDER
from warehouse.remote import RemoteError, waiting

INTERVAL_VARIABLE = "WATTLEDGER_SENSOR_INTERVAL_S"
# A look costs 1 ms at the landing folder and some 0.4 s of a core at a ledger that has changed.
INTERVAL_S = int(os.environ.get(INTERVAL_VARIABLE, "15"))
UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)


def landing_digest(landing: Path, remote: Sequence[tuple[str, int]] = ()) -> tuple[int, str]:
    """Return number and digest (names, sizes, times) of the files that wait in the landing folder.

    Args:
        landing: landing root; temporary (hidden) files do not count.
        remote: paths and sizes of the files that wait in an object store.
    """
    digest, number = hashlib.sha256(repr(remote).encode() if remote else b""), len(remote)
    for path in (*landed_files(landing), *sorted((landing / REJECTED_FOLDER).glob("*.jsonl"))):
        try:
            stat = path.lstat()
        except FileNotFoundError:  # taken in meanwhile
            continue
        digest.update(
            f"{path.relative_to(landing)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
        number += 1
    return number, digest.hexdigest()[:16]


def plans_digest(config: Config) -> tuple[int, str]:
    """Return number and digest (names, contents) of the plan files of an installation."""
    files = plan_files(config)
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}\0{sha256_of(path)}\n".encode(errors="surrogateescape"))
    return len(files), digest.hexdigest()[:16]


def unfinished(instance: dg.DagsterInstance, *names: str) -> bool:
    """Tell whether a run of one of the jobs waits or goes on; a run beyond its longest time does not count."""
    since = dg.RunsFilter(statuses=list(UNFINISHED))
    return any(
        record.dagster_run.job_name in names and time.time() - record.create_timestamp.timestamp() < jobs.MAX_RUN_S
        for record in instance.get_run_records(since)
    )


@dg.sensor(
    job=jobs.ingest,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for one ingest run for all files that wait in the landing folder, however many they are.",
)
def landing_sensor(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult | dg.SkipReason:
    """Ask for one run for everything that waits; the cursor is the digest of what was asked for, never names."""
    try:
        config = installation.config()
        landing = config.landing_path
        remote = waiting(config.landing.remote) if config.landing.remote else []
    except ConfigError as error:
        return dg.SkipReason(str(error))
    except RemoteError as error:
        context.log.error("%s", error)
        remote = []
    number, digest = landing_digest(landing, remote)
    if not number:
        return dg.SkipReason(f"nothing waits in {landing}")
    # A pull of feeds takes in what it landed, and everything else that waits.
    if unfinished(context.instance, INGEST_JOB, PULL_JOB):
        return dg.SkipReason("a run that takes files in goes on; what has landed meanwhile waits for the next look")
    key = f"landed-{digest}-{int(time.time() // RETRY_S)}"
    if key == context.cursor:
        return dg.SkipReason(f"asked already for the {number} files in {landing}; asked again in the next hour")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=key, tags={"wattledger/files": str(number)})], cursor=key
    )


@dg.sensor(
    jobs=[jobs.ingest, jobs.compute_days, jobs.compute_months, jobs.publish],
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for exactly the days, months and publication that audit.pending names, late ones included.",
)
def ledger_sensor(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult | dg.SkipReason:
    """Ask for what the ledger says is to do; see ``automation.next_requests``."""
    if unfinished(context.instance, DAYS_JOB, MONTHS_JOB, PUBLISH_JOB, INGEST_JOB):
        return dg.SkipReason("a run goes on; what it leaves is seen when it has ended")
    try:
        config = installation.config()
        mark = fingerprint(config, time.time())
        if mark and mark == context.cursor:
            return dg.SkipReason("nothing is to do and the lake has not changed")
        with installation.lake(read_only=True) as lake:
            state = read_state(lake)
    except (ConfigError, LakeError) as error:
        return dg.SkipReason(str(error))
    requests = next_requests(state, time.time())
    if requests:
        return dg.SensorResult(run_requests=list(_run_requests(requests)), cursor="")
    reason = f"{state.blocked} blocking findings are open: `wattledger audit`" if state.blocked else "nothing is to do"
    return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=mark)


def _run_requests(requests: list[Request]) -> Iterator[dg.RunRequest]:
    for one in requests:
        tags = dict(zip(RANGE_TAGS, (one.first, one.last), strict=True)) if one.first and one.last else {}
        yield dg.RunRequest(run_key=one.run_key, job_name=one.job, tags=tags)


def fingerprint(config: Config, now_s: float) -> str:
    """Return what changes when the lake, the published file or the configuration changes, or the hour ends.

    Args:
        config: the configuration.
        now_s: the time [s since 1970].

    Returns:
        The fingerprint, or nothing where the catalog is not a file.
    """
    kind, _, catalog = config.catalog_dsn.partition(":")
    if kind != "sqlite":
        return ""
    files = [Path(catalog), Path(f"{catalog}-wal"), config.published_path / ORGANISATION]
    marks = [[path.stat().st_mtime_ns, path.stat().st_size] if path.exists() else None for path in files]
    return json.dumps([marks, config.accounting_sha256, int(now_s // RETRY_S)])


@dg.sensor(
    job=jobs.forecast_plans,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for forecasts when plan files were added or changed.",
)
def plans_sensor(context: dg.SensorEvaluationContext, installation: Installation) -> dg.SensorResult | dg.SkipReason:
    """Ask for one run for the plan files as they are; the cursor is their digest."""
    try:
        config = installation.config()
        number, digest = plans_digest(config)
    except (ConfigError, OSError) as error:
        return dg.SkipReason(str(error))
    if not number:
        return dg.SkipReason(f"no plan lies in {config.plans_path}")
    key = f"plans-{digest}"
    if key == context.cursor:
        return dg.SkipReason("the plans are forecast as they are")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=key)], cursor=key)
