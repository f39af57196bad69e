"""BoAmps: a report's energy counts once and over its own interval; what it does not say is refused, not invented."""

from __future__ import annotations

import copy
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from collectors.importers.errors import SourceError
from collectors.importers.formats import load
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult

FORMAT = load("boamps")
DOCS = Path(__file__).resolve().parents[6] / "docs" / "importers"
RUN = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
NOON_MS = 1_709_294_400_000  # 2024-03-01 12:00 UTC

REPORT: dict[str, Any] = {
    "header": {
        "formatVersion": "0.1",
        "reportId": "r-1",
        "reportDatetime": "2024-04-02 09:00:00",
        "publisher": {"name": "example", "division": "nlp", "projectName": "chat", "confidentialityLevel": "internal"},
    },
    "task": {
        "taskStage": "inference",
        "taskFamily": "chatbot",
        "nbRequest": 4,
        "algorithms": [{"algorithmType": "llm", "foundationModelName": "llama3.1-8b", "parametersNumber": 8}],
        "dataset": [
            {"dataUsage": "input", "dataType": "token", "dataQuantity": 11},
            {"dataUsage": "output", "dataType": "token", "dataQuantity": 828.5},
        ],
        "measuredAccuracy": 0.9,
    },
    "measures": [
        {
            "measurementMethod": "zeus",
            "version": "0.10",
            "powerConsumption": 0.25,
            "measurementDuration": 1800.5,
            "measurementDateTime": "2024-03-01 12:00:00",
        }
    ],
    "infrastructure": {
        "infraType": "publicCloud",
        "cloudProvider": "google",
        "components": [{"componentType": "gpu", "nbComponent": 1}],
    },
    "environment": {"country": "france", "powerSourceCarbonIntensity": 56},
    "quality": "medium",
}


def report(**changes: Any) -> dict[str, Any]:
    """Return a report; ``a__b=value`` sets a field, ``None`` takes it away; ``measure`` is the only measure."""
    made: dict[str, Any] = copy.deepcopy(REPORT)
    for path, value in changes.items():
        *parents, name = path.split("__")
        part: Any = made
        for parent in parents:
            part = part["measures"][0] if parent == "measure" else part[parent]
        if value is None:
            del part[name]
        else:
            part[name] = value
    return made


class Landed:
    """An import of reports, and what it landed."""

    def __init__(self, folder: Path, *reports: Any, **options: str) -> None:
        source = folder / "in"
        source.mkdir(parents=True)
        for number, content in enumerate(reports):
            text = content if isinstance(content, str) else json.dumps(content)
            (source / f"report-{number}.json").write_text(text, encoding="utf-8")
        self.result: ImportResult = import_format(FORMAT, source, folder / "landing", {"zone": "UTC", **options})
        self._landing = folder / "landing"

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [
            row
            for path in sorted(self._landing.glob(f"{table}/date=*/hour=*/*.parquet"))
            for row in pq.read_table(path, partitioning=None).to_pylist()
        ]

    def readings(self) -> list[tuple[int, int]]:
        return sorted((row["ts_ms"] - NOON_MS, row["energy_mj"]) for row in self.rows("power_sample"))


def test_the_energy_counts_over_the_interval_that_the_report_states(tmp_path: Path) -> None:
    landed = Landed(tmp_path, report())
    assert landed.readings() == [(0, 0), (1_800_500, 900_000_000)]
    row = landed.rows("power_sample")[0]
    assert (row["host"], row["device"], row["kind"], row["point"]) == ("boamps-r-1", "node", "node", "dc")
    assert (row["source"], row["is_estimate"]) == ("model", True)
    events = {row["event"]: row for row in landed.rows("job_event")}
    assert (events["started"]["ts_ms"] - NOON_MS, events["ended"]["ts_ms"] - NOON_MS) == (0, 1_800_500)


def test_the_task_becomes_the_attributes_of_the_job(tmp_path: Path) -> None:
    ended = {row["event"]: row for row in Landed(tmp_path, report()).rows("job_event")}["ended"]
    names = ("org", "team", "project", "model", "task", "phase", "provider", "parameters_n")
    assert tuple(ended[name] for name in names) == (
        "example",
        "nlp",
        "chat",
        "llama3.1-8b",
        "chatbot",
        "inference",
        "gcp",
        8_000_000_000,
    )
    assert (ended["quality_metric"], ended["quality_value"]) == ("accuracy", 0.9)
    assert dict(ended["labels"])["country"] == "france"
    stated = Landed(tmp_path / "options", report(), org="other", team="t").rows("job_event")[0]
    assert (stated["org"], stated["team"], stated["project"]) == ("other", "t", "chat")


