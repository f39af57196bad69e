"""embodied: all factors of a hardware model beside what other tools say, without a ledger."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from models.embodied.methods.registry import METHOD_NAMES
from tests.unit.pipelines.cli.helpers import Run

H100 = "NVIDIA H100 80GB HBM3"


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WATTLEDGER_HOME", str(tmp_path / "nothing"))


def test_it_shows_every_factor_and_every_method_without_a_ledger(wattledger: Run) -> None:
    rows = json.loads(wattledger("embodied", H100, "--format", "json").output)
    assert {row["hardware_model"] for row in rows} == {"NVIDIA H100 SXM5 80GB"}
    factors = [row for row in rows if row["kind"] == "catalogue"]
    assert [(row["name"], row["is_selected"], row["tier"]) for row in factors] == [
        ("hw.pcf.h100sxm580gb", True, "T1"),
        ("hw.model.h100sxm580gb", False, "T3"),
    ]
    said = {row["name"]: row["kgco2e"] for row in rows if row["kind"] == "method"}
    assert tuple(said) == METHOD_NAMES
    # 8.14 cm2 * 2.43075 kg/cm2 / 0.875 + 0.15; 8.14 * 1.8; the others as published.
    assert said["act"] == pytest.approx(8.14 * 2.43075 / 0.875 + 0.15)
    assert said["llmcarbon"] == pytest.approx(8.14 * 1.8)
    assert (said["cloud_carbon_footprint"], said["ecologits"], said["ecologits_0_9_1"]) == (150, 273, 164)
    assert said["boavizta"] == pytest.approx(575.0979, abs=1e-4)


def test_what_is_not_known_is_empty_with_a_reason_and_never_zero(wattledger: Run) -> None:
    rows = json.loads(wattledger("embodied", "TPU v6e", "--format", "json").output)
    silent = [row for row in rows if row["kgco2e"] is None]
    assert {row["name"] for row in silent} >= {"act", "boavizta", "sci", "llmcarbon", "greensku"}
    assert all(row["why"] and row["ratio"] is None for row in silent)
    assert all(row["kgco2e"] is None or row["kgco2e"] > 0 for row in rows)


@pytest.mark.parametrize(
    ("model", "method", "kgco2e"),
    [
        # 0.0197 * 1056 + 9.14
        ("AMD EPYC 7763 64-Core Processor", "boavizta", 29.9432),
        ("AMD EPYC 7763", "cloud_carbon_footprint", 100),
        # 1000 + 100 + (2048 - 16) * 533/384 + 8 * 100 + 8 * 150
        ("DGX H100", "cloud_carbon_footprint", 1_000 + 100 + 2_032 * 533 / 384 + 800 + 1_200),
        ("DGX H100", "boavizta", 10_253.25),
        ("DGX H100", "ecologits", 5_700),
        # 9,000 t / 50 MW
        ("generic data centre", "greensku", 180),
    ],
)
def test_methods_answer_for_every_kind(wattledger: Run, model: str, method: str, kgco2e: float) -> None:
    rows = json.loads(wattledger("embodied", model, "--methods", method, "--format", "json").output)
    assert [row["kgco2e"] for row in rows if row["kind"] == "method"] == [pytest.approx(kgco2e, abs=0.005)]


def test_methods_can_be_chosen(wattledger: Run) -> None:
    text = wattledger("embodied", H100, "--methods", "boavizta, act", "--format", "csv").output
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows if row["kind"] == "method"] == ["boavizta", "act"]
    assert all(row["kgco2e"] for row in rows)
    alone = list(
        csv.DictReader(io.StringIO(wattledger("embodied", H100, "--methods", "none", "--format", "csv").output))
    )
    assert {row["kind"] for row in alone} == {"catalogue"}


def test_the_table_names_boundary_unit_and_what_is_booked(wattledger: Run) -> None:
    output = wattledger("embodied", H100).output
    assert "NVIDIA H100 SXM5 80GB: kgCO2e per device, life 5 years" in output
    assert "never 0" in output
    booked = next(line for line in output.splitlines() if "hw.pcf.h100sxm580gb" in line)
    assert "yes" in booked
    assert "cradle_to_gate" in booked


def test_an_unknown_model_names_near_ones_and_what_falls_back(wattledger: Run) -> None:
    output = wattledger("embodied", "NVIDIA H100 SXM 81GB", code=2).output
    assert "NVIDIA H100 SXM5 80GB" in output
    assert "*generic accelerator 150 kg (40-436, T4)" in output
    assert "near: none" in wattledger("embodied", "?!", code=2).output


def test_an_archetype_can_be_shown_by_its_name(wattledger: Run) -> None:
    rows = json.loads(wattledger("embodied", "*generic accelerator", "--methods", "none", "--format", "json").output)
    assert [(row["kgco2e"], row["tier"], row["is_selected"]) for row in rows] == [(150, "T4", True)]


def test_an_unknown_method_names_all_methods(wattledger: Run) -> None:
    output = wattledger("embodied", H100, "--methods", "act,magic", code=2).output
    assert "--methods: unknown method 'magic'" in output
    assert all(name in output for name in METHOD_NAMES)
