"""`wattledger feeds`: what it says and with which exit code, with and without feeds, answers, right descriptions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.feed_server import Feeds, serving_feeds
from tests.support.homes import write_config
from tests.support.stub_http import Reply
from tests.unit.pipelines.cli.helpers import Run
from warehouse.config import Config

DESCRIPTION = """
provider = "meter"
licence = "own data"
format = "csv"
zone = "DE"
kind = "average"
flow = "consumption"
is_estimate = false
blank = "no_value"
[time]
column = "start"
format = "iso"
zone = "UTC"
label = "start"
step_s = 3600
[intensity]
column = "grams"
unit = "g/kWh"
basis = "lifecycle"
factor_set = "meter"
"""


@pytest.fixture
def feeds() -> Iterator[Feeds]:
    with serving_feeds() as found:
        yield found


@pytest.fixture
def asked(home: Config, feeds: Feeds) -> Feeds:
    """Configure Great Britain at the local server."""
    section = {"source": "neso", "zones": ["GB"], "since": "2026-01-01", "url": feeds.url("neso")}
    write_config(home.home, feed=[section])
    return feeds


def test_status_without_feeds_names_what_would_be_better_for_each_zone(home: Config, wattledger: Run) -> None:
    output = wattledger("feeds", "status").output
    assert "No feed is configured" in output
    for word in ("DE", "entsoe", "electricity_maps", "file drop"):
        assert word in output, word


def test_sync_without_feeds_is_no_failure_and_says_where_to_look(home: Config, wattledger: Run) -> None:
    assert "wattledger feeds status" in wattledger("feeds", "sync").output


def test_sync_tells_what_came_and_status_how_it_stands(asked: Feeds, wattledger: Run) -> None:
    arguments = ("feeds", "backfill", "neso", "--from", "2026-01-01", "--to", "2026-01-02")
    output = wattledger(*arguments).output
    assert "Asked 1 times: 96 values, 96 of them new or revised, 0 refused." in output
    assert "wattledger run" in output
    assert "0 of them new or revised" in wattledger(*arguments).output
    standing = wattledger("feeds", "status").output
    assert "2026-01-03 00:00Z" in standing
    assert "complete" in standing


def test_a_failure_is_named_and_fails(asked: Feeds, wattledger: Run) -> None:
    asked.fault = lambda *_: Reply(b"no such thing", 404)
    output = wattledger("feeds", "backfill", "neso", "--from", "2026-01-01", "--to", "2026-01-02", code=1).output
    assert "FAILED neso GB from 2026-01-01: not_found" in output
    assert "not_found" in wattledger("feeds", "status").output


def test_a_source_without_its_token_is_named_with_the_variable(
    home: Config, feeds: Feeds, wattledger: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN", raising=False)
    url = feeds.url("electricity_maps")
    write_config(home.home, feed=[{"source": "electricity_maps", "zones": ["DE"], "since": "2026-11-01", "url": url}])
    assert "ELECTRICITY_MAPS_TOKEN" in wattledger("feeds", "sync", code=1).output
    assert "ELECTRICITY_MAPS_TOKEN" in wattledger("feeds", "status").output.replace("\n", "")
    assert feeds.seen == []


def test_wrong_use_is_told_before_anything_is_asked(asked: Feeds, wattledger: Run) -> None:
    assert "neso" in wattledger("feeds", "sync", "--only", "eia", code=2).output
    days = ("--from", "2026-01-02", "--to", "2026-01-01")
    assert "holds no day" in wattledger("feeds", "backfill", "neso", *days, code=2).output
    assert "2026-13-01" in wattledger("feeds", "backfill", "neso", "--from", "2026-13-01", "--to", "x", code=2).output
    assert "--fetch" in wattledger("feeds", "cloud", code=2).output
    assert asked.seen == []


def test_a_file_is_dropped_once_and_its_faults_are_told(home: Config, tmp_path: Path, wattledger: Run) -> None:
    description, data = tmp_path / "meter.toml", tmp_path / "meter.csv"
    description.write_text(DESCRIPTION)
    data.write_text("start,grams\n2026-01-01T00:00:00Z,100\n2026-01-01T01:00:00Z,110\n2026-01-01T03:00:00Z,120\n")
    output = wattledger("feeds", "drop", str(data), str(description)).output
    assert "meter: 3 values, 3 of them new or revised. Licence: own data" in output
    assert "2026-01-01 02:00Z to 2026-01-01 03:00Z, 1 h" in output
    assert "3 values, 0 of them new" in wattledger("feeds", "drop", str(data), str(description)).output
    data.write_text(data.read_text() + "2026-01-01T04:00:00Z,-5\n")
    assert "REFUSED 1 values: bad_value" in wattledger("feeds", "drop", str(data), str(description), code=3).output


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [('unit = "g/kWh"', 'unit = "stones"', "stones"), ('column = "grams"', 'column = "grains"', "grains")],
)
def test_a_wrong_description_is_named_with_its_key(
    home: Config, tmp_path: Path, wattledger: Run, old: str, new: str, said: str
) -> None:
    description, data = tmp_path / "meter.toml", tmp_path / "meter.csv"
    description.write_text(DESCRIPTION.replace(old, new))
    data.write_text("start,grams\n2026-01-01T00:00:00Z,100\n")
    output = wattledger("feeds", "drop", str(data), str(description), code=2).output
    assert said in output
    assert "Traceback" not in output


def test_a_cloud_table_with_other_columns_goes_to_quarantine_by_name(
    home: Config, tmp_path: Path, wattledger: Run
) -> None:
    table = tmp_path / "2024.csv"
    table.write_text("a,b\n1,2\n")
    output = wattledger("feeds", "cloud", str(table), code=3).output
    assert "0 figures taken, 1 refused" in output
    assert "REFUSED 1: unknown_header: 2024.csv, line 1: columns " in output


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff\xfe", b'a,"b\0'], ids=["empty", "page", "bytes", "nul"])
def test_what_is_no_cloud_table_is_named_with_its_file(
    home: Config, tmp_path: Path, wattledger: Run, content: bytes
) -> None:
    table = tmp_path / "regions-of-mine.csv"
    table.write_bytes(content)
    output = wattledger("feeds", "cloud", str(table), code=1).output
    assert output.startswith("wattledger: regions-of-mine.csv")
    assert "defect" not in output


def test_one_cloud_table_twice_is_no_defect_of_ours(home: Config, tmp_path: Path, wattledger: Run) -> None:
    names = ("old-2024.csv", "new-2024.csv")
    for name in names:
        (tmp_path / name).write_text("Google Cloud Region,Location,Google CFE,Grid carbon intensity (gCO2eq / kWh)\n")
    output = wattledger("feeds", "cloud", *(str(tmp_path / name) for name in names), code=1).output
    assert "judge one version of it at a time" in output
    assert all(name in output for name in names)
    assert "defect" not in output


@pytest.mark.parametrize("arguments", [["--help"], ["feeds", "--help"]])
def test_help_loads_no_client_and_no_http(arguments: list[str]) -> None:
    code = (
        "import sys; from pipelines.cli import cli\n"
        f"try: cli({arguments!r})\nexcept SystemExit: pass\n"
        "print([name for name in sys.modules if name in ('requests', 'urllib3', 'duckdb', 'pandas')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
