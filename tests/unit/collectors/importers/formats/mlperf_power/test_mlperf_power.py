"""Training submissions of MLPerf: readings, runs, the official energy and the true integral beside it."""

from __future__ import annotations

import gzip
import re
import tarfile
from pathlib import Path

import pytest

from collectors.importers.errors import SourceError
from tests.support.mlperf_logs import T0, TRAINING, Landed, power_log, record, result_log, training

DOCS = Path(__file__).resolve().parents[6] / "docs" / "importers" / "mlperf-power.md"
STEADY = [(second, 1000.0) for second in range(0, 51, 2)]
HOST = "2xBOX-node_0"
JOB = "2xBOX/bert/result_17"


def _landed(root: Path, *readings: tuple[float, float], **log: object) -> Landed:
    path = training(root, {"node_0": power_log(readings or STEADY, **log)})  # type: ignore[arg-type]
    return Landed(path, root / "landing")


# --- what lands ------------------------------------------------------------------------------------------------------


def test_a_run_becomes_readings_a_job_and_what_it_holds(tmp_path: Path) -> None:
    evaluations = [
        record("eval_start", 20), record("eval_accuracy", 24, 0.5), record("eval_stop", 25),
        record("eval_start", 35), record("eval_accuracy", 40, 0.72), record("eval_stop", 40),
    ]  # fmt: skip
    result = result_log(*evaluations)
    landed = Landed(training(tmp_path, {"node_0": power_log(STEADY)}, result), tmp_path / "landing", team="vision")
    assert landed.power() == [(second * 1000, 1_000_000) for second in range(0, 51, 2)]
    (first, *_) = landed.rows("power_sample")
    said = ("host", "device", "kind", "point", "source", "is_estimate", "session", "parent")
    assert [first[name] for name in said] == [HOST, "node", "node", "ac", "meter", False, 0, None]
    events = sorted(landed.rows("job_event"), key=lambda row: row["ts_ms"])
    assert [(row["ts_ms"] - T0, row["event"], row["phase"]) for row in events] == [
        (10_000, "started", "training"),
        (20_000, "phase_changed", "evaluation"),
        (25_000, "phase_changed", "training"),
        (35_000, "phase_changed", "evaluation"),
        (40_000, "ended", "training"),
    ]
    assert {row["job_id"] for row in events} == {JOB}
    end = events[-1]
    ended = (end["state"], end["quality_metric"], end["quality_value"])
    assert ended == ("completed", "masked_lm_accuracy", 0.72)
    assert (end["model"], end["team"]) == ("bert", "vision")
    assert dict(end["labels"]) == {
        "submitter": "acme", "system": "2xBOX", "benchmark": "bert", "nodes": "1", "seed": "7",
    }  # fmt: skip
    assert landed.column("job_device", "job_id", "host", "device", "start_ms", "end_ms") == [
        (JOB, HOST, "node", T0 + 10_000, T0 + 40_000)
    ]
    assert "benchmark bert is taken as phase training; the logs name none" in landed.result.assumptions


@pytest.mark.parametrize(
    ("benchmark", "option", "phase"),
    [
        ("llama2_70b_lora", {}, "fine_tuning"),
        ("gpt3", {}, "training"),
        ("gpt3", {"phase": "experimentation"}, "experimentation"),
    ],
)
def test_the_phase_is_the_benchmarks_or_the_stated_one(
    tmp_path: Path, benchmark: str, option: dict[str, str], phase: str
) -> None:
    path = training(tmp_path, {"node_0": power_log(STEADY)})
    (path / TRAINING).rename((path / TRAINING).with_name(benchmark))
    landed = Landed(path, tmp_path / "landing", **option)
    assert set(landed.column("job_event", "phase")) == {phase}


