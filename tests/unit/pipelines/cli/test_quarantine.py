"""``wattledger quarantine``: list, show, retry, discard."""

from __future__ import annotations

import pytest

from tests.support.homes import write_config
from tests.support.landed import landed_bytes, put, sample
from tests.unit.pipelines.cli.helpers import START_MS, Run
from warehouse.config import Config, load_config
from warehouse.ingest import ingest_landing
from warehouse.lake import open_lake
from warehouse.quarantine import entries


@pytest.fixture
def refused(home: Config) -> str:
    """Give the id of a file that states more rows than the configuration allows."""
    write_config(home.home, ingest={"max_rows": 1})
    rows = [sample(START_MS), sample(START_MS + 1000)]
    put(
        home.landing_path,
        "power_sample/date=2025-03-03/hour=11/big.parquet",
        landed_bytes("power_sample", rows, written_ms=START_MS),
    )
    with open_lake(load_config(home.home / "wattledger.toml")) as lake:
        ingest_landing(lake)
        return entries(lake)[0].id


def test_list_names_id_reason_and_next_step(refused: str, wattledger: Run) -> None:
    output = wattledger("quarantine", "list").output
    assert refused in output
    assert "too_large" in output
    assert "quarantine show ID" in output


def test_show_tells_why_and_where_the_file_is_kept(refused: str, wattledger: Run) -> None:
    output = wattledger("quarantine", "show", refused).output
    assert "too_large: The file states more rows" in output
    assert "kept at: " in output


def test_retry_lets_in_what_is_good_after_a_fix(home: Config, refused: str, wattledger: Run) -> None:
    assert "1 entries are still refused" in wattledger("quarantine", "retry", refused, code=3).output
    write_config(home.home)
    output = wattledger("quarantine", "retry", "--all").output
    assert "loaded: " in output
    assert "Next: wattledger run" in output
    assert "Nothing is in quarantine" in wattledger("quarantine", "list").output
    assert "released" in wattledger("quarantine", "list", "--all").output


def test_discard_needs_a_reason_and_keeps_it(refused: str, wattledger: Run) -> None:
    assert "Missing option '--note'" in wattledger("quarantine", "discard", refused, code=2).output
    assert "say why with --note" in wattledger("quarantine", "discard", refused, "--note", " ", code=2).output
    wattledger("quarantine", "discard", refused, "--note", "a test file")
    assert "Nothing is in quarantine" in wattledger("quarantine", "list").output
    assert "discarded: a test file" in wattledger("quarantine", "show", refused).output


@pytest.mark.parametrize("command", [["show"], ["retry"], ["discard", "--note", "x"]], ids=lambda words: words[0])
def test_an_unknown_id_is_wrong_use(computed: object, wattledger: Run, command: list[str]) -> None:
    output = wattledger("quarantine", command[0], "ffffffffffff", *command[1:], code=2).output
    assert "nothing in quarantine with an id that starts with 'ffffffffffff'" in output


@pytest.mark.parametrize("words", [[], ["abc", "--all"]], ids=["neither", "both"])
def test_retry_wants_an_id_or_all(home: Config, wattledger: Run, words: list[str]) -> None:
    assert "give an id or --all" in wattledger("quarantine", "retry", *words, code=2).output
