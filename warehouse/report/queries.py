"""What the report reads: every query of ``warehouse/sql/report`` on the published database, once.

What belongs here: running the queries and handing out their rows. What must not be here: any figure made in Python that
SQL could make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from warehouse.report.numbers import percent
from warehouse.sqlfiles import sql_names, sql_text

LAYER = "report"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of one named query.

    Attributes:
        name: name of the query; its public id is ``report.<name>``.
        columns: column names, with units as suffix.
        rows: rows by column name.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def query_id(self) -> str:
        """Return the id under which the query can be asked for."""
        return f"{LAYER}.{self.name}"


def read_all(connection: duckdb.DuckDBPyConnection) -> dict[str, Result]:
    """Run every query of the report layer.

    Args:
        connection: the published database, open for reading.
    """
    # Sums of floating-point numbers depend on their order: one thread reads in the order of the file, so that the same
    # data give the same page.
    connection.execute("SET threads = 1")
    connection.execute("SET TimeZone = 'UTC'")
    return {name: _read(connection, name) for name in sql_names(LAYER)}


def _read(connection: duckdb.DuckDBPyConnection, name: str) -> Result:
    cursor = connection.execute(sql_text(LAYER, name))
    columns = tuple(column[0] for column in cursor.description or ())
    return Result(name, columns, tuple(dict(zip(columns, row, strict=True)) for row in cursor.fetchall()))


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that the parts of a report are made from.

    Attributes:
        organisation: who answers for the figures.
        results: rows of each query, by its name; empty where nothing is published.
        generated_at: when the page was made, or ``None`` to leave it out.
    """

    organisation: str
    results: Mapping[str, Result]
    generated_at: datetime | None = None

    def rows(self, name: str) -> tuple[Row, ...]:
        """Return the rows of a query."""
        return self.results[name].rows

    @property
    def totals(self) -> Row:
        """Return the one row of ``report.headline``."""
        return self.rows("headline")[0]

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no month to report on."""
        return not self.results or not self.totals["months_n"]

    @property
    def is_estimated(self) -> bool:
        """Tell whether any energy of the report rests on modelled readings."""
        return bool(self.totals["estimated_kwh"])

    @property
    def estimated_note(self) -> str | None:
        """Return the mark that stands wherever the energy of the whole period stands, if any of it is estimated."""
        return f"{percent(self.totals['estimated_fraction'])} estimated" if self.is_estimated else None

    @property
    def estimated_mass_note(self) -> str | None:
        """Return the mark of emissions of the whole period, if any of them rest on estimated energy."""
        rests = self.is_estimated and self.totals["location_kgco2e"] is not None
        return f"energy {self.estimated_note}" if rests else None

    @property
    def is_incomplete(self) -> bool:
        """Tell whether operational emissions leave out energy without a grid factor or without a PUE."""
        return bool(self.totals["unlocated_kwh"] or self.totals["pue_unknown_kwh"])

    @property
    def factor_set(self) -> str:
        """Return data set and version of the factors behind the emissions."""
        runs = self.rows("calculation")
        if not runs:
            return "not known"
        names = [
            f"wattledger {run['program_version'] or '?'}, set {(run['factors_sha256'] or '?')[:12]}" for run in runs
        ]
        return "; ".join(dict.fromkeys(names))
