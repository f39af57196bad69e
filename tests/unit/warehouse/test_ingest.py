"""One file, one transaction: what goes in, what is refused and why, and that a second time changes nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from collectors import contract
from tests.support.homes import write_config
from tests.support.landed import job_event, landed_bytes, landed_name, put, sample
from tests.support.readings import count_readings, readings
from tests.support.worlds import EVENING_MS as T
from tests.support.worlds import all_hashes, differing
from warehouse import ingest
from warehouse.config import Config
from warehouse.ingest import ingest_file, ingest_landing
from warehouse.lake import Lake, open_lake
from warehouse.landed import landed_files
from warehouse.reasons import FILE_REASONS


def _file(
    config: Config, rows: list[dict[str, Any]], name: str = "w-1", table: str = "power_sample", **how: Any
) -> Path:
    content = landed_bytes(table, rows, **{"written_ms": T, **how})
    return put(config.landing_path, landed_name(table, T, name), content)


def _samples(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [sample(T + second * 1000, power_mw=100_000 + second, **changes) for second in range(count)]


def test_rows_ledger_and_archive(lake: Lake) -> None:
    path = _file(lake.config, _samples(5))
    outcome = ingest_file(lake, path)
    assert (outcome.status, outcome.rows_total, outcome.rows_rejected, outcome.days) == (
        "loaded",
        5,
        0,
        ("2025-03-03",),
    )
    ledger = lake.rows("select file_sha256, path, rows_total, first_ms, last_ms, host from raw.ingest_file")
    sha256 = ledger[0][0]
    assert ledger == [(sha256, landed_name("power_sample", T, "w-1"), 5, T, T + 4000, "host-0")]
    assert readings(lake, "source_row, power_mw")[4] == (4, 100_004)
    assert not path.exists()
    archived = lake.config.archive_path / "power_sample/date=2025-03-03/hour=21" / f"{sha256}.parquet"
    assert archived.exists()


def test_row_numbers_are_positions_in_a_large_file(lake: Lake) -> None:
    rows = [sample(T + second, power_mw=second) for second in range(300_000)]
    ingest_file(lake, _file(lake.config, rows))
    assert count_readings(lake, where="source_row = power_mw") == 300_000


def test_the_same_content_under_another_name_changes_nothing(lake: Lake) -> None:
    content = landed_bytes("power_sample", _samples(5), written_ms=T)
    put(lake.config.landing_path, landed_name("power_sample", T, "a"), content)
    ingest_landing(lake)
    before = all_hashes(lake)
    for name in ("a", "b"):
        put(lake.config.landing_path, landed_name("power_sample", T, name), content)
    report = ingest_landing(lake)
    assert report.count("known") == 2
    assert differing(before, all_hashes(lake)) == {}
    assert list(landed_files(lake.config.landing_path)) == []
    assert len(list(lake.config.archive_path.rglob("*.parquet"))) == 1


def test_a_refused_row_does_not_stop_the_others(lake: Lake) -> None:
    rows = [*_samples(9), sample(T + 20_000, power_mw=-7)]
    outcome = ingest_file(lake, _file(lake.config, rows))
    assert (outcome.status, outcome.rows_rejected) == ("loaded", 1)
    assert count_readings(lake) == 9
    refused = lake.rows(
        "select row_number, reason, time_ms, state, row_json::json->>'power_mw' from raw.quarantine_row"
    )
    assert refused == [(9, "out_of_range", T + 20_000, "open", "-7")]


@pytest.mark.parametrize(("bad", "status"), [(5, "loaded"), (6, "quarantined")])
def test_a_file_of_which_most_rows_are_refused_is_refused(lake: Lake, bad: int, status: str) -> None:
    rows = [sample(T + number, power_mw=-1 if number < bad else 1) for number in range(10)]
    outcome = ingest_file(lake, _file(lake.config, rows))
    assert outcome.status == status
    assert count_readings(lake) == (5 if status == "loaded" else 0)
    if status == "quarantined":
        assert outcome.reason == "rows_refused"
        assert "6 of 10 rows" in outcome.detail
        assert "power_mw is -1 mW" in outcome.detail


def test_a_file_without_rows_goes_in(lake: Lake) -> None:
    empty = landed_bytes("power_sample", [], written_ms=T, metadata={contract.META_FIRST_MS: "never"})
    outcome = ingest_file(lake, put(lake.config.landing_path, landed_name("power_sample", T, "w"), empty))
    assert (outcome.status, outcome.rows_total) == ("loaded", 0)
    assert lake.rows("select first_ms, last_ms from raw.ingest_file") == [(None, None)]


def test_a_crash_before_the_move_is_made_good(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(lake.config, _samples(5))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ingest.files, "move", killed)
    with pytest.raises(KeyboardInterrupt):
        ingest_file(lake, path)
    before = all_hashes(lake)
    monkeypatch.undo()
    assert path.exists()
    assert ingest_file(lake, path).status == "known"
    assert differing(before, all_hashes(lake)) == {}
    assert not path.exists()


def test_a_crash_inside_the_transaction_leaves_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(lake.config, [*_samples(5), sample(T + 9000, power_mw=-1)])
    empty = all_hashes(lake)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ingest, "touched_days", killed)
    with pytest.raises(KeyboardInterrupt):
        ingest_file(lake, path)
    assert differing(empty, all_hashes(lake)) == {}
    monkeypatch.undo()
    assert ingest_file(lake, path).status == "loaded"


def test_two_that_see_the_same_file_take_it_in_once(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(config, _samples(5))
    content = path.read_bytes()
    with open_lake(config) as one, open_lake(config) as other:
        real = ingest._load

        def overtaken(lake: Lake, *rest: Any, **named: Any) -> Any:
            monkeypatch.undo()
            assert ingest_file(other, path).status == "loaded"  # between the reading and the commit of the first
            return real(lake, *rest, **named)

        monkeypatch.setattr(ingest, "_load", overtaken)
        assert ingest_file(one, path).status == "known"
        assert count_readings(one) == 5
        assert one.value("select count(*) from audit.pending") == 1
    assert next(config.archive_path.rglob("*.parquet")).read_bytes() == content


def test_a_file_that_another_process_took_is_no_failure(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _file(lake.config, _samples(1))
    real = ingest._known

    def gone(*arguments: Any) -> Any:
        path.unlink()
        return real(*arguments)

    monkeypatch.setattr(ingest, "_known", gone)
    assert ingest_file(lake, path) is None
    assert lake.value("select count(*) from raw.quarantine_file") == 0


def test_what_lands_is_found_and_what_is_hidden_is_not(tmp_path: Path) -> None:
    for name in ("a/b.parquet", "c", "_rejected/x.jsonl", "a/.b.parquet.tmp", ".hidden/d.parquet"):
        put(tmp_path, name, b"")
    (tmp_path / "x.parquet").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    put(tmp_path, "x.parquet/e", b"")
    found = [path.relative_to(tmp_path).as_posix() for path in landed_files(tmp_path)]
    assert found == ["a/b.parquet", "c", "link", "x.parquet/e"]
    assert list(landed_files(tmp_path / "none")) == []


def test_links_pipes_and_folders_with_names_of_files(lake: Lake, tmp_path: Path) -> None:
    folder = lake.config.landing_path / "power_sample/date=2025-03-03/hour=21"
    folder.mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_bytes(landed_bytes("power_sample", _samples(3), written_ms=T))
    (folder / "link.parquet").symlink_to(secret)
    (folder / "dangling.parquet").symlink_to("nowhere")
    (lake.config.landing_path / "loop").symlink_to(lake.config.landing_path)
    os.mkfifo(folder / "pipe.parquet")
    (folder / "folder.parquet").mkdir()
    good = _file(lake.config, _samples(2), "good")
    report = ingest_landing(lake)
    assert {Path(o.path).name: o.reason for o in report.outcomes} == {
        "link.parquet": "not_a_regular_file",
        "dangling.parquet": "not_a_regular_file",
        "pipe.parquet": "not_a_regular_file",
        "loop": "unsafe_name",
        "good.parquet": None,
    }
    assert secret.exists()
    assert not good.exists()
    assert count_readings(lake) == 2
    assert list(landed_files(lake.config.landing_path)) == []


HOSTILE = ("'; drop table raw.job_event; --", "\u202egnp", "zwölf 机 🔥", "a\nb\tc", "a" * 5000, "$sha256", "%s{}")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(lake: Lake, text: str) -> None:
    rows = [job_event(T, text, "started", team=text, labels=[(text, text)])]
    ingest_file(lake, _file(lake.config, rows, table="job_event", host=text))
    ingest_file(lake, _file(lake.config, [rows[0] | {"team": "other"}], "w-2", "job_event", written_ms=T + 1))
    assert lake.rows("select job_id, team from raw.job_event") == [(text, text)]
    assert lake.value("select host from raw.ingest_file where host <> 'host-0'") == text
    assert lake.value("select count(*) from raw.quarantine_row where reason = 'conflict'") == 1


def test_a_nul_in_a_text_is_refused_and_stops_nobody(lake: Lake) -> None:
    rows = [job_event(T, "nul\x00byte", "started"), job_event(T, "j", "started", labels=[("a", "\x00")])]
    good = [job_event(T + number, "good", "heartbeat") for number in range(3)]
    outcome = ingest_file(lake, _file(lake.config, rows + good, table="job_event"))
    assert (outcome.status, outcome.rows_rejected) == ("loaded", 2)
    details = lake.rows("select reason, detail from raw.quarantine_row order by row_number")
    assert details == [
        ("unsafe_text", "job_id holds a NUL character"),
        ("unsafe_text", "labels holds a NUL character"),
    ]
    other = ingest_file(lake, _file(lake.config, good, "w-2", "job_event", host="a\x00b"))
    assert (other.status, other.reason) == ("quarantined", "metadata_mismatch")


def test_landing_that_is_missing_or_empty_is_no_failure(lake: Lake) -> None:
    lake.config.landing_path.rmdir()
    assert ingest_landing(lake).outcomes == []
    assert not lake.config.landing_path.exists()


def test_emptied_folders_go_when_nobody_uses_them_any_more(lake: Lake) -> None:
    old = lake.config.landing_path / "power_sample/date=2025-03-03/hour=21"
    _file(lake.config, _samples(1))
    young = lake.config.landing_path / "power_sample/date=2025-03-04/hour=00"
    young.mkdir(parents=True)
    ingest_landing(lake)
    assert old.exists()
    long_ago = time.time() - 3 * 3600
    os.utime(old, (long_ago, long_ago))
    os.utime(old.parent, (long_ago, long_ago))
    ingest_landing(lake)
    assert not old.exists()
    assert young.exists()


def test_an_unreadable_file_keeps_an_entry_of_its_own(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [_file(lake.config, _samples(number + 1), f"w-{number}") for number in range(2)]

    def failing(*_: Any, **__: Any) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(ingest.files, "sha256_of", failing)
    monkeypatch.setattr(ingest, "read_landed", failing)
    outcomes = [ingest_file(lake, path) for path in paths]
    assert [(o.reason, o.detail) for o in outcomes] == [("unreadable", "Input/output error")] * 2
    assert len(list((lake.config.quarantine_path / "unreadable").iterdir())) == 2


def test_limits_of_the_configuration_hold(config: Config) -> None:
    config = write_config(config.home, ingest={"max_rows": 4})
    with open_lake(config) as lake:
        outcome = ingest_file(lake, _file(config, _samples(5)))
    assert outcome.reason == "too_large"
    assert "5 rows, at most 4" in outcome.detail


def test_progress_goes_from_none_to_all(lake: Lake) -> None:
    for number in range(3):
        _file(lake.config, _samples(number + 1), f"w-{number}")
    told: list[tuple[int, int, str]] = []
    ingest_landing(lake, progress=lambda *step: told.append(step))
    done = [step[0] for step in told]
    assert (done[0], done[-1], sorted(done)) == (0, 3, done)
    assert {step[1] for step in told} == {3}


def test_only_known_reasons_are_given(lake: Lake) -> None:
    path = _file(lake.config, _samples(1))
    with pytest.raises(ValueError, match="not in the list of reasons"):
        ingest._refuse(lake, path, "x", "0" * 64, "because", "x")
    assert "because" not in FILE_REASONS
