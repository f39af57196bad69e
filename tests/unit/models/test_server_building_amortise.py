"""Server and building level, and straight-line amortisation with its conservation laws."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import factors
from models.embodied import amortise, building, server
from models.embodied.amortise import accrued_kgco2e, rate_gco2e_per_h, remaining_kgco2e
from models.embodied.server import HostBill
from models.estimate import Estimate

SHARED = Path(__file__).resolve().parents[3].parent / "shared"
ZERO = Estimate(0, 0, 0, "kgCO2e")
hours = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)
lives = st.floats(min_value=1, max_value=1e6)
totals = st.floats(min_value=0, max_value=1e6)


def test_the_gpu_hour_of_an_8_gpu_h100_node_is_27_grams() -> None:
    chip = factors.find_hardware_factor("NVIDIA H100 80GB HBM3", "accelerator")
    host = factors.find_hardware_factor("DGX H100", "server")
    shell_and_plant = factors.find_hardware_factor("", "facility")
    assert chip is not None
    assert host is not None
    assert shell_and_plant is not None
    assert host.factor.nameplate_kw is not None
    per_gpu_hour = [
        rate_gco2e_per_h(chip.factor.kgco2e, chip.factor.life_h),
        rate_gco2e_per_h(host.factor.kgco2e, host.factor.life_h) / 8,
        rate_gco2e_per_h(shell_and_plant.factor.kgco2e, shell_and_plant.factor.life_h) * host.factor.nameplate_kw / 8,
    ]
    assert per_gpu_hour == pytest.approx([3.74, 16.13, 7.13], abs=0.005)
    assert sum(per_gpu_hour) == pytest.approx(27.0, abs=0.05)


def test_the_example_of_the_sci_specification_is_28_grams_an_hour() -> None:
    assert accrued_kgco2e(1_000, 4 * 8_760, 0, 0, 1) * 1_000 == pytest.approx(28.538812785388128, rel=1e-12)


def test_the_published_building_example_is_556_kg_a_month() -> None:
    assert accrued_kgco2e(200_000, 30 * 12, 0, 7, 8) == pytest.approx(555.5555555555555, rel=1e-9)


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data beside the repository")
def test_the_accruals_of_the_allocation_scenario_are_exact() -> None:
    scenario: dict[str, Any] = json.loads((SHARED / "data/embodied/allocation_scenario_1.json").read_text("utf-8"))
    given_input, expected = scenario["input"], scenario["expected"]["reserved_mode"]["accrual_kg"]
    start_h, end_h = given_input["window"]["start_h"], given_input["window"]["end_h"]

    def accrued(kgco2e: float, asset: dict[str, float]) -> float:
        return accrued_kgco2e(kgco2e, asset["life_h"], asset["in_service_h"], start_h, end_h)

    servers, facility = given_input["servers"], given_input["facilities"][0]
    assert sum(accrued(s["gpus"] * s["gpu_kg"], s) for s in servers) == pytest.approx(expected["chip"], rel=1e-12)
    assert sum(accrued(s["host_kg"], s) for s in servers) == pytest.approx(expected["server"], rel=1e-12)
    assert sum(accrued(a["kg"], a) for a in facility["assets"]) == pytest.approx(expected["building"], rel=1e-12)


@given(totals, lives, hours, st.lists(hours, min_size=2, max_size=20))
def test_any_partition_of_time_accrues_what_the_whole_does(
    total: float, life_h: float, in_service_h: float, cuts: list[float]
) -> None:
    cuts = sorted(cuts)
    parts = [accrued_kgco2e(total, life_h, in_service_h, a, b) for a, b in pairwise(cuts)]
    assert min(parts) >= 0
    whole = accrued_kgco2e(total, life_h, in_service_h, cuts[0], cuts[-1])
    assert sum(parts) == pytest.approx(whole, rel=1e-9, abs=1e-9 * max(total, 1e-300))


@given(totals, lives, hours, hours)
def test_accrued_and_remaining_are_the_total_at_any_time(
    total: float, life_h: float, in_service_h: float, at_h: float
) -> None:
    accrued = accrued_kgco2e(total, life_h, in_service_h, min(in_service_h, at_h), at_h)
    assert 0 <= accrued <= total
    assert accrued + remaining_kgco2e(total, life_h, in_service_h, at_h) == pytest.approx(total, rel=1e-12)


def test_nothing_accrues_before_service_or_past_the_end_of_life() -> None:
    # Cloud Carbon Footprint charges 6.67 t for 50,000 h of a 4.68 t server with a life of 35,040 h
    assert accrued_kgco2e(4_680, 35_040, 0, 0, 50_000) == 4_680
    assert accrued_kgco2e(4_680, 35_040, 0, 35_040, 50_000) == 0
    assert accrued_kgco2e(4_680, 35_040, 1_000, 0, 1_000) == 0


def test_impossible_spans_lives_and_totals_are_refused() -> None:
    with pytest.raises(ValueError, match="before it starts"):
        accrued_kgco2e(1, 1, 0, 2, 1)
    with pytest.raises(ValueError, match="life"):
        rate_gco2e_per_h(1, 0)
    with pytest.raises(ValueError, match="total"):
        amortise.remaining_kgco2e(-1, 1, 0, 0)


def test_a_host_is_the_sum_of_its_parts_in_each_column() -> None:
    parts = factors.components()
    processors = Estimate(40, 60, 96, "kgCO2e", "T3", ("a",))
    host = server.host_kgco2e(HostBill(processors, dram_gb=384, ssd_tb=30.72, hdd_n=2, nic_n=1), parts)
    assert host.central == pytest.approx(60 + 384 * 1.4 + 30.72 * 45 + 2 * 30 + 58.09 + 368)
    assert host.low == pytest.approx(40 + 384 * 0.9 + 30.72 * 7 + 2 * 20 + 29.045 + 351)
    assert host.unit == "kgCO2e"


def test_the_parts_of_a_dell_r740_lie_within_the_model_and_its_total_near_the_high_end() -> None:
    # Dell LCA 2019: 4,288 kg, 80 % of it eight 3.84 TB drives at 110 kg/TB; the model's SSD range reaches 160
    processors = Estimate(47, 47, 47, "kgCO2e")
    host = server.host_kgco2e(HostBill(processors, dram_gb=384, ssd_tb=8 * 3.84 + 0.4), factors.components())
    assert host.low < 4_288 < host.high
    assert server.host_kgco2e(HostBill(ZERO, 384, chassis_n=0), factors.components()).central == pytest.approx(
        533, rel=0.01
    )


def test_the_8_gpu_server_is_published_baseboard_plus_host() -> None:
    chip = Estimate(0, 164, 164, "kgCO2e")
    assert server.server_kgco2e([chip] * 8, Estimate(0, 5_652, 9_000, "kgCO2e")).central == 6_964


def test_sending_142_kg_by_sea_costs_36_kg_and_by_air_ten_times_that_or_more() -> None:
    parts = factors.components()
    assert server.transport_kgco2e(142, [("sea", 19_000)], parts).central == pytest.approx(36, abs=0.5)
    by_air = server.transport_kgco2e(142, [("air", 9_000)], parts)
    assert by_air.high == pytest.approx(2_700, rel=0.01)
    assert by_air.central > 1_000
    with pytest.raises(ValueError, match="mode"):
        server.transport_kgco2e(1, [("space", 1)], parts)


@given(st.floats(1, 1e5), st.floats(0, 1))
def test_the_servers_and_the_rest_of_a_facility_are_all_of_it(it_capacity_kw: float, part: float) -> None:
    facility = building.facility_kgco2e(it_capacity_kw, Estimate(300, 980, 1_800, "kgCO2e"))
    share = building.server_share_fraction(it_capacity_kw * part, it_capacity_kw)
    occupied, free = facility.scaled(share), facility.scaled(1 - share)
    shell, plant = building.shell_and_plant_kgco2e(facility)
    assert occupied.plus(free).central == pytest.approx(980 * it_capacity_kw)
    assert shell.plus(plant).central == pytest.approx(980 * it_capacity_kw)


def test_a_server_larger_than_its_facility_is_refused() -> None:
    with pytest.raises(ValueError, match="fit"):
        building.server_share_fraction(11, 10)
    with pytest.raises(ValueError, match="capacity"):
        building.facility_kgco2e(0, ZERO)
