"""Nothing counts twice: containers and parts, nodes and parts, measuring points, and what a silent meter leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import attribution
from tests.support.attribution import MS_PER_HOUR, START_MS, Row, segment
from warehouse.config import Config, Landing, Organisation
from warehouse.lake import Lake, open_lake
from warehouse.reference import sync_reference

BASE_MS = START_MS + 10 * MS_PER_HOUR
SECONDS = 60


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    home = tmp_path_factory.mktemp("home")
    config = Config(organisation=Organisation(name="Test"), landing=Landing(path="landing"), home=home)
    with open_lake(config) as opened:
        sync_reference(opened)
        yield opened


def minute(device: str, kind: str, watts: float, *, read_s: float = SECONDS, **more: Any) -> Row:
    """A minute of constant power, of which some seconds were read; the rest is a gap."""
    row = {"device": device, "kind": kind, "measured_s": read_s, "gap_s": SECONDS - read_s, "counter_j": watts * read_s}
    return segment(BASE_MS, BASE_MS + SECONDS * 1000, watts * read_s) | row | more


def modelled(row: Row) -> Row:
    """The same, read off a model."""
    return row | {"source": "model", "estimated_j": row["energy_j"], "estimated_s": row["measured_s"], "counter_j": 0.0}


def node(watts: float, **more: Any) -> Row:
    return minute("node", "node", watts, **{"point": "ac", "source": "meter", **more})


def gpu(watts: float, number: int = 0, **more: Any) -> Row:
    return minute(f"gpu-{number}", "gpu", watts, **more)


def mig(watts: float, number: int, **more: Any) -> Row:
    return minute(f"mig-{number}", "gpu", watts, **{"parent": "gpu-0", **more})


def counted(lake: Lake, *rows: Row) -> dict[tuple[str, str], Any]:
    """Watts that count, by device and point; what is given out is the same."""
    attribution.put_jobs(lake, [], [])
    attribution.put_segments(lake, list(rows))
    attribution.compute(lake)
    sql = "select device, point, sum(counted_j) from core.device_energy where in_total group by all"
    found = {(device, point): energy / SECONDS for device, point, energy in lake.rows(sql)}
    given = dict(lake.rows("select (device, point), sum(energy_j) from core.job_energy group by all"))
    assert {key: energy / SECONDS for key, energy in given.items()} == {
        k: pytest.approx(v, rel=1e-12) for k, v in found.items()
    }
    return {key: pytest.approx(watts, rel=1e-12, abs=1e-12) for key, watts in found.items()}


# --- the node and its parts ---


def test_metered_parts_apportion_the_node_and_the_rest_is_a_row_of_its_own(lake: Lake) -> None:
    found = counted(lake, node(1000), gpu(400), minute("cpu-package-0", "cpu", 200, point="package"))
    assert found == {("gpu-0", "board"): 400, ("cpu-package-0", "package"): 200, ("host_other", "ac"): 400}


def test_parts_that_sum_to_more_than_the_node_are_scaled_to_it(lake: Lake) -> None:
    found = counted(lake, node(1000), gpu(900, 0), gpu(600, 1))
    assert found == {("gpu-0", "board"): 600, ("gpu-1", "board"): 400, ("host_other", "ac"): 0}
    sql = "select device, energy_j, counter_j from core.job_energy where device like 'gpu%' order by 1"
    given = [("gpu-0", pytest.approx(36_000), pytest.approx(36_000)), ("gpu-1", *2 * [pytest.approx(24_000)])]
    assert lake.rows(sql) == given
    read = dict(lake.rows("select device, energy_j from core.device_energy"))
    as_read = {"gpu-0": 54_000.0, "gpu-1": 36_000.0, "node": 60_000.0, "host_other": 0.0}
    assert read == pytest.approx(as_read), "readings stay as read"


def test_a_modelled_part_is_inside_what_the_node_leaves(lake: Lake) -> None:
    dram = modelled(minute("dram-0", "dram", 50))
    assert counted(lake, node(1000), gpu(400), dram) == {("gpu-0", "board"): 400, ("host_other", "ac"): 600}


def test_a_measured_node_counts_itself_beside_modelled_parts(lake: Lake) -> None:
    assert counted(lake, node(1000), modelled(gpu(400))) == {("node", "ac"): 1000}


@pytest.mark.parametrize(
    ("read_s", "wanted"), [(54, {("gpu-0", "board"): 400, ("host_other", "ac"): 500}), (53, {("gpu-0", "board"): 400})]
)
def test_a_node_that_misses_more_than_a_tenth_leaves_the_parts_as_they_are(
    lake: Lake, read_s: float, wanted: Any
) -> None:
    assert counted(lake, node(1000, read_s=read_s), gpu(400)) == wanted


def test_parts_stand_in_a_piece_of_the_slot_in_which_the_node_is_silent(lake: Lake) -> None:
    late = {"start_ms": BASE_MS + SECONDS * 1000, "end_ms": BASE_MS + (SECONDS + 3) * 1000, "measured_s": 3.0}
    found = counted(lake, node(1000), gpu(400), gpu(400, **late) | {"energy_j": 1200.0, "gap_s": 0.0})
    assert found == {("gpu-0", "board"): 420, ("host_other", "ac"): 600}


def test_a_silent_part_beside_the_node_shows_its_gap(lake: Lake) -> None:
    found = counted(lake, node(1000), gpu(400), gpu(400, 1, read_s=0))
    assert found == {("gpu-0", "board"): 400, ("gpu-1", "board"): 0, ("host_other", "ac"): 600}
    assert lake.value("select gap_s from core.job_energy where device = 'gpu-1'") == 60.0


def test_a_modelled_node_gives_way_to_measured_parts(lake: Lake) -> None:
    assert counted(lake, modelled(node(1000)), gpu(400)) == {("gpu-0", "board"): 400}


def test_a_modelled_node_alone_counts(lake: Lake) -> None:
    assert counted(lake, modelled(node(1000))) == {("node", "ac"): 1000}


def test_parts_count_while_the_node_meter_is_silent(lake: Lake) -> None:
    assert counted(lake, node(1000, read_s=0), gpu(400)) == {("gpu-0", "board"): 400}


def test_a_silent_node_alone_shows_its_gap(lake: Lake) -> None:
    assert counted(lake, node(1000, read_s=0)) == {("node", "ac"): 0}
    assert lake.value("select sum(gap_s) from core.device_energy where in_total") == 60.0


def test_a_node_that_is_named_as_the_parent_of_its_devices_is_still_apportioned(lake: Lake) -> None:
    found = counted(lake, node(1000), gpu(400, parent="node"), gpu(400, 1, parent="node"))
    assert found == {("gpu-0", "board"): 400, ("gpu-1", "board"): 400, ("host_other", "ac"): 200}


def test_equal_devices_of_a_silent_node_are_not_one_counter(lake: Lake) -> None:
    found = counted(lake, node(1000, read_s=0), gpu(400, parent="node"), gpu(400, 1, parent="node"))
    assert found == {("gpu-0", "board"): 400, ("gpu-1", "board"): 400}


# --- containers ---


def test_a_container_counts_in_place_of_what_it_contains(lake: Lake) -> None:
    assert counted(lake, gpu(400), mig(150, 1)) == {("gpu-0", "board"): 400}


def test_a_container_counts_in_place_of_the_parts_of_its_silent_part(lake: Lake) -> None:
    module = minute("module-0", "accelerator", 700)
    found = counted(lake, module, gpu(400, parent="module-0", read_s=0), mig(150, 1))
    assert found == {("module-0", "board"): 700}


def test_the_parts_of_a_silent_container_count_each_for_itself(lake: Lake) -> None:
    found = counted(lake, gpu(400, read_s=0), mig(150, 1), mig(100, 2))
    assert found == {("mig-1", "board"): 150, ("mig-2", "board"): 100}


def test_a_silent_container_and_its_silent_parts_are_one_gap(lake: Lake) -> None:
    assert counted(lake, gpu(400, read_s=0), mig(150, 1, read_s=0)) == {("gpu-0", "board"): 0}


@pytest.mark.parametrize("parent", [[], [gpu(400, read_s=0)]])
def test_parts_that_repeat_one_counter_count_once_as_their_container(lake: Lake, parent: list[Row]) -> None:
    found = counted(lake, *parent, *(mig(300, number) for number in (1, 2, 3)))
    assert found == {("gpu-0", "board"): 300}
    assert lake.rows("select gap_s, measured_s from core.job_energy") == [(0.0, 60.0)]


def test_a_repeated_counter_is_a_metered_part_of_the_node(lake: Lake) -> None:
    found = counted(lake, node(1000), *(mig(300, number) for number in (1, 2, 3)))
    assert found == {("gpu-0", "board"): 300, ("host_other", "ac"): 700}


def test_a_memory_meter_inside_a_gpu_is_no_repeated_counter(lake: Lake) -> None:
    memory = minute("hbm-0", "dram", 300, parent="gpu-0")
    found = counted(lake, mig(300, 1), mig(300, 2), memory)
    assert found == {("gpu-0", "board"): 300, ("hbm-0", "board"): 300}


def test_devices_that_contain_each_other_contain_nothing(lake: Lake) -> None:
    found = counted(lake, gpu(400, 0, parent="gpu-1"), gpu(300, 1, parent="gpu-0"))
    assert found == {("gpu-0", "board"): 400, ("gpu-1", "board"): 300}


def test_a_part_of_a_facility_meter_counts(lake: Lake) -> None:
    hall = minute("hall", "facility", 5000, point="meter", source="meter")
    assert counted(lake, hall, gpu(400, parent="hall")) == {("gpu-0", "board"): 400}


# --- measuring points and the rest ---


def test_alternating_and_direct_current_of_a_node_are_never_added(lake: Lake) -> None:
    assert counted(lake, node(1000), node(970, point="dc")) == {("node", "ac"): 1000}


def test_the_inner_point_counts_while_the_outer_one_is_silent(lake: Lake) -> None:
    assert counted(lake, node(1000, read_s=0), node(970, point="dc")) == {("node", "dc"): 970}


def test_two_inner_points_of_a_device_are_never_added(lake: Lake) -> None:
    assert counted(lake, gpu(400), gpu(390, point="package")) == {("gpu-0", "package"): 390}


def test_a_switch_stands_beside_the_node(lake: Lake) -> None:
    switch = modelled(minute("switch-0", "switch", 300, point="ac"))
    assert counted(lake, node(1000), switch) == {("node", "ac"): 1000, ("switch-0", "ac"): 300}
    rows = lake.rows("select distinct allocation, basis from core.job_energy where device = 'switch-0'")
    assert rows == [("unallocated", "shared")]


def test_a_facility_meter_is_no_it_equipment(lake: Lake) -> None:
    meter = minute("hall", "facility", 5000, point="meter", source="meter")
    assert counted(lake, node(1000), meter) == {("node", "ac"): 1000}
    assert counted(lake, meter) == {}


def test_what_joins_two_hours_is_added_to_what_lies_inside_one(lake: Lake) -> None:
    inner = gpu(400, read_s=45) | {"gap_s": 0.0}
    assert counted(lake, inner, gpu(400, read_s=15, part="stitch") | {"gap_s": 0.0}) == {("gpu-0", "board"): 400}
    assert counted(lake, gpu(400, part="stitch")) == {("gpu-0", "board"): 400}


# --- embodied rates of what is shown ---


def rates(lake: Lake, *rows: Row, assets: tuple[Row, ...] = ()) -> dict[tuple[str, str], tuple[str | None, float]]:
    """Factor and amortised rate [g/s] by device and component."""
    attribution.put_raw(
        lake, "asset_event", [{"asset_id": "x", "kind": "accelerator", "quantity": 1, **row} for row in assets]
    )
    attribution.put_jobs(lake, [], [])
    attribution.put_segments(lake, list(rows))
    attribution.compute(lake, tables=(*attribution.ENERGY_TABLES, "core.emission"))
    attribution.put_raw(lake, "asset_event", [])
    sql = "select device, component, any_value(factor_id), sum(g_per_s) from embodied_rate group by all"
    return {(device, component): (factor, rate) for device, component, factor, rate in lake.rows(sql)}


def test_an_asset_names_the_chip_and_a_retired_one_does_not(lake: Lake) -> None:
    model = {"hardware_model": "NVIDIA H100 80GB HBM3"}
    bought = {**model, "ts_ms": BASE_MS - 9000, "event": "in_service", "host": "a", "device": "gpu-0"}
    retired = {**model, "ts_ms": BASE_MS - 8000, "event": "retired"}
    chip = ("gpu-0", "chip")
    assert "generic" in (rates(lake, gpu(400))[chip][0] or "")
    assert "h100" in (rates(lake, gpu(400), assets=(bought,))[chip][0] or "")
    left = rates(lake, gpu(400), assets=(bought, retired))[chip][0] or ""
    assert "generic" in left, "an event without a host ends the asset too"
    on_part = rates(lake, mig(100, 1), mig(200, 2), assets=(bought,))
    assert "h100" in (on_part["mig-1", "chip"][0] or ""), "the chip is that of the container"


def test_chips_stand_on_the_accelerators_or_behind_the_node_never_on_both(lake: Lake) -> None:
    stated = {"hardware_model": "NVIDIA H100 80GB HBM3", "ts_ms": BASE_MS - 9000, "event": "in_service", "host": "a"}
    shown = rates(lake, node(1000), gpu(400), assets=(stated,))
    assert {device for device, component in shown if component == "chip"} == {"gpu-0"}
    assert {device for device, component in shown if component == "server"} == {"host_other"}
    behind = rates(lake, node(1000), minute("cpu-package-0", "cpu", 100), assets=(stated,))
    assert {device for device, component in behind if component == "chip"} == {"host_other"}


def test_parts_of_one_chip_carry_it_together(lake: Lake) -> None:
    whole = rates(lake, gpu(400))
    parts = rates(lake, mig(100, 1), mig(200, 2))
    for component in ("chip", "server", "building"):
        together = sum(rate for (_, name), (_, rate) in parts.items() if name == component)
        assert together == pytest.approx(whole["gpu-0", component][1], rel=1e-12)


def test_the_node_and_what_it_leaves_take_turns_to_carry_the_server(lake: Lake) -> None:
    later = {"start_ms": BASE_MS + 300_000, "end_ms": BASE_MS + 360_000}
    turns = rates(lake, node(1000), gpu(400), node(1000, **later))
    alone = rates(lake, node(1000))
    for device in ("node", "host_other"):
        assert turns[device, "server"][1] == pytest.approx(alone["node", "server"][1], rel=1e-12)
