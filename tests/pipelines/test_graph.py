"""The graph as people see it: names, groups, descriptions, columns, units, partitions, freshness.

After a change that is meant: ``WATTLEDGER_WRITE_SNAPSHOT=1 python -m pytest tests/pipelines/test_graph.py``.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.definitions import build_defs
from pipelines.describe import code_version, key_of, reads
from pipelines.feeds.sources import SOURCES
from pipelines.resources import WRITER_POOL
from warehouse.publish import published_tables
from warehouse.registry import ALL_TABLES, tables_in
from warehouse.transform import COMPUTED, DAILY, MONTHLY

SNAPSHOT = Path(__file__).with_name("graph.json")
NOT_WRITING = {"published__report", "mart__training_vs_inference_monthly_expectations"}


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_defs()


@pytest.fixture(scope="module")
def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {".".join(spec.key.path): spec for spec in defs.resolve_all_asset_specs()}


def shape(defs: dg.Definitions, specs: dict[str, dg.AssetSpec]) -> dict[str, Any]:
    graph = defs.resolve_asset_graph()
    repository = defs.get_repository_def()
    jobs = sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__"))
    return {
        "assets": {
            name: {
                "group": spec.group_name,
                "partitions": type(spec.partitions_def).__name__ if spec.partitions_def else None,
                "executable": graph.get(spec.key).is_executable,
                "deps": sorted(".".join(dep.asset_key.path) for dep in spec.deps),
            }
            for name, spec in sorted(specs.items())
        },
        "checks": {
            f"{'.'.join(key.asset_key.path)}: {key.name}": "blocking" if graph.get(key).blocking else "warning"
            for key in sorted(graph.asset_check_keys)
        },
        "jobs": {name: sorted(node.name for node in defs.resolve_job_def(name).nodes) for name in jobs},
        "schedules": {one.name: [one.cron_schedule, one.job_name] for one in repository.schedule_defs},
        "sensors": {one.name: sorted(job.name for job in one.jobs) for one in repository.sensor_defs},
    }


def test_names_and_dependencies_are_as_recorded(defs: dg.Definitions, specs: dict[str, dg.AssetSpec]) -> None:
    now = shape(defs, specs)
    if os.environ.get("WATTLEDGER_WRITE_SNAPSHOT"):
        SNAPSHOT.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    assert now == json.loads(SNAPSHOT.read_text()), "renamed or rewired; if that is meant, write the snapshot anew"


def test_every_table_is_an_asset_of_its_name_and_layer(specs: dict[str, dg.AssetSpec]) -> None:
    for entry in ALL_TABLES:
        assert specs[entry.qualified].group_name == entry.schema
    others = {"published.organisation", "published.report", "forecast.planned_runs"} | {
        f"feed.{source}" for source in SOURCES
    }
    assert set(specs) - {entry.qualified for entry in ALL_TABLES} == others


@pytest.mark.parametrize("entry", ALL_TABLES, ids=lambda entry: entry.qualified)
def test_every_column_is_shown_with_description_and_unit(entry: Any, specs: dict[str, dg.AssetSpec]) -> None:
    spec = specs[entry.qualified]
    assert entry.description in (spec.description or "")
    assert entry.grain in spec.metadata["grain"]
    shown = {column.name: column for column in spec.metadata["dagster/column_schema"].columns}
    assert list(shown) == list(entry.column_names)
    for column in entry.columns:
        assert column.description in shown[column.name].description
        assert shown[column.name].type == column.type
        if column.unit:
            assert f"[{column.unit}]" in shown[column.name].description
            assert shown[column.name].tags["unit"]


def test_dependencies_are_those_of_the_sql() -> None:
    assert reads("core.device_energy") == ("core.energy_segment",)
    assert "raw.asset_event" in reads("core.emission"), "read through a temporary table"
    assert {"core.job_energy", "core.emission", "core.job"} <= set(reads("mart.footprint_daily"))
    assert all(reads(name) for name in COMPUTED)


def test_computed_tables_have_the_version_of_their_sql(specs: dict[str, dg.AssetSpec]) -> None:
    assert {name: specs[name].code_version for name in COMPUTED} == {name: code_version(name) for name in COMPUTED}


def test_days_and_months_have_partitions_and_go_back_to_the_first_accepted_stamp(specs: dict) -> None:
    for name in DAILY:
        assert specs[name].partitions_def.get_first_partition_key() == "2000-01-01"
        assert isinstance(specs[name].partitions_def, dg.DailyPartitionsDefinition)
    for name in MONTHLY:
        assert isinstance(specs[name].partitions_def, dg.MonthlyPartitionsDefinition)
    assert isinstance(specs["raw.sample_hour"].partitions_def, dg.HourlyPartitionsDefinition)


def test_what_people_read_has_a_freshness_policy(specs: dict[str, dg.AssetSpec]) -> None:
    wanted = {entry.qualified for entry in tables_in("mart")} | {"published.organisation", "published.report"}
    wanted |= {f"feed.{source}" for source in SOURCES}
    assert {name for name, spec in specs.items() if spec.freshness_policy} == wanted


def test_a_feed_of_slots_has_days_and_may_be_as_old_as_its_lag_allows(specs: dict[str, dg.AssetSpec]) -> None:
    # EIA: an hour between two values, the first of them 26 h after the hour, 24 h for an outage to be one.
    eia = specs["feed.eia"]
    assert isinstance(eia.partitions_def, dg.DailyPartitionsDefinition)
    assert eia.freshness_policy.fail_window.to_timedelta() == timedelta(hours=1 + 26 + 24)
    assert specs["feed.ember"].partitions_def is None, "years and months are asked for all at once"
    deps = {".".join(dep.asset_key.path) for dep in specs["raw.grid_intensity"].deps}
    assert deps == {"raw.ingest_file"} | {f"feed.{source}" for source in SOURCES}


def test_every_step_that_writes_the_lake_waits_for_its_turn(defs: dg.Definitions) -> None:
    steps = {
        node.name: node.definition
        for job in ("ingest", "compute_days", "compute_months", "publish", "pull_feeds", "audit")
        for node in defs.resolve_job_def(job).nodes
    }
    for name, definition in steps.items():
        assert definition.pool == (None if name in NOT_WRITING else WRITER_POOL), name


def test_publication_follows_every_table_of_core_and_mart_that_is_published(specs: dict[str, dg.AssetSpec]) -> None:
    deps = {dep.asset_key for dep in specs["published.organisation"].deps}
    assert deps == {key_of(entry.qualified) for entry in published_tables() if entry.schema in {"core", "mart"}}


def test_definitions_are_fresh_and_resources_can_be_swapped() -> None:
    marker = dg.ResourceDefinition.hardcoded_resource("other")
    one, other = build_defs(), build_defs({"installation": marker})
    assert one is not other
    assert other.resources["installation"] is marker
    assert one.resources["installation"] is not marker
