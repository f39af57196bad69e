"""A job's figures are the sums of all its days, to the last digit, whichever days were computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.worlds import World, make_home
from warehouse.engine import run_all
from warehouse.lake import Lake, open_lake

_ENERGY = """
SELECT job_id, attempt, exact_sum(energy_j) / 3.6e6 AS it_kwh,
    exact_sum(CASE WHEN kind IN ('gpu', 'accelerator') THEN energy_j END) / 3.6e6 AS accelerator_kwh,
    exact_sum(estimated_j) / 3.6e6 AS estimated_kwh, exact_sum(measured_s) AS measured_s, exact_sum(gap_s) AS gap_s
FROM core.job_energy WHERE job_id IS NOT NULL GROUP BY ALL
"""
_MASS = """
SELECT job_id, attempt,
    CASE WHEN count(*) FILTER (WHERE component = 'overhead' AND energy_kwh IS NULL) = 0
        THEN exact_sum(CASE WHEN component IN ('it', 'overhead') THEN energy_kwh END) END AS facility_kwh,
    coalesce(exact_sum(CASE WHEN component = 'it' AND gco2e IS NULL THEN energy_kwh END), 0) AS unlocated_kwh,
    exact_sum(CASE WHEN component = 'it' THEN gco2e END) / 1e3 AS it_kgco2e,
    exact_sum(CASE WHEN component = 'overhead' THEN gco2e END) / 1e3 AS overhead_kgco2e,
    exact_sum(CASE WHEN component = 'chip' THEN gco2e END) / 1e3 AS chip_kgco2e,
    exact_sum(CASE WHEN component = 'server' THEN gco2e END) / 1e3 AS server_kgco2e,
    exact_sum(CASE WHEN component = 'building' THEN gco2e END) / 1e3 AS building_kgco2e,
    exact_sum(CASE WHEN component IN ('it', 'overhead') THEN gco2e END) / 1e3 AS location_kgco2e,
    exact_sum(CASE WHEN component IN ('chip', 'server', 'building') THEN gco2e END) / 1e3 AS embodied_kgco2e,
    exact_sum(low_gco2e) / 1e3 AS low_kgco2e, exact_sum(gco2e) / 1e3 AS total_kgco2e,
    exact_sum(high_gco2e) / 1e3 AS high_kgco2e
FROM core.emission WHERE job_id IS NOT NULL GROUP BY ALL
"""
_COVERAGE = """
SELECT job.job_id, job.attempt, least(coalesce(covered_s, 0) / nullif(
    greatest(end_ms - start_ms, 0) / 1e3 * greatest(coalesce(used.devices_n, 0), coalesce(reserved.devices_n, 0)), 0
), 1) AS coverage_fraction
FROM core.job AS job
LEFT JOIN (
    SELECT job_id, attempt, exact_sum(covered_s) AS covered_s, count(DISTINCT (host, device, point)) AS devices_n
    FROM core.job_energy GROUP BY ALL
) AS used USING (job_id, attempt)
LEFT JOIN (
    SELECT job_id, attempt, count(DISTINCT (host, device)) AS devices_n
    FROM raw.job_device WHERE device <> '*' GROUP BY ALL
) AS reserved USING (job_id, attempt)
"""


def _differing(lake: Lake, sql: str, where: str = "true") -> list[tuple[object, ...]]:
    columns = ", ".join(name for name, *_ in lake.connection.execute(f"DESCRIBE {sql}").fetchall())
    stated = f"SELECT {columns} FROM mart.job WHERE {where}"
    return lake.rows(f"(({sql}) EXCEPT ({stated})) UNION ALL (({stated}) EXCEPT ({sql}))")


@pytest.mark.parametrize("zone", ["DE", None])
def test_a_job_is_the_sum_of_its_days(tmp_path: Path, zone: str | None) -> None:
    place = {"id": "dc1", "hosts": ["host-*"]} | ({"zone": zone, "pue": 1.3} if zone else {})
    config = make_home(tmp_path / "home", facility=[place])
    world = World.small(5, jobs=4)
    with open_lake(config) as lake:
        order = world.shuffled(5)
        for part in (order[::2], order[1::2]):  # the second half changes days and jobs that were computed
            world.land(config, part)
            run_all(lake)
        assert lake.value("SELECT max(n) FROM (SELECT count(*) AS n FROM core.job_day GROUP BY job_id, attempt)") > 1
        assert _differing(lake, _ENERGY, "it_kwh IS NOT NULL") == []
        assert _differing(lake, _MASS, "it_kwh IS NOT NULL") == []
        assert _differing(lake, _COVERAGE) == []
