"""``wattledger estimate --record``: a forecast lands, and a later run of the line holds it against its job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors.contract import FORECAST_PHASES
from tests.unit.pipelines.cli.helpers import Run, land
from warehouse.config import Config
from warehouse.lake import open_lake

PLAN = (
    "--parameters",
    "1M",
    "--tokens",
    "1M",
    "--device",
    "H100",
    "--devices",
    "1",
    "--pue",
    "1.15",
    "--intensity",
    "350",
)


def rows(config: Config, sql: str) -> list[tuple[object, ...]]:
    with open_lake(config, read_only=True) as lake:
        return lake.rows(sql)


def test_a_recorded_forecast_meets_its_job(home: Config, wattledger: Run) -> None:
    result = wattledger("estimate", "--name", "job-1", *PLAN, "--record", "--format", "json")
    (stated,) = json.loads(result.stdout)
    assert "Recorded 1 in" in result.stderr
    land(home)
    wattledger("run", "--no-record")
    (kept,) = rows(home, "select distinct forecast_id, run, device, inputs_json, assumed_json from raw.forecast")
    assert kept[:3] == (stated["forecast_id"], "job-1", "H100 SXM5 80GB")
    assert (json.loads(str(kept[3])), json.loads(str(kept[4]))) == (stated["inputs"], stated["assumed"])
    figures = dict(rows(home, "select phase || ' ' || component, central from raw.forecast"))
    assert figures == {f"{one['phase']} {one['component']}": one["central"] for one in stated["figures"]}
    # The readings of the test are of 2025, so the forecast comes too late to be scored.
    asked = "select state, linked_by, jobs_n, actual > 0 from mart.prediction_score where component = 'energy_it'"
    assert set(rows(home, asked)) == {("made_late", "name", 1, True)}


def test_the_same_forecast_again_is_the_same_forecast(home: Config, wattledger: Run) -> None:
    for _ in range(2):
        wattledger("estimate", "--name", "job-1", *PLAN, "--record", "--model", "m", "--model-version", "2")
    wattledger("run", "--no-record")
    assert rows(home, "select count(distinct forecast_id), count(distinct made_ms) from raw.forecast") == [(1, 2)]
    assert rows(home, "select distinct state, jobs_n from mart.prediction_score") == [("no_job", 0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--job", "x"), "give --record with them"),
        (("--record",), "needs the name of its job (--name), or a link"),
        (("--record", "--job", "x", "--model", "m"), "to a job ('x') or to a model ('m'), not to both"),
        (("--record", "--model-version", "2"), "the model version '2' needs its model"),
    ],
)
def test_a_link_that_cannot_be(home: Config, wattledger: Run, arguments: tuple[str, ...], message: str) -> None:
    assert message in wattledger("estimate", *PLAN, *arguments, code=2).output
    assert not list(home.landing_path.rglob("*.parquet"))


def test_several_plans_are_not_one_job(home: Config, wattledger: Run, tmp_path: Path) -> None:
    file = tmp_path / "plans.csv"
    file.write_text("name,parameters_n,tokens_n,device,devices_n\na,7B,1T,A100,256\nb,13B,1T,H100,256\n")
    asked = ("estimate", "--plan", str(file), "--pue", "1.1", "--intensity", "50", "--record")
    assert "2 plans cannot all be the job 'x'" in wattledger(*asked, "--job", "x", code=2).output
    wattledger(*asked)
    wattledger("run", "--no-record")
    assert rows(home, "select distinct run, device from raw.forecast order by 1") == [
        ("a", "A100 SXM4 80GB"),
        ("b", "H100 SXM5 80GB"),
    ]


def test_the_contract_has_every_phase_of_a_forecast(wattledger: Run) -> None:
    whole = (*PLAN, "--experimentation", "published", "--fine-tuning-tokens", "1M", "--requests-per-day", "10",
             "--input-tokens", "10", "--output-tokens", "10", "--inference-days", "1", "--storage-tb", "1",
             "--storage-days", "1", "--storage-media", "ssd")  # fmt: skip
    (document,) = json.loads(wattledger("estimate", *whole, "--format", "json").stdout)
    phases = {one["phase"] for one in document["figures"]}
    assert phases == set(FORECAST_PHASES) - {"data_processing"}
