"""Energy by device and slot with polars and with ClickHouse, for who has them installed; neither is a dependency.

What belongs here: the lean form of ``lean_window.sql`` in their words. What must not be here: anything that needs them
when this module is imported.
"""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

from bench import data
from bench.kernel import lean_rules
from bench.measure import Meter

KEY = ["host", "device", "point"]


def polars_lean(meter: Meter, hours_n: int, rules: dict[str, Any], out: str) -> dict[str, Any]:
    """Sum energy by device and slot with polars, streaming."""
    pl: Any = importlib.import_module("polars")
    found = data.load("unwrapped", hours_n)
    data.warm(found.paths)
    with meter:
        told = _told(pl, pl.scan_parquet(found.paths), rules)
        inside = told.filter(pl.col("first") == pl.col("last")).select(*KEY, pl.col("first").alias("slot"), "energy_j")
        pieces = told.filter(pl.col("first") != pl.col("last")).with_columns(
            slot=pl.int_ranges(pl.col("first"), pl.col("last") + 1)
        )
        crossing = _shares(pl, pieces.explode("slot"), rules["slot_ms"])
        table = (
            pl.concat([inside, crossing])
            .group_by([*KEY, "slot"])
            .agg(pl.col("energy_j").sum())
            .with_columns(start_ms=pl.col("slot") * rules["slot_ms"])
            .collect(engine="streaming")
        )
    table.select(*KEY, "start_ms", "energy_j").write_parquet(out)
    return {"segments_n": table.height}


def _told(pl: Any, frame: Any, rules: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return intervals with their energy, from readings in the order of the hour files."""
    names = ["ts_ms", "power_mw", "energy_mj", "session"]
    readings = (
        frame.select(*KEY, "kind", *names)
        .filter(pl.col("power_mw").is_not_null() | pl.col("energy_mj").is_not_null())
        .sort([*KEY, "ts_ms"])
    )
    before = [pl.col(name).shift(1).over(KEY).alias(f"from_{name}") for name in names]
    length = pl.col("ts_ms") - pl.col("from_ts_ms")
    rise = pl.col("energy_mj") - pl.col("from_energy_mj")
    limit_mw = (
        pl.when(pl.col("kind") == "gpu").then(rules["max_power_mw"]["gpu"]).otherwise(rules["max_power_mw"]["cpu"])
    )
    is_counter = (
        (pl.col("session") == pl.col("from_session"))
        & (rise >= 0)
        & (length <= rules["reach_ms"])
        & (rise <= limit_mw * (length + rules["jitter_ms"]) / 1000)
    ).fill_null(value=False)
    by_power = (pl.col("from_power_mw") + pl.col("power_mw")) / 2.0 * length / 1e6
    energy = pl.when(is_counter).then(rise / 1e3).when(length <= min(rules["max_gap_ms"].values())).then(by_power)
    slot_ms = rules["slot_ms"]
    return (
        readings.with_columns(before)
        .filter(pl.col("from_ts_ms").is_not_null())
        .with_columns(
            is_counter=is_counter,
            energy_j=energy,
            length_ms=length,
            first=pl.col("from_ts_ms") // slot_ms,
            last=(pl.col("ts_ms") - 1) // slot_ms,
        )
        .filter(pl.col("energy_j").is_not_null())
    )


def _shares(pl: Any, pieces: Any, slot_ms: int) -> Any:  # noqa: ANN401
    """Return the parts of intervals that cross the edge of a slot."""
    x_ms = pl.max_horizontal(pl.col("from_ts_ms"), pl.col("slot") * slot_ms)
    y_ms = pl.min_horizontal(pl.col("ts_ms"), (pl.col("slot") + 1) * slot_ms)
    from_ms, to_ms, length = pl.col("from_ts_ms"), pl.col("ts_ms"), pl.col("length_ms")
    by_power = (
        (pl.col("from_power_mw") * (2 * to_ms - x_ms - y_ms) + pl.col("power_mw") * (x_ms + y_ms - 2 * from_ms))
        / (2.0 * length)
        * (y_ms - x_ms)
        / 1e6
    )
    energy = pl.when(pl.col("is_counter")).then(pl.col("energy_j") * (y_ms - x_ms) / length).otherwise(by_power)
    return pieces.select(*KEY, "slot", energy_j=energy)


_CLICKHOUSE = """
with neighbour as (
    select host, device, point, kind, ts_ms as to_ms, power_mw as to_mw, energy_mj as to_mj, session as to_session,
        lagInFrame(toNullable(ts_ms)) over series as from_ms, lagInFrame(power_mw) over series as from_mw,
        lagInFrame(energy_mj) over series as from_mj, lagInFrame(toNullable(session)) over series as from_session
    from file('{folder}/*.parquet', Parquet)
    where power_mw is not null or energy_mj is not null
    window series as (
        partition by host, device, point order by ts_ms rows between unbounded preceding and unbounded following
    )
),
told as (
    select *, to_ms - from_ms as length_ms, intDiv(from_ms, {slot_ms}) as first, intDiv(to_ms - 1, {slot_ms}) as last,
        ifNull(from_session = to_session and to_mj >= from_mj and length_ms <= {reach_ms}
            and to_mj - from_mj <= if(kind = 'gpu', {gpu_mw}, {cpu_mw}) * (length_ms + {jitter_ms}) / 1000, 0)
            as is_counter,
        multiIf(is_counter, (to_mj - from_mj) / 1e3,
            length_ms <= {max_gap_ms}, (from_mw + to_mw) / 2. * length_ms / 1e6, null) as whole_j
    from neighbour
    where from_ms is not null
),
piece as (
    select host, device, point,
        arrayJoin(range(toUInt64(assumeNotNull(first)), toUInt64(assumeNotNull(last)) + 1)) as slot,
        greatest(from_ms, toInt64(slot) * {slot_ms}) as x_ms, least(to_ms, (toInt64(slot) + 1) * {slot_ms}) as y_ms,
        multiIf(first = last, whole_j, is_counter, whole_j * (y_ms - x_ms) / length_ms,
            (from_mw * (2 * to_ms - x_ms - y_ms) + to_mw * (x_ms + y_ms - 2 * from_ms))
                / (2. * length_ms) * (y_ms - x_ms) / 1e6) as piece_j
    from told
    where whole_j is not null
)
select host, device, point, toInt64(slot) * {slot_ms} as start_ms, sum(piece_j) as energy_j
from piece
group by host, device, point, slot
settings max_threads = 2
"""


def clickhouse_lean(meter: Meter, hours_n: int, rules: dict[str, Any], out: str) -> dict[str, Any]:
    """Sum energy by device and slot with ClickHouse inside this process."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chdb: Any = importlib.import_module("chdb")
    found = data.load("unwrapped", hours_n)
    data.warm(found.paths)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for number, path in enumerate(found.paths):
            Path(folder, f"{number}.parquet").symlink_to(path)
        with meter:
            answer = chdb.query(_CLICKHOUSE.format(folder=folder, **lean_rules(rules)), "ArrowStream").bytes()
    table = pa.ipc.open_stream(answer).read_all()
    texts = {name: table.schema.get_field_index(name) for name in KEY}
    for name, at in texts.items():
        table = table.set_column(at, name, table[name].cast(pa.string()))
    pq.write_table(table, out)
    return {"segments_n": table.num_rows}
