"""LLMCarbon's tables: figures of models over a stated time, never energy of a device or a job."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from collectors.importers.errors import SourceError
from collectors.importers.formats import load
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult

FORMAT = load("llmcarbon-csv")
DOCS = Path(__file__).resolve().parents[5] / "docs" / "importers"
DAY_MS = 86_400_000
START_MS = 1_588_291_200_000  # 2020-05-01 UTC
NEW = (
    "name,type,parameter # (B),base model param. # (B),token # (B),CO2eq/KWh,PUE,computing device,device TPD (W),"
    "avg. system power (W),peak TFLOPs/s,achieved TFLOPs/s,hardware efficiency,device #,total zettaFLOPs,training days,"
    "actual tCO2eq,energy MWh"
)
OLD = (
    "LLM,developer,param. # (B),token # (B),C02 e/KWh,PUE,device,device TDP (W),avg. power (W),peak TFLOPs/s,"
    "actual TFLOPs/s,hardware eff.,chip #,total FLOPs,predicted FLOPs,training days,predicted days,tC02 e,"
    "predicted tC02 e,Error"
)
GPT3 = "GPT3,dense,175,,300,0.429,1.1,V100,300,330,125,24.6,0.197,10000,314,14.8,552.1,1287"
OLD_GPT3 = (
    "GPT3,OpenAI,175,300,0.429,1.1,V100,300,330,125,24.6,19.70,10000,3.14E+23,3.60E+23,14.8,17.1,552.1,638.8,15.70"
)


class Landed:
    """An import of one text, and what it landed."""

    def __init__(self, folder: Path, text: str, **options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        source = folder / "database.csv"
        source.write_text(text, encoding="utf-8")
        self.result: ImportResult = import_format(
            FORMAT, source, folder / "landing", {"start": "2020-05-01", **options}
        )
        self.rows: list[dict[str, Any]] = [
            row
            for path in sorted((folder / "landing").glob("stated_figure/date=*/hour=*/*.parquet"))
            for row in pq.read_table(path, partitioning=None).to_pylist()
        ]

    def figures(self) -> dict[tuple[str, str], tuple[float, str]]:
        return {(row["method"], row["quantity"]): (row["value"], row["unit"]) for row in self.rows}


def test_what_was_reported_lands_as_written_and_nothing_else_does(tmp_path: Path) -> None:
    landed = Landed(tmp_path, f"{NEW}\n{GPT3}\n", version="dbd96b7")
    assert landed.figures() == {
        ("reported", "emissions"): (552.1, "tCO2e"),
        ("reported", "energy"): (1287, "MWh"),
        ("input", "intensity"): (0.429, "kgCO2e/kWh"),
        ("input", "mean_power"): (330, "W"),
    }
    assert set(landed.result.landed_by_table) == {"stated_figure"}
    for row in landed.rows:
        assert (row["source"], row["version"], row["subject_kind"], row["subject"]) == (
            "llmcarbon",
            "dbd96b7",
            "model",
            "GPT3",
        )
        assert (row["start_ms"], row["end_ms"]) == (START_MS, START_MS + round(14.8 * DAY_MS))
    assert dict(landed.rows[0]["labels"])["devices_n"] == "10000"
    assert not landed.result.findings


def test_the_older_table_has_predictions_over_their_own_time(tmp_path: Path) -> None:
    landed = Landed(tmp_path, f"{OLD}\n{OLD_GPT3}\n")
    assert landed.figures()["predicted", "emissions"] == (638.8, "tCO2e")
    assert landed.figures()["reported", "emissions"] == (552.1, "tCO2e")
    days = {row["method"]: (row["end_ms"] - row["start_ms"]) / DAY_MS for row in landed.rows}
    assert days == {"predicted": 17.1, "reported": 14.8, "input": 14.8}


def test_there_is_no_import_without_a_stated_time(tmp_path: Path) -> None:
    source = tmp_path / "database.csv"
    source.write_text(f"{NEW}\n{GPT3}\n", encoding="utf-8")
    with pytest.raises(SourceError, match="--start is required"):
        import_format(FORMAT, source, tmp_path / "landing", {})
    with pytest.raises(SourceError, match="--start 'May' is no time"):
        import_format(FORMAT, source, tmp_path / "landing", {"start": "May"})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (GPT3.replace("14.8,552.1,1287", ",552.1,1287"), "missing_value"),
        (GPT3.replace("552.1,1287", ","), "missing_value"),
        (GPT3.replace("GPT3", ""), "missing_value"),
        (GPT3.replace("552.1", "552t"), "unparseable_number"),
        (GPT3.replace("552.1", "-552.1"), "out_of_range"),
        (GPT3.replace("14.8", "99999"), "out_of_range"),
        (GPT3[:60], "torn_row"),
    ],
)
def test_a_row_that_lacks_what_a_figure_needs_is_refused(tmp_path: Path, row: str, reason: str) -> None:
    landed = Landed(tmp_path, f"{NEW}\n{row}\n{GPT3.replace('GPT3', 'other')}\n")
    assert landed.result.rejected_by_reason == {reason: 1}
    assert {row["subject"] for row in landed.rows} == {"other"}


def test_a_row_that_contradicts_itself_is_told(tmp_path: Path) -> None:
    by_energy = Landed(tmp_path / "a", f"{NEW}\n{GPT3.replace('1287', '128.7')}\n").result.findings
    assert [("128.7 MWh" in said, "tCO2e" in said) for said in by_energy] == [(True, False), (False, True)]
    assert "give 1289 MWh" in by_energy[0]


def test_one_model_may_be_chosen_and_tied_to_a_job(tmp_path: Path) -> None:
    text = f"{NEW}\n{GPT3}\n{GPT3.replace('GPT3', 'ours')}\n"
    landed = Landed(tmp_path / "a", text, only="ours", job_id="job-1", start="2020-05-01T02:00:00+02:00")
    assert {(row["subject"], row["job_id"], row["start_ms"]) for row in landed.rows} == {("ours", "job-1", START_MS)}
    assert landed.result.rows_filtered == 1
    with pytest.raises(SourceError, match="--job-id needs one model, and there are 2"):
        Landed(tmp_path / "b", text, job_id="job-1")
    with pytest.raises(SourceError, match="no row that can be taken is named 'gpt4'"):
        Landed(tmp_path / "c", text, only="gpt4")


def test_a_model_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    again = Landed(tmp_path / "a", f"{NEW}\n{GPT3}\n{GPT3}\n").result
    assert (again.rows_filtered, again.rows_rejected, again.rows_landed) == (1, 0, 4)
    other = Landed(tmp_path / "b", f"{NEW}\n{GPT3}\n{GPT3.replace('552.1', '553.1')}\n").result
    assert other.rejected_by_reason == {"conflicting_row": 1}


def test_a_foreign_table_is_named_and_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "hardware.csv").write_text("hardware,num\nCPU,64\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"hardware\.csv: is no table of models of LLMCarbon"):
        import_format(FORMAT, tmp_path / "data", tmp_path / "landing", {"start": "2020-05-01"})
    (tmp_path / "data" / "database.csv").write_text(f"{NEW}\r\n{GPT3}\r\n", encoding="utf-8")
    result = import_format(FORMAT, tmp_path / "data", tmp_path / "landing", {"start": "2020-05-01"})
    assert result.rows_landed == 4
    assert any("hardware.csv" in said for said in result.findings)
    with pytest.raises(SourceError, match="two columns of one meaning"):
        Landed(tmp_path / "b", f"{NEW},tCO2e\n{GPT3},1\n")


def test_the_example_of_the_docs_gives_what_they_say(tmp_path: Path) -> None:
    page = (DOCS / "llmcarbon-csv.md").read_text(encoding="utf-8")
    example = re.search(r"<!-- example: database.csv -->\n```\n(.*?)```", page, re.S)
    assert example
    landed = Landed(tmp_path, example[1])
    assert landed.figures()["reported", "energy"] == (250, "MWh")
    assert len(landed.rows) == 4
    assert not landed.result.findings
    for option in FORMAT.options:
        assert f"`--{option.name.replace('_', '-')}`" in page
