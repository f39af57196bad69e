"""The runs of the two MLPerf sets written back as the logs that they were.

The sets hold them as columns, values and order of the files untouched (SOURCES.md). Four runs lie beside them as
published; ``test_importers_mlperf`` shows that those written back give the same figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd


def write_training(source: Path, root: Path) -> Path:
    """Write all training runs in the published layout; returns the folder to import."""
    jobs = pd.read_csv(source / "jobs.csv").set_index("job_id")
    events = dict(list(pd.read_csv(source / "events.csv.gz").groupby("job_id", sort=False)))
    samples = pd.read_parquet(source / "power_samples.parquet")
    readings = dict(list(samples.groupby(["job_id", "host"], sort=False)))
    results = root / "smc-ac-power" / "results"
    for job_id, job in jobs.iterrows():
        system, benchmark, run = str(job_id).split("/")
        _write(results / system / benchmark / f"{run}.txt", _events(job, events[job_id]))
    for channel in pd.read_csv(source / "channels.csv").itertuples():
        system, benchmark, run = channel.job_id.split("/")
        path = results / system / benchmark / "power" / run / f"{channel.channel}.txt"
        _write(path, _power(channel, readings.get((channel.job_id, channel.host))))
    return root


def write_inference(source: Path, root: Path) -> Path:
    """Write all inference runs in the published layout; returns the folder to import."""
    readings = dict(list(pd.read_parquet(source / "power_samples.parquet").groupby("job_id", sort=False)))
    for job_id, run in pd.read_csv(source / "runs.csv").set_index("job_id").iterrows():
        system, benchmark, scenario, mode = str(job_id).split("/")
        folder = root / "closed/NVIDIA/results" / system / benchmark / scenario / "performance" / mode
        _write(folder / "mlperf_log_detail.txt", _detail(run))
        _write(folder / "spl.txt", _spl(readings[job_id]))
    return root


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")


def _mllog(key: str, time_ms: int, value: object, metadata: object = "") -> str:
    body = {"namespace": "", "time_ms": time_ms, "key": key, "value": value, "metadata": metadata}
    return f":::MLLOG {json.dumps(body)}\n"


def _events(job: pd.Series, events: pd.DataFrame) -> Iterator[str]:
    yield _mllog("run_start", int(job.run_start_ms), None)
    for event, time_ms, value in zip(events.event, events.time_ms, events.value, strict=True):
        if event.startswith("eval_"):
            yield _mllog(event, int(time_ms), None if np.isnan(value) else value)
    yield _mllog("run_stop", int(job.run_stop_ms), None, {"status": job.status})


def _power(channel: pd.Series, readings: pd.DataFrame | None) -> Iterator[str]:
    if readings is None:
        yield _mllog("interconnect_power_est", 1_652_749_794_206, channel.constant_power_w)
        return
    yield _mllog("power_measurement_start", int(channel.pm_start_ms), None)
    yield _mllog("conversion_eff", int(channel.pm_start_ms), channel.conversion_eff)
    for time_ms, watts in zip(readings.time_ms.tolist(), readings.watts.tolist(), strict=True):
        yield _mllog("power_reading", time_ms, watts)
    if not np.isnan(channel.pm_stop_ms):
        yield _mllog("power_measurement_stop", int(channel.pm_stop_ms), None)


def _loadgen_time(moment: datetime) -> str:
    return moment.strftime("%m-%d-%Y %H:%M:%S.") + f"{moment.microsecond // 1000:03}"


def _detail(run: pd.Series) -> Iterator[str]:
    said = {
        "effective_scenario": run.scenario,
        "result_validity": run.validity,
        "power_begin": _loadgen_time(datetime.fromisoformat(run.power_begin_utc)),
        "power_end": _loadgen_time(datetime.fromisoformat(run.power_end_utc)),
    }
    for key, value in said.items():
        yield f":::MLLOG {json.dumps({'key': key, 'value': value, 'time_ms': 0.1, 'metadata': {}})}\n"


def _spl(readings: pd.DataFrame) -> Iterator[str]:
    for time_ms, watts, factor in zip(readings.time_ms.tolist(), readings.watts, readings.power_factor, strict=True):
        clock = _loadgen_time(datetime.fromtimestamp(time_ms // 1000, UTC).replace(microsecond=time_ms % 1000 * 1000))
        yield f"Time,{clock},Watts,{watts:f},Volts,230.000000,Amps,1.000000,PF,{factor:f},Mark,x_testing\n"
