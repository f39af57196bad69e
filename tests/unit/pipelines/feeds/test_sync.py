"""Syncs against a real local server: what is asked, landed, kept and noted, and what a failure costs."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from pipelines.feeds import kept
from pipelines.feeds.feed import Asked
from pipelines.feeds.sync import clients
from tests.support.feed_homes import DAY_MS, START_MS, Home, feed_home, section
from tests.support.feed_server import HALF_HOUR_MS, HOUR_MS, PASSWORD, TOKEN, USER, Feeds, figure
from tests.support.gpu_jobs import land_gpu
from tests.support.stub_http import Reply, Request
from warehouse.engine import pending, run_all

ENVIRON = {"ELECTRICITY_MAPS_TOKEN": TOKEN, "WATTTIME_USER": USER, "WATTTIME_PASSWORD": PASSWORD}
SECRETS = ENVIRON | {"EIA_API_KEY": TOKEN, "ENTSOE_API_TOKEN": TOKEN, "EMBER_API_KEY": TOKEN}
VALUES = "select count(*) from ref.grid_intensity where file_sha256 is not null"
PLACE = {"id": "dc1", "zone": "GB", "pue": 1.25, "hosts": ["host-*"]}


def two_sources(feeds: Feeds) -> list[dict[str, Any]]:
    return [section("neso", ["GB"], feeds), section("electricity_maps", ["DE"], feeds)]


def only_gb(feeds: Feeds) -> list[dict[str, Any]]:
    return [section("neso", ["GB"], feeds)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with feed_home(tmp_path / "home", two_sources, ENVIRON) as found:
        yield found


@pytest.fixture
def gb(tmp_path: Path) -> Iterator[Home]:
    with feed_home(tmp_path / "home", only_gb, grid={"basis": "operational"}, facility=[PLACE]) as found:
        yield found


def failing(source: str, status: int = 500) -> Callable[[Request, Reply], Reply]:
    return lambda request, reply: Reply(b"no", status) if request.path.startswith(f"/{source}") else reply


def test_every_value_of_every_source_comes_in_with_what_it_is(home: Home) -> None:
    report = home.sync()
    assert (report.failed, report.left_out) == ([], [])
    # 26 h have passed: NESO's half hours up to 30 min ago are 51; hours of Germany in two bases.
    gb = home.lake.rows(
        "select epoch_ms(valid_from), gco2e_per_kwh, basis, epoch_ms(known_from), known_to from ref.grid_intensity "
        "where provider = 'neso' order by 1"
    )
    starts = range(START_MS, home.now_ms - HALF_HOUR_MS, HALF_HOUR_MS)
    assert gb == [(at, float(figure(at)), "operational", home.now_ms, None) for at in starts]
    bases = home.lake.rows(
        "select basis, count(*) from ref.grid_intensity where provider = 'electricity_maps' group by 1 order by 1"
    )
    assert [basis for basis, _ in bases] == ["lifecycle", "operational"]
    assert bases[0][1] == bases[1][1] >= 24


def test_a_second_sync_asks_nothing_and_lands_nothing(home: Home) -> None:
    home.sync()
    asked, files = len(home.feeds.seen), home.lake.value("select count(*) from raw.ingest_file")
    report = home.sync()
    assert report.pulls == []
    assert len(home.feeds.seen) == asked
    assert home.lake.value("select count(*) from raw.ingest_file") == files


def test_asking_again_for_the_same_answer_lands_no_value(home: Home) -> None:
    home.sync()
    before = home.lake.value(VALUES)
    home.now_ms += HOUR_MS // 4
    report = home.sync(only="neso", again=(START_MS, START_MS + DAY_MS))
    assert [(pull.source, pull.values_n, pull.changed_n) for pull in report.pulls] == [("neso", 48, 0)]
    assert home.lake.value(VALUES) == before


def test_a_source_that_fails_costs_the_other_nothing(home: Home) -> None:
    home.feeds.fault = failing("neso")
    report = home.sync()
    assert {(pull.source, pull.outcome, pull.reason) for pull in report.pulls} == {
        ("neso", "failed", "server_error"),
        ("electricity_maps", "complete", None),
    }
    assert home.lake.value(f"{VALUES} and zone = 'DE'") >= 48
    home.feeds.fault = None
    home.now_ms += 60_000
    assert [pull.source for pull in home.sync().pulls] == ["neso"]
    assert home.lake.value(f"{VALUES} and zone = 'GB'") == 51
    assert [row[2:] for row in home.pulls() if row[0] == "neso"] == [("failed", "server_error"), ("complete", None)]


def test_an_answer_with_a_hole_is_partial_and_asked_for_again(gb: Home) -> None:
    hole_ms = START_MS + 10 * HOUR_MS
    gb.feeds.fault = without_actual(hole_ms)
    (pull,) = gb.sync().pulls
    assert (pull.outcome, pull.reason, pull.values_n, pull.missing_ms) == ("partial", "no_value", 50, HALF_HOUR_MS)
    assert "data[" in (pull.detail or "")
    gb.feeds.fault = None
    gb.now_ms += HOUR_MS
    pulls = gb.sync().pulls
    assert {pull.outcome for pull in pulls} == {"complete"}
    assert gb.lake.value(VALUES) == 53
    outcomes = [(outcome, reason) for _, _, outcome, reason in gb.pulls()]
    assert outcomes[0] == ("partial", "no_value")
    assert set(outcomes[1:]) == {("complete", None)}
    assert gb.lake.value("select count(*) from raw.quarantine_file") == 0


def without_actual(start_ms: int) -> Callable[[Request, Reply], Reply]:
    def fault(_: Request, reply: Reply) -> Reply:
        document = json.loads(reply.body)
        for point in document["data"]:
            if point["intensity"]["actual"] == figure(start_ms):
                point["intensity"]["actual"] = None
        return reply._replace(body=json.dumps(document).encode())

    return fault


def test_three_failures_in_a_row_leave_a_source_alone(gb: Home) -> None:
    gb.now_ms = START_MS + 100 * DAY_MS  # parts of 14 days: eight askings are due
    gb.feeds.fault = failing("neso", 503)
    report = gb.sync()
    assert len(report.failed) == len(report.pulls) == 3
    (left,) = report.left_out
    assert (left.source, left.zone) == ("neso", "GB")
    assert left.why.startswith("5 more askings: server_error")


def test_two_entries_of_one_source_that_cannot_be_asked_are_both_told(tmp_path: Path) -> None:
    def sections(feeds: Feeds) -> list[dict[str, Any]]:
        return [section("watttime", ["DE"], feeds, signals=[name]) for name in ("moer", "smoke")]

    with feed_home(tmp_path / "home", sections) as home:
        report = home.sync()
    assert [(left.source, left.zone) for left in report.left_out] == [("watttime", None)] * 2
    first, second = (str(left) for left in report.left_out)
    assert "'moer'" in first
    assert "'smoke'" in second


@pytest.mark.parametrize("environ", [{}, {"ELECTRICITY_MAPS_TOKEN": "wrong"}], ids=["no token", "wrong token"])
def test_a_source_without_a_right_token_is_asked_no_second_time(tmp_path: Path, environ: dict[str, str]) -> None:
    def sections(feeds: Feeds) -> list[dict[str, Any]]:
        return [section("electricity_maps", ["DE"], feeds), section("neso", ["GB"], feeds)]

    with feed_home(tmp_path / "home", sections, environ or {"NOBODY": "1"}) as home:
        home.now_ms = START_MS + 40 * DAY_MS
        report = home.sync()
        assert len([request for request in home.feeds.seen if "electricity_maps" in request.path]) == len(environ)
        reason = "unauthorised" if environ else "not_configured"
        said = [*(left.why for left in report.left_out), *(pull.reason or "" for pull in report.failed)]
        assert any(reason in text or "ELECTRICITY_MAPS_TOKEN" in text for text in said)
        assert home.lake.value(f"{VALUES} and zone = 'GB'") > 1900


def test_a_zone_that_is_refused_does_not_hinder_the_others(tmp_path: Path) -> None:
    def sections(feeds: Feeds) -> list[dict[str, Any]]:
        return [section("electricity_maps", ["FR", "DE", "SE"], feeds)]

    for status, asked_n in ((401, 1), (404, 3)):
        with feed_home(tmp_path / f"home{status}", sections, ENVIRON) as home:
            home.now_ms = START_MS + 50 * DAY_MS
            home.feeds.fault = lambda request, reply, status=status: (  # type: ignore[misc]
                Reply(b"{}", status) if "zone=FR" in request.path else reply
            )
            report = home.sync()
            assert [pull.zone for pull in report.failed] == ["FR"] * asked_n
            assert [(left.source, left.zone) for left in report.left_out] == [("electricity_maps", "FR")]
            zones = home.lake.rows(f"{VALUES.replace('count(*)', 'distinct zone')} order by 1")
            assert zones == [("DE",), ("SE",)]


def test_a_silent_revision_makes_a_second_version_and_restates_its_day_alone(gb: Home) -> None:
    noon_ms = START_MS + 12 * HOUR_MS
    for day in range(2):
        land_gpu(gb.config, noon_ms + day * DAY_MS, noon_ms + day * DAY_MS + HOUR_MS, 360)
    gb.now_ms = START_MS + 2 * DAY_MS + HOUR_MS
    gb.sync()
    run_all(gb.lake)
    before, first_known = figure(noon_ms), gb.now_ms
    gb.feeds.fault = revised(noon_ms, before + 60)
    assert [pull.changed_n for pull in gb.sync().pulls] == [], "no day is due: nobody can know of the revision yet"
    gb.now_ms = START_MS + 3 * DAY_MS + HOUR_MS  # two days after the end of the first day
    report = gb.sync()
    assert sum(pull.changed_n for pull in report.pulls) == 1 + 48  # the revision, and the third day
    versions = gb.lake.rows(
        "select gco2e_per_kwh, epoch_ms(known_from), epoch_ms(known_to) from ref.grid_intensity "
        "where provider = 'neso' and valid_from = make_timestamptz($at) order by known_from",
        {"at": noon_ms * 1000},
    )
    assert versions == [(before, first_known, gb.now_ms), (before + 60, gb.now_ms, None)]
    assert [key for key in pending(gb.lake) if len(key) == 10] == ["2024-03-05"]
    run = run_all(gb.lake)
    assert (run.days, run.hour_files_opened) == (["2024-03-05"], 0)
    # 0.36 kWh in the hour, half of it in the revised half hour, times PUE 1.25: 0.225 kWh x 60 g/kWh = 13.5 g.
    ((cause, kwh, more_kg),) = gb.lake.rows(
        "select cause, energy_kwh, new_kgco2e - old_kgco2e from audit.restatement where period = 'day'"
    )
    assert (cause, kwh, more_kg) == ("grid_revised", pytest.approx(0.225), pytest.approx(0.0135))


def revised(start_ms: int, value: int) -> Callable[[Request, Reply], Reply]:

    def fault(_: Request, reply: Reply) -> Reply:
        document = json.loads(reply.body)
        for point in document["data"]:
            if point["intensity"]["actual"] == figure(start_ms):
                point["intensity"]["actual"] = value
        return reply._replace(body=json.dumps(document).encode())

    return fault


def test_kept_answers_can_be_read_again_to_the_same_values(home: Home) -> None:
    home.sync()
    makers = {section.source: feed for section, feed in clients(home.config, ENVIRON, clock=lambda: home.now_ms)}
    rows = home.lake.rows("select source, zone, from_ms, to_ms, response_sha256, values_n from raw.feed_pull")
    assert rows
    for source, zone, from_ms, to_ms, sha256, values_n in rows:
        pages = kept.read(kept.path_of(home.config.answers_path, source, sha256))
        again = makers[source].parse(pages, Asked(zone, from_ms, to_ms))  # type: ignore[union-attr]
        assert len(again.values) == values_n
        known = home.lake.rows(
            "select epoch_ms(valid_from), basis, gco2e_per_kwh from ref.grid_intensity "
            "where provider = $source and zone = $zone and epoch_ms(valid_from) >= $a and epoch_ms(valid_to) <= $b",
            {"source": source, "zone": zone, "a": from_ms, "b": to_ms},
        )
        assert sorted((value.start_ms, value.basis, value.gco2e_per_kwh) for value in again.values) == sorted(known)


def every_source_with_a_secret(feeds: Feeds) -> list[dict[str, Any]]:
    names = {"US-CAL-CISO": "CAISO_NORTH"}
    return [
        section("electricity_maps", ["DE"], feeds),
        section("watttime", ["US-CAL-CISO"], feeds, names=names),
        section("eia", ["US-CAL-CISO"], feeds),
        section("entsoe", ["FI"], feeds),
        section("ember", ["DE"], feeds, since="2022-01-01", signals=["yearly"]),
    ]


def shows_what_it_was_sent(status: int) -> Callable[[Request, Reply], Reply]:
    """Return a provider whose answer ends with all that it was sent, as EIA's does with the parameters."""

    def fault(request: Request, reply: Reply) -> Reply:
        if status != 200:
            return Reply(repr(request).encode(), status)
        if not reply.body.startswith(b"{"):
            return reply._replace(body=reply.body + f"<!-- {request.path.rpartition('&')[2]} -->".encode())
        sent = {"command": request.path, "headers": dict(request.headers)}
        return reply._replace(body=json.dumps(json.loads(reply.body) | {"request": sent}).encode())

    return fault


