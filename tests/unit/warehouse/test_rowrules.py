"""Each rule refuses what it is for, says what is wrong, and lets the boundary through."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
import pytest

from collectors import contract
from tests.support.landed import job_device, job_event, sample
from tests.support.worlds import EVENING_MS as T
from warehouse.reasons import ROW_REASONS
from warehouse.rowrules import rule_expressions


def _judge(table: str, row: dict[str, Any]) -> tuple[str | None, str | None]:
    spec = contract.TABLES[table]
    schema = pa.schema([field.with_nullable(True) for field in spec.arrow_schema()])
    rows = pa.Table.from_pylist([row], schema=schema)
    reason, detail = rule_expressions(spec)
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        latest = {"latest_ms": T + 1_000_000}
        return connection.execute(f"select {reason}, {detail} from rows", latest).fetchall()[0]


@pytest.mark.parametrize(
    ("table", "row", "reason"),
    [
        ("power_sample", sample(T), None),
        ("power_sample", sample(T, power_mw=0), None),
        ("power_sample", sample(T, power_mw=-1), "out_of_range"),
        ("power_sample", sample(T, power_mw=contract.MAX_POWER_MW), None),
        ("power_sample", sample(T, power_mw=contract.MAX_POWER_MW + 1), "out_of_range"),
        ("power_sample", sample(T, energy_mj=-1), "out_of_range"),
        ("power_sample", sample(T, util_percent=101), "out_of_range"),
        ("power_sample", sample(T, host=None), "null_value"),
        ("power_sample", sample(T, kind="tpu"), "unknown_value"),
        ("power_sample", sample(T, power_mw=None), "no_value"),
        ("power_sample", sample(T, power_mw=None, gap_reason="driver_lost"), None),
        ("power_sample", sample(T, power_mw=None, energy_mj=0), None),
        ("power_sample", sample(T, kind="node", power_mw=0), "non_positive_power"),
        ("power_sample", sample(T, kind="node", power_mw=-5), "non_positive_power"),
        ("power_sample", sample(T, kind="node", power_mw=1), None),
        ("power_sample", sample(T // 1000), "out_of_range"),
        ("power_sample", sample(T * 1000), "out_of_range"),
        ("power_sample", sample(T + 1_000_000), None),
        ("power_sample", sample(T + 1_000_001), "future_time"),
        ("power_sample", sample(None), "null_value"),
        ("job_event", job_event(T, "j", "started"), None),
        ("job_event", job_event(T, "j", "began"), "unknown_value"),
        ("job_event", job_event(T, "j", "started", "traning"), "unknown_value"),
        ("job_event", job_event(T, "j", "started", attempt=0), "out_of_range"),
        ("job_event", job_event(T, "j", "ended", quality_value=float("nan")), "out_of_range"),
        ("job_event", job_event(T, "j", "ended", quality_value=float("-inf")), "out_of_range"),
        ("job_device", job_device("j", T, end_ms=T), None),
        ("job_device", job_device("j", T, end_ms=T - 1), "end_before_start"),
        ("job_device", job_device("j", T, share_fraction=1.0), None),
        ("job_device", job_device("j", T, share_fraction=1.0000001), "out_of_range"),
        ("job_device", job_device("j", T, share_fraction=float("nan")), "out_of_range"),
    ],
)
def test_a_row_is_judged(table: str, row: dict[str, Any], reason: str | None) -> None:
    found, detail = _judge(table, row)
    assert found == reason
    assert (detail is None) == (reason is None)


def test_every_reason_is_in_the_closed_list() -> None:
    for spec in contract.TABLES.values():
        for code in rule_expressions(spec)[0].split("THEN '")[1:]:
            assert code.partition("'")[0] in ROW_REASONS


def test_the_detail_does_not_depend_on_when_it_is_judged() -> None:
    for spec in contract.TABLES.values():
        detail = rule_expressions(spec)[1]
        assert all("latest_ms" not in text.partition(" WHEN")[0] for text in detail.split(" THEN ")[1:])


def test_the_detail_names_value_unit_and_limits() -> None:
    _, detail = _judge("power_sample", sample(T, power_mw=-1))
    assert detail == f"power_mw is -1 mW; allowed: 0 to {contract.MAX_POWER_MW} mW"
