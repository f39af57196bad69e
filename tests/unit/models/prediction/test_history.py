"""One's own finished runs as a table."""

from __future__ import annotations

import pytest

from models.prediction import history
from models.prediction.forecast import forecast
from models.prediction.inputs import InputError
from models.prediction.request import RunPlan
from models.table import FactorDataError

HEADER = "name,parameters_n,tokens_n,device,devices_n,device_hours\n"
# 6 x 7e9 x 1e12 / (0.5 x 312e12 x 3600) = 74,786 h: utilisation 0.5
RUNS = "".join(f"run {n},7B,1T,A100,256,74786\n" for n in range(12))
PLANNED = RunPlan("next", 7e9, tokens_n=1e12, device="A100", devices_n=256, pue=1.1, gco2e_per_kwh=100)


def test_utilisation_follows_from_tokens_and_device_hours() -> None:
    assert history.read("own.csv", HEADER + RUNS)[0].run.utilisation == pytest.approx(0.5, rel=1e-4)


def test_own_runs_take_the_forecast_over_and_narrow_it() -> None:
    own = history.without(history.read("own.csv", HEADER + RUNS), "next")
    hours = [
        next(one for one in forecast(PLANNED, runs).lines if one.component == "device_hours") for runs in ((), own)
    ]
    assert hours[1].central == pytest.approx(74_786, rel=0.05)
    assert hours[1].high / hours[1].low < 0.6 * hours[0].high / hours[0].low


def test_a_run_is_never_forecast_from_itself() -> None:
    finished = history.read("own.csv", HEADER + RUNS + "next,7B,1T,A100,256,500000\n")
    assert len(history.without(finished, "next")) == len(finished) - 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEADER + "a,7,1T,A100,256,74786\n", r"own.csv, line 2, parameters_n = 7 is outside .* write 7e9 or 7B"),
        (HEADER + "a,7B,1T,A100,256,7\n", r"line 2: the utilisation that follows from its device_hours = 5341"),
        (HEADER + "a,7B,1T,Z100,256,74786\n", "device = 'Z100' is not known"),
        (HEADER.replace("devices_n", "gpus") + RUNS, "the column 'gpus' is not known; known: name, parameters_n"),
        ("name,parameters_n,tokens_n,device,device_hours,precision\na,7B,1T,A100,74786,fp12\n", "precision = 'fp12'"),
    ],
)
def test_a_bad_row_is_named(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        history.read("own.csv", text)


def test_a_missing_value_names_file_line_and_column() -> None:
    with pytest.raises(FactorDataError, match=r"own\.csv, line 2, column device_hours: a text is needed"):
        history.read("own.csv", HEADER + "a,7B,1T,A100,256,\n")
