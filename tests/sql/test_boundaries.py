"""Nothing counts twice: containers and parts, nodes and parts, measuring points, and what a silent meter leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sql.test_energy_oracle import BASE_MS, DAY, RUN, load, put
from warehouse.config import Config, Landing, Organisation
from warehouse.lake import Lake, open_lake
from warehouse.reference import sync_reference
from warehouse.transform import fill

SECONDS = 60


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("home")
    config = Config(organisation=Organisation(name="Test"), landing=Landing(path="landing"), home=home)
    with open_lake(config) as opened:
        yield opened


def readings(device: str, kind: str, watts: int, *, every_s: int = 1, **more: Any) -> list[dict[str, Any]]:
    """A minute of constant power; a step of 50 s is beyond what a trapezoid may bridge, so nothing is read."""
    base = {
        "host": "a", "device": device, "kind": kind, "parent": None, "point": "board", "power_mw": watts * 1000,
        "session": 0, "source": "nvml_power", "is_estimate": False,
    }  # fmt: skip
    return [{**base, "ts_ms": BASE_MS + second * 1000, **more} for second in range(0, SECONDS + 1, every_s)]


def node(watts: int, **more: Any) -> list[dict[str, Any]]:
    return readings("node", "node", watts, **{"point": "ac", "source": "meter", **more})


def counted(lake: Lake, *series: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    load(lake, {"samples": [row for rows in series for row in rows], "jobs": []})
    rows = lake.rows("select device, point, sum(energy_j) from core.device_energy where in_total group by all")
    by_device = {(device, point): energy for device, point, energy in rows}
    given = dict(lake.rows("select device, sum(energy_j) from core.job_energy group by all"))
    assert sum(given.values()) == pytest.approx(sum(by_device.values()), rel=1e-12)
    return by_device


def test_a_measured_node_counts_in_place_of_its_parts(lake: Lake) -> None:
    found = counted(lake, node(1000), readings("gpu-0", "gpu", 400), readings("cpu-package-0", "cpu", 200))
    assert found == {("node", "ac"): pytest.approx(60_000)}


def test_an_estimated_node_gives_way_to_measured_parts(lake: Lake) -> None:
    found = counted(lake, node(1000, source="model", is_estimate=True), readings("gpu-0", "gpu", 400))
    assert found == {("gpu-0", "board"): pytest.approx(24_000)}


def test_an_estimated_node_alone_counts(lake: Lake) -> None:
    assert counted(lake, node(1000, source="model", is_estimate=True)) == {("node", "ac"): pytest.approx(60_000)}


def test_parts_count_while_the_node_meter_is_silent(lake: Lake) -> None:
    found = counted(lake, node(1000, every_s=30), readings("gpu-0", "gpu", 400))
    assert found == {("gpu-0", "board"): pytest.approx(24_000)}


def test_a_silent_node_alone_shows_its_gap(lake: Lake) -> None:
    found = counted(lake, node(1000, every_s=30))
    assert found == {("node", "ac"): 0.0}
    assert lake.value("select sum(gap_s) from core.device_energy where in_total") == 60.0


def test_a_container_counts_in_place_of_what_it_contains(lake: Lake) -> None:
    slice_ = readings("gpu-0-mig-1", "gpu", 150, parent="gpu-0")
    assert counted(lake, readings("gpu-0", "gpu", 400), slice_) == {("gpu-0", "board"): pytest.approx(24_000)}


def test_the_parts_of_a_silent_container_count(lake: Lake) -> None:
    slice_ = readings("gpu-0-mig-1", "gpu", 150, parent="gpu-0")
    found = counted(lake, readings("gpu-0", "gpu", 400, every_s=30), slice_)
    assert found == {("gpu-0-mig-1", "board"): pytest.approx(9_000)}


def test_alternating_and_direct_current_of_a_node_are_never_added(lake: Lake) -> None:
    found = counted(lake, node(1000), node(970, point="dc"))
    assert found == {("node", "ac"): pytest.approx(60_000)}


def test_the_inner_point_counts_while_the_outer_one_is_silent(lake: Lake) -> None:
    found = counted(lake, node(1000, every_s=30), node(970, point="dc"))
    assert found == {("node", "dc"): pytest.approx(58_200)}


def test_a_switch_stands_beside_the_node(lake: Lake) -> None:
    switch = readings("switch-0", "switch", 300, point="ac", source="model", is_estimate=True)
    found = counted(lake, node(1000), switch)
    assert found == {("node", "ac"): pytest.approx(60_000), ("switch-0", "ac"): pytest.approx(18_000)}
    assert lake.rows("select distinct allocation from core.job_energy where device = 'switch-0'") == [("unallocated",)]


def test_a_facility_meter_is_no_it_equipment(lake: Lake) -> None:
    meter = readings("hall", "facility", 5000, point="meter", source="meter")
    assert counted(lake, node(1000), meter) == {("node", "ac"): pytest.approx(60_000)}


def embodied(lake: Lake, *events: dict[str, Any]) -> dict[str, str | None]:
    """Factor by component of a GPU after some asset events."""
    put(lake, "asset_event", [{"asset_id": "x", "kind": "accelerator", "quantity": 1, **event} for event in events])
    sync_reference(lake)
    samples = readings("gpu-0", "gpu", 400)
    load(lake, {"samples": samples, "jobs": []})
    lake.transaction(lambda connection: fill(connection, lake.config, RUN, "core.emission", DAY))
    put(lake, "asset_event", [])
    return dict(
        lake.rows("select component, any_value(factor_id) from core.emission where component = 'chip' group by all")
    )


def test_an_asset_names_the_chip_and_a_retired_one_does_not(lake: Lake) -> None:
    model = {"hardware_model": "NVIDIA H100 80GB HBM3"}
    bought = {**model, "ts_ms": BASE_MS - 9000, "event": "in_service", "host": "a", "device": "gpu-0"}
    retired = {**model, "ts_ms": BASE_MS - 8000, "event": "retired"}
    assert "generic" in (embodied(lake)["chip"] or "")
    assert "h100" in (embodied(lake, bought)["chip"] or "")
    assert "generic" in (embodied(lake, bought, retired)["chip"] or ""), "an event without a host ends the asset too"
