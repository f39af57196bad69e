"""Computing one table again, for some of its partitions, and nothing that follows from it.

What belongs here: what `wattledger run --only` does. What must not be here: the whole line (``engine``).
"""

from __future__ import annotations

from collections.abc import Iterable

from warehouse import transform
from warehouse.energy import day_bounds_ms
from warehouse.engine import FORCED, Progress, RunReport, begin, compute_day, days_with_facts
from warehouse.jobs import JOB_TABLES, note_jobs_of_days
from warehouse.lake import Lake
from warehouse.temporaries import ALL
from warehouse.transform import Calculation, fill, month_of


def run_table(lake: Lake, name: str, partitions: Iterable[str], *, progress: Progress | None = None) -> RunReport:
    """Compute one table again for some partitions, and nothing that follows from it.

    Args:
        lake: an open, writable lake.
        name: table, schema.name.
        partitions: days, months or ``*``, as the table has them.
        progress: as in ``run_all``.
    """
    tell = progress or (lambda _stage, _done, _all, _what: None)
    run = begin(lake)
    report = RunReport(calc_run_id=run.calc_run_id)
    wanted = list(partitions)
    for number, partition in enumerate(wanted):
        tell("compute", number, len(wanted), partition)
        if name in JOB_TABLES:
            note_jobs_of_days(lake, FORCED, *day_bounds_ms(partition))
        report.computed |= _one_table(lake, run, name, partition, report)
    tell("compute", len(wanted), len(wanted), "")
    return report


def _one_table(
    lake: Lake, run: Calculation, name: str, partition: str, report: RunReport
) -> dict[tuple[str, str], int]:
    if transform.partition_kind(name) == "day":
        return compute_day(lake, run, partition, names=[name], follow=False, report=report)
    return lake.transaction(lambda connection: fill(connection, lake.config, run, [name], partition))


def partitions_of(lake: Lake, name: str, from_day: str | None = None, to_day: str | None = None) -> list[str]:
    """Return all partitions of a computed table that have facts in a range of days."""
    kind = transform.partition_kind(name)
    if kind == "all":
        return [ALL]
    days = days_with_facts(lake, from_day, to_day)
    return days if kind == "day" else sorted({month_of(day) for day in days})
