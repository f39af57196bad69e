"""Audit checks: what must be true of the computed tables, as .sql files, and the findings they leave.

What belongs here: reading the checks, running them over days, keeping ``audit.finding``. What must not be here: the
rule of a check (``warehouse/sql/audit``), what a failed check stops (``pipelines``).

A file holds one check, or several that share a statement (``$check_id`` tells them apart). A check is a SELECT of
entity, observed and expected; no row means that it holds. A finding opens when it is seen first, stays open while it is
seen again and closes by itself when the check has looked at the same days and does not see it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb

from models.zones import zones
from warehouse.config import Config
from warehouse.energy import day_bounds_ms
from warehouse.lake import Lake, planned_lightly
from warehouse.sqlfiles import sql_names, sql_text
from warehouse.temporaries import MIN_COVERAGE
from warehouse.transform import CONSERVATION_TOLERANCE

SEVERITIES = ("critical", "major", "minor")
SCOPES = ("day", "month", "all")
# Stamps are whole milliseconds; a second in an hour is far above what rounding can add and far below a double count.
SLACK_S = 1.0
# How far back a job that is checked with a day may begin; jobs that are older are checked when all days are audited, so
# that the audit of a new hour does not read all of history.
REACH_BACK_DAYS = 31
# The daily audit runs every 24 h: what it saw as to do and sees again a day later was not worked off.
OVERDUE_H = 24
# The dirtiest fuel of a zone in Electricity Maps' configuration (2025) is German coal, 1,113 g/kWh over its life cycle.
# A grid whose average lies above 1,500 is a marginal figure or in another unit.
HIGHEST_G_PER_KWH = 1500
# A grid may state one whole figure for some night hours; half a day of it is a figure that is repeated.
FLAT_H = 12
# The slowest feed of slots (EIA) has its first values 26 h after the hour; a day more is late; in whole days.
STALE_H = 72
# Twice the spread with which two providers state one country, sd(ln) 0.168 (models/data/grid_pedigree.csv, zone_year).
DISAGREE_FRACTION = 0.336

_HEADER = re.compile(r"(check|severity|blocking|scope|asset): ([\w.]+)")
_PARAMETER = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True)
class Check:
    """One audit check, as a .sql file states it.

    Attributes:
        id: name of the check; the first check of a file has the name of the file.
        severity: critical (figures are wrong), major (figures may be materially incomplete) or minor.
        blocking: whether nothing may be published while it has open findings.
        scope: by what it is run: day, month or all; the entity of a day or month check begins with the date.
        asset: table that it is about.
        description: what must hold and what it means when it does not.
        sql: the statement.
    """

    id: str
    severity: str
    blocking: bool
    scope: str
    asset: str
    description: str
    sql: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found.

    Attributes:
        check_id: the check.
        severity: critical, major or minor.
        entity: what it is about.
        observed: what was seen.
        expected: what was expected.
    """

    check_id: str
    severity: str
    entity: str
    observed: str
    expected: str


@dataclass(slots=True)
class AuditReport:
    """What one audit found.

    Attributes:
        checks: the checks that ran.
        findings: what they found, worst first.
        opened: findings that were not open before.
        closed: findings that were open and are gone.
    """

    checks: tuple[Check, ...] = ()
    findings: list[Finding] = field(default_factory=list)
    opened: int = 0
    closed: int = 0

    def of(self, check_id: str) -> list[Finding]:
        """Return the findings of one check."""
        return [finding for finding in self.findings if finding.check_id == check_id]

    @property
    def blocking(self) -> list[Finding]:
        """Findings that stop publication."""
        ids = {check.id for check in self.checks if check.blocking}
        return [finding for finding in self.findings if finding.check_id in ids]


@functools.cache
def all_checks() -> tuple[Check, ...]:
    """Return every check, by name.

    Raises:
        ValueError: if the header of a file is incomplete or states what is not allowed.
    """
    found = [check for name in sql_names("audit") for check in _parsed(name)]
    return tuple(sorted(found, key=lambda check: check.id))


def _parsed(name: str) -> list[Check]:
    """Return the checks of a file: a line of properties and one of description each, at its head."""
    text = sql_text("audit", name)
    lines = text.splitlines()
    found: list[Check] = []
    for stated, description in zip(lines[::2], lines[1::2], strict=False):
        if not stated.startswith("-- check:"):
            break
        found.append(_check(name, stated, description, text))
    if not found or found[0].id != name:
        raise ValueError(_wrong(name))
    return found