def test_evaluations_of_several_processes_count_once_and_touching_ones_have_no_time_between(tmp_path: Path) -> None:
    lines = [record("eval_start", 20), record("eval_start", 20), record("eval_start", 20.001), record("eval_stop", 25)]
    lines += [record("eval_start", 25), record("eval_stop", 30), record("eval_stop", 30.002), record("eval_stop", 45)]
    landed = Landed(
        training(tmp_path, {"node_0": power_log(STEADY)}, result_log(*lines)),
        tmp_path / "landing",
    )
    rows = [(row["ts_ms"] - T0, row["phase"]) for row in landed.rows("job_event") if row["event"] == "phase_changed"]
    assert rows == [(20_000, "evaluation"), (30_000, "training")]


def test_folder_archive_and_compressed_files_land_the_same(tmp_path: Path) -> None:
    plain = training(tmp_path, {"node_0": power_log(STEADY), "sw_0": power_log([], None) + record("x", 0)})
    archive = tmp_path / "run.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(plain / TRAINING, TRAINING)
    packed = tmp_path / "packed"
    for file in plain.rglob("*.txt"):
        target = packed / f"{file.relative_to(plain)}.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(file.read_bytes()))
    found = [
        Landed(path, tmp_path / f"landing{number}", point="ac") for number, path in enumerate((plain, archive, packed))
    ]
    for table in ("power_sample", "job_event", "job_device", "stated_figure"):
        rows = [landed.rows(table) for landed in found]
        assert rows[0] == rows[1] == rows[2]
        assert rows[0]


def test_a_result_log_alone_brings_its_power_logs(tmp_path: Path) -> None:
    path = training(tmp_path, {"node_0": power_log(STEADY)}) / TRAINING / "result_17.txt"
    landed = Landed(path, tmp_path / "landing", system="2xBOX")
    assert set(landed.column("job_event", "job_id")) == {JOB}
    assert len(landed.power()) == len(STEADY)


def test_importing_twice_changes_nothing(tmp_path: Path) -> None:
    path = training(tmp_path, {"node_0": power_log(STEADY)})
    before = Landed(path, tmp_path / "landing").result
    bytes_before = [file.read_bytes() for file in before.files]
    again = Landed(path, tmp_path / "landing").result
    assert (again.files, again.files_new) == (before.files, 0)
    assert [file.read_bytes() for file in again.files] == bytes_before


# --- the official method, by hand -------------------------------------------------------------------------------------


def test_the_official_energy_stretches_a_mean_and_the_integral_does_not(tmp_path: Path) -> None:
    # 10 s idle at 100 W before and behind a run of 20 s at 400 W; readings every 10 s stand for the time before them.
    log = power_log([(10, 100), (20, 400), (30, 400), (40, 100)], start=0, stop=40)
    landed = Landed(training(tmp_path, {"node_0": log}, result_log(start=10, stop=30)), tmp_path / "landing")
    figures = landed.figures()
    assert figures["mlperf_average", "J"] == (100 + 400 + 400 + 100) * 10 / 40 * 20  # 250 W over the run
    assert figures["integral", "J"] == (100 + 400) / 2 * 10 + 400 * 10
    assert figures["integral_coverage", "fraction"] == 1
    (stated,) = landed.rows("stated_figure")
    assert stated["value"] == 5000
    said = ("source", "method", "version", "subject_kind", "subject", "quantity", "unit", "job_id")
    assert [stated[name] for name in said] == ["mlperf", "mlperf_average", "unknown", "job", JOB, "energy", "J", JOB]
    assert (stated["start_ms"], stated["end_ms"]) == (T0 + 10_000, T0 + 30_000)


@pytest.mark.parametrize("stop", [0, -5, None])
def test_a_measurement_without_a_usable_stop_ends_with_its_last_reading(tmp_path: Path, stop: float | None) -> None:
    log = power_log([(10, 100), (20, 300)], start=0, stop=stop)
    landed = Landed(training(tmp_path, {"node_0": log}, result_log(start=0, stop=10)), tmp_path / "landing")
    assert landed.figures()["mlperf_average", "J"] == (100 * 10 + 300 * 10) / 20 * 10


