"""Reference rows of ../shared/data/llm-training-reference: shapes, LLMCarbon's own deltas, Megatron's throughput."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from models.prediction import llmcarbon
from models.prediction.architecture import Architecture, parameters
from models.prediction.tables import find_device, training_runs

pytestmark = pytest.mark.real
FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "llm-training-reference"

# Where the published shape itself is wrong: what it must be, and where that stands.
CORRECTED = {
    "Gopher": {"positions": "relative", "vocabulary_n": 32_000},  # Rae et al. 2021: Transformer-XL positions, 32k
    "Chinchilla": {"positions": "relative", "vocabulary_n": 32_000},  # as Gopher
    "Jurassic-1": {"head_size": 144, "vocabulary_n": 256_000},  # 13824 / 96 = 144; about 250k items
    "MT-NLG": {"head_size": 160},  # 20480 / 128 = 160
    "Bloom": {"vocabulary_n": 250_880},  # 250,680 items, padded
}


def rows(name: str) -> list[dict[str, str]]:
    """Give the rows of a table; none, so that a test skips, where the shared folder is not on this machine."""
    if not FOLDER.parents[1].is_dir():
        return []
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def shape_of(row: dict[str, str]) -> Architecture:
    heads = int(row["heads"])
    return Architecture(
        int(row["layers"]), int(row["hidden_size"]), heads, heads, int(row["head_size"]), int(row["ff_size"]),
        int(row["vocab"]), gated=False, tied=True,
    )  # fmt: skip


@pytest.mark.parametrize("row", rows("dense_architectures.csv"), ids=lambda row: row["model_name"])
def test_dense_architectures_are_within_one_percent_once_a_wrong_shape_is_corrected(row: dict[str, str]) -> None:
    shape, nominal = shape_of(row), float(row["nominal_params_b"]) * 1e9
    if row["model_name"] in CORRECTED:
        assert parameters(shape).total_n < 0.99 * nominal, "the shape as given counts too few"
        shape = replace(shape, **CORRECTED[row["model_name"]])
    assert parameters(shape).total_n == pytest.approx(nominal, rel=0.01)


@pytest.mark.usefixtures("shared_data")
def test_our_table_of_runs_agrees_with_the_reference_rows() -> None:
    ours = {run.run: run for run in training_runs()}
    for row in rows("training_reference.csv"):
        run = ours.get(row["model_name"])
        if run is None:
            assert not row["tokens_b"], f"{row['model_name']} states tokens and is missing"
            continue
        assert run.tokens_n == pytest.approx(float(row["tokens_b"]) * 1e9)
        assert run.energy_kwh == pytest.approx(float(row["reported_mwh"]) * 1e3)
        assert run.device_hours == pytest.approx(float(row["device_count"]) * float(row["training_days"]) * 24)


@pytest.mark.usefixtures("shared_data")
def test_llmcarbons_own_deltas_follow_from_the_reference_rows() -> None:
    header = ",".join(llmcarbon.COLUMNS)
    deltas = {"T5": -0.02063, "GPT-3": 0.00225, "GShard": 0.03260}
    found = {}
    for row in rows("training_reference.csv"):
        if row["model_name"] in deltas:
            cells = (row["model_name"], row["architecture"], row["params_b"], row["active_params_b"], row["tokens_b"],
                     row["carbon_intensity_kg_per_kwh"], row["pue"], row["device"], row["device_tdp_w"],
                     row["avg_system_power_w"], row["peak_tflops"], row["achieved_tflops"], row["hardware_efficiency"],
                     row["device_count"], row["reported_total_zflops"], row["training_days"], row["reported_tco2e"],
                     row["reported_mwh"])  # fmt: skip
            found[row["model_name"]] = llmcarbon.training(
                llmcarbon.read("x", f"{header}\n{','.join(cells)}\n")[0]
            ).delta
    assert found == pytest.approx(deltas, abs=5e-6)


@pytest.mark.usefixtures("shared_data")
def test_megatron_rows_are_model_flop_without_the_recomputed_quarter() -> None:
    ours = {run.run: run for run in training_runs()}
    peak = find_device("A100").peak_flop_per_s("16bit") / 1e12
    for row in rows("megatron_scaling.csv"):
        run = ours[f"Megatron {float(row['params_b']):g}B"]
        assert run.reported_utilisation == pytest.approx(float(row["achieved_tflops_per_gpu"]) * 3 / 4 / peak, abs=1e-4)
        assert run.devices_n == float(row["gpus"])
