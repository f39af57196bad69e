"""MLPerf power logs as published: the official figures, the published ones, and the true integral beside them.

Three training runs and one inference run lie as published in ``raw/``. The other runs of the sets lie as columns in the
order of their files; they are written back as the logs that they were, so that whole submissions can be held to the
published totals.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from collectors.importers.formats import load
from collectors.importers.run import import_format
from collectors.importers.staging import ImportResult
from collectors.landing.reader import read_landed
from tests.real.lakes import Taken, take
from tests.real.mlperf_logs import write_inference, write_training
from warehouse.lake import Lake, open_lake

pytestmark = pytest.mark.real

TRAINING_SET = "mlperf_training_v40_smc_ac"
INFERENCE_SET = "mlperf_inference_v41_power"
TRAINING_OPTIONS = {"point": "ac", "host": "smc-{number}-{channel}"}
SYSTEM = "H200-SXM-141GBx8_TRT_MaxQ"
INFERENCE_OPTIONS = {"host": "h200x8-maxq"}
EXACT = 1e-9
# The run of 8 readings of 0 W or less (SOURCES.md, fault 2).
REFUSED_RUN = "8xSMC-H100-SXM-80GB/ssd/result_4957-240509201759121706710_2"


def _figures(result: ImportResult, method: str, unit: str) -> dict[str, float]:
    return {item.subject: item.value for item in result.figures if (item.method, item.unit) == (method, unit)}


def _samples(result: ImportResult) -> pd.DataFrame:
    files = [file for file in result.files if file.parents[2].name == "power_sample"]
    return pd.concat([read_landed(file).rows.to_pandas() for file in files], ignore_index=True)


def _job_of(power_log: str) -> str:
    """Return the run of ``.../results/SYSTEM/BENCHMARK/power/RUN/node_N.txt``."""
    system, benchmark, _, run, _ = power_log.split("/")[-5:]
    return f"{system}/{benchmark}/{run}"


def _by_job(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "expected" / "energy_by_job.csv").set_index("job_id")


# --- runs as published ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def training_set(shared_data: Path) -> Path:
    return shared_data / "traces" / TRAINING_SET


@pytest.fixture(scope="module")
def raw_training(training_set: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ImportResult, Path]:
    landing = tmp_path_factory.mktemp("raw") / "landing"
    return import_format(load("mlperf-power"), training_set / "raw", landing, TRAINING_OPTIONS), landing


def test_each_published_training_run_meets_the_official_energy(
    raw_training: tuple[ImportResult, Path], training_set: Path
) -> None:
    got = _figures(raw_training[0], "mlperf_average", "J")
    assert len(got) == 3
    wanted = _by_job(training_set).mlperf_method_j[list(got)]
    assert list(got.values()) == pytest.approx(wanted.tolist(), rel=EXACT)


def test_each_published_training_run_has_the_true_integral_and_its_coverage(
    raw_training: tuple[ImportResult, Path], training_set: Path
) -> None:
    got = _figures(raw_training[0], "integral", "J")
    wanted = _by_job(training_set).loc[list(got)]
    assert list(got.values()) == pytest.approx(wanted.energy_run_j.tolist(), rel=EXACT)
    by_host = pd.read_csv(training_set / "expected" / "energy_by_job_host.csv").query("n_samples > 0")
    nodes = by_host.groupby("job_id")[["covered_s", "run_s"]].sum().loc[list(got)]
    coverage = _figures(raw_training[0], "integral_coverage", "fraction")
    assert list(coverage.values()) == pytest.approx((nodes.covered_s / nodes.run_s).tolist(), rel=EXACT)
    # The logs of 8 nodes stop up to 9.9 s early on a run of 319 s: the official mean does not show it.
    assert min(coverage.values()) == pytest.approx(0.9926, abs=1e-4)


def test_the_official_figure_lands_beside_ours(raw_training: tuple[ImportResult, Path]) -> None:
    result, _ = raw_training
    files = [file for file in result.files if file.parents[2].name == "stated_figure"]
    stated = pd.concat([read_landed(file).rows.to_pandas() for file in files]).set_index("job_id")
    assert set(stated.source) == {"mlperf"}
    assert set(stated.method) == {"mlperf_average"}
    assert stated.value.to_dict() == _figures(result, "mlperf_average", "J")


@pytest.fixture(scope="module")
def inference_set(shared_data: Path) -> Path:
    return shared_data / "traces" / INFERENCE_SET


def test_the_published_inference_run_meets_the_official_power(inference_set: Path, tmp_path: Path) -> None:
    result = import_format(
        load("mlperf-power"), inference_set / "raw", tmp_path, {**INFERENCE_OPTIONS, "system": SYSTEM}
    )
    job = f"{SYSTEM}/llama2-70b-99.9/Server/run_1"
    expected = pd.read_csv(inference_set / "expected" / "energy_by_run.csv").set_index("job_id").loc[job]
    assert _figures(result, "mlperf_average", "W") == {job: pytest.approx(expected.official_power, rel=EXACT)}
    assert _figures(result, "mlperf_average", "J") == {job: pytest.approx(expected.energy_mlperf_j, rel=EXACT)}
    assert _figures(result, "integral", "J") == {job: pytest.approx(expected.energy_linear_j, rel=EXACT)}
    assert set(_samples(result).point) == {"ac"}
    (work,) = [file for file in result.files if file.parents[2].name == "work_counter"]
    row = read_landed(work).rows.to_pylist()[0]
    # 8 times the 24,576 samples of the data set; 291.25 tokens a sample, as in the Offline run of the same model
    # (25,262.1 tokens/s over 86.7369 samples/s), which knows nothing of this one.
    assert (row["requests_n"], row["other_n"]) == (196_608, 196_608)
    assert row["output_tokens_n"] / row["other_n"] == pytest.approx(25262.1 / 86.7369, rel=1e-4)


# --- whole submissions ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written_training(training_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training(training_set, tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def all_training(written_training: Path, tmp_path_factory: pytest.TempPathFactory) -> ImportResult:
    landing = tmp_path_factory.mktemp("all") / "landing"
    return import_format(load("mlperf-power"), written_training, landing, TRAINING_OPTIONS)


def test_what_is_written_back_is_what_was_published(
    written_training: Path, raw_training: tuple[ImportResult, Path], tmp_path: Path
) -> None:
    """The three runs that lie as published give the same figures when they are written back."""
    published = {(item.subject, item.method): item.value for item in raw_training[0].figures}
    for run in {subject for subject, _ in published}:
        system, benchmark, name = run.split("/")
        path = written_training / "smc-ac-power/results" / system / benchmark / f"{name}.txt"
        result = import_format(
            load("mlperf-power"), path, tmp_path, {**TRAINING_OPTIONS, "system": system, "benchmark": benchmark}
        )
        assert {(item.subject, item.method): item.value for item in result.figures} == {
            key: value for key, value in published.items() if key[0] == run
        }


def test_every_training_run_meets_the_official_energy(all_training: ImportResult, training_set: Path) -> None:
    got = _figures(all_training, "mlperf_average", "J")
    wanted = _by_job(training_set).mlperf_method_j
    assert len(got) == len(wanted) == 145
    assert [got[job] for job in wanted.index] == pytest.approx(wanted.tolist(), rel=EXACT)


def test_the_submitters_published_joules_are_met(all_training: ImportResult, training_set: Path) -> None:
    got = _figures(all_training, "mlperf_average", "J")
    runs = pd.read_csv(training_set / "jobs.csv").set_index("job_id")
    published = pd.read_csv(training_set / "expected" / "benchmark_score_energy.csv").dropna(
        subset="published_energy_j"
    )
    assert sorted(published.published_energy_j) == [12_127_904, 20_644_275, 46_574_813]
    for row in published.itertuples():
        mine = runs[(runs.system == row.system) & (runs.benchmark == row.benchmark)]
        length = mine.run_stop_ms - mine.run_start_ms
        counted = length.sort_values().index[1:-1]  # MLPerf drops the fastest and the slowest run
        mean_j = sum(got[job] for job in counted) / len(counted) * row.rcp_scaling_factor
        assert mean_j == pytest.approx(row.published_energy_j, rel=1e-6), row.system
        assert round(mean_j) == row.published_energy_j


def test_every_training_run_has_the_true_integral_but_where_readings_are_refused(
    all_training: ImportResult, training_set: Path
) -> None:
    got = _figures(all_training, "integral", "J")
    wanted = _by_job(training_set).energy_run_j
    off = {job for job, value in wanted.items() if abs(got[job] / value - 1) > EXACT}
    # Two nodes of one run have a stamp with two readings that differ: the first stays here, the expected figures take
    # their mean.
    twice = [row for row in all_training.rejected if row.reason == "conflicting_row"]
    assert all_training.rejected_by_reason == {"conflicting_row": 2, "non_positive_power": 8}
    (run,) = {_job_of(row.file) for row in twice}
    assert off == {run, REFUSED_RUN}
    source = pd.read_parquet(training_set / "power_samples.parquet").query("job_id == @run and watts > 0")
    changed = 0.0
    for row in twice:
        host = "smc-4957-" + Path(row.file).stem
        log = source[source.host == host].drop_duplicates("time_ms").sort_values("time_ms")
        (at,) = np.flatnonzero(log.time_ms == row.values["ts_ms"])
        around_ms = log.time_ms.iloc[at + 1] - log.time_ms.iloc[at - 1]
        second_w, first_w = row.values["power_mw"] / 1000, row.values["first_power_mw"] / 1000
        changed += (first_w - (first_w + second_w) / 2) * around_ms / 2 / 1000
    assert got[run] == pytest.approx(wanted[run] + changed, rel=EXACT)
    assert abs(changed) > 10
    # What the 8 refused readings change is known from outside.
    effect = pd.read_csv(training_set / "expected" / "nonpositive_readings_effect.csv")
    dropped = (effect.energy_run_j_dropping_nonpositive - effect.energy_run_j).sum()
    assert got[REFUSED_RUN] == pytest.approx(wanted[REFUSED_RUN] + dropped, rel=EXACT)


def test_padding_around_a_run_is_what_tells_the_two_energies_apart(all_training: ImportResult) -> None:
    official, true = (_figures(all_training, method, "J") for method in ("mlperf_average", "integral"))
    above = {job: true[job] / official[job] - 1 for job in official}
    by_system = pd.Series(above).groupby(lambda job: job.rsplit("/", 1)[0]).mean()
    # traces.md 3.3 gives the means of the scores; here every run counts.
    assert by_system["1xSMC-H100-SXM-80GB/llama2_70b_lora"] == pytest.approx(0.031, abs=0.002)
    assert by_system["9xSMC-H100-SXM-80GB/unet3d"] == pytest.approx(0.34, abs=0.02)


def test_readings_land_once_although_runs_overlap_and_five_are_published_twice(
    all_training: ImportResult, training_set: Path
) -> None:
    source = pd.read_parquet(training_set / "power_samples.parquet")
    good = source[source.watts > 0].drop_duplicates(["host", "time_ms"])
    rows = _samples(all_training)
    nodes = rows[rows.kind == "node"]
    assert len(nodes) == len(good) == 132_658
    assert nodes.power_mw.sum() == int(good.watts.sum()) * 1000
    assert nodes.host.nunique() == 325
    assert all_training.rows_filtered == 133_739 - 132_658 - 8 - 2


# --- inference, all runs ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def all_inference(inference_set: Path, tmp_path_factory: pytest.TempPathFactory) -> ImportResult:
    root = write_inference(inference_set, tmp_path_factory.mktemp("inference"))
    return import_format(load("mlperf-power"), root, root / "landing", INFERENCE_OPTIONS)


def test_every_inference_run_meets_the_official_power_and_energy(
    all_inference: ImportResult, inference_set: Path
) -> None:
    expected = pd.read_csv(inference_set / "expected" / "energy_by_run.csv").set_index("job_id")
    watts, joules = (_figures(all_inference, "mlperf_average", unit) for unit in ("W", "J"))
    assert len(watts) == len(expected) == 28
    assert [watts[job] for job in expected.index] == pytest.approx(expected.avg_w_mlperf.tolist(), rel=EXACT)
    assert [joules[job] for job in expected.index] == pytest.approx(expected.energy_mlperf_j.tolist(), rel=EXACT)
    official = expected.dropna(subset="official_power")
    assert len(official) == 14
    assert [watts[job] for job in official.index] == pytest.approx(official.official_power.tolist(), rel=1e-8)


def test_every_inference_run_has_the_true_integral_but_where_readings_are_refused(
    all_inference: ImportResult, inference_set: Path
) -> None:
    expected = pd.read_csv(inference_set / "expected" / "energy_by_run.csv").set_index("job_id").energy_linear_j
    source = pd.read_parquet(inference_set / "power_samples.parquet")
    got = _figures(all_inference, "integral", "J")
    off = {job for job, value in expected.items() if abs(got[job] / value - 1) > EXACT}
    # The expected integrals take -1 W and -2 W, with which the analyser marks a lost reading, as power.
    assert off == set(source[source.watts <= 0].job_id)
    assert len(off) == 3
    assert all_inference.rejected_by_reason == {"non_positive_power": 6}
    runs = pd.read_csv(inference_set / "runs.csv").set_index("job_id")
    for job in off:
        good = source[(source.job_id == job) & (source.watts > 0)].sort_values("time_ms")
        begin, end = (
            pd.Timestamp(text).timestamp() * 1000 for text in runs.loc[job, ["power_begin_utc", "power_end_utc"]]
        )
        inside = good[(good.time_ms > begin) & (good.time_ms < end)].time_ms
        corners = np.array([begin, *inside, end])
        power = np.interp(corners, good.time_ms, good.watts)
        assert got[job] == pytest.approx(np.trapezoid(power, corners) / 1000, rel=EXACT)


def test_a_host_that_was_published_under_two_names_is_read_once(
    all_inference: ImportResult, inference_set: Path
) -> None:
    expected = pd.read_csv(inference_set / "expected" / "host_total_deduplicated.csv").iloc[0]
    rows = _samples(all_inference)
    # Of the 4 moments with a refused reading 2 have a good one as well.
    assert len(rows) + 2 == expected.unique_samples == 35_103
    assert sum("one run under two names" in text for text in all_inference.findings) == 10


# --- through the whole line -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def taken(
    raw_training: tuple[ImportResult, Path],
    training_set: Path,
    inference_set: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Taken:
    _, landing = raw_training
    import_format(load("mlperf-power"), inference_set / "raw", landing, {**INFERENCE_OPTIONS, "system": SYSTEM})
    return take(landing, training_set, tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="module")
def lake(taken: Taken) -> Iterator[Lake]:
    with open_lake(taken.config, read_only=True) as opened:
        yield opened


@pytest.mark.slow
def test_the_ledgers_energy_of_each_run_is_the_true_integral(
    taken: Taken, lake: Lake, raw_training: tuple[ImportResult, Path]
) -> None:
    assert {outcome.status for outcome in taken.report.ingest.outcomes} == {"loaded"}
    assert lake.value("select count(*) from raw.quarantine_row") == 0
    ours = dict(lake.rows("select job_id, sum(energy_j) from core.job_energy where allocation = 'job' group by all"))
    integrals = _figures(raw_training[0], "integral", "J")
    assert len(ours) == 4
    for job, energy_j in integrals.items():
        assert ours[job] == pytest.approx(energy_j, rel=1e-12), job
    stated = lake.rows("select subject, value from raw.stated_figure where quantity = 'energy'")
    assert len(stated) == 4
    official = dict(stated)
    assert ours["1xSMC-H100-SXM-80GB/bert/result_5119-240510190348838227199_06"] / official[
        "1xSMC-H100-SXM-80GB/bert/result_5119-240510190348838227199_06"
    ] == pytest.approx(1878755.572129 / 1538539.635929, rel=1e-6)


@pytest.mark.slow
def test_phases_and_work_reach_the_ledger(lake: Lake) -> None:
    phases = dict(lake.rows("select phase, sum(energy_j) from core.job_energy where allocation = 'job' group by all"))
    assert phases.keys() == {"training", "fine_tuning", "evaluation", "inference"}
    assert lake.rows("select requests_n, output_tokens_n from mart.job where requests_n > 0") == [(196_608, 57_262_669)]