def test_readings_outside_the_measurement_do_not_count_officially(tmp_path: Path) -> None:
    log = power_log([(-5, 900), (10, 100), (20, 300), (25, 900)], start=0, stop=20)
    landed = Landed(training(tmp_path, {"node_0": log}, result_log(start=0, stop=10)), tmp_path / "landing")
    assert landed.figures()["mlperf_average", "J"] == (100 * 10 + 300 * 10) / 20 * 10


def test_lines_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    readings = [(10, 100), (30, 300), (20, 200), (40, 400)]
    figures = _landed(tmp_path, *readings, stop=40).figures()
    assert figures == _landed(tmp_path / "sorted", *sorted(readings), stop=40).figures()
    assert figures["mlperf_average", "J"] == (100 + 200 + 300 + 400) * 10 / 40 * 30


def test_only_the_official_energy_is_multiplied_by_the_efficiency(tmp_path: Path) -> None:
    landed = _landed(tmp_path, (10, 1000), (40, 1000), efficiency=0.96, stop=40)
    assert landed.power() == [(10_000, 1_000_000), (40_000, 1_000_000)]
    assert landed.figures()["mlperf_average", "J"] == pytest.approx(0.96 * 30_000, rel=1e-15)
    assert landed.figures()["integral", "J"] == 30_000
    assert any("conversion_eff 0.96" in text for text in landed.result.findings)


def test_a_constant_switch_is_an_estimate_over_the_run_and_no_longer(tmp_path: Path) -> None:
    estimate = record("interconnect_power_est", -60_000_000, 200)  # stamped years before, as published
    landed = Landed(
        training(tmp_path, {"node_0": power_log(STEADY), "sw_0": estimate}, result_log(start=10, stop=33)),
        tmp_path / "landing",
    )
    rows = [row for row in landed.rows("power_sample") if row["kind"] == "switch"]
    assert [row["ts_ms"] - T0 for row in rows] == [10_000, 15_000, 20_000, 25_000, 30_000, 33_000]
    assert {(row["host"], row["device"], row["source"], row["is_estimate"]) for row in rows} == {
        ("2xBOX-sw_0", "switch-0", "model", True)
    }
    assert {row["power_mw"] for row in rows} == {200_000}
    assert landed.figures()["mlperf_average", "J"] == 1000 * 23 + 200 * 23
    assert landed.figures()["integral", "J"] == 1000 * 23 + 200 * 23
    assert landed.result.rows_read == len(STEADY) + 2  # the estimate is no reading
    (stated,) = landed.rows("stated_figure")
    assert dict(stated["labels"]) == {"nodes": "1", "conversion_eff": "1", "estimated_j": "4600.0"}


def test_equal_logs_of_two_nodes_are_two_nodes(tmp_path: Path) -> None:
    one = Landed(training(tmp_path / "1", {"node_0": power_log(STEADY)}), tmp_path / "1" / "landing")
    two = Landed(
        training(tmp_path / "2", {"node_0": power_log(STEADY), "node_1": power_log(STEADY)}),
        tmp_path / "2" / "landing",
    )
    assert len(two.power()) == 2 * len(one.power())
    for method in ("mlperf_average", "integral"):
        assert two.figures()[method, "J"] == 2 * one.figures()[method, "J"]


# --- bad readings ----------------------------------------------------------------------------------------------------


def test_power_at_or_below_zero_is_refused_and_counts_officially_as_there(tmp_path: Path) -> None:
    landed = _landed(tmp_path, (10, 100), (20, -40), (30, 0), (40, 100), stop=40)
    assert landed.power() == [(10_000, 100_000), (40_000, 100_000)]
    assert landed.result.rejected_by_reason == {"non_positive_power": 2}
    assert landed.figures()["mlperf_average", "J"] == (100 - 40 + 0 + 100) * 10 / 40 * 30
    assert landed.figures()["integral", "J"] == 100 * 30


