"""The sample kernel, its twin in SQL and a slow reference agree on every segment, and a fault in one is noticed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from collectors.contract import POWER_SAMPLE
from tests.support.fleets import Fleet, fleet, kernel_segments, write_hours
from tests.support.reference_segments import decide, part_j, readings_by_series, reference_segments
from warehouse.hourfile import FLAG_IMPLAUSIBLE, FLAG_RESET, FLAG_WRAP
from warehouse.kernel import check, fast, intervals, sums
from warehouse.kernel.check import compare, sql_segments
from warehouse.lake import MACROS
from warehouse.sqlfiles import sql_text

KERNEL_TOLERANCE = 1e-13
SQL_TOLERANCE = 1e-9
DEFAULT_SEEDS = range(40)
ALL_SEEDS = range(1000, 1240)
MUTANT_SEEDS = range(120)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        for macro in MACROS:
            opened.execute(macro)
        yield opened


def load(connection: duckdb.DuckDBPyConnection, world: Fleet) -> None:
    rows = pa.Table.from_pylist(world.rows, schema=POWER_SAMPLE.arrow_schema())
    cuts = [(host, cut) for host, times in world.cuts.items() for cut in times]
    job_cut = {
        "host": pa.array([host for host, _ in cuts], pa.string()),
        "cut_ms": pa.array([cut for _, cut in cuts], pa.int64()),
    }
    for name, table in (("reading", rows), ("job_cut", pa.table(job_cut))):
        connection.register("new_rows", table)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM new_rows")
        connection.unregister("new_rows")


def by_sql(connection: duckdb.DuckDBPyConnection, world: Fleet) -> pa.Table:
    load(connection, world)
    return sql_segments(connection, world.rules, world.start_ms, world.end_ms)


def by_reference(world: Fleet) -> pa.Table:
    return reference_segments(world.rows, world.start_ms, world.end_ms, world.cuts, world.rules)


def by_kernel(world: Fleet, folder: Path) -> pa.Table:
    folder.mkdir()
    return kernel_segments(world, write_hours(world.rows, folder))


def assert_all_agree(connection: duckdb.DuckDBPyConnection, world: Fleet, folder: Path) -> None:
    wanted = by_reference(world)
    assert compare(by_kernel(world, folder), wanted, KERNEL_TOLERANCE) == []
    assert compare(by_sql(connection, world), wanted, SQL_TOLERANCE) == []


@pytest.mark.parametrize("seed", DEFAULT_SEEDS)
def test_kernel_sql_and_reference_agree_on_every_segment(
    connection: duckdb.DuckDBPyConnection, seed: int, tmp_path: Path
) -> None:
    assert_all_agree(connection, fleet(seed), tmp_path / "hours")


@pytest.mark.slow
def test_kernel_sql_and_reference_agree_on_many_fleets(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for seed in ALL_SEEDS:
        assert_all_agree(connection, fleet(seed), tmp_path / str(seed))


def test_the_fleets_hold_every_kind_of_trouble() -> None:
    tables = [by_reference(fleet(seed)) for seed in DEFAULT_SEEDS]
    columns = {name: np.concatenate([table[name].to_numpy() for table in tables]) for name in tables[0].column_names}
    for flag in (FLAG_RESET, FLAG_WRAP, FLAG_IMPLAUSIBLE):
        assert (columns["flags"] & flag != 0).sum() >= 5
    assert (columns["gap_ms"] > 0).sum() >= 20
    assert ((columns["estimated_ms"] > 0) & (columns["estimated_ms"] < columns["measured_ms"])).sum() >= 5
    assert ((columns["counter_j"] > 0) & (columns["counter_j"] < columns["energy_j"])).sum() >= 20
    assert (columns["samples_n"] == 0).sum() >= 20  # bridges over whole segments
    assert columns["energy_j"].max() > 1e9
    assert (columns["end_ms"] - columns["start_ms"]).min() == 1


@pytest.mark.parametrize("seed", DEFAULT_SEEDS)
def test_segments_of_a_series_add_up_to_its_intervals(seed: int, tmp_path: Path) -> None:
    world = fleet(seed)
    found: dict[tuple[str, str, str], Fraction] = {}
    for line in by_kernel(world, tmp_path / "hours").to_pylist():
        key = (line["host"], line["device"], line["point"])
        found[key] = found.get(key, Fraction(0)) + Fraction(line["energy_j"])
    for key, readings in readings_by_series(world.rows).items():
        wanted = Fraction(0)
        for a, b in itertools.pairwise(readings):
            rule, counter_j, _ = decide(a, b, world.rules)
            x, y = max(a["ts_ms"], world.start_ms), min(b["ts_ms"], world.end_ms)
            if rule is not None and x < y:
                wanted += part_j(a, b, counter_j, rule, x, y)
        assert abs(found.get(key, Fraction(0)) - wanted) <= Fraction(1, 10**12) * wanted, key


@pytest.mark.parametrize("seed", DEFAULT_SEEDS)
def test_another_cut_changes_no_total(seed: int, tmp_path: Path) -> None:
    world = fleet(seed)
    plain = Fleet(world.rows, {}, world.start_ms, world.end_ms, world.rules)
    left, right = (by_kernel(it, tmp_path / str(number)) for number, it in enumerate((world, plain)))
    for name in ("measured_ms", "gap_ms", "estimated_ms", "samples_n"):
        assert left[name].to_numpy().sum() == right[name].to_numpy().sum(), name
    for name in ("energy_j", "estimated_j", "counter_j"):
        totals = [sum(map(Fraction, table[name].to_pylist())) for table in (left, right)]
        assert abs(totals[0] - totals[1]) <= Fraction(1, 10**12) * totals[1], name


# --- the guard itself is guarded -------------------------------------------------------------------------------------

Patch = Callable[[pytest.MonkeyPatch], None]


def pro_rata(from_mw: Any, to_mw: Any, length_ms: Any, x_ms: Any, y_ms: Any) -> Any:
    return (from_mw + to_mw) / 2 * (y_ms - x_ms) / 1e6


def without_pairs(keep: Callable[[int], list[int]]) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        from tests.support import fleets

        real = fleets.pairs_between
        monkeypatch.setattr(fleets, "pairs_between", lambda hours: _kept(real(hours), keep))

    return patch


def _kept(pairs: pa.Table, keep: Callable[[int], list[int]]) -> pa.Table:
    return pairs.take(pa.array(keep(pairs.num_rows), pa.int64()))


def replaced(module: Any, name: str, by: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(module, name, by(getattr(module, name)))


def bridging(by: Callable[[Any, Any], Any]) -> Patch:
    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (intervals, fast):
            monkeypatch.setattr(module, "may_bridge", by)

    return patch


KERNEL_FAULTS: dict[str, Patch] = {
    "a wrap is not unwrapped": replaced(intervals, "unwrap_mj", lambda _: lambda rise, _range: -rise),
    "a wrap is one millijoule too much": replaced(intervals, "unwrap_mj", lambda real: lambda *a: real(*a) + 1),
    "a gap of just the limit is no trapezoid": bridging(lambda length, most: length < most),
    "a gap beyond the limit is a trapezoid": bridging(lambda length, most: length <= most + 1),
    "the bound knows no jitter": replaced(intervals, "limit_mj", lambda real: lambda p, t, _: real(p, t, 0)),
    "the bound is one millijoule off": replaced(intervals, "limit_mj", lambda real: lambda *a: real(*a) - 1),
    "the fast way sees no odd rise": replaced(fast, "_odd_rises", lambda real: lambda *a: real(*a)[:0]),
    "what is judged by itself is counted twice": replaced(fast, "_take_out", lambda _: lambda *_a: None),
    "the first interval between hours is dropped": without_pairs(lambda n: list(range(1, n))),
    "an interval between hours comes twice": without_pairs(lambda n: [*range(n), *range(min(n, 1))]),
    "a trapezoid is cut pro rata": replaced(sums, "trapezoid_piece_j", lambda _: pro_rata),
    "a counter is cut in halves": replaced(sums, "counter_piece_j", lambda _: lambda c, *_times: c / 2e3),
}


def first_disagreement(wanted: dict[int, pa.Table], found: Callable[[int], pa.Table], tolerance: float) -> int | None:
    for seed, table in wanted.items():
        try:
            if compare(found(seed), table, tolerance):
                return seed
        except (AssertionError, ValueError):
            return seed
    return None


@pytest.fixture(scope="module")
def wanted() -> dict[int, pa.Table]:
    return {seed: by_reference(fleet(seed)) for seed in MUTANT_SEEDS}


@pytest.mark.parametrize("fault", KERNEL_FAULTS)
def test_a_fault_in_the_kernel_is_noticed(
    fault: str, wanted: dict[int, pa.Table], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    KERNEL_FAULTS[fault](monkeypatch)

    def found(seed: int) -> pa.Table:
        return by_kernel(fleet(seed), tmp_path / str(seed))

    assert first_disagreement(wanted, found, KERNEL_TOLERANCE) is not None


SQL_FAULTS = {
    "a gap of just the limit is no trapezoid": ("length_ms <= max_gap_ms", "length_ms < max_gap_ms"),
    "a silence of just the limit is no gap": ("length_ms <= $absent_ms", "length_ms < $absent_ms"),
    "a counter reaches less far": ("is_rise and length_ms <= $reach_ms", "is_rise and length_ms < $reach_ms"),
    "a wrap reaches for ever": ("and length_ms <= $reach_ms\n            and from", "and from"),
    "two wraps are one": ("and bound_uj < cast(counter_range_mj as decimal(38, 0)) * 1000", ""),
    "a rise of just the bound is implausible": ("rise_mj * 1000 <= bound_uj", "rise_mj * 1000 < bound_uj"),
    "the bound knows no jitter": ("- from_ms + $jitter_ms) as bound", "- from_ms + 0 * $jitter_ms) as bound"),
    "a session does not matter": ("from_session = to_session as", "true as"),
    "only the second reading makes an estimate": ("from_is_estimate or to_is_estimate", "to_is_estimate"),
    "a reading at a cut counts twice": ("where y_ms = to_ms", "where y_ms >= to_ms - 1"),
    "a wrap is a reset": ("when is_wrap then 2", "when is_wrap then 1"),
    "a wrapped counter may be over its range": ("and from_energy_mj <= counter_range_mj", ""),
}


@pytest.mark.parametrize("fault", SQL_FAULTS)
def test_a_fault_in_the_twin_is_noticed(
    fault: str, wanted: dict[int, pa.Table], connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = sql_text("check", "energy_segment")
    right, wrong = SQL_FAULTS[fault]
    assert text.count(right) == 1
    monkeypatch.setattr(check, "sql_text", lambda *_: text.replace(right, wrong))
    assert first_disagreement(wanted, lambda seed: by_sql(connection, fleet(seed)), SQL_TOLERANCE) is not None
