"""The whole registry, put together from its layers."""

from __future__ import annotations

from warehouse.registry import assets, audit, core, mart, prediction, product, raw, ref
from warehouse.registry.types import Table

SCHEMAS = ("ref", "raw", "core", "mart", "rpt", "audit")
ALL_TABLES: tuple[Table, ...] = (
    *ref.TABLES,
    *raw.TABLES,
    *core.TABLES,
    assets.ASSET,
    assets.ASSET_ACCRUAL,
    *mart.TABLES,
    assets.EMBODIED_LEDGER,
    product.SCI_MONTHLY,
    product.SCI_AI,
    prediction.PREDICTION_SCORE,
    prediction.PREDICTION_ACCURACY,
    *audit.TABLES,
)
_BY_NAME = {entry.qualified: entry for entry in ALL_TABLES}


def table(qualified: str) -> Table:
    """Return the table named ``schema.name``.

    Raises:
        KeyError: if the registry has no such table.
    """
    try:
        return _BY_NAME[qualified]
    except KeyError:
        msg = f"no table {qualified}; the registry has {', '.join(sorted(_BY_NAME))}"
        raise KeyError(msg) from None


def tables_in(schema: str) -> tuple[Table, ...]:
    """Return the tables of one layer, in the order in which they are filled."""
    return tuple(entry for entry in ALL_TABLES if entry.schema == schema)
