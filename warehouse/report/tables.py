"""Columns of tables: one unit a column, exact values for machines, a mark where energy is estimated."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from warehouse.report import numbers
from warehouse.report.blocks import TableColumn
from warehouse.report.numbers import Unit
from warehouse.report.queries import Row

Cells = list[Markup | str]


def text_column(label: str, cells: Sequence[Markup | str]) -> TableColumn:
    """Return a column of words of ours."""
    return TableColumn(label, cells)


def name_column(label: str, values: Sequence[str | None], *, is_long: bool = False) -> TableColumn:
    """Return a column of text from outside."""
    cells = [numbers.UNKNOWN if value is None else numbers.readable(value) for value in values]
    return TableColumn(label, cells, is_name=True, is_long=is_long)


def number_column(label: str, cells: Sequence[Markup | str], unit: str = "") -> TableColumn:
    """Return a column of figures."""
    return TableColumn(label, cells, is_number=True, unit=unit)


def energy_cells(rows: Sequence[Row], key: str, unit: Unit, *, estimated: str | None = None) -> Cells:
    """Return energies [kWh] in one unit; ``estimated`` names the column with the estimated part of ``it_kwh``."""
    cells: Cells = []
    for row in rows:
        cell = _number(row[key], unit)
        part = row[estimated] if estimated else None
        if part and row[key] is not None:
            whole = row.get("it_kwh") or row[key]
            cell = cell + estimated_mark(part / whole)
        cells.append(cell)
    return cells


def mass_cells(rows: Sequence[Row], key: str, unit: Unit, *, marks_incomplete: bool = False) -> Cells:
    """Return masses [kgCO2e] in one unit, marked where energy of the row has no grid factor or no PUE, if wanted."""
    cells: Cells = []
    for row in rows:
        lacks = marks_incomplete and row[key] is not None and (row["unlocated_kwh"] or row["facility_kwh"] is None)
        cells.append(_number(row[key], unit) + (numbers.incomplete_mark() if lacks else Markup()))
    return cells


def interval_cells(rows: Sequence[Row], unit: Unit) -> Cells:
    """Return low-high intervals [kgCO2e] in one unit."""
    return [numbers.interval(row["low_kgco2e"], row["high_kgco2e"], unit) for row in rows]


def share_cells(rows: Sequence[Row], key: str) -> Cells:
    """Return fractions as percent."""
    return [numbers.share(row[key]) for row in rows]


def estimated_mark(fraction: float) -> Markup:
    """Return the mark of a cell whose energy is estimated, with the share that is."""
    return Markup(' <span class="mark">{} est.</span>').format(numbers.percent(fraction))


def _number(value: float | None, unit: Unit) -> Markup:
    return numbers.UNKNOWN if value is None else numbers.data(value, numbers.in_unit(value, unit))
