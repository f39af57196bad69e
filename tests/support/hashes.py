"""Fingerprints of tables: equal when the tables state the same, whatever the order of their rows or files."""

from __future__ import annotations

from warehouse.lake import Lake
from warehouse.registry import ALL_TABLES, table

FIGURES = ("raw", "core", "mart")


def table_hash(lake: Lake, name: str) -> str:
    """Return rows and a hash over the sorted rows of a table, without its bookkeeping columns."""
    entry = table(name)
    columns = [column for column in entry.column_names if column not in entry.bookkeeping]
    fields = ", ".join(f'"{column}" := "{column}"' for column in columns)
    rows, digest = lake.rows(
        f"SELECT count(*), sha256(coalesce(string_agg(md5(t), '' ORDER BY t), '')) "
        f"FROM (SELECT CAST(to_json(struct_pack({fields})) AS VARCHAR) AS t FROM lake.{entry.qualified})"
    )[0]
    return f"{rows}:{digest[:16]}"


def all_hashes(lake: Lake, schemas: tuple[str, ...] = FIGURES) -> dict[str, str]:
    """Return the fingerprint of every table of some layers, by name."""
    return {entry.qualified: table_hash(lake, entry.qualified) for entry in ALL_TABLES if entry.schema in schemas}


def differing(one: dict[str, str], other: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Return the tables whose fingerprints differ; empty when all are equal."""
    return {name: (one.get(name), other.get(name)) for name in sorted(one | other) if one.get(name) != other.get(name)}
