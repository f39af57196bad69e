"""kill -9 at any moment: the next run gives the tables of a run that nobody disturbed, and nothing is left over."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.worlds import World, all_hashes, differing, make_home, put
from warehouse import doctor
from warehouse.config import Config
from warehouse.engine import run_all
from warehouse.lake import open_lake
from warehouse.repair import orphaned_files

pytestmark = [pytest.mark.faults, pytest.mark.slow]
WORLD = 11
ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def _undisturbed() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        config = make_home(Path(folder) / "home")
        World.small(WORLD).land(config)
        with open_lake(config) as lake:
            run_all(lake)
            return all_hashes(lake)


def _waiting(config: Config, seed: int) -> None:
    world = World.small(WORLD)
    for place, number in enumerate(world.shuffled(seed)):
        relative, content = world.files[number]
        folder, _, name = relative.rpartition("/")
        put(config.home / "waiting", f"{folder}/{place:04d}~{name}", content)


def _kill(config: Config, kills: int, seed: int, longest_s: float, command: str = "engine") -> dict[str, Any]:
    arguments = [str(config.home), str(kills), str(seed), str(longest_s), command]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killer", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _left_over(config: Config) -> Iterator[Path]:
    for folder in (config.landing_path, config.home / "waiting"):
        yield from (path for path in folder.rglob("*") if not path.is_dir())
    for folder in (config.published_path, config.archive_path, config.quarantine_path):
        yield from folder.rglob(".*")


@pytest.mark.parametrize(
    ("seed", "kills", "fresh", "command"),
    [(1, 14, False, "engine"), (2, 14, False, "engine"), (3, 12, False, "command"), (4, 10, True, "engine")],
)
def test_killed_runs_leave_the_same_tables(tmp_path: Path, seed: int, kills: int, fresh: bool, command: str) -> None:
    config = make_home(tmp_path / "home", fresh=fresh)
    _waiting(config, seed)
    outcome = _kill(config, kills, seed, longest_s=2.5, command=command)
    assert (outcome.get("killed"), outcome.get("codes")) == (kills, [0, 0]), outcome
    with open_lake(config, read_only=True) as lake:
        assert differing(_undisturbed(), all_hashes(lake)) == {}
        assert lake.rows("select * from audit.pending") == []
    assert list(_left_over(config)) == []
    doctor.repair(config)
    with open_lake(config, read_only=True) as lake:
        assert orphaned_files(lake) == []
        assert differing(_undisturbed(), all_hashes(lake)) == {}
    assert [entry for entry in doctor.examine(config) if entry.level != "ok"] == []
