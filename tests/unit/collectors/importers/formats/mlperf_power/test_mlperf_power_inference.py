"""Inference submissions of MLPerf: the window that counts, official figures, work, one run under two names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collectors.importers.errors import SourceError
from tests.support.mlperf_logs import T0, Landed, detail_log, inference, spl_line

JOB = "2xBOX/llama2-70b-99/Server/run_1"
# 08:00:00.500 to 08:00:10.500: readings at whole seconds, of which ten lie inside.
WINDOW = {"power_begin": "06-01-2024 08:00:00.500", "power_end": "06-01-2024 08:00:10.500"}
BEGIN_MS = T0 + 8 * 3_600_000 + 500
SPL = "".join(spl_line(f"08:00:{second:02}.000", 100 * second + 50) for second in range(12))


def _landed(
    root: Path, spl: str = SPL, server: object = None, options: dict[str, str] | None = None, **said: Any
) -> Landed:
    path = inference(root, detail_log(**{**WINDOW, **said}), spl, server=server)
    return Landed(path, root / "landing", **(options or {}))


def test_a_run_lasts_for_the_window_and_all_its_power_lands(tmp_path: Path) -> None:
    landed = _landed(tmp_path, sut_name="box-SUT")
    assert landed.power() == [((8 * 3600 + second) * 1000, (100 * second + 50) * 1000) for second in range(12)]
    events = sorted(landed.rows("job_event"), key=lambda row: row["ts_ms"])
    said = [(row["job_id"], row["event"], row["phase"], row["state"], row["ts_ms"]) for row in events]
    assert said == [
        (JOB, "started", "inference", None, BEGIN_MS),
        (JOB, "ended", "inference", "completed", BEGIN_MS + 10_000),
    ]
    assert dict(events[0]["labels"])["scenario"] == "Server"
    assert landed.column("job_device", "host", "device", "start_ms", "end_ms") == [
        ("2xBOX", "node", BEGIN_MS, BEGIN_MS + 10_000)
    ]


def test_the_official_power_is_the_mean_strictly_inside_the_window(tmp_path: Path) -> None:
    landed = _landed(tmp_path)
    figures = landed.figures()
    assert figures["mlperf_average", "W"] == sum(100 * second + 50 for second in range(1, 11)) / 10 == 600
    assert figures["mlperf_average", "J"] == 600 * 10
    assert figures["integral", "J"] == (100 + 1100) / 2 * 10  # a straight line from 100 W to 1100 W
    quantities = landed.column("stated_figure", "quantity", "value", "unit", "version")
    assert quantities == [("energy", 6000, "J", "4.1 @ abc"), ("mean_power", 600, "W", "4.1 @ abc")]


def test_a_reading_on_the_edge_does_not_count_officially(tmp_path: Path) -> None:
    spl = spl_line("08:00:00.500", 9000) + spl_line("08:00:05.000", 100) + spl_line("08:00:10.500", 9000)
    assert _landed(tmp_path, spl).figures()["mlperf_average", "W"] == 100


def test_readings_at_or_below_zero_are_refused_and_do_not_count(tmp_path: Path) -> None:
    spl = SPL + spl_line("08:00:04.000", -2) + spl_line("08:00:05.500", 0)
    landed = _landed(tmp_path, spl)
    assert landed.result.rejected_by_reason == {"non_positive_power": 2}
    assert landed.figures()["mlperf_average", "W"] == 600


def test_lines_that_are_no_reading_are_refused_one_by_one(tmp_path: Path) -> None:
    spl = SPL + spl_line("8 o'clock", 100) + "Time,06-01-2024 08:00:06.000,Watts,many,Volts,1\n" + "noise\n"
    spl += spl_line("08:00:07.500", 1e9) + spl_line("08:00:08.500", 1)[:31]
    landed = _landed(tmp_path, spl)
    assert landed.result.rejected_by_reason == {
        "out_of_range": 1, "torn_row": 2, "unparseable_number": 1, "unparseable_time": 1,
    }  # fmt: skip
    assert len(landed.power()) == 12


@pytest.mark.parametrize(("scenario", "per_query"), [("SingleStream", 3.0), ("MultiStream", 3.0), ("Server", None)])
def test_streams_state_energy_per_query_of_the_answered_queries(
    tmp_path: Path, scenario: str, per_query: float | None
) -> None:
    said = {"effective_scenario": scenario, "result_query_count": 2_000_000, "generated_query_count": 4_000_001}
    landed = _landed(tmp_path, **said, effective_samples_per_query=8)
    assert landed.figures().get(("mlperf_average", "mJ")) == per_query
    stated = {row["quantity"]: row["value"] for row in landed.rows("stated_figure")}
    assert stated.get("energy_per_query") == per_query
    (work,) = landed.rows("work_counter")
    assert (work["requests_n"], work["other_unit"], work["other_n"]) == (2_000_000, "sample", 16_000_000)
    assert (work["output_tokens_n"], work["input_tokens_n"]) == (None, None)


def test_work_of_a_server_run_is_rate_times_the_time_of_that_rate(tmp_path: Path) -> None:
    # LoadGen divides (queries - 1) and all tokens by the time when the last query was done: 1000 s, not the window.
    said = {"result_query_count": 5_001, "effective_samples_per_query": 1, "result_completed_samples_per_sec": 5.0}
    landed = _landed(tmp_path, **said, result_completed_tokens_per_second=1500.0)
    (work,) = landed.rows("work_counter")
    assert (work["requests_n"], work["other_n"], work["output_tokens_n"]) == (5_001, 5_001, 1_500_000)
    assert (work["start_ms"], work["end_ms"], work["model"]) == (BEGIN_MS, BEGIN_MS + 10_000, "llama2-70b-99")


def test_work_of_an_offline_run_is_what_was_done_not_what_was_asked_for(tmp_path: Path) -> None:
    said = {"effective_scenario": "Offline", "result_query_count": 1, "effective_samples_per_query": 253_440}
    rates = {"result_samples_per_second": 86.7369, "result_tokens_per_second": 25262.1}
    landed = _landed(tmp_path, **said, **rates, result_max_latency_ns=3_116_735_008_250)
    (work,) = landed.rows("work_counter")
    assert (work["requests_n"], work["other_n"]) == (1, 270_336)  # 11 times the 24,576 samples of the data set
    assert work["output_tokens_n"] == round(25262.1 * 3116.73500825)


def test_inferred_tokens_are_not_taken(tmp_path: Path) -> None:
    said = {"effective_scenario": "Offline", "result_query_count": 1, "result_inferred_tokens_per_second": 13096.6}
    landed = _landed(tmp_path, **said, result_max_latency_ns=10**12, result_samples_per_second=189.806)
    (work,) = landed.rows("work_counter")
    assert work["output_tokens_n"] is None


def test_the_summary_gives_the_finer_rate(tmp_path: Path) -> None:
    said = {**WINDOW, "result_query_count": 101, "result_completed_samples_per_sec": 0.001}
    path = inference(tmp_path, detail_log(**said, result_completed_tokens_per_second=23113.1), SPL)
    (spl,) = path.rglob("spl.txt")
    summary = "Completed tokens per second: 23113.14\nCompleted tokens per second   : 23113.14\n"
    spl.with_name("mlperf_log_summary.txt").write_text(summary, encoding="utf-8")
    (work,) = Landed(path, tmp_path / "landing").rows("work_counter")
    assert work["output_tokens_n"] == 2_311_314_000


def test_one_run_under_two_names_holds_the_host_twice_and_works_once(tmp_path: Path) -> None:
    detail = detail_log(**WINDOW, result_query_count=7)
    inference(tmp_path, detail, SPL)
    path = inference(tmp_path, detail, SPL, benchmark="llama2-70b-99.9")
    landed = Landed(path, tmp_path / "landing")
    other = JOB.replace("99", "99.9")
    assert set(landed.column("job_event", "job_id")) == {JOB, other} == set(landed.column("job_device", "job_id"))
    assert len(landed.power()) == 12 == landed.result.rows_filtered
    assert landed.column("work_counter", "job_id") == [JOB]
    (found,) = landed.result.findings
    assert f"{other} and {JOB} are one run under two names" in found
    assert {figure.value for figure in landed.result.figures if figure.unit == "W"} == {600}


@pytest.mark.parametrize(
    ("server", "factor", "options", "point"),
    [
        ({"ptd_config": {"dc_flag": None}}, 0.97, {}, "ac"),
        ({"ptd_config": [{"dc_flag": "-d"}]}, -1, {}, "dc"),
        (None, 0.97, {}, "ac"),  # a power factor is a property of alternating current
        (None, -1, {"point": "dc"}, "dc"),
    ],
)
def test_the_analyser_tells_where_it_measured(
    tmp_path: Path, server: object, factor: float, options: dict[str, str], point: str
) -> None:
    spl = "".join(spl_line(f"08:00:{second:02}.000", 100, factor) for second in range(12))
    assert set(_landed(tmp_path, spl, server, options).column("power_sample", "point")) == {point}


def test_a_point_that_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    spl = spl_line("08:00:01.000", 100, -1)
    with pytest.raises(SourceError, match="give --point"):
        _landed(tmp_path, spl)


def test_a_window_outside_of_the_measuring_sides_notes_is_told(tmp_path: Path) -> None:
    def noted(begin_ms: int) -> dict[str, Any]:
        starts = [begin_ms / 1000 + second for second in (-60, -30, 60, 90)]
        return {"ptd_config": {"dc_flag": None}, "phases": {"testing": [[start, 1.0] for start in starts]}}

    assert _landed(tmp_path / "right", server=noted(BEGIN_MS)).result.findings == ()
    (found,) = _landed(tmp_path / "wrong", server=noted(BEGIN_MS - 25_200_000)).result.findings
    assert "its window lies 25150 s outside" in found


def test_flat_files_need_what_no_path_tells(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "gptj-99_Server_spl.txt").write_text(SPL, encoding="utf-8")
    (folder / "gptj-99_Server_mlperf_log_detail.txt").write_text(detail_log(**WINDOW), encoding="utf-8")
    (folder / "gptj-99_Server_server.json").write_text('{"ptd_config": {"dc_flag": null}}', encoding="utf-8")
    with pytest.raises(SourceError, match="or give --system"):
        Landed(folder, tmp_path / "landing")
    landed = Landed(folder, tmp_path / "landing", system="h200x8", host="{system}-maxq")
    assert set(landed.column("job_event", "job_id")) == {"h200x8/gptj-99/Server/run_1"}
    assert set(landed.column("power_sample", "host")) == {"h200x8-maxq"}


@pytest.mark.parametrize("end", [None, "06-01-2024 07:00:00.000", "later"])
def test_a_window_that_is_none_keeps_the_power(tmp_path: Path, end: str | None) -> None:
    landed = _landed(tmp_path, power_end=end)
    assert len(landed.power()) == 12
    assert landed.rows("job_event") == []
    assert "there is no power_begin before a power_end" in landed.result.findings[0]


def test_a_broken_note_of_the_measuring_side_costs_nothing_else(tmp_path: Path) -> None:
    path = inference(tmp_path, detail_log(**WINDOW), SPL, server={})
    next(path.rglob("server.json")).write_text('{"ptd_config":', encoding="utf-8")
    landed = Landed(path, tmp_path / "landing")
    assert "server.json is left out: it is no JSON" in landed.result.findings[0]
    assert set(landed.column("power_sample", "point")) == {"ac"}


def test_ranging_is_a_run_of_its_own(tmp_path: Path) -> None:
    later = {"power_begin": "06-01-2024 09:00:00.500", "power_end": "06-01-2024 09:00:10.500"}
    inference(tmp_path, detail_log(**later), SPL.replace("08:00", "09:00"), mode="run_1")
    path = inference(tmp_path, detail_log(**WINDOW), SPL, mode="ranging")
    landed = Landed(path, tmp_path / "landing")
    assert set(landed.column("job_event", "job_id")) == {JOB, JOB.replace("run_1", "ranging")}


def test_what_has_no_window_or_no_detail_log_costs_no_other(tmp_path: Path) -> None:
    inference(tmp_path, detail_log(), SPL, mode="ranging")
    path = inference(tmp_path, detail_log(**WINDOW), SPL.replace("08:00", "09:00"), mode="run_1")
    lonely = path / "lonely"
    lonely.mkdir()
    (lonely / "spl.txt").write_text(SPL, encoding="utf-8")
    landed = Landed(path, tmp_path / "landing")
    told = " ".join(landed.result.findings)
    assert "ranging: there is no power_begin" in told
    assert "lonely/spl.txt is left out" in told
    assert "run_1: no reading lies inside its window" in told
    assert len(landed.power()) == 24
