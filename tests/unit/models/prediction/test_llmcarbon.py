"""LLMCarbon's own method: its five deltas, and our forecast beside them."""

from __future__ import annotations

import pytest

from models.prediction import llmcarbon
from models.prediction.inputs import InputError
from models.prediction.request import from_llmcarbon
from models.prediction.validation import emissions_without
from models.table import FactorDataError
from tests.support.llmcarbon_rows import HEADER, LLMCARBON_ROWS, TABLE

DELTAS = {"T5": -0.02063, "GPT3": 0.00225, "Gshard": 0.03260, "Switch": 0.07924, "XLM": -0.03535}
ROWS = {row.name: row for row in llmcarbon.read("database.csv", TABLE)}


@pytest.mark.parametrize("name", sorted(DELTAS))
def test_its_own_deltas_are_reproduced(name: str) -> None:
    assert llmcarbon.training(ROWS[name]).delta == pytest.approx(DELTAS[name], abs=5e-6)


def test_gpt3_by_hand() -> None:
    # 6 x 175e9 x 300e9 = 315 zFLOP; / (10000 x 125e12 x 0.197 x 86400) = 14.805 d
    # 330 W x 10000 x 14.805 x 24 / 1e6 x 1.1 = 1,289.83 MWh; x 0.429 = 553.34 t; / 552.1 = +0.00225
    found = llmcarbon.training(ROWS["GPT3"])
    assert (found.zflop, found.days) == pytest.approx((315, 14.8054), rel=1e-5)
    assert (found.mwh, found.tco2e) == pytest.approx((1_289.84, 553.34), rel=1e-4)


@pytest.mark.parametrize("name", sorted(DELTAS))
def test_our_forecast_without_the_rows_own_efficiency_holds_what_was_reported(name: str) -> None:
    row = ROWS[name]
    ours = emissions_without(row)
    assert row.reported_tco2e is not None
    assert ours.low / 1e3 <= row.reported_tco2e <= ours.high / 1e3
    assert ours.high / ours.low < 6, "an interval that holds everything says nothing"


def test_our_forecast_of_a_row_does_not_move_with_its_efficiency_power_days_or_result() -> None:
    changed = LLMCARBON_ROWS["GPT3"].replace("330", "999").replace("0.197", "0.9").replace("14.8", "1")
    row = llmcarbon.read("x", f"{HEADER}\n{changed}\n")[0]
    assert row.system_power_w == 999
    assert emissions_without(row).central == pytest.approx(emissions_without(ROWS["GPT3"]).central, rel=1e-12)


def test_every_column_of_its_table_is_kept() -> None:
    assert llmcarbon.is_llmcarbon(HEADER)
    assert HEADER.split(",") == list(llmcarbon.COLUMNS)
    held = ROWS["Gshard"]
    assert (held.architecture, held.base_parameters_b, held.active_parameters_b) == ("MoE", 2.3, 2.3)
    assert (held.device_tdp_w, held.achieved_tflops, held.reported_zflop, held.reported_mwh) == (450, 48, 13.3, 24.1)
    assert (held.reported_days, held.peak_tflops, held.tokens_b, held.devices_n) == (3.1, 123, 1000, 1000)


def test_a_plan_from_a_row_leaves_its_efficiency_and_power_behind() -> None:
    plan = from_llmcarbon(ROWS["Gshard"])
    assert (plan.parameters_n, plan.active_parameters_n, plan.tokens_n) == (619e9, 2.3e9, 1e12)
    assert (plan.utilisation_fraction, plan.device_power_w, plan.days) == (None, None, None)
    assert plan.gco2e_per_kwh == 177


def test_bad_tables_are_refused_with_file_line_and_column() -> None:
    with pytest.raises(InputError, match="the column 'PUE' is missing"):
        llmcarbon.read("x.csv", TABLE.replace("PUE", "pue factor"))
    with pytest.raises(FactorDataError, match=r"x.csv, line 2, column token # \(B\): a number is needed, found 'many'"):
        llmcarbon.read("x.csv", TABLE.replace(",600,", ",many,"))
    with pytest.raises(FactorDataError, match="needs the size of its base model"):
        llmcarbon.read("x.csv", TABLE.replace("619,2.3", "619,"))
