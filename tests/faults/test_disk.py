"""A full disk: the run fails, says so, keeps everything, and goes on once there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.homes import make_home
from tests.support.worlds import World, all_hashes, differing
from warehouse.engine import run_all
from warehouse.lake import open_lake

pytestmark = [pytest.mark.faults, pytest.mark.slow]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("free_kb", [500])
def test_a_full_disk_loses_nothing(tmp_path: Path, small_disk: Path, free_kb: int) -> None:
    world = World.small(41)
    reference = make_home(tmp_path / "reference")
    world.land(reference)
    with open_lake(reference) as lake:
        run_all(lake)
        expected = all_hashes(lake)
    config = make_home(small_disk / "home")
    world.land(config)
    ballast = small_disk / "ballast"
    room = shutil.disk_usage(small_disk).free - free_kb * 1024
    ballast.write_bytes(os.urandom(1) * max(room, 0))
    with pytest.raises(Exception, match=r"(?i)no space|space left|disk is full|could not write|full"):
        _run_until_done(config.home)
    ballast.unlink()
    with open_lake(config) as lake:
        run_all(lake)
        assert differing(expected, all_hashes(lake)) == {}
        assert lake.rows("select reason from raw.quarantine_file") == []
    assert list(config.published_path.glob(".*")) == []


def _run_until_done(home: Path) -> None:
    from warehouse.config import load_config

    with open_lake(load_config(home / "wattledger.toml")) as lake:
        run_all(lake)
