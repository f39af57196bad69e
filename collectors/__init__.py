"""Collectors of wattledger: what runs on a host and writes what it sees as Parquet.

What belongs here: power sources, job events, the sampling loop, importers of other tools' files, the landing writer and
its reader. What must not be here: emission science, DuckDB, Dagster, or any import of our other packages. On training
hosts this package is installed as ``wattledger_collectors``; inside it, imports are relative only.

Importing the package is light: pyarrow is loaded by the first landing write, never by the sampling loop.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__", "track"]


def __getattr__(name: str) -> object:
    if name == "track":
        from .jobs.tracking import track

        return track
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
