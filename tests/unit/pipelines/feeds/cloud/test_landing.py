"""What passed lands as rows of the contract; what did not is found in quarantine under the fault's name."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from collectors.landing.reader import read_landed
from pipelines.feeds.cloud.faults import FAULTS, Severity
from pipelines.feeds.cloud.landing import land, region_map
from tests.support.cloud_tables import FETCHED_MS, google, gsf, row, verdict
from warehouse.reasons import ROW_REASONS


def judged():
    rows = (
        row(2022, "azure", "w", zone="FR", pue="1.15", grid="60"),
        row(2022, "azure", "x", zone="DE", pue="1,2"),
        row(2022, "oracle", "y", pue="1.2"),
    )
    return verdict([google(2020, "a,A,0.5,400"), gsf(*rows)], gcp_a="DE", azure_w="DE", azure_x="DE")


def test_every_reason_of_quarantine_is_known_there_with_the_same_sentence() -> None:
    for name, fault in FAULTS.items():
        if fault.severity is Severity.QUARANTINE:
            assert ROW_REASONS[name] == fault.sentence


def test_rows_land_with_basis_flags_and_provenance(tmp_path: Path) -> None:
    result = land(judged(), tmp_path)
    assert (result.rows_landed, result.rows_rejected) == (3, 3)
    rows = [r for path in result.files for r in read_landed(path, table="cloud_region_factor").rows.to_pylist()]
    found = {(r["source"], r["metric"]): r for r in rows}
    intensity = found["google_region_carbon", "intensity_location"]
    # 2020-01-01 and 2021-01-01 UTC.
    assert (intensity["valid_from"], intensity["valid_to"]) == (1_577_836_800_000, 1_609_459_200_000)
    assert (intensity["value"], intensity["unit"], intensity["basis"]) == (400.0, "gCO2e/kWh", "lifecycle")
    assert (intensity["published"], intensity["version"], intensity["fetched_ms"]) == ("unknown", None, FETCHED_MS)
    assert len(intensity["response_sha256"]) == 64
    # 2021-07-01: Microsoft's fiscal year 2022.
    pue = found["gsf_real_time_cloud", "pue"]
    assert (pue["valid_from"], pue["flags"], pue["basis"]) == (1_625_097_600_000, "row_of_wrong_zone", None)
    assert found["google_region_carbon", "cfe_hourly"]["flags"] is None


def test_refused_rows_wait_for_quarantine_with_their_values(tmp_path: Path) -> None:
    result = land(judged(), tmp_path)
    assert result.rejected_by_reason == {"decimal_comma": 1, "unknown_provider": 1, "wrong_zone": 1}
    entries = {e["reason"]: e for e in map(json.loads, result.rejected_file.read_text("utf-8").splitlines())}
    wrong = entries["wrong_zone"]
    assert (wrong["table"], wrong["file"], wrong["row"]) == ("cloud_region_factor", "table.csv", 1)
    assert (wrong["values"]["region"], wrong["values"]["value"], wrong["values"]["zone"]) == ("w", 60.0, "FR")
    assert entries["decimal_comma"]["values"]["power-usage-effectiveness"] == "1,2"


def test_the_same_publications_again_change_nothing(tmp_path: Path) -> None:
    first, again = land(judged(), tmp_path), land(judged(), tmp_path)
    assert (first.files_new, again.files_new) == (1, 0)  # fetched at once, one file, whatever the years
    assert first.files == again.files
    assert sum(pq.read_metadata(path).num_rows for path in first.files) == 3


def test_the_packaged_region_map_is_keyed_by_provider_and_region() -> None:
    assert region_map()["azure", "northcentralus"].zone == "US-MIDA-PJM"
