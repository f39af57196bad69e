"""Partitions of the assets: hours of landed readings, days and months of what is computed, always by event time in UTC.

What belongs here: partition definitions, the mapping between them, keys of one in terms of another. What must not be
here: which partitions are to be computed (``automation``).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from collectors.contract import MIN_TIME_MS
from warehouse.registry import Table

MS_PER_S = 1000
# The landing contract accepts no earlier stamp, so that every day that ingest can touch has a partition.
FIRST_DAY = datetime.fromtimestamp(MIN_TIME_MS / MS_PER_S, tz=UTC).date()
# Hours are only shown, never asked for, and Dagster is slow beyond some 100,000 partitions; earlier hours are taken in
# alike.
FIRST_HOUR = "2020-01-01-00:00"
# Days go on to the one that is running: figures of today are provisional and are computed again until it ends.
HOURS = dg.HourlyPartitionsDefinition(start_date=FIRST_HOUR, timezone="UTC", end_offset=1)
DAYS = dg.DailyPartitionsDefinition(start_date=str(FIRST_DAY), timezone="UTC", end_offset=1)
MONTHS = dg.MonthlyPartitionsDefinition(start_date=str(FIRST_DAY), timezone="UTC", end_offset=1)
with warnings.catch_warnings():
    # Days before the first shown hour have no hours. The option is marked as beta; nobody who runs us can act on that.
    warnings.simplefilter("ignore", dg.BetaWarning)
    BY_TIME = dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)

HOURLY_TABLES = frozenset({"raw.sample_hour"})
# The table that shows the landed files of another name.
_SHOWN_AS = {"raw.power_sample": "raw.sample_hour"}
_LANDED = re.compile(r"(?P<table>\w+)/date=(?P<day>\d{4}-\d{2}-\d{2})/hour=(?P<hour>\d{2})/[^/]+")


def of_raw(entry: Table) -> dg.PartitionsDefinition[str] | None:
    """Return the partitions in which a raw table is shown: hours of readings, days of the rest, none for ledgers."""
    if entry.partition is None:
        return None
    return HOURS if entry.qualified in HOURLY_TABLES else DAYS


def landed_partition(path: str) -> tuple[str, str] | None:
    """Return table and partition key of a landed file, or ``None`` where its path does not state them.

    Args:
        path: path under the landing root.
    """
    match = _LANDED.fullmatch(path)
    if match is None:
        return None
    table = f"raw.{match['table']}"
    table = _SHOWN_AS.get(table, table)
    key = f"{match['day']}-{match['hour']}:00" if table in HOURLY_TABLES else match["day"]
    partitions = HOURS if table in HOURLY_TABLES else DAYS
    return (table, key) if partitions.has_partition_key(key) else None


def month_key(month: str) -> str:
    """Return Dagster's key of a month (2025-03-01) of a month of the ledger (2025-03)."""
    return f"{month}-01"


def ledger_month(key: str) -> str:
    """Return the month of the ledger (2025-03) of Dagster's key (2025-03-01)."""
    return key[:7]


def day_ranges(days: Iterable[str], longest: int) -> list[tuple[str, str]]:
    """Return runs of neighbouring days as (first, last).

    Args:
        days: days (ISO 8601), in any order.
        longest: most days in one range.
    """
    ranges: list[tuple[date, date]] = []
    for day in sorted(map(date.fromisoformat, set(days))):
        first, last = ranges[-1] if ranges else (day, day)
        if ranges and day - last == timedelta(days=1) and (day - first).days < longest:
            ranges[-1] = (first, day)
        else:
            ranges.append((day, day))
    return [(str(first), str(last)) for first, last in ranges]


def month_ranges(months: Iterable[str]) -> list[tuple[str, str]]:
    """Return runs of neighbouring months of the ledger (2025-03) as (first, last)."""
    ranges: list[tuple[str, str]] = []
    for month in sorted(set(months)):
        if ranges and _next_month(ranges[-1][1]) == month:
            ranges[-1] = (ranges[-1][0], month)
        else:
            ranges.append((month, month))
    return ranges


def _next_month(month: str) -> str:
    return str(date.fromisoformat(f"{month}-01") + timedelta(days=31))[:7]
