"""The kernel on the real sets: against the rule in SQL and against exact fractions, every segment of every day."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from collectors.contract import MAX_TIME_MS, MIN_TIME_MS
from tests.real.conftest import Imported
from tests.real.lakes import take
from tests.support.reference_segments import reference_segments
from warehouse import energy, recheck, temporaries, transform
from warehouse.kernel.check import compare
from warehouse.lake import Lake, open_lake
from warehouse.samples import view_readings

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module", params=["mlperf-training-smc-ac", "mlperf-inference-h200"])
def lake(
    request: pytest.FixtureRequest, imported: Callable[[str], Imported], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    found = imported(request.param)
    taken = take(found.landing, found.source, tmp_path_factory.mktemp("agreement"))
    with open_lake(taken.config) as opened:
        yield opened


def days_of(lake: Lake) -> list[str]:
    return [str(day) for (day,) in lake.rows("select distinct day from core.energy_segment order by 1")]


def test_the_rule_in_sql_gives_the_same_segments(lake: Lake) -> None:
    run = transform.calculation(lake.config)
    compared = 0
    for day in days_of(lake):
        number, differing = recheck.differences_from_sql(lake, run, day)
        assert differing == []
        compared += number
    assert compared == lake.value("select count(distinct (host, device, point, start_ms)) from core.energy_segment")


def test_exact_fractions_give_the_same_segments(lake: Lake) -> None:
    view_readings(lake, "all_reading", MIN_TIME_MS, MAX_TIME_MS)
    rows = lake.connection.execute("from all_reading").to_arrow_table().to_pylist()
    rules = energy.rules_of(lake.config.accounting)
    lake.connection.execute("create or replace temp table chosen_host as select distinct host from all_reading")
    for day in days_of(lake):
        temporaries.prepare(lake, day)
        start_ms, end_ms = energy.day_bounds_ms(day)
        near = [row for row in rows if start_ms - rules.reach_ms <= row["ts_ms"] <= end_ms + rules.reach_ms]
        cuts = {host: list(at) for host, at in energy.read_cuts(lake.connection, day).items()}
        expected = reference_segments(near, start_ms, end_ms, cuts, rules)
        stored = lake.connection.execute(recheck._STORED, {"day": day}).to_arrow_table()
        assert compare(stored, expected) == []
        assert stored.num_rows > 0
