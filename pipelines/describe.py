"""What Dagster shows of a table, made from the registry and the .sql files: columns, units, sources, row counts.

What belongs here: the translation of the registry into Dagster's words. What must not be here: a description of a table
(``warehouse/registry``), what computes it (``assets``).
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import dagster as dg

from warehouse.lake import Lake
from warehouse.registry import ALL_TABLES, Table, table
from warehouse.sqlfiles import sql_names, sql_text

_READ = re.compile(r"\blake\.(\w+\.\w+)")
_NAMES = frozenset(entry.qualified for entry in ALL_TABLES)


def key_of(qualified: str) -> dg.AssetKey:
    """Return the asset key of a table: asset name = table name = folder in the lake."""
    return dg.AssetKey(qualified.split("."))


def column_schema(entry: Table) -> dg.TableSchema:
    """Return the columns of a table with type, description, unit and whether a value may be missing."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                f"{column.description} [{column.unit}]" if column.unit else column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
                tags={"unit": _tag(column.unit)} if column.unit else {},
            )
            for column in entry.columns
        ]
    )


def _tag(unit: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", unit).strip("_") or "percent"


def description(entry: Table) -> str:
    """Return what one row of a table states, its grain and its key."""
    return f"{entry.description}\n\nGrain: {entry.grain}. Key: {', '.join(entry.key)}."


@functools.cache
def reads(qualified: str) -> tuple[str, ...]:
    """Return the tables that the .sql file of a computed table reads, also through temporary tables; sorted."""
    schema, _, name = qualified.partition(".")
    found: set[str] = set()
    todo, seen = [(schema, name)], set()
    while todo:
        layer, file = todo.pop()
        seen.add(file)
        text = "\n".join(line.partition("--")[0] for line in sql_text(layer, file).splitlines())
        found |= set(_READ.findall(text)) & _NAMES
        found |= {source for word, sources in _MADE_BY_PYTHON.items() if _word(word, text) for source in sources}
        todo += [("core", other) for other in _temporary_names() if other not in seen and _word(other, text)]
    return tuple(sorted(found - {qualified}))


@functools.cache
def _temporary_names() -> tuple[str, ...]:
    return tuple(name for name in sql_names("core") if f"core.{name}" not in _NAMES)


def _word(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){name}\b", text) is not None


def code_version(qualified: str) -> str:
    """Return the hash of the .sql file that fills a table."""
    schema, _, name = qualified.partition(".")
    return hashlib.sha256(sql_text(schema, name).encode()).hexdigest()[:16]


def spec(
    qualified: str,
    *,
    partitions: dg.PartitionsDefinition[str] | None = None,
    mapping: dg.PartitionMapping | None = None,
    deps: Mapping[str, dg.PartitionMapping | None] | None = None,
    computed: bool = False,
) -> dg.AssetSpec:
    """Return the asset of a table.

    Args:
        qualified: table, schema.name.
        partitions: its partitions.
        mapping: how its partitions follow from those of the partitioned tables that its SQL reads.
        deps: what it is made from, where no SQL says so.
        computed: whether a .sql file of its name fills it; what that reads is then what it is made from.
    """
    entry = table(qualified)
    sources = dict(deps or {})
    if computed:
        sources |= {name: mapping if table(name).partition or name in _BY_DAY else None for name in reads(qualified)}
    return dg.AssetSpec(
        key_of(qualified),
        deps=[dg.AssetDep(key_of(name), partition_mapping=how) for name, how in sources.items()],
        description=description(entry),
        metadata={
            "dagster/column_schema": column_schema(entry),
            "dagster/table_name": qualified,
            "grain": entry.grain,
            "key": ", ".join(entry.key),
            "is_published": entry.published,
        },
        group_name=entry.schema,
        code_version=code_version(qualified) if computed else None,
        kinds={"duckdb", "parquet"} if entry.schema not in {"core", "mart"} else {"duckdb", "parquet", "sql"},
        partitions_def=partitions,
    )


# Tables of jobs have no partition in the lake; they are computed by day all the same.
_BY_DAY = frozenset({"core.job", "core.job_phase", "core.job_hold", "mart.job"})
# Temporary tables that Python makes, and from what.
_MADE_BY_PYTHON = {
    "day_hold": ("core.job_hold",),
    "touched_job": ("core.job",),
    "new_job": ("core.job",),
    "new_phase": ("core.job_phase",),
    "made_segment": ("raw.sample_hour", "core.job_hold"),
    "asset_span": ("core.asset", "ref.service_life"),
    "asset_write_off": ("core.asset", "ref.service_life"),
}


def row_count(lake: Lake, qualified: str) -> int:
    """Return the rows of a table."""
    return int(lake.value(f"SELECT count(*) FROM {qualified}"))


def filled(lake: Lake, qualified: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the metadata of a materialisation of a whole table."""
    return {"dagster/row_count": row_count(lake, qualified), **more}
