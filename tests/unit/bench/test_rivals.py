"""A rival that finds something else is refused, and the benchmark of the kernel joins the hours as the lake does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.kernel import pairs_between
from bench.rivals import difference
from tests.support.fleets import Hour, fleet, write_hours
from tests.support.fleets import pairs_between as plain_pairs_between
from warehouse.hourfile import SEGMENT_SCHEMA

SEGMENT = dict.fromkeys(SEGMENT_SCHEMA.names, 0) | {"host": "h", "device": "d", "point": "board"}
OURS = [
    SEGMENT | {"start_ms": 0, "energy_j": 100.0},
    SEGMENT | {"start_ms": 200_000, "energy_j": 50.0},
    SEGMENT | {"start_ms": 300_000, "energy_j": 7.0},
]


def judged(folder: Path, theirs: list[dict[str, Any]], slot_ms: int | None = None) -> float:
    ours = folder / "ours.arrow"
    with pa.OSFile(str(ours), "wb") as sink, pa.ipc.new_file(sink, SEGMENT_SCHEMA) as writer:
        writer.write_table(pa.Table.from_pylist(OURS, schema=SEGMENT_SCHEMA))
    pq.write_table(pa.Table.from_pylist(theirs), folder / "theirs.parquet")
    return difference(str(ours), str(folder / "theirs.parquet"), slot_ms)


def changed(at: int, energy_j: float) -> list[dict[str, Any]]:
    return [row | {"energy_j": energy_j} if number == at else row for number, row in enumerate(OURS)]


def test_the_same_segments_pass_also_as_slots_and_with_last_digits_of_their_own(tmp_path: Path) -> None:
    assert judged(tmp_path, OURS) == 0
    assert 0 < judged(tmp_path, changed(0, 100.0 * (1 + 5e-10))) <= 1e-9
    slots = [SEGMENT | {"start_ms": 0, "energy_j": 150.0}, SEGMENT | {"start_ms": 300_000, "energy_j": 7.0}]
    assert judged(tmp_path, slots, slot_ms=300_000) == 0


@pytest.mark.parametrize(
    "theirs",
    [changed(2, 7.0 * (1 + 2e-9)), OURS[:2], [*OURS, SEGMENT | {"start_ms": 600_000, "energy_j": 1.0}]],
    ids=["another energy", "a segment less", "a segment more"],
)
def test_other_segments_are_refused(tmp_path: Path, theirs: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="segments"):
        judged(tmp_path, theirs)


def silenced(hour: Hour) -> Hour:
    """Return an hour in which the first series says something, but has no reading."""
    lines = hour.series.to_pylist()
    ends = {name: None for name in hour.series.column_names if name.startswith(("first_", "last_"))}
    lines[0] |= ends | {"readings_n": 0}
    return replace(hour, series=pa.Table.from_pylist(lines, schema=hour.series.schema))


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_pairs_between_hours_are_those_of_the_plain_way(seed: int, silent: bool, tmp_path: Path) -> None:
    hours = write_hours(fleet(seed).rows, tmp_path)
    if silent:
        hours[1] = silenced(hours[1])
    expected = plain_pairs_between(hours)
    keys = [(name, "ascending") for name in ("host", "device", "point", "to_ts_ms")]
    found = pairs_between([hour.series for hour in hours]).select(expected.column_names).sort_by(keys)
    assert found.to_pylist() == expected.sort_by(keys).to_pylist()
