"""Two runs at once and readers beside them: no failure, no torn read, the tables of one run alone."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from tests.support.homes import make_home
from tests.support.worlds import World, all_hashes, differing
from warehouse import lake as lake_module
from warehouse import publish as publishing
from warehouse.config import Config
from warehouse.engine import run_all
from warehouse.lake import LakeBusyError, open_lake
from warehouse.landed import landed_files
from warehouse.publish import PublishError, publish, published_snapshot

pytestmark = pytest.mark.faults
ROOT = Path(__file__).resolve().parents[2]
WORLD = 31

RUNNER = """
import sys, time
from pathlib import Path
from warehouse.config import load_config
from warehouse.engine import run_all
from warehouse.lake import open_lake
config, until = load_config(Path(sys.argv[1]) / "wattledger.toml"), Path(sys.argv[1]) / "stop"
runs = 0
while True:
    last = until.exists()
    with open_lake(config) as lake:
        run_all(lake)
    runs += 1
    if last:
        break
print(runs)
"""

# A reader of the published file and of the lake itself, as fast as it can; every figure it sees must agree in itself.
READER = """
import sys
from pathlib import Path
import json
from warehouse.config import load_config
from warehouse.lake import open_lake
from warehouse.publish import open_published
config, until = load_config(Path(sys.argv[1]) / "wattledger.toml"), Path(sys.argv[1]) / "stop"
CHECKS = {
    "months are the sums of their days":
        "select count(*) from "
        "(select date_trunc('month', day) as month, sum(it_kwh) as kwh from mart.footprint_daily group by 1) full join "
        "(select month, sum(it_kwh) as kwh_m from mart.training_vs_inference_monthly group by 1) using (month) "
        "where not coalesce(abs(kwh - kwh_m) <= 1e-9 * greatest(kwh, 1), false)",
    "every computed partition has the rows that were noted":
        "select count(*) from (select day, count(*) as n from mart.footprint_daily group by 1) "
        "join audit.materialisation on table_name = 'mart.footprint_daily' and partition_key = cast(day as varchar) "
        "where n <> rows_n",
    "every refused row belongs to a known file":
        "select count(*) from raw.quarantine_row anti join raw.ingest_file using (file_sha256)",
}
seen, torn = {"published": 0, "lake": 0}, []
while not until.exists():
    try:
        with open_published(config.published_path) as connection:
            connection.execute("begin")
            torn += [f"published: {name}" for name, sql in CHECKS.items() if connection.execute(sql).fetchall()[0][0]]
            seen["published"] += 1
    except FileNotFoundError:
        pass
    with open_lake(config, read_only=True) as lake:
        lake.connection.execute("begin")
        if not lake.value("select count(*) from audit.pending"):
            torn += [f"lake: {name}" for name, sql in CHECKS.items() if lake.value(sql)]
            seen["lake"] += 1
print(json.dumps({"seen": seen, "torn": sorted(set(torn))}))
"""


def _start(program: str, config: Config) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, str(config.home)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-4000:]
    return out


@functools.cache
def _alone() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        config = make_home(Path(folder) / "home")
        World.small(WORLD).land(config)
        with open_lake(config) as lake:
            run_all(lake)
            return all_hashes(lake)


@pytest.mark.slow
def test_two_runs_and_a_reader_at_once(tmp_path: Path) -> None:
    config = make_home(tmp_path / "home")
    world = World.small(WORLD)
    order = world.shuffled(WORLD)
    world.land(config, order[: len(order) // 2])
    runners, reader = [_start(RUNNER, config) for _ in range(2)], _start(READER, config)
    for position in order[len(order) // 2 :]:
        time.sleep(0.3)
        world.land(config, [position])
    (config.home / "stop").touch()
    assert all(int(_end(runner)) >= 1 for runner in runners)
    report = json.loads(_end(reader))
    assert report["torn"] == []
    assert report["seen"]["lake"] + report["seen"]["published"] > 0
    with open_lake(config, read_only=True) as lake:
        assert differing(_alone(), all_hashes(lake)) == {}
        newest = lake.value("select max(snapshot_id) from lake.snapshots()")
        assert lake.value("select count(*) from audit.pending") == 0
    assert list(landed_files(config.landing_path)) == []
    assert published_snapshot(config.published_path) == newest


def test_waiting_for_the_lake_ends_with_who_and_what_to_do(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_module, "LOCK_TIMEOUT_S", 0.2)
    with FileLock(f"{config.home / 'lake.sqlite'}.lock"), pytest.raises(LakeBusyError) as caught:
        open_lake(config)
    assert "lake.sqlite.lock" in str(caught.value)
    assert "then run again" in str(caught.value)


def test_a_reader_does_not_wait_for_a_writer(config: Config) -> None:
    with open_lake(config) as writer, FileLock(f"{config.home / 'lake.sqlite'}.lock"):
        writer.connection.execute("begin")
        writer.connection.execute("insert into lake.audit.pending values ('2025-03-03', 'x', now())")
        began = time.monotonic()
        with open_lake(config, read_only=True) as reader:
            assert reader.value("select count(*) from audit.pending") == 0
        assert time.monotonic() - began < 10
        writer.connection.execute("rollback")


def test_one_publishes_at_a_time(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "LOCK_TIMEOUT_S", 0.2)
    with open_lake(config) as lake:
        first = publish(lake).read_bytes()
        with (
            FileLock(config.published_path / "organisation.duckdb.lock"),
            pytest.raises(PublishError, match="old file"),
        ):
            publish(lake)
    assert (config.published_path / "organisation.duckdb").read_bytes() == first


def test_a_reader_of_the_old_file_reads_on(config: Config) -> None:
    with open_lake(config) as lake:
        publish(lake)
        with duckdb.connect(str(config.published_path / "organisation.duckdb"), read_only=True) as reader:
            before = reader.execute("select * from audit.publication").fetchall()
            publish(lake)
            assert reader.execute("select * from audit.publication").fetchall() == before