def _check(name: str, stated: str, description: str, text: str) -> Check:
    header = dict(_HEADER.findall(stated))
    ok = (
        header.get("severity") in SEVERITIES
        and header.get("blocking") in {"yes", "no"}
        and header.get("scope") in SCOPES
        and "asset" in header
    )
    if not ok:
        raise ValueError(_wrong(name))
    is_blocking = header["blocking"] == "yes"
    what = description.removeprefix("--").strip()
    return Check(header["check"], header["severity"], is_blocking, header["scope"], header["asset"], what, text)


def _wrong(name: str) -> str:
    return (
        f"warehouse/sql/audit/{name}.sql: the first line must state check (the name of the file), severity, blocking, "
        "scope and asset; a further check of the same statement follows in two lines"
    )


def _chosen(only: Iterable[str] | None) -> tuple[Check, ...]:
    if only is None:
        return all_checks()
    wanted = set(only)
    unknown = wanted - {check.id for check in all_checks()}
    if unknown:
        known = ", ".join(check.id for check in all_checks())
        msg = f"no audit check {', '.join(sorted(unknown))}; the checks are: {known}"
        raise ValueError(msg)
    return tuple(check for check in all_checks() if check.id in wanted)


def run_audits(lake: Lake, *, days: Iterable[str] | None = None, only: Iterable[str] | None = None) -> AuditReport:
    """Run checks and bring ``audit.finding`` up to date, in one transaction.

    Args:
        lake: an open, writable lake.
        days: days (ISO 8601) to look at; by default all days that were computed. Checks of months look at the months of
            these days; checks without a date always look at everything.
        only: names of the checks to run; by default all.

    Returns:
        What was found.

    Raises:
        ValueError: if a name in ``only`` is not a check; the message lists them.
    """
    checks = _chosen(only)
    ranges = _ranges(sorted(set(days))) if days is not None else _computed(lake)
    stated = {**_limits(), **_configured(lake.config)}

    def work(connection: duckdb.DuckDBPyConnection) -> AuditReport:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE audit_found ({_COLUMNS})")
        report = AuditReport(checks)
        for check in checks:
            for first, last in _spans(check, ranges):
                _look(connection, check, first, last, stated)
                with planned_lightly(connection):
                    report.closed += _close(connection, check, first, last)
        report.opened = _open(connection)
        found = connection.execute(_FOUND_SQL).fetchall()
        report.findings = [Finding(*row) for row in found]
        connection.execute("DROP TABLE temp.audit_found")
        return report

    return lake.transaction(work)


_COLUMNS = "check_id VARCHAR, severity VARCHAR, entity VARCHAR, observed VARCHAR, expected VARCHAR"
_FOUND_SQL = """
SELECT DISTINCT ON (check_id, entity) check_id, severity, entity, observed, expected FROM audit_found
ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'major' THEN 1 ELSE 2 END, check_id, entity
"""


def _computed(lake: Lake) -> list[tuple[date, date]]:
    sql = (
        "SELECT CAST(min(partition_key) AS DATE), CAST(max(partition_key) AS DATE) FROM audit.materialisation "
        "WHERE table_name = 'core.job_energy'"
    )
    first, last = lake.rows(sql)[0]
    return [(first, last)] if first else []


def _ranges(days: list[str]) -> list[tuple[date, date]]:
    ranges: list[tuple[date, date]] = []
    for day in map(date.fromisoformat, days):
        if ranges and day - ranges[-1][1] <= timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges


def _spans(check: Check, ranges: list[tuple[date, date]]) -> list[tuple[date, date]]:
    """Return first and last day of what a check looks at: the days, their whole months, or once everything."""
    if check.scope == "day":
        return ranges
    if check.scope == "month":
        return sorted({(first.replace(day=1), _month_end(last)) for first, last in ranges})
    return [(date.min, date.max)]


