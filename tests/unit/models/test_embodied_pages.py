"""Generated pages of the embodied models: up to date, and what they claim is so."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from models import factors
from models.embodied import validation
from models.embodied.methods import page as compatibility
from models.embodied.methods.registry import METHOD_NAMES
from models.embodied.validation import FITTED, NO_FIGURE, OTHER_BOUNDARY, OUT_OF_SAMPLE, comparisons

ROOT = Path(__file__).resolve().parents[3]
SHARED = ROOT.parent / "shared"
BY_PRODUCT = {item.product: item for item in comparisons()}
# Products of the shared table whose name here is another; parts of one summary that give one constant share a row.
RENAMED = {
    "NVIDIA HGX H100 baseboard": "HGX H100 baseboard",
    "NVIDIA HGX H100 baseboard: memory": "HGX H100 memory",
    "NVIDIA HGX H100 baseboard: integrated circuits": "HGX H100 integrated circuits",
    "NVIDIA HGX H100 baseboard: thermal": "HGX H100 thermal",
    **dict.fromkeys(
        [
            f"NVIDIA HGX H100 baseboard: {part}"
            for part in ("electromechanical", "common parts", "PCB", "interconnect", "mechanical")
        ],
        "HGX H100 electromechanical, common, PCB, interconnect, mechanical",
    ),
    "NVIDIA HGX B200 baseboard": "HGX B200 baseboard",
    "NVIDIA A100 (per GPU share of 8-GPU instance)": "NVIDIA A100 share of an 8-GPU instance",
    "Google TPU v6e chip (EcoLogits reading)": "Google TPU v6e chip",
    "DGX H800/H200 host without GPUs (EcoLogits)": "DGX H800 or H200 host without GPUs (EcoLogits)",
    "8-GPU HPE Apollo class server without GPUs (BLOOM paper)": "8-GPU host of the BLOOM paper",
    "GPU card (BLOOM paper proxy)": "Graphics card of the BLOOM paper",
    "Dell PowerEdge R740 (full LCA)": "Dell PowerEdge R740",
    "Generic server (ADEME Base Empreinte)": "Generic server (ADEME)",
    "AWS p5.48xlarge (8x H100) per Boavizta": "AWS p5.48xlarge with 8 H100 (BoaviztAPI)",
    "RECOMMENDED 8x H100 server": "8x H100 server (sum of two sources)",
    "Falk GPU chip share of A100": "A100 GPU chip (81 % of 127.6)",
}  # fmt: skip


def test_the_pages_are_up_to_date() -> None:
    docs = ROOT / "docs" / "models"
    assert (docs / "embodied-validation.md").read_text("utf-8") == validation.page(), "run `make docs`"
    assert (docs / "compatibility.md").read_text("utf-8") == compatibility.page(), "run `make docs`"


def test_the_compatibility_page_has_an_equation_for_every_method() -> None:
    assert set(compatibility.EQUATIONS) == set(METHOD_NAMES)


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data beside the repository")
def test_every_published_product_footprint_is_compared_with_its_published_figure() -> None:
    with (SHARED / "data/embodied/product_footprint.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28
    summed: dict[str, float] = {}
    for row in rows:
        name = RENAMED.get(row["product"], row["product"])
        summed[name] = summed.get(name, 0.0) + float(row["kg_total"]) / (
            float(row["units_per_product"]) if row["kind"].startswith("baseboard") else 1
        )
    assert summed == pytest.approx({name: item.published_kgco2e for name, item in BY_PRODUCT.items()}, rel=1e-9)


@pytest.mark.parametrize(
    ("product", "status", "error"),
    [
        ("HGX H100 baseboard", FITTED, 0.0052),  # 164.848 / 164 - 1
        ("HGX B200 baseboard", OUT_OF_SAMPLE, 0.112),
        ("NVIDIA A100 SXM4 40GB", OUT_OF_SAMPLE, -0.161),
        ("NVIDIA A100 PCIe 40GB", OTHER_BOUNDARY, -0.446),
    ],
)
def test_errors_are_those_of_the_research(product: str, status: str, error: float) -> None:
    found = BY_PRODUCT[product]
    assert found.status == status
    assert found.error == pytest.approx(error, abs=6e-4)


def test_a_device_whose_dies_are_not_known_has_no_figure_and_no_error() -> None:
    for product in ("Google TPU v6e", "Google TPU v5p", "Google TPU v6e chip"):
        found = BY_PRODUCT[product]
        assert (found.ours, found.error, found.is_inside, found.status) == (None, None, None, NO_FIGURE)


def test_a_host_by_hand_is_the_host_of_the_table() -> None:
    # Two generic sockets 2 * (0.0197 * 736 + 9.14), 384 GB * 1.4, 31.12 TB * 45, one NIC, one chassis.
    by_hand = 2 * (0.0197 * 736 + 9.14) + 384 * 1.4 + 31.12 * 45 + 58.09 + 368
    ours = BY_PRODUCT["Dell PowerEdge R740"].ours
    assert ours is not None
    assert ours.central == pytest.approx(by_hand)


@pytest.mark.parametrize("device", ["AWS Trainium2", "AWS Inferentia2", "Intel Gaudi 2", "TPU v5e"])
def test_devices_without_a_verified_factor_are_fallbacks_as_the_page_says(device: str) -> None:
    found = factors.find_hardware_factor(device, "accelerator")
    assert found is not None
    assert found.is_fallback