def test_a_repeated_reading_is_left_out_and_a_contradicting_one_refused(tmp_path: Path) -> None:
    landed = _landed(tmp_path, (10, 100), (10, 100), (20, 200), (20, 250), (30, 300))
    assert landed.power() == [(10_000, 100_000), (20_000, 200_000), (30_000, 300_000)]
    result = landed.result
    assert (result.rows_filtered, result.rejected_by_reason) == (1, {"conflicting_row": 1})
    assert result.rejected[0].file.endswith("power/result_17/node_0.txt")
    assert result.rejected[0].row == 5
    # Five readings, and the two lines of the result log that became events.
    assert result.rows_read == 7


def test_what_cannot_be_read_is_refused_line_by_line(tmp_path: Path) -> None:
    log = power_log([(10, 100), (20, 1e9)]) + record("power_reading", 30, "n/a") + record("power_reading", 30, True)
    log += ':::MLLOG {"key": "power_reading", "time_ms": 12, "value": 5}\n' + record("power_reading", 40, 9)[:50]
    landed = Landed(training(tmp_path, {"node_0": log}), tmp_path / "landing")
    assert landed.result.rejected_by_reason == {
        "out_of_range": 1, "torn_row": 1, "unparseable_number": 2, "unparseable_time": 1,
    }  # fmt: skip
    assert landed.power() == [(10_000, 100_000)]


def test_readings_under_two_runs_land_once_and_count_in_both(tmp_path: Path) -> None:
    training(tmp_path, {"node_0": power_log(STEADY)})
    path = training(tmp_path, {"node_0": power_log(STEADY)}, result_log(start=20, stop=50), run="result_18")
    landed = Landed(path, tmp_path / "landing")
    assert len(landed.power()) == len(STEADY) == landed.result.rows_filtered
    integrals = [figure.value for figure in landed.result.figures if figure.method == "integral"]
    assert integrals == [30_000, 30_000]


# --- what is refused as a whole, and what is only told ---------------------------------------------------------------


def test_two_machines_under_one_name_are_refused(tmp_path: Path) -> None:
    training(tmp_path, {"node_0": power_log(STEADY)})
    other = [(second + 0.5, 600.0) for second in range(0, 51, 2)]
    path = training(tmp_path, {"node_0": power_log(other)}, run="result_18")
    with pytest.raises(SourceError, match="both are of host 2xBOX-node_0 at the same time and differ"):
        Landed(path, tmp_path / "landing")
    landed = Landed(path, tmp_path / "landing", host="{system}-{number}-{channel}")
    assert set(landed.column("power_sample", "host")) == {"2xBOX-17-node_0", "2xBOX-18-node_0"}


@pytest.mark.parametrize(
    ("powers", "options", "says"),
    [
        ({"node_0": power_log(STEADY, point=None)}, {}, "does not say whether power was measured before"),
        ({"node_0": power_log(STEADY)}, {"point": "dc"}, "says ac, and --point says dc"),
        ({"node_0": power_log(STEADY, point="rack")}, {}, "names the measuring point 'rack'"),
        ({"node_0": power_log(STEADY)}, {"host": "{node}"}, "'{node}' is no pattern of {submitter}"),
        ({"node_0": power_log(STEADY)}, {"host": "{system.__class__}"}, "is no pattern of"),
        ({"node_0": power_log(STEADY), "node_1": power_log(STEADY)}, {"host": "box"}, r"put {channel} into"),
        ({"node_0": power_log(STEADY)}, {"shift": "sw_0=5h"}, "--shift 'sw_0=5h' is not of the form"),
    ],
)
def test_what_decides_a_figure_is_never_guessed(
    tmp_path: Path, powers: dict[str, str], options: dict[str, str], says: str
) -> None:
    path = training(tmp_path, powers)
    with pytest.raises(SourceError, match=says):
        Landed(path, tmp_path / "landing", **options)
    assert not (tmp_path / "landing").exists()


