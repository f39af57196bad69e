"""Restatements: what changed in a month that was closed, and what other grid factors made of a day.

What belongs here: the comparison of a partition before and after a computation. A month is closed some days after its
end; changes before that are the ordinary growth of provisional figures and are not restatements. A grid factor or a PUE
that takes the place of another is noted for every day, closed or not: it links a provisional figure with the final one.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import duckdb

from warehouse.sqlfiles import sql_text
from warehouse.temporaries import bound

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
                "INSERT INTO lake.audit.restatement BY NAME SELECT 'month' AS period, ? AS start, ? AS org, "
                "? AS phase_group, ? AS cause, ? AS old_kgco2e, ? AS new_kgco2e, ? AS old_calc_run_id, "
                "? AS new_calc_run_id, now() AS restated_at",
                [first, org, group, cause, old.get((org, group)), new.get((org, group)), old_run, calc_run_id],
            )


def factors_before(connection: duckdb.DuckDBPyConnection, day: str) -> str | None:
    """Keep the factors of a day as they stand in the temporary tables ``old_factor`` (grid) and ``old_place`` (PUE).

    Args:
        connection: a connection in a transaction.
        day: the day (ISO 8601).

    Returns:
        The calculation of the day's emissions; ``None`` for a day that is not computed yet.
    """
    found = connection.execute(
        "SELECT calc_run_id FROM lake.audit.materialisation "
        "WHERE table_name = 'core.emission' AND partition_key = $day",
        {"day": day},
    ).fetchall()
    if not found:
        return None
    for name, former in (("old_factor", "grid_factor"), ("old_place", "place_factor")):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS FROM lake.core.{former} WHERE day = $day",
            {"day": date.fromisoformat(day)},
        )
    return str(found[0][0])


def note_factor_changes(connection: duckdb.DuckDBPyConnection, old_run: str, values: dict[str, Any]) -> int:
    """Write a row for what each other factor made of a day; all sides are worked out from the energy of today.

    First the grid factors change, by the PUE of before, then the PUE, by the grid factors of now: the rows add up.

    Args:
        connection: a connection in the transaction that computed the day, after ``factors_before``.
        old_run: what that gave.
        values: parameters of the day (``temporaries.parameters``).

    Returns:
        Rows written.
    """
    changed = sql_text("ingest", "changed_place")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE changed_place AS {changed}", bound(changed, values))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE place AS {_FORMER_PLACE}", {"day": values["day"]})
    changed = sql_text("ingest", "changed_factor")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE changed_factor AS {changed}", bound(changed, values))
    written = 0
    if connection.execute("SELECT count(*) FROM changed_factor").fetchall()[0][0]:
        for side in ("old", "new"):
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE applied_factor AS "
                "SELECT * EXCLUDE (side) FROM changed_factor WHERE side = $side",
                {"side": side},
            )
            _work_out(connection, f"{side}_operational", "operational", values)
        written += _write(connection, "day_restatement", old_run, values)
    if connection.execute("SELECT count(*) FROM changed_place").fetchall()[0][0]:
        _work_out(connection, "applied_factor", "applied_factor", values)
        _work_out(connection, "old_operational", "operational", values)
        _work_out(connection, "place", "place", values)
        _work_out(connection, "new_operational", "operational", values)
        written += _write(connection, "day_place_restatement", old_run, values)
    return written


_FORMER_PLACE = """
SELECT facility, pue, grid_loss_fraction FROM old_place SEMI JOIN changed_place USING (facility)
UNION ALL
SELECT facility, pue, grid_loss_fraction FROM lake.core.place_factor ANTI JOIN changed_place USING (facility)
WHERE day = $day
"""


def _work_out(connection: duckdb.DuckDBPyConnection, name: str, sql: str, values: dict[str, Any]) -> None:
    text = sql_text("core", sql)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {text}", bound(text, values))


def _write(connection: duckdb.DuckDBPyConnection, sql: str, old_run: str, values: dict[str, Any]) -> int:
    rows = sql_text("ingest", sql)
    written = connection.execute(
        "INSERT INTO lake.audit.restatement BY NAME "
        "SELECT 'day' AS period, $day AS start, *, $old_run AS old_calc_run_id, "
        f"$new_run AS new_calc_run_id, now() AS restated_at FROM ({rows})",
        bound(rows, values) | {"day": values["day"], "old_run": old_run, "new_run": values["calc_run_id"]},
    )
    return int(written.fetchall()[0][0])
