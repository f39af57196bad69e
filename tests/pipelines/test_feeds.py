"""Feeds in Dagster: what is due is asked for once, what comes reaches the figures, a failure is tried again or not.

The local server answers as the providers do; each of its figures comes from ``figure``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.assets.feeds import feed_asset
from pipelines.definitions import build_defs
from pipelines.feeds.feed import Asked
from pipelines.feeds.web import Web
from pipelines.pulling import days_of, next_pulls
from pipelines.resources import Installation
from pipelines.schedules import due_runs
from tests.pipelines.conftest import MARCH_3_MS, Driver, make_driver
from tests.support.feed_server import Feeds, figure, serving_feeds
from tests.support.homes import write_config
from tests.support.stub_http import Reply
from warehouse.config import CONFIG_NAME, Config
from warehouse.lake import open_lake

PLACE = {"id": "dc1", "zone": "GB", "pue": 1.25, "hosts": ["host-*"]}
NOON = datetime(2025, 3, 4, 12, 7, tzinfo=UTC)
NO_WAIT = dg.RetryPolicy(max_retries=2, delay=0)
HALF_HOUR_MS = 1_800_000


class Patient(Installation):
    """An installation with HTTP whose waits take no time."""

    @contextlib.contextmanager
    def web(self) -> Iterator[Web]:
        with contextlib.closing(Web(sleep=lambda _: None, environ={})) as web:
            yield web


@pytest.fixture
def server() -> Iterator[Feeds]:
    with serving_feeds() as found:
        yield found


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    for made in make_driver(tmp_path):
        config_path = str(made.config.home / CONFIG_NAME)
        yield replace(made, defs=build_defs({"installation": Patient(config_path=config_path)}))


def configure(driver: Driver, *feeds: dict[str, Any]) -> Config:
    return write_config(driver.config.home, feed=list(feeds), facility=[PLACE], grid={"basis": "operational"})


def neso(server: Feeds, since: str = "2025-03-03") -> dict[str, Any]:
    return {"source": "neso", "zones": ["GB"], "since": since, "url": server.url("neso")}


def tick(driver: Driver, at: datetime = NOON) -> list[dg.RunRequest] | str:
    """Let the schedule look; return its requests, or why there are none."""
    found = due_runs(driver.instance, driver.defs.resources["installation"], int(at.timestamp()) * 1000)
    return found.skip_message if isinstance(found, dg.SkipReason) else found


def ask(driver: Driver, source: str, first: str, last: str) -> dg.ExecuteInProcessResult:
    """Materialise some days of a source, without waits between the tries."""
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    defs = dg.Definitions(
        assets=[feed_asset(source, NO_WAIT)],
        jobs=[dg.define_asset_job("ask", selection=[dg.AssetKey(["feed", source])])],
        resources=driver.defs.resources,
        executor=dg.in_process_executor,
    )
    return defs.resolve_job_def("ask").execute_in_process(instance=driver.instance, tags=tags, raise_on_error=False)


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    event = result.get_asset_materialization_events()[-1]
    return {name: entry.value for name, entry in event.materialization.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, dict[str, Any]]:
    data = next(event for event in result.all_events if event.is_step_failure).step_failure_data.user_failure_data
    return data.description, {name: entry.value for name, entry in data.metadata.items()}


def retries(result: dg.ExecuteInProcessResult) -> int:
    return sum(event.event_type == dg.DagsterEventType.STEP_RESTARTED for event in result.all_events)


def test_what_is_due_is_asked_for_once_and_reaches_the_figures(driver: Driver, server: Feeds) -> None:
    driver.config = configure(driver, neso(server))
    driver.compute_headless()
    factor = "select distinct tier, gco2e_per_kwh from core.grid_factor"
    with open_lake(driver.config, read_only=True) as lake:
        assert [tier for tier, _ in lake.rows(factor)] == ["zone_year"], "nothing is known of the hour yet"

    (request,) = tick(driver)
    assert request.asset_selection == [dg.AssetKey(["feed", "neso"])]
    assert list(request.tags.values()) == ["2025-03-03", "2025-03-04"]
    result = driver.run("pull_feeds", dict(request.tags), asset_selection=request.asset_selection)
    assert result.success
    assert driver.partitions_of_runs("feed.neso") == {"2025-03-03", "2025-03-04"}
    told = metadata(result)
    assert (told["asked"], told["values"], told["changed"], told["refused"], told["missing_h"]) == (1, 96, 96, 0, 0.0)
    landed = {event.asset_key.path[-1] for event in result.get_asset_materialization_events()} - {"neso"}
    assert landed >= {"grid_intensity", "feed_pull"}, "the landed tables show their days"

    assert tick(driver) == "nothing is due"
    (asked,) = driver.look("ledger_sensor").run_requests
    assert (asked.job_name, *asked.tags.values()) == ("compute_days", "2025-03-03", "2025-03-03")
    driver.run(asked.job_name, dict(asked.tags))
    # The hour from 11:00 has two half hours: its factor is their mean.
    hour_ms = MARCH_3_MS // (2 * HALF_HOUR_MS) * 2 * HALF_HOUR_MS
    mean = (figure(hour_ms) + figure(hour_ms + HALF_HOUR_MS)) / 2
    with open_lake(driver.config, read_only=True) as lake:
        rows = lake.rows(factor)
    assert [tier for tier, _ in rows] == ["zone_slot_measured"]
    assert rows[0][1] in (mean, figure(MARCH_3_MS // HALF_HOUR_MS * HALF_HOUR_MS)), "by hour, or by slot"


def test_a_backfill_is_one_run_and_asks_again_what_is_known(driver: Driver, server: Feeds) -> None:
    configure(driver, neso(server))
    first, again = (ask(driver, "neso", "2025-03-03", "2025-03-05") for _ in range(2))
    assert [(metadata(one)["values"], metadata(one)["changed"]) for one in (first, again)] == [(144, 144), (144, 0)]
    days = {event.partition for event in again.get_asset_materialization_events() if event.asset_key.path[-1] == "neso"}
    assert days == {"2025-03-03", "2025-03-04", "2025-03-05"}
    assert len(server.seen) == 2


def test_an_outage_is_tried_again_and_kept_as_an_outcome(driver: Driver, server: Feeds) -> None:
    configure(driver, neso(server))
    server.fault = lambda _, reply: Reply(b"{}", 500)
    result = ask(driver, "neso", "2025-03-03", "2025-03-03")
    assert not result.success
    text, told = failure(result)
    assert "GB: server_error" in text
    assert (told["asked"], told["failed"], told["reasons"]) == (1, 1, "server_error: 1")
    assert retries(result) == NO_WAIT.max_retries
    server.fault = None
    assert ask(driver, "neso", "2025-03-03", "2025-03-03").success
    with open_lake(driver.config, read_only=True) as lake:
        outcomes = lake.rows("select outcome, count(*) from raw.feed_pull group by all order by all")
    assert outcomes == [("complete", 1), ("failed", 3)]


def test_an_outage_that_ends_between_two_tries_leaves_a_success(driver: Driver, server: Feeds) -> None:
    configure(driver, neso(server))
    # One GET is tried five times by itself; the sixth request is the second try of the step.
    server.fault = lambda _, reply: Reply(b"{}", 503) if len(server.seen) <= 5 else reply
    result = ask(driver, "neso", "2025-03-03", "2025-03-03")
    assert (result.success, retries(result), len(server.seen)) == (True, 1, 6)
    assert metadata(result)["values"] == 48


@pytest.mark.parametrize(("token", "reason"), [(None, "OUR_TOKEN"), ("wrong", "unauthorised")])
def test_credentials_that_lack_or_are_refused_are_not_tried_again(
    driver: Driver, server: Feeds, monkeypatch: pytest.MonkeyPatch, token: str | None, reason: str
) -> None:
    url = server.url("electricity_maps")
    feed = {"source": "electricity_maps", "zones": ["GB"], "since": "2025-03-03", "url": url, "token_env": "OUR_TOKEN"}
    configure(driver, feed)
    monkeypatch.delenv("OUR_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("OUR_TOKEN", token)
    result = ask(driver, "electricity_maps", "2025-03-03", "2025-03-03")
    text, told = failure(result)
    assert reason in text
    assert "nothing is tried again by itself" in text
    assert (retries(result), told["values"]) == (0, 0)
    assert len(server.seen) == (1 if token else 0)
    assert "wrong" not in text


def test_a_source_that_is_not_configured_says_so_and_does_nothing(driver: Driver, server: Feeds) -> None:
    configure(driver, neso(server))
    result = ask(driver, "watttime", "2025-03-03", "2025-03-04")
    assert result.success
    told = metadata(result)
    assert told["is_configured"] is False
    assert "name watttime as [[feed]]" in told["note"]
    assert server.seen == []


def test_the_schedule_skips_with_a_reason(driver: Driver, server: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    resources = {"installation": driver.defs.resources["installation"]}
    # The context opens the storage itself, and must close it before the storage goes.
    with dg.instance_for_test() as instance, dg.build_schedule_context(instance, NOON, resources) as context:
        schedule = driver.defs.get_repository_def().get_schedule_def("pull_due_feeds")
        assert "no feed is configured" in schedule(context).skip_message
    monkeypatch.delenv("OUR_TOKEN", raising=False)
    feed = {"source": "electricity_maps", "zones": ["GB"], "since": "2025-03-03", "token_env": "OUR_TOKEN"}
    configure(driver, feed)
    (request,) = tick(driver)
    more = {"asset_selection": request.asset_selection, "raise_on_error": False}
    assert not driver.run("pull_feeds", dict(request.tags), **more).success
    now = datetime.now(UTC)
    assert "electricity_maps cannot be asked: not_configured: Electricity Maps" in tick(driver, now)
    assert "electricity_maps" in str(tick(driver, now + timedelta(hours=7))), "asked again in six hours"
    configure(driver, feed | {"signals": ["nonsense"]})
    assert "electricity_maps cannot be asked" in tick(driver)
    configure(driver, feed, neso(server))
    assert [request.asset_selection[0].path[-1] for request in tick(driver)] == ["neso"], "one does not stop the other"
    job = driver.defs.resolve_job_def("pull_feeds")
    run = driver.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert "feeds are being asked" in tick(driver)
    driver.land_job("late")
    assert "goes on" in driver.look("landing_sensor").skip_message
    driver.instance.report_run_canceled(run)
    (driver.config.home / CONFIG_NAME).unlink()
    assert "no configuration at" in tick(driver)


def test_days_of_an_age_to_be_asked_again_are_requests_of_their_own(driver: Driver, server: Feeds) -> None:
    config = configure(driver, neso(server, "2025-01-01"))
    asked = (("2025-01-01", "2025-03-03", "2025-03-03 12:00"), ("2025-03-03", "2025-03-04", "2025-03-04 01:00"))
    with open_lake(config) as lake:
        for first, end, fetched in asked:
            lake.connection.execute(
                "INSERT INTO lake.raw.feed_pull BY NAME SELECT 'neso' AS source, 'GB' AS zone, 'complete' AS outcome, "
                "epoch_ms($first::TIMESTAMP) AS from_ms, epoch_ms($end::TIMESTAMP) AS to_ms, 0 AS refused_n, "
                "epoch_ms($fetched::TIMESTAMP) AS fetched_ms, 48 AS values_n, 0 AS changed_n, 0 AS missing_ms, "
                "$first::DATE AS day, repeat('0', 64) AS file_sha256, 0 AS row_number, 0 AS written_ms",
                {"first": first, "end": end, "fetched": fetched},
            )
        requests, problems = next_pulls(lake, int(NOON.timestamp()) * 1000)
    # Since noon of 03-03 the ends of these days have become 2, 7 and 31 days old: 03-02, 02-25 and 02-01 at 00:00.
    days = ["2025-03-04", "2025-03-01", "2025-02-24", "2025-01-31"]
    assert [(one.source, one.first, one.last) for one in requests] == [("neso", day, day) for day in days]
    assert problems == {}
    assert len({one.run_key for one in requests}) == len(days)


def test_ranges_count_for_each_day_that_they_touch() -> None:
    day_ms = 86_400_000
    asked = [Asked("GB", 0, day_ms), Asked("FR", day_ms - 1, day_ms + 1), Asked("GB", 5 * day_ms, 5 * day_ms + 1)]
    assert days_of(asked) == ["1970-01-01", "1970-01-02", "1970-01-06"]
