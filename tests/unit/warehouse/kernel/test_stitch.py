"""Intervals between hour files: cut to the period, over any number of hours, each once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.support.fleets import PAIR_SCHEMA
from warehouse.hourfile import MS_PER_HOUR, SEGMENT_SCHEMA
from warehouse.kernel import KernelError, Rules, stitch_segments

START_MS = 1_750_000_000_000 // MS_PER_HOUR * MS_PER_HOUR
SLOT_MS = 300_000
RULES = Rules(SLOT_MS, 86_400_000, 3_600_000, 1000, {"nvml_energy": 10_000}, {"gpu": 2_100_000}, {})


def pair(from_ms: int, to_ms: int, energy_mj: int, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"host": "host-0", "device": "GPU-0", "point": "board"}
    values |= {"from_ts_ms": START_MS + from_ms, "from_energy_mj": 10**6, "from_session": 0, "from_is_estimate": False}
    values |= {"to_ts_ms": START_MS + to_ms, "to_energy_mj": 10**6 + energy_mj, "to_session": 0}
    values |= {"to_is_estimate": False, "to_kind": "gpu", "to_source": "nvml_energy"}
    return dict.fromkeys(PAIR_SCHEMA.names) | values | changes


def stitched(*pairs: dict[str, Any], hours: int = 2, cuts: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    table = pa.Table.from_pylist(list(pairs), schema=PAIR_SCHEMA)
    found = stitch_segments(table, START_MS, START_MS + hours * MS_PER_HOUR, cuts or {}, RULES)
    assert found.schema.equals(SEGMENT_SCHEMA)
    return found.to_pylist()


def test_no_pairs_give_no_segments() -> None:
    assert stitched() == []


def test_an_interval_over_the_hour_is_cut_there() -> None:
    found = stitched(pair(MS_PER_HOUR - 400, MS_PER_HOUR + 600, 500_000))
    assert [line["start_ms"] - START_MS for line in found] == [MS_PER_HOUR - SLOT_MS, MS_PER_HOUR]
    assert [line["energy_j"] for line in found] == pytest.approx([200, 300], rel=1e-15)
    assert [line["samples_n"] for line in found] == [0, 1]
    assert [line["measured_ms"] for line in found] == [400, 600]


def test_a_long_bridge_gives_the_period_its_share() -> None:
    day_ms = 24 * MS_PER_HOUR
    found = stitched(pair(-day_ms // 2, day_ms // 2, day_ms), hours=3)
    assert len(found) == 3 * 12
    assert {line["measured_ms"] for line in found} == {SLOT_MS}
    assert sum(line["energy_j"] for line in found) == pytest.approx(3 * 3600, rel=1e-14)
    assert sum(line["samples_n"] for line in found) == 0


def test_neighbouring_periods_share_a_bridge_without_loss() -> None:
    bridge = pair(MS_PER_HOUR // 2, 3 * MS_PER_HOUR // 2, 10**9)
    table = pa.Table.from_pylist([bridge], schema=PAIR_SCHEMA)
    parts = [
        stitch_segments(table, START_MS + n * MS_PER_HOUR, START_MS + (n + 1) * MS_PER_HOUR, {}, RULES).to_pylist()
        for n in range(3)
    ]
    assert [len(part) for part in parts] == [6, 6, 0]
    assert sum(line["energy_j"] for part in parts for line in part) == pytest.approx(10**6, rel=1e-14)
    assert sum(line["samples_n"] for part in parts for line in part) == 1


def test_a_reading_at_the_end_counts_and_one_at_the_start_does_not() -> None:
    assert stitched(pair(-1000, 0, 1000)) == []
    (line,) = stitched(pair(2 * MS_PER_HOUR - 1000, 2 * MS_PER_HOUR, 1000))
    assert line["samples_n"] == 1
    assert line["energy_j"] == 1.0


def test_several_intervals_of_a_series_add_up_in_a_segment() -> None:
    found = stitched(pair(2000, 3000, 1000), pair(1000, 2000, 2000), pair(5000, 6000, 4000))
    (line,) = found
    assert (line["energy_j"], line["samples_n"], line["measured_ms"]) == (7.0, 3, 3000)


def test_segments_are_ordered_by_series_and_time() -> None:
    names = [("b", "x"), ("a", "y"), ("a", "é"), ("a", "z"), ("B", "x")]
    pairs = [pair(SLOT_MS - 1, SLOT_MS + 1, 10, host=host, device=device) for host, device in names]
    keys = [(line["host"].encode(), line["device"].encode(), line["start_ms"]) for line in stitched(*pairs)]
    assert keys == sorted(keys)
    assert len(keys) == 10


def test_cuts_of_the_own_host_divide_and_others_do_not() -> None:
    cuts = {"host-0": np.array([START_MS + 1500]), "host-1": np.array([START_MS + 1200])}
    assert [line["energy_j"] for line in stitched(pair(1000, 2000, 1000), cuts=cuts)] == [0.5, 0.5]


def test_a_device_that_was_away_leaves_no_trace() -> None:
    assert stitched(pair(0, 90_000_000, 10**9), hours=30) == []
    silent = pair(0, 3_600_001, 0, from_energy_mj=None, to_energy_mj=None)
    assert stitched(silent) == []


def test_a_source_without_a_limit_is_named() -> None:
    with pytest.raises(KernelError, match="max_gap_ms for ipmi"):
        stitched(pair(0, 1000, 1000, to_source="ipmi"))
