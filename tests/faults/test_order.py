"""The same landing folder in any order, in one go or file by file: the same tables."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.worlds import World, all_hashes, differing, make_home
from warehouse.engine import run_all
from warehouse.ingest import ingest_landing
from warehouse.lake import open_lake

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def _in_one_go(folder: Path, world: World) -> dict[str, str]:
    config = make_home(folder)
    world.land(config)
    with open_lake(config) as lake:
        run_all(lake)
        assert lake.value("select count(*) from raw.quarantine_row where reason = 'conflict'") > 0
        assert lake.value("select count(*) from core.job_energy where allocation = 'job'") > 0
        return all_hashes(lake)


def _file_by_file(folder: Path, world: World, order_seed: int) -> dict[str, str]:
    """Every file by itself, some of them twice, with a computation now and then."""
    chance = random.Random(order_seed)
    config = make_home(folder)
    with open_lake(config) as lake:
        for number, position in enumerate(world.shuffled(order_seed)):
            world.land(config, [position])
            if chance.random() < 0.2:
                world.land(config, [chance.choice(range(len(world.files)))])
            ingest_landing(lake)
            if number % 6 == 5:
                run_all(lake)
        run_all(lake)
        return all_hashes(lake)


@pytest.mark.parametrize("seed", [21])
def test_any_order_gives_the_same_tables(tmp_path: Path, seed: int) -> None:
    world = World.small(seed)
    expected = _in_one_go(tmp_path / "one", world)
    assert differing(expected, _file_by_file(tmp_path / "other", world, seed)) == {}


def test_the_same_folder_a_second_time_changes_nothing(tmp_path: Path) -> None:
    world = World.small(23)
    config = make_home(tmp_path / "home")
    world.land(config)
    with open_lake(config) as lake:
        run_all(lake)
        before, snapshot = all_hashes(lake), lake.value("select max(snapshot_id) from lake.snapshots()")
        world.land(config)
        again = run_all(lake)
        assert again.ingest.count("known") == len(world.files)
        assert again.computed == {}
        assert lake.value("select max(snapshot_id) from lake.snapshots()") == snapshot
        assert differing(before, all_hashes(lake)) == {}