def test_requests_and_their_mean_tokens_are_the_work(tmp_path: Path) -> None:
    (work,) = Landed(tmp_path / "a", report()).rows("work_counter")
    assert (work["requests_n"], work["input_tokens_n"], work["output_tokens_n"]) == (4, 44, 3314)
    assert (work["start_ms"] - NOON_MS, work["end_ms"] - NOON_MS) == (0, 1_800_500)
    assert not Landed(tmp_path / "b", report(task__taskStage="training")).rows("work_counter")
    (none,) = Landed(tmp_path / "c", report(task__dataset=[])).rows("work_counter")
    assert (none["input_tokens_n"], none["output_tokens_n"]) == (None, None)


def test_stated_figures_carry_the_error_that_the_report_states(tmp_path: Path) -> None:
    rows = {row["quantity"]: row for row in Landed(tmp_path, report()).rows("stated_figure")}
    assert (rows["energy"]["low"], rows["energy"]["value"], rows["energy"]["high"]) == (0.1875, 0.25, 0.3125)
    assert (rows["intensity"]["value"], rows["intensity"]["unit"], rows["intensity"]["low"]) == (56, "gCO2e/kWh", None)
    assert {(row["method"], row["version"], row["unit"]) for row in rows.values()} == {
        ("zeus", "0.10", "kWh"),
        ("zeus", "0.10", "gCO2e/kWh"),
    }


def test_a_report_of_codecarbon_ends_at_its_time_and_is_the_run_of_that_id(tmp_path: Path) -> None:
    """CodeCarbon writes the end into a field that the data model keeps for the beginning."""
    time = "2024-03-01 12:00:00"
    codecarbon = report(header__reportId=RUN, header__reportDatetime=time, measure__measurementMethod="codecarbon")
    landed = Landed(tmp_path / "a", codecarbon)
    assert [stamp for stamp, _ in landed.readings()] == [-1_800_500, 0]
    assert {row["host"] for row in landed.rows("power_sample")} == {f"codecarbon-{RUN}"}
    assert {row["job_id"] for row in landed.rows("job_event")} == {f"codecarbon-{RUN}"}
    codecarbon["header"]["reportDatetime"] = "2024-03-09 08:00:00"
    assert [stamp for stamp, _ in Landed(tmp_path / "b", codecarbon).readings()] == [0, 1_800_500]


def test_a_measure_without_a_time_is_refused_unless_the_user_says_when_it_ended(tmp_path: Path) -> None:
    timeless = report(measure__measurementDateTime=None)
    refused = Landed(tmp_path / "a", timeless)
    assert refused.result.rejected_by_reason == {"missing_value": 1}
    assert not refused.result.landed_by_table
    landed = Landed(tmp_path / "b", timeless, without_time="report-end")
    ends = [row["ts_ms"] for row in landed.rows("job_event") if row["event"] == "ended"]
    assert ends == [1_712_048_400_000]  # 2024-04-02 09:00 UTC
    assert any("ended at the date of their report" in said for said in landed.result.assumptions)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"measure__measurementDuration": None}, "missing_value"),
        ({"measure__powerConsumption": None}, "missing_value"),
        ({"measure__powerConsumption": "much"}, "unparseable_number"),
        ({"measure__powerConsumption": -1}, "out_of_range"),
        ({"measure__measurementDuration": 1e300}, "out_of_range"),
        ({"measure__measurementDateTime": "spring"}, "unparseable_time"),
        ({"measure__measurementDateTime": "2024-10-27 02:30:00"}, "ambiguous_time"),
        ({"measure__measurementDateTime": "1999-01-01 00:00:00"}, "out_of_range"),
        ({"measures": []}, "missing_value"),
    ],
)
def test_what_is_missing_or_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    landed = Landed(tmp_path, report(**changes), report(header__reportId="r-2"), zone="Europe/Berlin")
    assert landed.result.rejected_by_reason == {reason: 1}
    assert {row["job_id"] for row in landed.rows("job_event")} == {"boamps-r-2"}


