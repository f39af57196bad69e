"""Looking after what was refused: every decision is kept, explained and cannot be made by accident."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.landed import landed_bytes, landed_name, put, sample
from tests.support.readings import count_readings
from tests.support.worlds import EVENING_MS as T
from warehouse import journal, quarantine
from warehouse.engine import settle
from warehouse.ingest import ingest_landing
from warehouse.lake import Lake
from warehouse.quarantine import QuarantineError


@pytest.fixture
def refused(lake: Lake) -> Lake:
    """A lake with an empty file, an error page, and a file with two refused rows and a conflict."""
    put(lake.config.landing_path, landed_name("power_sample", T, "empty"), b"")
    put(lake.config.landing_path, landed_name("power_sample", T, "page"), b"<html>")
    rows = [sample(T + number, power_mw=number - 2) for number in range(8)]
    rows.append(sample(T + 7, power_mw=99))
    put(
        lake.config.landing_path,
        landed_name("power_sample", T, "rows"),
        landed_bytes("power_sample", rows, written_ms=T),
    )
    ingest_landing(lake)
    settle(lake)
    return lake


def _id(lake: Lake, reason: str) -> str:
    return next(entry.id for entry in quarantine.entries(lake, state=None) if entry.reason == reason)


def test_list_tells_files_and_rows_by_reason(refused: Lake) -> None:
    found = {(entry.what, entry.reason, entry.count) for entry in quarantine.entries(refused)}
    assert found == {
        ("file", "empty_file", 1),
        ("file", "not_parquet", 1),
        ("rows", "out_of_range", 2),
        ("rows", "conflict", 1),
    }
    counts = quarantine.open_counts(refused).to_pylist()
    assert {(row["what"], row["reason"], row["count"]) for row in counts} == found


def test_show_tells_everything(refused: Lake) -> None:
    page = quarantine.show(refused, _id(refused, "not_parquet"))
    assert page["file"]["path"].endswith("page.parquet")
    assert Path(page["kept_at"]).read_bytes() == b"<html>"
    rows = quarantine.show(refused, _id(refused, "conflict"), limit=2)
    assert rows["file"] is None
    assert [row["reason"] for row in rows["rows"]] == ["out_of_range", "out_of_range"]
    assert json.loads(rows["rows"][0]["row"])["power_mw"] == -2


@pytest.mark.parametrize("prefix", ["", "zzz", "%", "' or true --"])
def test_an_id_must_name_one_file(refused: Lake, prefix: str) -> None:
    with pytest.raises(QuarantineError, match="quarantine list"):
        quarantine.show(refused, prefix)


def test_discard_needs_a_note_and_keeps_the_file(refused: Lake) -> None:
    page = _id(refused, "not_parquet")
    with pytest.raises(QuarantineError, match="--note"):
        quarantine.discard(refused, page, "  ")
    quarantine.discard(refused, page, "an error page")
    assert page not in {entry.id for entry in quarantine.entries(refused)}
    assert quarantine.show(refused, page)["file"]["note"] == "an error page"
    assert Path(quarantine.show(refused, page)["kept_at"]).exists()
    assert [outcome.reason for outcome in quarantine.retry(refused)] == ["empty_file"]


def test_a_discarded_file_that_comes_again_stays_discarded(refused: Lake) -> None:
    quarantine.discard(refused, _id(refused, "not_parquet"), "an error page")
    put(refused.config.landing_path, landed_name("power_sample", T, "again"), b"<html>")
    ingest_landing(refused)
    assert refused.rows("select state, note from raw.quarantine_file where reason = 'not_parquet'") == [
        ("discarded", "an error page")
    ]


def test_retry_without_a_fix_changes_nothing_but_looks(refused: Lake) -> None:
    sql = "select * from raw.quarantine_file order by all"
    before, rows = refused.rows(sql), refused.rows("select * exclude (first_seen) from raw.quarantine_row order by all")
    assert {outcome.status for outcome in quarantine.retry(refused)} == {"quarantined"}
    assert refused.rows(sql) == before
    assert refused.rows("select * exclude (first_seen) from raw.quarantine_row order by all") == rows
    assert count_readings(refused) == 6


def test_discarded_rows_stay_discarded_when_their_file_is_judged_again(refused: Lake) -> None:
    rows = _id(refused, "conflict")
    quarantine.discard(refused, rows, "a broken meter")
    more = [sample(T + 7, power_mw=99), sample(T + 90, power_mw=-1), *[sample(T + 100 + n) for n in range(5)]]
    content = landed_bytes("power_sample", more, written_ms=T + 1)
    put(refused.config.landing_path, landed_name("power_sample", T, "more"), content)
    ingest_landing(refused)
    quarantine.retry(refused)
    settle(refused)
    states = refused.rows("select distinct reason, state from raw.quarantine_row order by all")
    assert states == [("conflict", "discarded"), ("out_of_range", "discarded"), ("out_of_range", "open")]


def test_the_journal_holds_every_decision(refused: Lake) -> None:
    quarantine.discard(refused, _id(refused, "not_parquet"), "an error page")
    quarantine.discard(refused, _id(refused, "conflict"), "a broken meter")
    folder = refused.config.quarantine_path
    with (folder / journal.JOURNAL).open("ab") as file:
        file.write(b'{"what": "file", "file_sha')  # a crash in the middle of a line
    journal.append(folder, journal.FILE, "f" * 64, reason="empty_file")
    found = {entry["file_sha256"][:12]: entry for entry in journal.entries(folder)}
    assert found[_id(refused, "not_parquet")]["state"] == "discarded"
    assert found[_id(refused, "not_parquet")]["reason"] == "not_parquet"
    assert found[_id(refused, "empty_file")]["state"] == "open"
    assert found[_id(refused, "conflict")]["note"] == "a broken meter"
    assert found["f" * 12]["reason"] == "empty_file"