@pytest.mark.parametrize(
    ("is_right", "status"), [(True, 200), (True, 400), (False, 200)], ids=["values", "error", "refusal"]
)
def test_no_secret_is_in_any_file_table_or_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int, *, is_right: bool
) -> None:
    caplog.set_level("DEBUG")
    environ = SECRETS if is_right else {name: f"{text}/wr+ng" for name, text in SECRETS.items()}
    with feed_home(tmp_path / "home", every_source_with_a_secret, environ) as home:
        home.now_ms += DAY_MS  # EIA's first figures come after 26 h
        home.feeds.fault = shows_what_it_was_sent(status)
        report = home.sync()
        # Who is let in and answers with 200 gives its values, whatever else it shows.
        assert bool(report.failed) != (is_right and status == 200), [pull.detail for pull in report.failed]
        told = [*map(str, report.left_out), caplog.text, *map(str, report.pulls)]
        told += [str(row) for row in home.lake.rows("select * from raw.feed_pull")]
        told += [str(row) for row in home.lake.rows("select * from ref.grid_intensity where file_sha256 is not null")]
        sources = {pull.source for pull in report.pulls}
        files = [path for path in home.config.home.rglob("*") if path.is_file() and "lake" not in path.suffix]
    assert sources == {"electricity_maps", "watttime", "eia", "entsoe", "ember"}
    assert status != 200 or not is_right or {path.parent.parent.name for path in files} >= sources
    told += [content_of(path).decode("utf-8", "replace") for path in files]
    for name in SECRETS:
        if name != "WATTTIME_USER":
            assert not [text for text in told if environ[name] in text or quote(environ[name], "") in text], name


def content_of(path: Path) -> bytes:
    """Return the content of a file, unpacked where that is known."""
    if path.name.endswith(".jsonl.gz"):
        pages = kept.read(path)
        return gzip.decompress(path.read_bytes()) + b"".join(page.body for page in pages)
    if path.suffix == ".parquet":
        return path.read_bytes() + str(pq.ParquetFile(path).read().to_pylist()).encode()
    return path.read_bytes()
