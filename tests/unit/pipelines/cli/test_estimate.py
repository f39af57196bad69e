"""``wattledger estimate``: flags, plan files, forms of output, refusals; with no lake and no network."""

from __future__ import annotations

import csv
import io
import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.llmcarbon_rows import TABLE
from tests.unit.pipelines.cli.helpers import Run

SEED = ("--parameters", "30B", "--device", "A100", "--devices", "512", "--pue", "1.15", "--intensity", "350")
TOML = """
[run]
name = "small"
tokens_n = "300B"
device = "H100"
devices_n = 64
pue = 1.2
gco2e_per_kwh = 100
sequence_length_n = 4096

[shape]
layers_n = 32
hidden_size = 4096
heads_n = 32
kv_heads_n = 8
head_size = 128
ff_size = 14336
vocabulary_n = 128256
gated = true
tied = false
norm = "rmsnorm"
"""


@pytest.fixture(autouse=True)
def _no_network_and_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("estimate must not open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("WATTLEDGER_HOME", str(tmp_path / "nowhere"))


def figures(output: str) -> dict[tuple[str, str], float]:
    return {(row["phase"], row["component"]): row["central"] for row in json.loads(output)[0]["figures"]}


def test_the_seed_scenario_in_a_table(wattledger: Run, tmp_path: Path) -> None:
    output = wattledger("estimate", "--name", "30B", *SEED, "--days", "30", "--power", "330").output
    operational = next(text for text in output.splitlines() if "operational" in text)
    assert [cell.strip() for cell in operational.split("│")][3] == "49.0"
    assert "stated" in operational
    assert "Assumed, because the plan does not state it:" in output
    assert "*8-accelerator host" in output
    assert not (tmp_path / "nowhere").exists(), "nothing may be written"


def test_json_and_csv_hold_the_same_figures(wattledger: Run) -> None:
    asked = ("estimate", *SEED, "--tokens", "600B")
    held = figures(wattledger(*asked, "--format", "json").output)
    rows = list(csv.DictReader(io.StringIO(wattledger(*asked, "--format", "csv").output)))
    shown = {(row["phase"], row["component"]): float(row["central"]) for row in rows if row["phase"] != "assumed"}
    assert shown == pytest.approx(held)
    assert {row["component"] for row in rows if row["phase"] == "assumed"} >= {"device_power_w", "embodied_server"}
    assert all(row["source_ids"] for row in rows if row["tier"] in {"T2", "T3", "T4"})


def test_a_toml_plan_with_a_shape_and_a_flag_that_goes_before_it(wattledger: Run, tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text(TOML)
    held = figures(wattledger("estimate", "--plan", str(file), "--format", "json").output)
    # 6 x 8.030261248e9 + 12 x 32 x 32 x 128 x 4096 = 4.818157e10 + 6.44245e9 a token, x 300e9
    assert held["training", "model_flop"] == pytest.approx((4.818157e10 + 6.44245e9) * 300e9, rel=1e-5)
    doubled = figures(wattledger("estimate", "--plan", str(file), "--tokens", "600B", "--format", "json").output)
    assert doubled["training", "device_hours"] == pytest.approx(2 * held["training", "device_hours"])


def test_a_csv_of_plans_gives_a_forecast_each(wattledger: Run, tmp_path: Path) -> None:
    file = tmp_path / "plans.csv"
    file.write_text("name,parameters_n,tokens_n,device,devices_n\na,7B,1T,A100,256\nb,13B,1T,H100,256\n")
    output = wattledger("estimate", "--plan", str(file), "--pue", "1.1", "--intensity", "50", "--format", "json").output
    assert [document["run"] for document in json.loads(output)] == ["a", "b"]


def test_llmcarbons_table_is_a_plan_and_its_method_stands_beside_ours(wattledger: Run, tmp_path: Path) -> None:
    file = tmp_path / "database.csv"
    file.write_text("\ufeff" + TABLE)
    documents = json.loads(wattledger("estimate", "--plan", str(file), "--format", "json").output)
    assert [document["run"] for document in documents] == ["T5", "GPT3", "Gshard", "Switch", "XLM"]
    output = wattledger("estimate", "--plan", str(file), "--method", "llmcarbon").output
    for delta in ("-0.02063", "+0.00225", "+0.03260", "+0.07924", "-0.03535"):
        assert delta in output


def test_a_zone_takes_this_year_and_says_so(wattledger: Run) -> None:
    asked = ("--parameters", "7B", "--tokens", "100B", "--device", "H100", "--devices", "64", "--zone", "DE")
    document = json.loads(wattledger("estimate", *asked, "--format", "json").output)[0]
    year = datetime.now(UTC).year
    assert document["inputs"]["year"] == year
    why = next(note["why"] for note in document["assumed"] if note["field"] == "gco2e_per_kwh")
    assert f"years from {year}" in why


def test_a_plan_that_does_not_fit_is_refused_with_the_numbers(wattledger: Run) -> None:
    output = wattledger("estimate", "--parameters", "100B", "--tokens", "2T", "--device", "A100", "--devices", "1200",
                        "--days", "60", "--pue", "1.15", "--intensity", "350", code=1).output  # fmt: skip
    assert "the plan does not fit: 2e+12 tokens on 1e+11 parameters need" in output
    assert "1,200 devices in 60 days have 1,728,000" in output


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (("--parameters", "7", "--tokens", "1T"), "parameters_n = 7 is outside [100000, 1e+14] parameters; write 7e9"),
        ((*SEED, "--tokens", "0"), "tokens_n = 0 is outside"),
        ((*SEED, "--tokens", "-5B"), "tokens_n = -5e+09 is outside"),
        ((*SEED, "--tokens", "nan"), "tokens_n must be a finite number of tokens, not nan"),
        (("--device", "H9000", *SEED[:2], *SEED[4:], "--tokens", "1T"), "device = 'H9000' is not known; known: V100"),
        ((*SEED[:-2], "--tokens", "1T"), "no grid is stated"),
        (SEED, "the plan states no phase"),
        ((*SEED, "--tokens", "1T", "--utilisation", "45"), "a fraction, not a percentage"),
        (("--method", "llmcarbon"), "needs --plan with LLMCarbon's database.csv"),
    ],
)
def test_bad_input_names_field_value_and_range(wattledger: Run, asked: tuple[str, ...], problem: str) -> None:
    assert problem in wattledger("estimate", *asked, code=2).output


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("plan.toml", "[run\n", "not TOML"),
        ("plan.toml", "[plan]\n", "a plan holds the table [run] and perhaps [shape], not 'plan'"),
        ("plan.toml", "[run]\nparams = 7\n", "the field 'params' is not known"),
        ("plan.csv", "name,tokens_n\n", "needs a header of fields and rows"),
        ("plan.csv", "name\na,b\n", "rows as long as it"),
        ("plan.csv", "\udcff", "cannot be read"),
        ("database.csv", TABLE.replace(",1.12,", ",high,"), "column PUE: a number is needed, found 'high'"),
    ],
)
def test_a_bad_plan_file_is_refused_and_named(
    wattledger: Run, tmp_path: Path, name: str, text: str, problem: str
) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    output = wattledger("estimate", "--plan", str(file), code=2).output
    assert problem in output
    assert name in output


def test_a_missing_file_and_flags_beside_llmcarbons_table_are_refused(wattledger: Run, tmp_path: Path) -> None:
    assert "cannot be read" in wattledger("estimate", "--plan", str(tmp_path / "none.toml"), code=2).output
    file = tmp_path / "database.csv"
    file.write_text(TABLE)
    assert "flags do not go with" in wattledger("estimate", "--plan", str(file), "--pue", "1.1", code=2).output


def test_own_history_goes_before_published_runs(wattledger: Run, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    rows = "".join(f"run {n},30B,600B,A100,192308\n" for n in range(20))  # utilisation 0.5
    file.write_text("name,parameters_n,tokens_n,device,device_hours\n" + rows)
    asked = ("estimate", *SEED, "--tokens", "600B", "--format", "json")
    before, after = (figures(wattledger(*asked, *more).output) for more in ((), ("--history", str(file))))
    assert after["training", "utilisation"] == pytest.approx(0.5, rel=0.05)
    assert before["training", "utilisation"] < 0.4
