"""Plans of runs in Dagster: a plan file is forecast once, before its job begins, and lands like everything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.assets.plans import NAME
from pipelines.describe import key_of
from tests.pipelines.conftest import Driver, make_driver
from warehouse.lake import open_lake

PLAN = """[run]
name = "{name}"
parameters_n = "7B"
tokens_n = "{tokens}"
device = "A100"
devices_n = {devices}
pue = 1.2
gco2e_per_kwh = 100
"""


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[Driver]:
    yield from make_driver(tmp_path)


def write(driver: Driver, name: str, *, devices: Any = 64, tokens: str = "1T", file: str = "") -> None:
    driver.config.plans_path.mkdir(exist_ok=True)
    text = PLAN.format(name=name, devices=devices, tokens=tokens)
    (driver.config.plans_path / (file or f"{name}.toml")).write_text(text)


def told(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (made,) = result.asset_materializations_for_node("forecast_planned_runs")
    return {name: value.value for name, value in made.metadata.items()}


def asked(driver: Driver) -> int:
    found = driver.look("plans_sensor")
    return 0 if isinstance(found, dg.SkipReason) else len(found.run_requests or ())


def forecasts(driver: Driver) -> list[tuple[str, int]]:
    driver.run("ingest")
    with open_lake(driver.config, read_only=True) as lake:
        return lake.rows("select run, count(distinct forecast_id) from raw.forecast group by 1 order by 1")


def test_a_plan_is_forecast_once_and_again_when_it_changes(driver: Driver) -> None:
    assert asked(driver) == 0
    write(driver, "next")
    assert asked(driver) == 1
    assert asked(driver) == 0
    counts = {"plans": 1, "known": 0, "begun": 0}
    assert told(driver.run("forecast_plans")) == counts | {"recorded": 1}
    assert forecasts(driver) == [("next", 1)]
    assert told(driver.run("forecast_plans")) == counts | {"recorded": 0, "known": 1}
    write(driver, "next", tokens="2T")
    assert asked(driver) == 1
    assert told(driver.run("forecast_plans"))["recorded"] == 1
    assert forecasts(driver) == [("next", 2)]


def test_a_job_that_has_begun_is_not_forecast(driver: Driver) -> None:
    driver.compute_headless("job")
    write(driver, "job")
    assert told(driver.run("forecast_plans")) == {"plans": 1, "recorded": 0, "known": 0, "begun": 1}


def test_what_cannot_be_forecast_is_named_and_stops_nothing_else(driver: Driver) -> None:
    write(driver, "good")
    write(driver, "of-nobody", devices="-3")
    write(driver, "the model", file="nameless.toml")
    (driver.config.plans_path / "broken.toml").write_text("[run")
    result = driver.run("forecast_plans", raise_on_error=False)
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    text = failure.step_failure_data.user_failure_data.description
    assert text.startswith("3 plans cannot be forecast, 1 were: ")
    for part in ("broken.toml: not TOML", "nameless.toml: a plan needs the name of its job", "devices_n"):
        assert part in text
    assert forecasts(driver) == [("good", 1)]


def test_the_asset_stands_before_what_lands(driver: Driver) -> None:
    graph = driver.defs.resolve_asset_graph()
    assert key_of("raw.forecast") in graph.get(key_of(NAME)).child_keys