def _month_end(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _limits() -> dict[str, Any]:
    """Return the parameters that are the same for every installation."""
    return {
        "tolerance": CONSERVATION_TOLERANCE,
        "min_coverage": MIN_COVERAGE,
        "material_fraction": 1 - MIN_COVERAGE,
        "slack_s": SLACK_S,
        "overdue_h": OVERDUE_H,
        "today": datetime.now(tz=UTC).date(),
        "highest_g_per_kwh": HIGHEST_G_PER_KWH,
        "flat_h": FLAT_H,
        "stale_h": STALE_H,
        "disagree_fraction": DISAGREE_FRACTION,
        "known_zones": list(zones()),
    }


def _configured(config: Config) -> dict[str, Any]:
    """Return the parameters that follow from the configuration."""
    feeds = [
        {"source": section.source, "zone": zone, "since": section.since}
        for section in config.feed
        for zone in section.zones
    ]
    return {"basis": config.grid.basis, "feeds": feeds}


def _look(
    connection: duckdb.DuckDBPyConnection, check: Check, first: date, last: date, stated: Mapping[str, Any]
) -> None:
    values = dict(stated)
    if check.scope != "all":
        since = first - timedelta(days=REACH_BACK_DAYS) if first > date.min + timedelta(days=REACH_BACK_DAYS) else first
        values |= {"first_day": first, "last_day": last, "since_day": since, "since_ms": day_bounds_ms(str(since))[0]}
        values |= {"first_ms": day_bounds_ms(str(first))[0], "end_ms": day_bounds_ms(str(last))[1]}
    used = set(_PARAMETER.findall("\n".join(line.partition("--")[0] for line in check.sql.splitlines())))
    bound = {name: value for name, value in values.items() if name in used}
    connection.execute(
        f"INSERT INTO audit_found SELECT $check_id, $severity, entity, observed, expected FROM ({check.sql})",
        {**bound, "check_id": check.id, "severity": check.severity},
    )


def _close(connection: duckdb.DuckDBPyConnection, check: Check, first: date, last: date) -> int:
    values: dict[str, Any] = {"check_id": check.id}
    inside = ""
    if check.scope != "all":
        inside = "AND left(entity, 10) BETWEEN $first AND $last"
        values |= {"first": str(first), "last": str(last)}
    gone = (
        f"check_id = $check_id AND state = 'open' {inside} "
        "AND entity NOT IN (SELECT entity FROM temp.audit_found WHERE check_id = $check_id)"
    )
    number = int(connection.execute(f"SELECT count(*) FROM lake.audit.finding WHERE {gone}", values).fetchall()[0][0])
    if number:
        connection.execute(f"UPDATE lake.audit.finding SET state = 'closed' WHERE {gone}", values)
    return number


def _open(connection: duckdb.DuckDBPyConnection) -> int:
    """Write what was found; a finding keeps the time at which it was seen first, also after it was closed."""
    known = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE old.state = 'open') "
        "FROM (SELECT DISTINCT check_id, entity FROM audit_found) AS found "
        "LEFT JOIN lake.audit.finding AS old USING (check_id, entity)"
    ).fetchall()[0]
    if not known[0]:
        return 0
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE audit_now AS
        SELECT found.*, 'open' AS state, coalesce(old.first_seen, now()) AS first_seen, now() AS last_seen
        FROM ({_FOUND_SQL}) AS found LEFT JOIN lake.audit.finding AS old USING (check_id, entity)
        """
    )
    keys = "(check_id, entity) IN (SELECT (check_id, entity) FROM temp.audit_now)"
    connection.execute(f"DELETE FROM lake.audit.finding WHERE {keys}")
    connection.execute("INSERT INTO lake.audit.finding BY NAME FROM temp.audit_now")
    connection.execute("DROP TABLE temp.audit_now")
    return int(known[0] - known[1])


def open_findings(lake: Lake, *, blocking_only: bool = False) -> list[Finding]:
    """Return the open findings, worst first.

    Args:
        lake: an open lake.
        blocking_only: only those that stop publication.
    """
    sql = (
        "SELECT check_id, severity, entity, observed, expected FROM audit.finding WHERE state = 'open' "
        "ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'major' THEN 1 ELSE 2 END, check_id, entity"
    )
    found = [Finding(*row) for row in lake.rows(sql)]
    ids = {check.id for check in all_checks() if check.blocking}
    return [finding for finding in found if not blocking_only or finding.check_id in ids]
