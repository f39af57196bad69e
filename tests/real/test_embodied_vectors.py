"""Every recorded run of another tool, reproduced by its named compatibility method; none is passed over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models import method_factors
from models.embodied.methods.registry import method
from tests.support.embodied_vectors import Vector, ours, read

pytestmark = pytest.mark.real
ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
VECTORS = SHARED / "data" / "embodied" / "test_vectors.csv"
TOLERANCE = 1e-6
ALL = read(VECTORS) if SHARED.is_dir() else []
EXCEPTIONS = set(re.findall(r"^\| (S\d+) \|", (ROOT / "docs/models/compatibility.md").read_text("utf-8"), re.MULTILINE))


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> list[Vector]:
    return read(shared_data / "embodied" / "test_vectors.csv")


@pytest.mark.parametrize("vector", ALL, ids=lambda vector: vector.row_id)
def test_each_recorded_run_is_reproduced(vector: Vector) -> None:
    got = ours(vector)
    if vector.row_id in EXCEPTIONS:
        assert got != pytest.approx(vector.expected, rel=TOLERANCE), "it is reproduced now: take it off the exceptions"
    else:
        assert got == pytest.approx(vector.expected, rel=TOLERANCE, abs=0)


def test_no_row_is_passed_over(vectors: list[Vector]) -> None:
    assert len(vectors) == 115
    assert [v.row_id for v in vectors] == [v.row_id for v in ALL], "each row is a test of its own"
    assert {v.row_id for v in vectors} >= EXCEPTIONS, "an exception that is no row"


def test_the_components_of_the_recorded_servers_are_ours_one_by_one(vectors: list[Vector]) -> None:
    servers = [v for v in vectors if v.function == "server archetype embedded"]
    assert len(servers) == 4
    for vector in servers:
        parts = method_factors.boavizta().server_parts(vector.inputs["archetype"])
        assert parts == pytest.approx(vector.inputs["components_kg"], abs=1e-6), vector.row_id
        platform = method_factors.boavizta().platforms[vector.inputs["archetype"]]
        assert platform.life_h == vector.inputs["lifetime_h"]


def test_the_recorded_cards_that_we_hold_by_name_give_the_same(vectors: list[Vector]) -> None:
    tool = method_factors.boavizta()
    named = {v.inputs["name"]: v for v in vectors if v.function.startswith("compute_single_impact(mapper_gpu")}
    held = sorted(set(named) & set(tool.cards))
    assert len(held) >= 8
    for name in held:
        got = method("boavizta").evaluate("card_by_name", name=name, duration_h=1e9, life_h=26_280)
        assert got == pytest.approx(named[name].expected, rel=TOLERANCE), name
        effective = tool.vram_effective_mm2(tool.cards[name])
        assert effective == pytest.approx(named[name].inputs["vram_effective_mm2"], rel=TOLERANCE)


def test_latency_and_cards_of_the_recorded_requests_are_found_and_not_taken(vectors: list[Vector]) -> None:
    requests = [v.inputs for v in vectors if v.tool == "EcoLogits"]
    assert len(requests) == 5
    tool = method_factors.ecologits("0.11.3")
    for row in requests:
        latency_s = tool.latency_s(**{n: row[n] for n in ("active_b", "output_tokens", "batch", "request_latency_s")})
        assert latency_s == pytest.approx(row["latency_s"], rel=TOLERANCE)
        assert tool.gpus_required(**{n: row[n] for n in ("total_b", "bits", "gpu_memory_gb")}) == row["gpus_required"]


def test_the_constants_of_the_recorded_requests_are_those_of_the_table(vectors: list[Vector]) -> None:
    first = next(v.inputs for v in vectors if v.row_id == "S069")
    constants = method_factors.constants("ecologits", "0.11.3")
    assert first["gpu_embodied_kg"] == constants["gpu"]
    assert first["server_embodied_kg"] == constants["server_without_gpus"]
    assert first["lifetime_s"] == constants["life"]
    assert first["batch"] == constants["batch"]
    assert method_factors.constants("ecologits", "0.9.1")["gpu"] == 164