def test_measures_of_the_same_time_are_alternatives_and_a_wattmeter_wins(tmp_path: Path) -> None:
    zeus = REPORT["measures"][0]
    meter = {**zeus, "measurementMethod": "wattmeter", "powerConsumption": 0.4}
    later = {**zeus, "measurementDateTime": "2024-03-01 13:00:00", "powerConsumption": 0.1}
    landed = Landed(tmp_path, report(measures=[zeus, meter, later]))
    hour = 3_600_000
    assert landed.readings() == [(0, 0), (1_800_500, 1_440_000_000), (hour, 0), (hour + 1_800_500, 360_000_000)]
    assert len({row["session"] for row in landed.rows("power_sample")}) == 2
    metered = [row for row in landed.rows("power_sample") if row["source"] == "meter"]
    assert {(row["point"], row["is_estimate"]) for row in metered} == {("ac", False)}
    assert len([row for row in landed.rows("stated_figure") if row["quantity"] == "energy"]) == 3
    assert any("alternatives" in said for said in landed.result.findings)
    assert not landed.rows("work_counter")  # nobody says which requests belong to which measure


@pytest.mark.parametrize(
    ("stage", "phase"),
    [
        ("training", "training"),
        ("Fine-Tuning", "fine_tuning"),
        ("datacreation+preprocessing", "data_processing"),
        ("training+inference", "evaluation"),
        ("thinking", "evaluation"),
    ],
)
def test_a_stage_is_a_phase_or_the_user_states_it(tmp_path: Path, stage: str, phase: str) -> None:
    landed = Landed(tmp_path, report(task__taskStage=stage), phase="evaluation")
    assert {row["phase"] for row in landed.rows("job_event")} == {phase}
    assert any("no single phase" in said for said in landed.result.findings) == (phase == "evaluation")


def test_parameters_that_are_no_billions_are_not_taken(tmp_path: Path) -> None:
    landed = Landed(tmp_path, report(task__algorithms=[{"parametersNumber": 8e9}]))
    assert landed.rows("job_event")[0]["parameters_n"] is None
    assert any("counts in billions" in said for said in landed.result.findings)


@pytest.mark.parametrize(("energy", "readings"), [(0, 0), (5000, 2)])
def test_an_energy_that_no_machine_draws_is_told(tmp_path: Path, energy: float, readings: int) -> None:
    landed = Landed(tmp_path, report(measure__powerConsumption=energy, task__taskStage="training"))
    assert len(landed.readings()) == readings
    assert sum("draws" in said for said in landed.result.findings) == 1


def test_one_report_twice_counts_once_and_another_of_its_id_is_refused(tmp_path: Path) -> None:
    landed = Landed(tmp_path, report(), report(), report(measure__powerConsumption=7.0))
    assert (landed.result.rows_filtered, landed.result.rejected_by_reason) == (1, {"conflicting_row": 1})
    assert landed.readings()[-1][1] == 900_000_000


def test_a_report_without_an_id_is_known_by_its_content(tmp_path: Path) -> None:
    jobs = [
        Landed(tmp_path / name, report(header__reportId=None, quality=quality)).rows("job_event")[0]["job_id"]
        for name, quality in (("a", "low"), ("b", "low"), ("c", "high"))
    ]
    assert jobs[0] == jobs[1] != jobs[2]


def test_lists_compressed_files_and_foreign_json_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    both = json.dumps([report(), report(header__reportId="r-2")])
    (tmp_path / "in" / "a.json.gz").write_bytes(gzip.compress(both.encode()))
    (tmp_path / "in" / "package.json").write_text('{"name": "x"}', encoding="utf-8")
    (tmp_path / "in" / "torn.json").write_text(both[:300], encoding="utf-8")
    result = import_format(FORMAT, tmp_path / "in", tmp_path / "landing", {"zone": "UTC"})
    assert (result.landed_by_table["job_event"], result.rejected_by_reason) == (4, {"torn_row": 1})
    assert any("package.json: is no BoAmps report" in said for said in result.findings)
    with pytest.raises(SourceError, match=r"package\.json: is no BoAmps report"):
        import_format(FORMAT, tmp_path / "in" / "package.json", tmp_path / "landing", {"zone": "UTC"})


def test_the_example_of_the_docs_gives_what_they_say(tmp_path: Path) -> None:
    page = (DOCS / "boamps.md").read_text(encoding="utf-8")
    example = re.search(r"<!-- example: report.json -->\n```json\n(.*?)```", page, re.S)
    assert example
    landed = Landed(tmp_path, example[1])
    assert landed.result.landed_by_table == {
        "job_device": 1,
        "job_event": 2,
        "power_sample": 2,
        "stated_figure": 1,
        "work_counter": 1,
    }
    assert not landed.result.findings
    (work,) = landed.rows("work_counter")
    assert (work["requests_n"], work["input_tokens_n"], work["output_tokens_n"]) == (50, 6000, 20_000)
    for option in FORMAT.options:
        assert f"`--{option.name.replace('_', '-')}`" in page
