"""What the tests of the command line share: how it is run, and the small ledger that it is run on."""

from __future__ import annotations

from collections.abc import Callable

from click.testing import Result

from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from warehouse.config import Config

START_MS = 1_741_000_000_000  # 2025-03-03 11:06:40 UTC
STEP_MS = 10_000
READINGS = 120

Run = Callable[..., Result]


def land(config: Config, name: str = "a", *, estimated: bool = False) -> None:
    """Land twenty minutes of one GPU with a training and an inference job on it."""
    last = START_MS + (READINGS - 1) * STEP_MS
    source = "model" if estimated else "nvml_power"
    samples = [
        sample(START_MS + i * STEP_MS, is_estimate=estimated, source=source, point="board") for i in range(READINGS)
    ]
    half = START_MS + READINGS // 2 * STEP_MS
    events = [
        job_event(START_MS, "job-1", "started", "training"),
        job_event(half, "job-1", "ended", "training", state="completed", quality_metric="accuracy", quality_value=0.9),
        job_event(half, "job-2", "started", "inference"),
        job_event(last, "job-2", "ended", "inference", state="completed"),
    ]
    devices = [job_device("job-1", START_MS, end_ms=half), job_device("job-2", half, end_ms=last)]
    for table, rows in (("power_sample", samples), ("job_event", events), ("job_device", devices)):
        content = landed_bytes(table, rows, written_ms=last)
        put(config.landing_path, landed_name(table, START_MS, name), content)
