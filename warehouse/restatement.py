"""Restatements: what changed in a month that was closed, and why.

What belongs here: the comparison of a month before and after a computation. A month is closed some days after its end;
changes before that are the ordinary growth of provisional figures and are not restatements.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import duckdb

TABLE = "mart.training_vs_inference_monthly"
CLOSED_AFTER_DAYS = 5

Totals = tuple[str | None, dict[tuple[str, str], float | None]]


def totals_before(connection: duckdb.DuckDBPyConnection, month: str) -> Totals:
    """Return the calculation and the totals [kgCO2e] by (org, phase group) of a month as they stand, if it was closed.

    Args:
        connection: a connection in a transaction.
        month: the month (2025-03).
    """
    closed = (date.fromisoformat(f"{month}-01") + timedelta(days=31)).replace(day=1) + timedelta(days=CLOSED_AFTER_DAYS)
    last = connection.execute(
        "SELECT calc_run_id FROM lake.audit.materialisation "
        "WHERE table_name = $name AND partition_key = $month AND computed_at >= CAST($closed AS DATE)",
        {"name": TABLE, "month": month, "closed": closed},
    ).fetchall()
    if not last:
        return None, {}
    rows: list[tuple[Any, ...]] = connection.execute(
        f"SELECT org, phase_group, total_kgco2e FROM lake.{TABLE} WHERE month = $month",
        {"month": date.fromisoformat(f"{month}-01")},
    ).fetchall()
    return last[0][0], {(org, group): total for org, group, total in rows}


def note_restatements(connection: duckdb.DuckDBPyConnection, month: str, before: Totals, calc_run_id: str) -> None:
    """Write a row for every total of a closed month that is another one now.

    Args:
        connection: a connection in the transaction that computed the month.
        month: the month (2025-03).
        before: what ``totals_before`` gave before the computation.
        calc_run_id: calculation of the new totals.
    """
    old_run, old = before
    if old_run is None:
        return
    first = date.fromisoformat(f"{month}-01")
    rows = connection.execute(
        f"SELECT org, phase_group, total_kgco2e FROM lake.{TABLE} WHERE month = $month", {"month": first}
    ).fetchall()
    new = {(org, group): total for org, group, total in rows}
    cause = "late_data" if old_run == calc_run_id else "factor, configuration or method"
    for org, group in sorted(old.keys() | new.keys()):
        if old.get((org, group)) != new.get((org, group)):
            connection.execute(
                "INSERT INTO lake.audit.restatement VALUES (?, ?, ?, ?, ?, ?, ?, ?, now())",
                [first, org, group, old.get((org, group)), new.get((org, group)), cause, old_run, calc_run_id],
            )
