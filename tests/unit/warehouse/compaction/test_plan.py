"""What is read of the landed files, and how much of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.hours import HOUR_MS, Landed, in_groups, land, land_bytes, plain_compact, random_world, rows_of
from tests.support.landed import sample
from warehouse.compaction import compact_hour
from warehouse.compaction.plan import Batch, in_order, plan
from warehouse.hourfile import MS_PER_HOUR


def batches_of(world: list[Landed], batch_rows_n: int) -> list[Batch]:
    return plan(HOUR_MS, in_order([one.source for one in world]), batch_rows_n)


@pytest.mark.parametrize("batch_rows_n", [1, 50, 120, 10**6])
def test_a_batch_holds_whole_hosts_and_no_more_rows_than_allowed(batch_rows_n: int, tmp_path: Path) -> None:
    rows_of_host = {f"host-{at}": 10 * (at + 1) for at in range(6)}
    world = [
        land(tmp_path, [sample(HOUR_MS + at, host=host) for at in range(rows_n)], written_ms=1)
        for host, rows_n in rows_of_host.items()
    ]
    batches = batches_of(world, batch_rows_n)
    if batch_rows_n >= 210:
        assert [batch.hosts for batch in batches] == [None]
        return
    hosts = [host for batch in batches for host in sorted(batch.hosts or ())]
    assert hosts == sorted(rows_of_host), "each host once, in order over the batches"
    for batch in batches:
        rows_n = sum(planned.rows_n for planned in batch.planned)
        assert rows_n == sum(rows_of_host[host] for host in batch.hosts or ())
        assert rows_n <= batch_rows_n or len(batch.hosts or ()) == 1
    assert len(batches) == {1: 6, 50: 5, 120: 3}[batch_rows_n]


def test_hosts_are_counted_where_files_hold_several(tmp_path: Path) -> None:
    rows = [sample(HOUR_MS + at, host=f"host-{at % 3}", device=f"GPU-{at % 2}") for at in range(60)]
    world = [land(tmp_path, rows, 1), land(tmp_path, [row | {"power_mw": 1} for row in rows], 2)]
    batches = batches_of(world, 45)
    assert [sorted(batch.hosts or ()) for batch in batches] == [["host-0"], ["host-1"], ["host-2"]]
    assert all(len(batch.planned) == 2 for batch in batches)


def test_row_groups_that_touch_the_hour_by_one_row_are_read(tmp_path: Path) -> None:
    before, after = HOUR_MS - 1_000, HOUR_MS + MS_PER_HOUR
    times = [before, HOUR_MS, after - 1, after, after + 1, after + 2, before - 2, before - 1]
    rows = [sample(ts_ms) for ts_ms in times]
    world = [land_bytes(tmp_path, in_groups(rows, 1, group_rows=2), rows, 1)]
    (batch,) = batches_of(world, 10**6)
    assert [group.index for group in batch.planned[0].groups] == [0, 1]
    assert [group.first_row for group in batch.planned[0].groups] == [0, 2]
    done = compact_hour(HOUR_MS, [world[0].source], tmp_path / "hours")
    assert rows_of(done) == plain_compact(world)[0]
    assert done.rows_n == 2


def test_batches_do_not_depend_on_the_order_of_sources(tmp_path: Path) -> None:
    world = random_world(6, tmp_path)
    for batch_rows_n in (1, 40, 100):
        assert batches_of(world, batch_rows_n) == batches_of(world[::-1], batch_rows_n)
