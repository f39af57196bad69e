"""Whether the lake has the tables that this version knows.

What belongs here: comparing columns with the registry. What must not be here: mending (``repair``).
"""

from __future__ import annotations

from warehouse.lake import Lake
from warehouse.registry import ALL_TABLES

_COLUMNS = (
    "SELECT schema_name || '.' || table_name, column_name, data_type FROM duckdb_columns() "
    "WHERE database_name = 'lake' ORDER BY 1, column_index"
)
_SPELLED = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}


def shape_problem(lake: Lake) -> str | None:
    """Return the first table whose columns are not those of the registry, or ``None``.

    A table that is missing altogether is no problem: the next run creates it.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in lake.rows(_COLUMNS):
        found.setdefault(table, []).append((column, _SPELLED.get(kind, kind)))
    for entry in ALL_TABLES:
        wanted = [(column.name, column.type) for column in entry.columns]
        given = found.get(entry.qualified, wanted)
        if given != wanted:
            wrong = sorted({name for name, _ in set(given) ^ set(wanted)}) or ["their order"]
            return f"{entry.qualified}: columns differ from the registry: {', '.join(wrong)}"
    return None
