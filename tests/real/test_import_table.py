"""The shipped mappings bring the real sets into landing, to the figures computed outside the project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from collectors.importers.table import import_table

pytestmark = pytest.mark.real

EVERY = ["mlperf-training-smc-ac", "mlperf-inference-h200", "azure-llm-2023", "alibaba-openb-2023"]
TRAINING, INFERENCE, AZURE, OPENB = EVERY
Imported = Callable[[str], Any]


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mapping", [TRAINING, INFERENCE, AZURE])
def test_importing_again_gives_the_same_bytes(mapping: str, imported: Imported, tmp_path: Path) -> None:
    first = imported(mapping)
    before = tree(first.landing)
    again = import_table(mapping, first.source, tmp_path)
    assert tree(tmp_path) == before
    assert again.digest == first.result.digest
    assert import_table(mapping, first.source, first.landing).files_new == 0
    assert tree(first.landing) == before


@pytest.mark.parametrize("mapping", EVERY)
def test_assumptions_are_stated_and_land_as_labels(mapping: str, imported: Imported) -> None:
    done = imported(mapping)
    assert done.result.assumptions
    if "job_event" in done.result.landed_by_table:
        labels = [dict(row) for row in done.table("job_event").column("labels").to_pylist()]
        assert {row["mapping"] for row in labels} == {mapping}
        assert all("team" in row["assumed"].split(",") for row in labels)


# --- MLPerf Training -------------------------------------------------------------------------------------------------


@pytest.fixture
def training(imported: Imported) -> Any:
    return imported(TRAINING)


def frame(done: Any, table: str) -> pd.DataFrame:
    rows: pd.DataFrame = done.table(table).to_pandas()
    return rows


def test_every_positive_node_reading_lands(training: Any) -> None:
    source = pd.read_parquet(training.source / "power_samples.parquet")
    rows = frame(training, "power_sample").query("device == 'node'")
    assert len(source) == 133_739
    assert len(rows) == 133_739 - 8
    assert rows.host.nunique() == 325
    good = source[source.watts > 0]
    assert rows.power_mw.sum() == int(good.watts.sum()) * 1000
    unique = good.drop_duplicates(["host", "time_ms"])
    assert len(unique) == 132_658
    assert rows.drop_duplicates(["host", "ts_ms"]).power_mw.sum() == int(unique.watts.sum()) * 1000


def test_the_8_readings_of_a_running_node_at_or_below_zero_are_kept_apart(training: Any) -> None:
    expected = pd.read_csv(training.source / "expected/nonpositive_readings_effect.csv")
    rejected = [row for row in training.result.rejected if row.reason == "non_positive_power"]
    hosts = pd.Series([row.values["host"] for row in rejected]).value_counts()
    assert hosts.to_dict() == expected.set_index("host").n_nonpositive.to_dict()
    assert training.result.rejected_by_reason == {"non_positive_power": 8}
    assert len(training.result.rejected_file.read_text().splitlines()) == 8


def test_the_first_of_two_readings_with_one_stamp_comes_first(training: Any) -> None:
    source = pd.read_parquet(training.source / "power_samples.parquet")
    source = source[source.watts > 0].drop_duplicates(["host", "time_ms", "watts"])
    pairs = source[source.duplicated(["host", "time_ms"], keep=False)]
    rows = frame(training, "power_sample").query("device == 'node'").drop_duplicates(["host", "ts_ms", "power_mw"])
    got = rows[rows.duplicated(["host", "ts_ms"], keep=False)]
    assert len(pairs) == 4
    order = [tuple(row) for row in pairs.sort_values(["host"], kind="stable")[["host", "time_ms", "watts"]].values]
    landed = [
        (h, t, w / 1000) for h, t, w in got.sort_values(["host"], kind="stable")[["host", "ts_ms", "power_mw"]].values
    ]
    assert landed == order


def test_switch_estimates_cover_every_run_at_no_more_than_5_s(training: Any) -> None:
    jobs = pd.read_csv(training.source / "jobs.csv").set_index("job_id")
    channels = pd.read_csv(training.source / "channels.csv").query("constant_power_w.notna()")
    rows = frame(training, "power_sample").query("kind == 'switch'")
    assert rows.is_estimate.all()
    assert set(rows.source) == {"model"}
    assert not rows.duplicated(["host", "ts_ms"]).any()  # no two runs of a switch touch
    energy = expected = 0.0
    for channel in channels.itertuples():
        start, stop = jobs.loc[channel.job_id, ["run_start_ms", "run_stop_ms"]]
        mine = rows[(rows.host == channel.host) & rows.ts_ms.between(start, stop)]
        steps = mine.ts_ms.diff().dropna()
        assert (mine.ts_ms.iloc[0], mine.ts_ms.iloc[-1]) == (start, stop)
        assert 0 < steps.min() <= steps.max() <= 5000
        energy += (mine.power_mw.iloc[1:] * steps).sum() / 1e6
        expected += channel.constant_power_w * (stop - start) / 1e3
    assert energy == pytest.approx(expected, rel=1e-12)
    assert len(channels) == 70


def test_every_run_starts_and_ends_with_its_phase(training: Any) -> None:
    jobs = pd.read_csv(training.source / "jobs.csv")
    events = frame(training, "job_event")
    started, ended = (events[events.event == name].set_index("job_id") for name in ("started", "ended"))
    jobs = jobs.set_index("job_id")
    assert len(started) == len(ended) == len(jobs) == 145
    assert (started.ts_ms.loc[jobs.index] == jobs.run_start_ms).all()
    assert (ended.ts_ms.loc[jobs.index] == jobs.run_stop_ms).all()
    assert set(ended.state) == {"completed"}
    by_phase = pd.read_csv(training.source / "expected/by_phase_model.csv").groupby("phase").jobs.sum()
    assert started.phase.value_counts().to_dict() == {
        "training": by_phase["training"],
        "fine_tuning": by_phase["fine-tuning"],
    }


def test_evaluations_change_the_phase_and_change_it_back(training: Any) -> None:
    events = frame(training, "job_event").query("event == 'phase_changed'")
    expected = pd.read_csv(training.source / "expected/energy_by_job.csv").set_index("job_id").n_evals
    begun = events[events.phase == "evaluation"].groupby("job_id").size()
    assert begun.to_dict() == expected[expected > 0].to_dict()
    assert begun.sum() == 5066
    assert (events.phase != "evaluation").sum() == 5066 - 112  # the others are the end of the run itself
    assert not events.duplicated(["job_id", "ts_ms"]).any()


def test_the_last_quality_is_on_the_end_of_the_run(training: Any) -> None:
    source = pd.read_csv(training.source / "events.csv.gz").query("event == 'eval_accuracy'")
    last = source.sort_values("time_ms", kind="stable").groupby("job_id").value.last()
    ended = frame(training, "job_event").query("event == 'ended'").set_index("job_id")
    assert ended.quality_value.loc[last.index].tolist() == last.tolist()
    assert ended.quality_metric.notna().all()


def test_every_channel_is_held_by_its_run(training: Any) -> None:
    channels = pd.read_csv(training.source / "channels.csv")
    devices = frame(training, "job_device")
    assert len(devices) == len(channels) == 1305
    assert devices.device.value_counts().to_dict() == {"node": 1235, "switch-0": 70}
    keys = zip(devices.job_id, devices.host, strict=True)
    assert set(keys) == set(zip(channels.job_id, channels.host, strict=True))


# --- MLPerf Inference ------------------------------------------------------------------------------------------------


def test_inference_samples_are_those_of_the_meter(imported: Imported) -> None:
    done = imported(INFERENCE)
    source = pd.read_parquet(done.source / "power_samples.parquet")
    rows = frame(done, "power_sample")
    good = source[source.watts > 0]
    assert rows.power_mw.sum() == sum(round(watts * 10) for watts in good.watts) * 100
    expected = pd.read_csv(done.source / "expected/host_total_deduplicated.csv").iloc[0]
    lost = {(row.values["host"], row.values["time_ms"]) for row in done.result.rejected}
    landed = set(zip(rows.host, rows.ts_ms, strict=True))
    assert len(landed | lost) == expected.unique_samples == 35_103
    assert done.result.rejected_by_reason == {"non_positive_power": 6}


def test_a_log_published_twice_holds_the_host_twice_and_works_once(imported: Imported) -> None:
    done = imported(INFERENCE)
    runs = pd.read_csv(done.source / "runs.csv")
    events = frame(done, "job_event")
    assert set(events.job_id) == set(runs.job_id)
    assert events.event.value_counts().to_dict() == {"started": 28, "ended": 28}
    devices = frame(done, "job_device").set_index("job_id")
    marked = runs[runs.identical_log_of.notna()]
    assert len(marked) == 10
    for run in marked.itertuples():
        twin = devices.loc[run.identical_log_of]
        assert tuple(devices.loc[run.job_id, ["start_ms", "end_ms"]]) == tuple(twin[["start_ms", "end_ms"]])
    assert not set(frame(done, "work_counter").job_id) & set(marked.job_id)


def test_joules_per_token_and_sample_are_the_expected_ones(imported: Imported) -> None:
    done = imported(INFERENCE)
    work = frame(done, "work_counter").set_index("job_id")
    expected = pd.read_csv(done.source / "expected/energy_by_run.csv").set_index("job_id").loc[work.index]
    assert len(work) == 18
    per_sample = expected.energy_mlperf_j / work.other_n
    assert per_sample.tolist() == pytest.approx(expected.j_per_sample.tolist(), abs=5e-7)  # six decimals
    text = expected[expected.j_per_token.notna()]
    assert len(text) == 8
    per_token = text.energy_mlperf_j / work.loc[text.index].output_tokens_n
    assert per_token.tolist() == pytest.approx(text.j_per_token.tolist(), abs=5e-7)
    assert not work.output_tokens_n[work.model == "gptj-99.9"].notna().any()
    assert set(work.model[work.input_tokens_n.notna()]) == {"3d-unet-99.9", "resnet50", "stable-diffusion-xl"}


# --- Azure -----------------------------------------------------------------------------------------------------------


def test_tokens_by_minute_match_exactly(imported: Imported) -> None:
    done = imported(AZURE)
    expected = pd.read_csv(done.source / "expected/tokens_by_minute.csv")
    work = frame(done, "work_counter")
    assert (work.end_ms - work.start_ms == 60_000).all()
    work["minute"] = pd.to_datetime(work.start_ms, unit="ms").dt.strftime("%Y-%m-%d %H:%M:%S")
    work["service"] = work.service.str.removeprefix("azure-")
    got = work.set_index(["service", "minute"])[["requests_n", "input_tokens_n", "output_tokens_n"]].sort_index()
    want = expected.set_index(["service", "minute"])[["requests", "context_tokens", "generated_tokens"]].sort_index()
    assert got.index.tolist() == want.index.tolist()
    assert got.values.tolist() == want.values.tolist()
    totals = pd.read_csv(done.source / "expected/totals.csv").set_index("service")
    sums = work.groupby("service")[["requests_n", "input_tokens_n", "output_tokens_n"]].sum()
    assert sums.values.tolist() == totals[["requests", "context_tokens", "generated_tokens"]].values.tolist()


# --- Alibaba openb ---------------------------------------------------------------------------------------------------


def test_pods_by_quality_of_service_and_phase(imported: Imported) -> None:
    done = imported(OPENB)
    events = frame(done, "job_event")
    labels = pd.DataFrame([dict(row) for row in events.labels])
    events["qos"] = labels.qos
    events["pod_phase"] = labels.pod_phase
    submitted = events[events.event == "submitted"].set_index("job_id")
    started, ended = (events[events.event == name].set_index("job_id") for name in ("started", "ended"))
    assert len(submitted) == submitted.index.nunique() == 6521
    expected = pd.read_csv(done.source / "expected/gpu_hours_by_qos_phase.csv")
    assert len(submitted) - len(started) == expected.never_scheduled.sum() == 671
    assert len(submitted) - len(ended) == expected.censored.sum() == 30
    assert submitted.qos.value_counts().to_dict() == expected.groupby("qos").pods.sum().to_dict()
    by_state = expected.groupby("pod_phase").pods.sum()
    states = ended.state.fillna("unknown").value_counts().to_dict()
    assert states == {
        "failed": by_state["Failed"],
        "completed": by_state["Succeeded"],
        "cancelled": by_state["Pending"],
        "unknown": by_state["Running"] - 30,
    }
    assert done.result.landed_by_table == {"job_event": len(events)}  # no hosts in the data, so no job_device


def test_gpu_hours_of_the_landed_jobs_are_the_expected_ones(imported: Imported) -> None:
    done = imported(OPENB)
    events = frame(done, "job_event")
    trace_end_ms = 1_672_531_200_000 + 12_902_960_000  # 2023-01-01, the assumed epoch, plus the length of the trace
    started, ended = (events[events.event == name].set_index("job_id") for name in ("started", "ended"))
    labels = pd.DataFrame([dict(row) for row in started.labels], index=started.index)
    gpus = labels.num_gpu.astype(float).where(labels.num_gpu != "1", labels.gpu_milli.astype(float) / 1000)
    seconds = (ended.ts_ms.reindex(started.index).fillna(trace_end_ms) - started.ts_ms) / 1000
    hours = (gpus * seconds / 3600).groupby(labels.qos).sum()
    expected = pd.read_csv(done.source / "expected/gpu_hours_by_qos_phase.csv").groupby("qos").gpu_hours.sum()
    assert hours.to_dict() == pytest.approx(expected.to_dict(), rel=1e-8)
