"""The comparison of segments: every kind of difference is named, and equal tables have none."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from warehouse.hourfile import SEGMENT_SCHEMA
from warehouse.kernel.check import Difference, compare

LINE: dict[str, Any] = {"host": "a", "device": "GPU-0", "point": "board", "start_ms": 0, "end_ms": 300_000}
LINE |= {"energy_j": 1000.0, "measured_ms": 300_000, "gap_ms": 0, "estimated_ms": 0, "estimated_j": 0.0}
LINE |= {"counter_j": 1000.0, "samples_n": 300, "flags": 0}


def table(*lines: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([LINE | line for line in lines], schema=SEGMENT_SCHEMA)


def test_equal_tables_in_any_order_have_no_difference() -> None:
    assert compare(table({}, {"host": "b"}), table({"host": "b"}, {})) == []
    assert compare(table(), table()) == []


def test_a_difference_below_the_tolerance_is_none() -> None:
    assert compare(table({}), table({"energy_j": 1000.0 * (1 + 5e-10)})) == []
    assert compare(table({"energy_j": 1e-16}), table({"energy_j": 2e-16})) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("energy_j", 1000.0 * (1 + 2e-9)),
        ("energy_j", float("nan")),
        ("estimated_j", 1e-6),
        ("counter_j", 0.0),
        ("end_ms", 299_999),
        ("measured_ms", 299_999),
        ("gap_ms", 1),
        ("estimated_ms", 1),
        ("samples_n", 301),
        ("flags", 2),
    ],
)
def test_every_value_is_compared(column: str, value: float) -> None:
    (found,) = compare(table({}), table({column: value}))
    assert (found.host, found.start_ms, found.column, found.left) == ("a", 0, column, LINE[column])


def test_a_segment_of_one_side_only_is_named() -> None:
    found = compare(table({}, {"start_ms": 300_000}), table({}, {"host": "b"}))
    assert found == [
        Difference("a", "GPU-0", "board", 300_000, "segment", 1.0, None),
        Difference("b", "GPU-0", "board", 0, "segment", None, 1.0),
    ]


def test_a_segment_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="1 segments are given twice"):
        compare(table({}, {}), table({}))
