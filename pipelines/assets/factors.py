"""The reference layer: factors, places and hardware of the program and the configuration, and since when they count.

What belongs here: bringing the ``ref`` tables up to date. What must not be here: a factor (``models/data``).
"""

from collections.abc import Iterator

import dagster as dg

from pipelines.describe import filled, key_of, spec
from pipelines.resources import WRITER_POOL, Installation
from warehouse import engine
from warehouse.registry import tables_in

TABLES = tuple(entry.qualified for entry in tables_in("ref"))


@dg.multi_asset(name="reference_tables", specs=[spec(name) for name in TABLES], pool=WRITER_POOL)
def reference(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.MaterializeResult]:
    """Write what changed in factors and configuration; days that were computed another way are noted as to do."""
    with installation.lake() as lake:
        run = engine.begin(lake)
        context.log.info("calculation %s", run.calc_run_id)
        for name in TABLES:
            current = lake.value(f"SELECT count(*) FROM {name} WHERE known_to IS NULL")
            yield dg.MaterializeResult(
                asset_key=key_of(name),
                metadata=filled(lake, name, current_rows=current, calc_run_id=run.calc_run_id),
            )
