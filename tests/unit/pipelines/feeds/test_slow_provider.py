"""A provider that does not answer holds up nobody else: another process takes in landed files meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.feed_homes import DAY_MS, START_MS, feed_home, section
from tests.support.feed_server import HOUR_MS
from tests.support.gpu_jobs import land_gpu
from tests.support.stub_http import Reply, Request

LIMIT_S = 120.0
"""When a test that would hang is given up [s]."""
INGEST = """
import json, sys
from pathlib import Path
from warehouse.config import load_config
from warehouse.ingest import ingest_landing
from warehouse.lake import open_lake
with open_lake(load_config(Path(sys.argv[1]))) as lake:
    ingest_landing(lake)
    tables = lake.rows("select table_name, rows_total from raw.ingest_file order by 1")
    print(json.dumps([list(map(str, row)) for row in tables]))
"""


@pytest.mark.slow
def test_another_process_takes_in_files_while_a_provider_is_waited_for(tmp_path: Path) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def hanging(_: Request, reply: Reply) -> Reply:
        is_asked.set()
        assert may_answer.wait(LIMIT_S)
        return reply

    with feed_home(tmp_path / "home", lambda feeds: [section("neso", ["GB"], feeds)]) as home:
        home.feeds.fault = hanging
        outcomes: list[str] = []
        asking = threading.Thread(target=lambda: outcomes.extend(pull.outcome for pull in home.sync().pulls))
        asking.start()
        try:
            assert is_asked.wait(LIMIT_S)
            land_gpu(home.config, START_MS, START_MS + HOUR_MS, 360)
            command = [sys.executable, "-c", INGEST, str(home.config.home / "wattledger.toml")]
            done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
            is_still_waiting = asking.is_alive() and not outcomes
        finally:
            may_answer.set()
            asking.join(LIMIT_S)
        assert done.returncode == 0, done.stderr
        taken = {table for table, *_ in json.loads(done.stdout.splitlines()[-1])}
        assert "power_sample" in taken
        assert is_still_waiting, "the provider had answered before the other process was done"
        assert outcomes == ["complete"]
        assert home.lake.value("select count(*) from ref.grid_intensity where file_sha256 is not null") > 0
        assert home.now_ms > START_MS + DAY_MS
