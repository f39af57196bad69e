"""``wattledger estimate --own-history``: finished training jobs of the ledger go before published runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.homes import write_config
from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from tests.unit.pipelines.cli.helpers import START_MS, STEP_MS, Run
from warehouse.config import Config

HOUR_MS = 3_600_000
MODEL_N = 1_000_000_000
# 40 % of 989.4 TFLOP/s over an hour: 6 x 1e9 x tokens = 0.4 x 989.4e12 x 3600
TOKENS_N = round(0.4 * 989.4e12 * 3600 / 6 / MODEL_N)
PLAN = (
    "--parameters",
    "1B",
    "--tokens",
    "100B",
    "--device",
    "H100",
    "--devices",
    "1",
    "--pue",
    "1.1",
    "--intensity",
    "50",
)


def land_training(config: Config, job_id: str = "before", **stated: Any) -> None:
    """Land an hour of one GPU with a training job on it."""
    end_ms = START_MS + HOUR_MS
    stated = {"parameters_n": MODEL_N, "tokens_n": TOKENS_N} | stated
    ended = {"state": "completed"} | stated
    for table, rows in (
        ("power_sample", [sample(START_MS + at_ms) for at_ms in range(0, HOUR_MS + 1, STEP_MS)]),
        ("job_event", [job_event(START_MS, job_id, "started"), job_event(end_ms, job_id, "ended", **ended)]),
        ("job_device", [job_device(job_id, START_MS, end_ms=end_ms)]),
    ):
        content = landed_bytes(table, rows, written_ms=end_ms)
        put(config.landing_path, landed_name(table, START_MS, "a"), content)


def state_hardware(config: Config, accelerator: str = "NVIDIA H100 80GB HBM3") -> None:
    write_config(config.home, hardware=[{"hosts": ["host-*"], "accelerator": accelerator, "accelerators_n": 1}])


def utilisation(text: str) -> tuple[float, float, float]:
    (one,) = [row for row in json.loads(text)[0]["figures"] if row["component"] == "utilisation"]
    return one["low"], one["central"], one["high"]


def test_an_own_run_moves_the_forecast_and_narrows_it(home: Config, wattledger: Run) -> None:
    state_hardware(home)
    land_training(home)
    wattledger("run", "--no-record")
    without = utilisation(wattledger("estimate", *PLAN, "--format", "json").stdout)
    result = wattledger("estimate", *PLAN, "--own-history", "--format", "json")
    assert "Learned from 1 own runs of the ledger." in result.stderr
    low, central, high = utilisation(result.stdout)
    assert without[1] < central < 0.4
    assert high / low < without[2] / without[0]


def test_a_run_is_never_forecast_from_itself(home: Config, wattledger: Run) -> None:
    state_hardware(home)
    land_training(home)
    wattledger("run", "--no-record")
    plain = utilisation(wattledger("estimate", "--name", "before", *PLAN, "--format", "json").stdout)
    again = wattledger("estimate", "--name", "before", *PLAN, "--own-history", "--format", "json")
    assert utilisation(again.stdout) == plain


@pytest.mark.parametrize(
    ("accelerator", "stated", "reason"),
    [
        ("", {}, "Nothing is learned from job before: the model of its accelerators is not known"),
        ("Unheard-of 9000", {}, "Nothing is learned from job before: device = "),
        ("NVIDIA H100 80GB HBM3", {"tokens_n": TOKENS_N * 10}, "the utilisation that follows from its device_hours"),
    ],
)
def test_what_cannot_teach_is_left_out_with_a_reason(
    home: Config, wattledger: Run, accelerator: str, stated: dict[str, Any], reason: str
) -> None:
    if accelerator:
        state_hardware(home, accelerator)
    land_training(home, **stated)
    wattledger("run", "--no-record")
    result = wattledger("estimate", *PLAN, "--own-history", "--format", "json")
    assert reason in result.stderr
    assert "Learned from 0 own runs" in result.stderr


def test_without_a_publication_it_says_what_to_do(home: Config, wattledger: Run) -> None:
    assert home.home.is_dir()
    assert "run `wattledger run` first" in wattledger("estimate", *PLAN, "--own-history", code=2).output
