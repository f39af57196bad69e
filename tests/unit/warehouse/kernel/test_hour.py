"""Segments of one hour file: the ways agree, cuts are respected, and a file that is wrong is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.fleets import Fleet, Hour, fleet, kernel_segments, write_hour, write_hours
from tests.support.landed import sample
from tests.support.reference_segments import reference_segments
from warehouse.hourfile import FLAG_WRAP, MS_PER_HOUR, SEGMENT_SCHEMA
from warehouse.kernel import KernelError, Rules, hour_segments
from warehouse.kernel.check import compare
from warehouse.kernel.hourreader import HourReader
from warehouse.kernel.ledger import Ledger

HOUR_MS = 1_750_000_000_000 // MS_PER_HOUR * MS_PER_HOUR
RULES = Rules(
    300_000,
    86_400_000,
    3_600_000,
    1000,
    {"nvml_energy": 10_000, "nvml_power": 10_000, "rapl": 10_000},
    {"gpu": 2_100_000, "cpu": 750_000},
    {"rapl": 262_143_328},
)


def counter_rows(n: int = 3600, step_ms: int = 1000, **changes: Any) -> list[dict[str, Any]]:
    return [
        sample(HOUR_MS + at * step_ms, energy_mj=at * 300 * step_ms, source="nvml_energy", **changes) for at in range(n)
    ]


@pytest.fixture
def hour(tmp_path: Path) -> Hour:
    rows = [row for number in range(5) for row in counter_rows(50, 60_000, device=f"GPU-{number}")]
    return write_hour(rows, HOUR_MS, tmp_path)


def integrate(hour: Hour, cuts: dict[str, np.ndarray] | None = None, rules: Rules = RULES) -> pa.Table:
    return hour_segments(hour.path, hour.series, hour.hour_ms, cuts or {}, rules)


def test_constant_power_gives_its_energy_in_every_slot(tmp_path: Path) -> None:
    segments = integrate(write_hour(counter_rows(), HOUR_MS, tmp_path))
    assert segments.schema.equals(SEGMENT_SCHEMA)
    assert segments["energy_j"].to_pylist() == [90_000.0] * 11 + [89_700.0]  # the last second is the next hour's
    assert segments["samples_n"].to_pylist() == [300] * 11 + [299]
    assert segments["counter_j"] == segments["energy_j"]


def test_segments_come_in_the_order_of_the_file_and_of_time(tmp_path: Path) -> None:
    world = fleet(3)
    for hour in write_hours(world.rows, tmp_path):
        segments = hour_segments(hour.path, hour.series, hour.hour_ms, world.arrays(), world.rules)
        keys = [tuple(line.values())[:4] for line in segments.to_pylist()]
        assert keys == sorted(keys)
        assert len(set(keys)) == len(keys)


def test_cuts_outside_the_hour_and_at_slot_edges_change_nothing(hour: Hour) -> None:
    idle = [HOUR_MS - 1, HOUR_MS, HOUR_MS + 300_000, HOUR_MS + MS_PER_HOUR, HOUR_MS + MS_PER_HOUR + 5]
    assert integrate(hour, {"host-0": np.array(idle), "stranger": np.array([HOUR_MS + 7])}).equals(integrate(hour))


def test_a_cut_of_one_millisecond_holds_its_exact_share(hour: Hour) -> None:
    cut = HOUR_MS + 100_003
    segments = integrate(hour, {"host-0": np.array([cut, cut + 1])}).to_pylist()
    short = [line for line in segments if line["start_ms"] == cut]
    assert [line["energy_j"] for line in short] == pytest.approx([0.3] * 5, rel=1e-15)
    assert [line["samples_n"] for line in short] == [0] * 5


def test_counters_alone_suffice_where_nothing_is_odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = HourReader.read
    monkeypatch.setattr(HourReader, "read", lambda self, groups, names: read.extend(names) or real(self, groups, names))
    wrapping = counter_rows(1000, kind="cpu", device="cpu-package-0")
    for row in wrapping:
        row |= {"source": "rapl", "energy_mj": (row["energy_mj"] + 262_000_000) % 262_143_328}
    segments = integrate(write_hour([*counter_rows(), *wrapping], HOUR_MS, tmp_path))
    assert set(read) == {"ts_ms", "energy_mj"}
    assert sum(flags & FLAG_WRAP != 0 for flags in segments["flags"].to_pylist()) == 2


@pytest.mark.parametrize("seed", range(30))
def test_the_fast_ways_give_what_the_general_way_gives(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = fleet(seed)
    hours = write_hours(world.rows, tmp_path)
    fast = kernel_segments(world, hours)
    real = Ledger._choose

    def choose(self: Ledger, series: pa.Table, rules: Rules) -> None:
        real(self, series, rules)
        self.general = self.general | self.by_counter | self.by_power
        self.by_counter, self.by_power = np.zeros_like(self.general), np.zeros_like(self.general)

    monkeypatch.setattr(Ledger, "_choose", choose)
    assert compare(fast, kernel_segments(world, hours), 1e-14) == []


def test_all_ways_are_taken() -> None:
    taken = np.zeros(3, int)
    for seed in range(30):
        for ledger in ledgers(fleet(seed)):
            taken += [ledger.by_counter.sum(), ledger.by_power.sum(), ledger.general.sum()]
    assert (taken > 20).all()


def ledgers(world: Fleet) -> list[Ledger]:
    with tempfile.TemporaryDirectory() as folder:
        hours = write_hours(world.rows, Path(folder))
    return [Ledger(hour.series, hour.hour_ms, {}, world.rules) for hour in hours]


@pytest.mark.parametrize("rows_per_group", [7, 64, 1000])
def test_a_series_may_lie_across_row_groups(tmp_path: Path, rows_per_group: int) -> None:
    rows = [row for number in range(3) for row in counter_rows(100, 30_000, device=f"GPU-{number}")]
    rows[50] |= {"energy_mj": 0, "power_mw": 5000}
    rows[51] |= {"ts_ms": rows[50]["ts_ms"] + 10, "power_mw": 9000, "energy_mj": 10**12}
    hour = write_hour(rows, HOUR_MS, tmp_path, series_per_group=3, rows_per_group=rows_per_group)
    wanted = reference_segments(rows, HOUR_MS, HOUR_MS + MS_PER_HOUR, {}, RULES)
    assert compare(integrate(hour), wanted, 1e-13) == []


def test_an_hour_without_readings_has_no_segments(tmp_path: Path) -> None:
    silent = [row | {"energy_mj": None, "power_mw": None, "gap_reason": "dropped"} for row in counter_rows(5)]
    assert integrate(write_hour(silent, HOUR_MS, tmp_path)).num_rows == 0
    alone = write_hour(counter_rows(1), HOUR_MS, tmp_path)
    assert integrate(alone).num_rows == 0


# --- files that are refused ------------------------------------------------------------------------------------------


def test_a_missing_file_is_named_with_what_to_do(hour: Hour) -> None:
    hour.path.unlink()
    with pytest.raises(KernelError, match=rf"{hour.path.name}.*wattledger repair"):
        integrate(hour)


def test_any_damaged_byte_of_the_data_is_noticed(hour: Hour) -> None:
    good = hour.path.read_bytes()
    column = pq.ParquetFile(hour.path).metadata.row_group(1)
    for number in range(column.num_columns):
        chunk = column.column(number)
        if chunk.path_in_schema not in {"ts_ms", "energy_mj"}:
            continue
        at = chunk.data_page_offset + chunk.total_compressed_size - 3
        hour.path.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
        with pytest.raises(KernelError, match=rf"{hour.path.name}.*(?i:checksum|CRC)"):
            integrate(hour)
    hour.path.write_bytes(good[:-20])
    with pytest.raises(KernelError, match="wattledger repair"):
        integrate(hour)


def test_another_number_of_rows_than_the_ledger_states_is_refused(hour: Hour) -> None:
    with pytest.raises(KernelError, match="250 rows, its ledger states 200"):
        hour_segments(hour.path, hour.series.slice(0, 4), HOUR_MS, {}, RULES)


def test_a_ledger_in_another_order_is_refused(hour: Hour) -> None:
    with pytest.raises(KernelError, match="do not follow one another"):
        hour_segments(hour.path, hour.series.take(pa.array([1, 0, 2, 3, 4])), HOUR_MS, {}, RULES)


def test_another_file_is_refused(hour: Hour) -> None:
    pq.write_table(pa.table({"ts_ms": [1]}), hour.path)
    with pytest.raises(KernelError, match="columns"):
        integrate(hour)


@pytest.mark.parametrize("hours", [-1, 1])
def test_readings_outside_the_hour_are_refused(hour: Hour, hours: int) -> None:
    with pytest.raises(KernelError, match="outside its hour"):
        hour_segments(hour.path, hour.series, HOUR_MS + hours * MS_PER_HOUR, {}, RULES)


def test_a_kind_without_a_limit_is_named(hour: Hour) -> None:
    with pytest.raises(KernelError, match="max_power_mw for gpu"):
        integrate(hour, rules=Rules(**(RULES.to_dict() | {"max_power_mw": {"cpu": 1}})))
