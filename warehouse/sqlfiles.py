"""The .sql files of the warehouse: one SELECT a file, read once, hashed into the identity of a calculation."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources

LAYERS = ("ingest", "core", "mart", "audit")


@functools.cache
def sql_text(layer: str, name: str) -> str:
    """Return the text of ``warehouse/sql/<layer>/<name>.sql``.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    return resources.files("warehouse").joinpath("sql", layer, f"{name}.sql").read_text(encoding="utf-8")


def sql_names(layer: str) -> list[str]:
    """Return the names of the files of one layer, sorted."""
    folder = resources.files("warehouse").joinpath("sql", layer)
    return sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))


@functools.cache
def sql_sha256() -> str:
    """Return one hash over every .sql file by which a figure is computed (core and mart)."""
    digest = hashlib.sha256()
    for layer in ("core", "mart"):
        for name in sql_names(layer):
            digest.update(f"{layer}/{name}\n{sql_text(layer, name)}\n".encode())
    return digest.hexdigest()
