"""The tables of a day: the core layer and the marts by day, computed together in one transaction a day.

What belongs here: the step that computes days. What must not be here: the order of tables and their SQL
(``warehouse``).

One step for all of them on purpose: a reader of the lake never sees a day whose core is new and whose marts are old,
and a crash leaves the day as it was. Some of the tables can be computed alone, for looking into something; the rest
then waits.
"""

from collections.abc import Iterator

import dagster as dg

from pipelines.describe import filled, key_of, spec
from pipelines.partitions import BY_TIME, DAYS
from pipelines.resources import WRITER_POOL, Installation
from warehouse import engine
from warehouse.transform import DAILY


@dg.multi_asset(
    name="day_tables",
    specs=[spec(name, partitions=DAYS, mapping=BY_TIME, computed=True) for name in DAILY],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=WRITER_POOL,
)
def days(context: dg.AssetExecutionContext, installation: Installation) -> Iterator[dg.MaterializeResult]:
    """Compute the chosen days, one transaction a day; energy that is not conserved refuses the day."""
    chosen = [name for name in DAILY if key_of(name) in context.selected_asset_keys]
    with installation.lake() as lake:
        run = engine.begin(lake)
        for day in context.partition_keys:
            rows = engine.compute_day(lake, run, day, names=None if len(chosen) == len(DAILY) else chosen)
            context.log.info("%s: %s rows", day, sum(rows.values()))
            for name in chosen:
                context.add_asset_metadata(
                    {"dagster/partition_row_count": rows[name, day]}, asset_key=key_of(name), partition_key=day
                )
        for name in chosen:
            yield dg.MaterializeResult(asset_key=key_of(name), metadata=filled(lake, name, calc_run_id=run.calc_run_id))
