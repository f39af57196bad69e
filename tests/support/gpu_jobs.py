"""One GPU at constant power, with a job on it where one is wanted: energy that can be worked out by hand."""

from __future__ import annotations

from tests.support.landed import job_device, job_event, landed_bytes, landed_name, put, sample
from warehouse.config import Config

STEP_MS = 20_000
MS_PER_S = 1000


def land_gpu(
    config: Config, start_ms: int, end_ms: int, watts: int, job: str | None = None, *, host: str = "host-0"
) -> None:
    """Land a GPU that draws a power all the time, between two whole steps of 20 s.

    Args:
        config: the installation.
        start_ms: first reading [epoch ms].
        end_ms: last reading [epoch ms].
        watts: its power [W].
        job: a job that holds it all that time, if any.
        host: its host.
    """
    readings = [sample(at_ms, host=host, power_mw=watts * 1000) for at_ms in range(start_ms, end_ms + 1, STEP_MS)]
    tables = {"power_sample": readings}
    if job:
        ends = job_event(end_ms, job, "ended", state="completed")
        tables["job_event"] = [job_event(start_ms, job, "started"), ends]
        tables["job_device"] = [job_device(job, start_ms, end_ms=end_ms, host=host)]
    for table, rows in tables.items():
        content = landed_bytes(table, rows, written_ms=end_ms, host=host)
        put(config.landing_path, landed_name(table, start_ms, f"{host}-{start_ms}"), content)