def test_names_come_from_the_published_path_and_else_must_be_stated(tmp_path: Path) -> None:
    path = training(tmp_path, {"node_0": power_log(STEADY)}) / TRAINING
    with pytest.raises(SourceError, match=r"is in no folder results/SYSTEM/BENCHMARK.*--system"):
        Landed(path, tmp_path / "landing")
    # The log names the benchmark; its system is a placeholder that the submitter never filled in.
    landed = Landed(path, tmp_path / "landing", system="mybox")
    assert set(landed.column("job_event", "job_id")) == {"mybox/bert/result_17"}


def test_a_clock_in_a_wrong_zone_is_found_and_can_be_put_right(tmp_path: Path) -> None:
    early = power_log([(second - 18_000, 700.0) for second in range(0, 51)], start=-18_000)
    path = training(tmp_path, {"node_0": power_log(STEADY), "sw_0": early})
    landed = Landed(path, tmp_path / "1")
    assert any("--shift sw_0=18000" in text for text in landed.result.findings)
    assert landed.figures()["integral", "J"] == 30_000
    assert landed.figures()["integral_coverage", "fraction"] == 0.5
    shifted = Landed(path, tmp_path / "2", shift="sw_*=18000")
    assert shifted.result.findings == ()
    assert shifted.figures()["integral", "J"] == 51_000
    assert shifted.figures()["mlperf_average", "J"] == landed.figures()["mlperf_average", "J"]


def test_a_run_without_start_or_end_says_so_and_keeps_its_power(tmp_path: Path) -> None:
    powers = {"node_0": power_log(STEADY)}
    no_end = Landed(training(tmp_path / "1", powers, record("run_start", 10)), tmp_path / "1" / "landing")
    assert [row["event"] for row in no_end.rows("job_event")] == ["started"]
    assert no_end.column("job_device", "end_ms") == [None]
    assert not no_end.result.figures
    no_start = Landed(training(tmp_path / "2", powers, "nothing\n"), tmp_path / "2" / "landing")
    assert len(no_end.power()) == len(no_start.power()) == len(STEADY)
    assert no_start.rows("job_event") == []
    assert any("no run_start" in text for text in no_start.result.findings)


def test_a_run_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = training(tmp_path, {"node_0": power_log(STEADY)})
    with tarfile.open(path / "copy.tar", "w") as tar:
        tar.add(path / TRAINING, TRAINING)
    with pytest.raises(SourceError, match="result_17 is there twice"):
        Landed(path, tmp_path / "landing")


def test_a_broken_archive_and_a_folder_without_power_are_named(tmp_path: Path) -> None:
    path = training(tmp_path, {"node_0": power_log(STEADY)})
    archive = tmp_path / "run.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(path / TRAINING, TRAINING)
    archive.write_bytes(archive.read_bytes()[:-300])
    with pytest.raises(SourceError, match=r"run\.tar\.gz: (cannot be read|is no whole tar)"):
        Landed(archive, tmp_path / "landing")
    other = tmp_path / "other"
    other.mkdir()
    (other / "result_1.txt").write_text(result_log(), encoding="utf-8")
    with pytest.raises(SourceError, match="holds no run with power"):
        Landed(other, tmp_path / "landing")


def test_the_example_of_the_page_works(tmp_path: Path) -> None:
    page = DOCS.read_text(encoding="utf-8")
    for name, text in re.findall(r"<!-- example: (\S+) -->\n```\n(.*?)```", page, re.S):
        path = tmp_path / "submission" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    landed = Landed(tmp_path / "submission", tmp_path / "landing", point="ac")
    said = [f"{figure.value:.9g}" for figure in landed.result.figures]
    told = re.search(r"```\nASSUMED.*?```", page, re.S)
    assert told
    assert all(re.search(rf"\s{re.escape(value)}\s", told[0]) for value in said)
    result = landed.result
    counts = (result.rows_read, result.rows_filtered, result.rows_landed, result.rows_rejected)
    assert "read {} rows, filtered {}, landed {}, rejected {}".format(*counts) in told[0]
    assert all(f"ASSUMED: {text}" in told[0] for text in result.assumptions)
