"""Columns that came later to the landing table of cloud figures: what they may hold, and that old files lack them."""

from __future__ import annotations

import pytest

from collectors import contract
from collectors.landing.refusal import LandingError
from collectors.landing.validate import to_valid_table

# 2024-01-01 and 2025-01-01 UTC.
YEAR = {"valid_from": 1_704_067_200_000, "valid_to": 1_735_689_600_000}
ROW = {
    **YEAR,
    "provider": "gcp",
    "region": "europe-west1",
    "metric": "intensity_location",
    "value": 103.37,
    "unit": "gCO2e/kWh",
    "source": "google_region_carbon",
    "published": "unknown",
    "fetched_ms": 1_795_348_800_000,
    "response_sha256": "0" * 64,
}


def test_a_row_may_leave_out_what_came_later() -> None:
    table = to_valid_table(contract.CLOUD_REGION_FACTOR, [ROW])
    assert [table.column(name).to_pylist() for name in ("basis", "version", "flags")] == [[None]] * 3


def test_an_intensity_states_its_basis_from_the_closed_set() -> None:
    for basis in ("lifecycle", "operational"):
        table = to_valid_table(contract.CLOUD_REGION_FACTOR, [{**ROW, "basis": basis}])
        assert table.column("basis").to_pylist() == [basis]
    with pytest.raises(LandingError, match="basis"):
        to_valid_table(contract.CLOUD_REGION_FACTOR, [{**ROW, "basis": "marginal"}])
