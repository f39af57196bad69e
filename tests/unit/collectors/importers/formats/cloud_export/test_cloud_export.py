"""Exports of providers: each figure once, in kilograms, for its month, as who states it by which method."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collectors.importers.errors import SourceError
from tests.support.cloud_exports import AWS, GOOGLE, JUNE, MAY, column, csv_of, epoch_ms, flattened, import_export


def test_a_row_of_the_aws_table_states_both_methods_in_kilograms(tmp_path: Path) -> None:
    rows, result = import_export(tmp_path, csv_of(AWS), "aws.csv")
    common = {
        "source": "aws",
        "version": "v3.0.0",
        "subject_kind": "account",
        "quantity": "emissions",
        "unit": "kgCO2e",
    }
    common |= {"provider": "aws", "region": "us-east-1", "service": "AmazonEC2", "scope": "total", "job_id": None}
    assert all({name: row[name] for name in common} == common for row in rows)
    assert column(rows, "method", "value", "start_ms", "end_ms", "subject") == [
        ("location_based", 123.4567, MAY, JUNE, "222222222222/us-east-1/AmazonEC2"),
        ("market_based", 50.0, MAY, JUNE, "222222222222/us-east-1/AmazonEC2"),
    ]
    assert dict(rows[0]["labels"])["payer_account"] == "111111111111"
    assert (result.rows_read, result.rows_landed) == (1, 2)


@pytest.mark.parametrize("end", ["2024-05-31", "2024-05-31 23:59:59.999Z", "2024-06-01T00:00:00Z", "2024-06-01"])
def test_every_way_to_write_the_end_of_a_month_is_its_end(tmp_path: Path, end: str) -> None:
    rows, _ = import_export(tmp_path, csv_of(AWS | {"usage_period_end": end}), "aws.csv")
    assert set(column(rows, "start_ms", "end_ms")) == {(MAY, JUNE)}


def test_scopes_of_the_aws_table_are_figures_of_their_own(tmp_path: Path) -> None:
    scoped = {"total_scope_1_emissions_value": 1, "total_scope_1_emissions_unit": "MTCO2e"}
    scoped |= {"total_scope_3_mbm_emissions_value": 2, "total_scope_3_mbm_emissions_unit": "kgCO2e"}
    rows, _ = import_export(tmp_path, csv_of(AWS | scoped), "aws.csv")
    assert column(rows, "scope", "method", "value")[-2:] == [
        ("total", "market_based", 50.0),
        ("scope1", "unspecified", 1000.0),
    ]
    assert ("scope3", "market_based", 2.0) in column(rows, "scope", "method", "value")


def test_missing_aws_values_are_left_out_and_bad_ones_refused(tmp_path: Path) -> None:
    nothing = {"total_lbm_emissions_value": "", "total_mbm_emissions_value": ""}
    rows, result = import_export(
        tmp_path,
        csv_of(
            AWS | nothing | {"product_code": "AWSLambda"},
            AWS | {"product_code": "", "region_code": "", "location": "Global", "total_lbm_emissions_value": ""},
            AWS | {"product_code": "a", "total_mbm_emissions_unit": "lb"},
            AWS | {"product_code": "b", "total_mbm_emissions_unit": ""},
            AWS | {"product_code": "c", "total_mbm_emissions_value": "1_0"},
            AWS | {"product_code": "d", "total_mbm_emissions_value": "nan"},
            AWS | {"product_code": "e", "usage_period_start": "2024-05-02"},
            AWS | {"product_code": "f", "usage_period_start": "May"},
            AWS | {"product_code": "g", "model_version": ""},
        ),
        "aws.csv",
    )
    assert column(rows, "subject", "region", "service", "method") == [
        ("222222222222/Global/-", None, None, "market_based")
    ]
    assert result.rows_filtered == 1
    assert result.rejected_by_reason == {
        "missing_value": 2,
        "out_of_range": 1,
        "unknown_value": 1,
        "unparseable_number": 2,
        "unparseable_time": 1,
    }
    assert "1 rows state no figure (NULL); they were left out" in result.findings


def test_a_later_refresh_replaces_an_earlier_one_and_a_contradiction_is_refused(tmp_path: Path) -> None:
    later = AWS | {"last_refresh_timestamp": "2024-07-20 00:00:00Z", "total_mbm_emissions_value": "0.07"}
    for order in ((AWS, later), (later, AWS)):
        rows, result = import_export(tmp_path, csv_of(*order, AWS | {"model_version": "v2.0.0"}), "aws.csv")
        assert column(rows, "method", "version", "value") == [
            ("location_based", "v2.0.0", 123.4567),
            ("location_based", "v3.0.0", 123.4567),
            ("market_based", "v2.0.0", 50.0),
            ("market_based", "v3.0.0", 70.0),
        ]
        assert result.rows_filtered == 1
    _, result = import_export(tmp_path, csv_of(AWS, AWS | {"total_mbm_emissions_value": "0.07"}), "b.csv")
    assert result.rejected_by_reason == {"conflicting_row": 1}


API = {
    "Results": [
        {
            "TimePeriod": {"Start": "2024-01-01T00:00:00+00:00", "End": "2025-01-01T00:00:00+00:00"},
            "DimensionsValues": {"USAGE_ACCOUNT_ID": "2", "REGION": "eu-west-1", "SERVICE": "AmazonS3"},
            "ModelVersion": "v3.0.1",
            "EmissionsValues": {
                "TOTAL_LBM_CARBON_EMISSIONS": {"Value": 1.5, "Unit": "MTCO2e"},
                "TOTAL_SCOPE_1_CARBON_EMISSIONS": {"Value": 0.001, "Unit": "MTCO2e"},
                "TOTAL_SCOPE_3_MBM_CARBON_EMISSIONS": 0.25,
            },
        }
    ],
    "NextToken": None,
}


def test_the_aws_interface_states_scopes_over_the_period_that_was_asked(tmp_path: Path) -> None:
    rows, result = import_export(tmp_path, json.dumps(API), "api.json")
    assert sorted(column(rows, "scope", "method", "value")) == [
        ("scope1", "unspecified", 1.0),
        ("scope3", "market_based", 250.0),
        ("total", "location_based", 1500.0),
    ]
    assert set(column(rows, "start_ms", "end_ms", "version", "region", "service", "subject")) == {
        (epoch_ms(2024, 1), epoch_ms(2025, 1), "v3.0.1", "eu-west-1", "AmazonS3", "2/eu-west-1/AmazonS3")
    }
    assert any("only the newest model version" in text for text in result.findings)


GOOGLE_FIGURES = [
    ("scope1", "unspecified", 1.5),
    ("scope2", "location_based", 20.25),
    ("scope2", "market_based", 4.0),
    ("scope3", "unspecified", 8.0),
    ("total", "location_based", 29.75),
    ("total", "market_based", 13.5),
]


@pytest.mark.parametrize("shape", ["nested", "lines", "dots", "underscores", "json with dots", "parquet"])
def test_the_google_export_gives_the_same_figures_nested_or_flat(tmp_path: Path, shape: str) -> None:
    content: str | bytes = json.dumps([GOOGLE])
    if shape == "lines":
        content = json.dumps(GOOGLE) + "\n"
    elif shape in ("dots", "underscores"):
        content = csv_of(flattened(GOOGLE, "." if shape == "dots" else "_"))
    elif shape == "json with dots":
        content = json.dumps([flattened(GOOGLE, ".")])
    elif shape == "parquet":
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist([GOOGLE | {"carbon_model_version": 14}]), buffer)
        content = buffer.getvalue()
    rows, result = import_export(tmp_path, content, f"google.{shape}.csv")
    assert sorted(column(rows, "scope", "method", "value")) == GOOGLE_FIGURES
    common = {"source": "google_cloud", "version": "14", "subject_kind": "project", "provider": "gcp", "unit": "kgCO2e"}
    common |= {"subject": "007-AAA/ml-prod/F17B/us-central1-a", "region": "us-central1", "service": "Vertex AI"}
    common |= {"start_ms": MAY, "end_ms": JUNE}
    assert all({name: row[name] for name in common} == common for row in rows)
    assert (result.rows_read, result.rows_rejected) == (1, 0)


def test_parts_and_totals_agree_and_land_side_by_side(tmp_path: Path) -> None:
    rows, _ = import_export(tmp_path, json.dumps([GOOGLE]), "google.json")
    value = {(row["scope"], row["method"]): Decimal(str(row["value"])) for row in rows}
    for method in ("location_based", "market_based"):
        parts = value["scope1", "unspecified"] + value["scope2", method] + value["scope3", "unspecified"]
        assert value["total", method] == parts


def test_deleted_projects_keep_their_number_and_offsets_are_left_out(tmp_path: Path) -> None:
    deleted = GOOGLE | {"project": {"id": None, "number": "802"}}
    without = GOOGLE | {"project": {"id": None, "number": ""}}
    offset = GOOGLE | {"project": {"id": "x", "number": "9"}, "carbon_offsets_kgCO2e": -13.5}
    rows, result = import_export(tmp_path, json.dumps([deleted, without, offset]), "google.json")
    assert sorted(set(column(rows, "subject_kind", "subject"))) == [
        ("account", "007-AAA/-/F17B/us-central1-a"),
        ("project", "007-AAA/802/F17B/us-central1-a"),
        ("project", "007-AAA/x/F17B/us-central1-a"),
    ]
    assert len(rows) == 18
    assert any("1 rows state offsets" in text for text in result.findings)


def test_model_versions_of_a_month_stand_side_by_side(tmp_path: Path) -> None:
    rows, _ = import_export(tmp_path, json.dumps([GOOGLE, GOOGLE | {"carbon_model_version": "15"}]), "google.json")
    assert sorted({row["version"] for row in rows}) == ["14", "15"]
    assert len(rows) == 12


def _azure(**more: object) -> dict[str, object]:
    return {"latestMonthEmissions": 12.5, "previousMonthEmissions": 11, "monthlyEmissionsChangeValue": 1.5, **more}


def test_azure_items_name_their_subject_and_no_method(tmp_path: Path) -> None:
    items = [
        _azure(dataType="TopItemsMonthlySummaryData", itemName="sub-1", categoryType="Subscription", date="2024-05-01"),
        _azure(dataType="TopItemsMonthlySummaryData", itemName="rg", categoryType="ResourceGroup", date="2024-05-01"),
        _azure(dataType="TopItemsMonthlySummaryData", itemName="east us", categoryType="Location", date="2024-05-01"),
    ]
    rows, result = import_export(
        tmp_path, json.dumps({"value": items, "skipToken": ""}), "azure.json", azure_scope="scope2"
    )
    assert column(rows, "subject_kind", "subject", "region", "method", "scope", "version", "value") == [
        ("account", "Location/east us", "east us", "unspecified", "scope2", "unknown", 12.5),
        ("account", "Subscription/sub-1", None, "unspecified", "scope2", "unknown", 12.5),
        ("project", "ResourceGroup/rg", None, "unspecified", "scope2", "unknown", 12.5),
    ]
    assert {(row["start_ms"], row["end_ms"]) for row in rows} == {(MAY, JUNE)}
    assert any("neither method nor scope" in text for text in result.assumptions)


def test_azure_rows_without_a_month_or_an_account_need_them_stated(tmp_path: Path) -> None:
    resource = _azure(itemName="vm", categoryType="Resource", subscriptionId="s", resourceGroup="g", location="east us")
    details = json.dumps({"value": [resource]})
    with pytest.raises(SourceError, match="--month YYYY-MM"):
        import_export(tmp_path, details, "azure.json")
    rows, _ = import_export(tmp_path, details, "azure.json", month="2024-05")
    assert column(rows, "subject", "region", "start_ms", "end_ms", "scope") == [("s/g/vm", "east us", MAY, JUNE, None)]
    summary = csv_of(_azure(dataType="MonthlySummaryData", date="2024-05-01", carbonIntensity=3))
    with pytest.raises(SourceError, match="say by --account whom they speak of"):
        import_export(tmp_path, summary, "azure.csv")
    assert import_export(tmp_path, summary, "azure.csv", account="tenant-1")[0][0]["subject"] == "tenant-1"
    _, result = import_export(tmp_path, details, "azure.json", month="May 2024")
    assert result.rejected_by_reason == {"unparseable_time": 1}


def _ccf(group: str, timestamp: str, *estimates: dict[str, Any]) -> dict[str, Any]:
    return {"timestamp": timestamp, "serviceEstimates": list(estimates), "groupBy": group}


ESTIMATE = {
    "cloudProvider": "AWS",
    "kilowattHours": 3.5,
    "co2e": 0.0012,
    "cost": 5,
    "usesAverageCPUConstant": True,
    "accountId": "222",
    "accountName": "prod",
    "serviceName": "AmazonEC2",
    "region": "us-east-1",
    "tags": {},
}


@pytest.mark.parametrize(
    ("group", "timestamp", "start", "end"),
    [
        ("day", "2024-05-31T00:00:00.000Z", epoch_ms(2024, 5, 31), JUNE),
        ("week", "2024-05-27T00:00:00.000Z", epoch_ms(2024, 5, 27), epoch_ms(2024, 6, 3)),
        ("month", "2024-12-01T00:00:00.000Z", epoch_ms(2024, 12), epoch_ms(2025, 1)),
        ("quarter", "2024-10-01", epoch_ms(2024, 10), epoch_ms(2025, 1)),
        ("year", "2024-01-01", epoch_ms(2024, 1), epoch_ms(2025, 1)),
    ],
)
def test_estimates_of_cloud_carbon_footprint_are_tonnes_and_kilowatt_hours_of_their_period(
    tmp_path: Path, group: str, timestamp: str, start: int, end: int
) -> None:
    rows, result = import_export(tmp_path, json.dumps([_ccf(group, timestamp, ESTIMATE)]), "ccf.json")
    assert column(rows, "quantity", "value", "unit", "start_ms", "end_ms", "provider") == [
        ("emissions", 1.2, "kgCO2e", start, end, "aws"),
        ("energy", 3.5, "kWh", start, end, "aws"),
    ]
    assert {row["source"] for row in rows} == {"cloud_carbon_footprint"}
    assert dict(rows[0]["labels"])["uses_average_cpu"] == "True"
    assert (result.rows_read, result.rows_filtered) == (1, 0)


def test_tagged_estimates_are_told_apart_and_an_unknown_grouping_is_refused(tmp_path: Path) -> None:
    tagged = [ESTIMATE | {"tags": {"team": team}} for team in ("a", "b")]
    groups = [_ccf("day", "2024-05-31", *tagged), _ccf("decade", "2024-05-31", ESTIMATE)]
    rows, result = import_export(tmp_path, json.dumps(groups), "ccf.json")
    assert len({row["subject"] for row in rows}) == 2
    assert len(rows) == 4
    assert result.rejected_by_reason == {"unknown_value": 1}
