"""A month that was closed and changes leaves a row that says from what to what and why; an open month leaves none."""

from __future__ import annotations

import duckdb
import pytest

from tests.support.homes import write_config
from tests.support.landed import landed_bytes, landed_name, put, sample
from tests.support.worlds import EVENING_MS
from warehouse.config import Config
from warehouse.engine import run_all
from warehouse.lake import Lake, open_lake
from warehouse.restatement import totals_before

SQL = "select phase_group, old_kgco2e, new_kgco2e, cause, old_calc_run_id = new_calc_run_id from audit.restatement"


def _land(config: Config, device: str) -> None:
    rows = [sample(EVENING_MS + second * 10_000, device=device) for second in range(30)]
    content = landed_bytes("power_sample", rows, written_ms=EVENING_MS)
    put(config.landing_path, landed_name("power_sample", EVENING_MS, device.lower()), content)


def _total(lake: Lake) -> float:
    return lake.value("select sum(total_kgco2e) from mart.training_vs_inference_monthly")


def test_late_data_restate_a_closed_month_once(lake: Lake) -> None:
    _land(lake.config, "GPU-0")
    run_all(lake)
    assert lake.rows(SQL) == []  # the first computation restates nothing
    old = _total(lake)
    run_all(lake, force=True)
    assert lake.rows(SQL) == []  # the same figures again restate nothing
    _land(lake.config, "GPU-1")
    run_all(lake)
    assert lake.rows(SQL) == [("idle", old, _total(lake), "late_data", True)]


def test_another_factor_restates_with_that_cause(config: Config) -> None:
    _land(config, "GPU-0")
    with open_lake(config) as lake:
        run_all(lake)
    place = {"id": "dc1", "zone": "DE", "pue": 1.5, "hosts": ["host-*"]}
    with open_lake(write_config(config.home, facility=[place])) as lake:
        run_all(lake)
        ((group, old, new, cause, same),) = lake.rows(SQL)
        assert (group, new > old, cause, same) == ("idle", True, "factor, configuration or method", False)


@pytest.mark.parametrize(("computed", "is_closed"), [("2025-04-05 23:59", False), ("2025-04-06 00:00", True)])
def test_a_month_is_closed_five_days_after_its_end(lake: Lake, computed: str, is_closed: bool) -> None:
    _land(lake.config, "GPU-0")
    run_all(lake)

    def work(connection: duckdb.DuckDBPyConnection) -> bool:
        connection.execute(f"update lake.audit.materialisation set computed_at = '{computed}:00+00'")
        return totals_before(connection, "2025-03")[0] is not None

    assert lake.transaction(work) is is_closed
