"""The published allocation scenario: each job, idle time and unused capacity of a month of two nodes, exactly."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from models.embodied.accrual import Asset
from models.embodied.allocation import Charge, Facility, Hold, Owned, Server, absorbed, allocate
from models.estimate import Estimate

pytestmark = pytest.mark.real

MS_PER_H = 3_600_000
LEVELS = ("chip", "server", "building")


@pytest.fixture(scope="module")
def scenario(shared_data: Path) -> dict[str, Any]:
    text = (shared_data / "embodied" / "allocation_scenario_1.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.fixture(scope="module")
def charges(scenario: dict[str, Any]) -> list[Charge]:
    stated = scenario["input"]
    epoch_ms = round(datetime.fromisoformat(stated["epoch"]).timestamp() * 1000)

    def at_ms(hour: float) -> int:
        return epoch_ms + round(hour * MS_PER_H)

    def owned(asset_id: str, kg: float, entry: dict[str, Any]) -> Owned:
        total, life_h = Estimate(kg * 0.8, kg, kg * 1.5, "kgCO2e"), (entry["life_h"],) * 3
        return Owned(asset_id, Asset(total, life_h, None, at_ms(entry["in_service_h"])))

    facilities = [
        Facility(
            place["id"], place["it_capacity_kw"], tuple(owned(one["id"], one["kg"], one) for one in place["assets"])
        )
        for place in stated["facilities"]
    ]
    servers = [
        Server(
            one["id"],
            one["facility"],
            one["nameplate_kw"],
            owned(one["id"], one["host_kg"], one),
            tuple(owned(f"{one['id']}/{index}", one["gpu_kg"], one) for index in range(one["gpus"])),
        )
        for one in stated["servers"]
    ]
    holds = [
        Hold(job["id"], job["server"], at_ms(job["start_h"]), at_ms(job["end_h"]), gpu["fraction"], gpu["index"])
        for job in stated["jobs"]
        for gpu in job["gpus"]
    ]
    window = stated["window"]
    return allocate(facilities, servers, holds, at_ms(window["start_h"]), at_ms(window["end_h"]))


def summed(charges: list[Charge], bucket: str, by: str) -> dict[str, dict[str, float]]:
    sums: dict[str, dict[str, float]] = defaultdict(lambda: dict.fromkeys(LEVELS, 0.0))
    for charge in charges:
        if charge.bucket == bucket:
            sums[getattr(charge, by)][charge.level] += charge.kgco2e[1]
    return sums


def close(expected: dict[str, float]) -> Any:
    return pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_every_job_and_all_idle_time_as_reserved(scenario: dict[str, Any], charges: list[Charge]) -> None:
    expected = scenario["expected"]["reserved_mode"]
    jobs = summed(charges, "job", "job_id")
    for job_id, kg in expected["jobs_kg"].items():
        assert jobs[job_id] == close(kg), job_id
    assert set(jobs) <= set(expected["jobs_kg"])
    idle = summed(charges, "idle", "server_id")
    assert {server_id: close(kg) for server_id, kg in expected["idle_kg"].items()} == idle


def test_unused_capacity_and_purposes_and_totals(scenario: dict[str, Any], charges: list[Charge]) -> None:
    expected = scenario["expected"]["reserved_mode"]
    unused = sum(charge.kgco2e[1] for charge in charges if charge.bucket == "facility_unallocated")
    assert unused == pytest.approx(expected["facility_unallocated_kg"]["dc1"], rel=1e-12)
    assert expected["writeoff_kg"] == summed(charges, "write_off", "asset_id") == {}
    purpose = {job["id"]: job["purpose"] for job in scenario["input"]["jobs"]}
    jobs = summed(charges, "job", "job_id")
    for name, kg in expected["by_purpose_kg"].items():
        for level in LEVELS:
            assert sum(jobs[job][level] for job in jobs if purpose[job] == name) == pytest.approx(kg[level], rel=1e-12)
    for level in LEVELS:
        everything = sum(charge.kgco2e[1] for charge in charges if charge.level == level)
        assert everything == pytest.approx(expected["accrual_kg"][level], rel=1e-12)


def test_every_job_with_idle_time_absorbed(scenario: dict[str, Any], charges: list[Charge]) -> None:
    spread = absorbed(charges)
    jobs = summed(spread, "job", "job_id")
    for job_id, kg in scenario["expected"]["absorbed_mode"]["jobs_kg"].items():
        assert jobs[job_id] == close(kg), job_id
    assert sum(sum(kg.values()) for kg in summed(spread, "idle", "server_id").values()) == 0
    for bucket in ("facility_unallocated", "write_off"):
        assert [one for one in spread if one.bucket == bucket] == [one for one in charges if one.bucket == bucket]
