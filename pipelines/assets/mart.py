"""Marts beyond the day: months, and tables over all time.

What belongs here: the steps that compute them. What must not be here: their SQL (``warehouse/sql/mart``).
"""

from collections.abc import Iterator

import dagster as dg

from pipelines.describe import filled, key_of, spec
from pipelines.partitions import BY_TIME, MONTHS, ledger_month
from pipelines.resources import WRITER_POOL, Installation
from warehouse import engine
from warehouse.temporaries import ALL
from warehouse.transform import MONTHLY, WHOLE


@dg.multi_asset(
    name="month_tables",
    specs=[spec(name, partitions=MONTHS, mapping=BY_TIME, computed=True) for name in MONTHLY],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=WRITER_POOL,
)
def months(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.MaterializeResult]:
    """Compute the chosen months, one transaction a month; a change of a closed month is noted as a restatement."""
    with installation.lake() as lake:
        run = engine.begin(lake)
        for key in context.partition_keys:
            rows = engine.compute_month(lake, run, ledger_month(key))
            for name in MONTHLY:
                context.add_asset_metadata(
                    {"dagster/partition_row_count": rows[name, ledger_month(key)]},
                    asset_key=key_of(name),
                    partition_key=key,
                )
        for name in MONTHLY:
            yield dg.MaterializeResult(asset_key=key_of(name), metadata=filled(lake, name, calc_run_id=run.calc_run_id))


@dg.multi_asset(name="whole_tables", specs=[spec(name, computed=True) for name in WHOLE], pool=WRITER_POOL)
def whole(installation: Installation) -> Iterator[dg.MaterializeResult]:
    """Compute the tables without partitions, from all days."""
    with installation.lake() as lake:
        run = engine.begin(lake)
        rows = engine.compute_whole(lake, run)
        for name in WHOLE:
            yield dg.MaterializeResult(
                asset_key=key_of(name),
                metadata={"dagster/row_count": rows[name, ALL], "calc_run_id": run.calc_run_id},
            )
