"""From the counters of a server and the power of its host to energy per token in the marts."""

from __future__ import annotations

import pytest

from collectors.agent.loop import SamplingLoop
from collectors.jobs.job import Job
from collectors.work.meter import WorkMeter
from collectors.work.options import WorkSettings
from tests.support.homes import make_home
from tests.support.measuring import FakeSource, LandHere, settings_of
from tests.support.stub_http import serving
from tests.support.work_servers import VllmStub
from tests.unit.collectors.conftest import FakeClock
from warehouse.engine import run_all
from warehouse.lake import open_lake

START_MS = 1_714_550_400_000  # 2024-05-01 08:00 UTC
MINUTES, WATTS, TOKENS_EACH_S = 10, 100, 5


@pytest.mark.slow
def test_joules_per_token_of_a_served_model(tmp_path):
    """100 W over ten minutes and 5 tokens a second: 20 J a token, by job and by model."""
    config = make_home(tmp_path / "home")
    clock = FakeClock(START_MS)
    settings = settings_of(tmp_path, host="host-0", landing=str(config.landing_path))
    job = Job("serve-1", org="Example", model="llama", model_version="2", phase="inference")
    with serving() as stub:
        server = VllmStub(start_s=START_MS / 1000 - 60)
        stub.answers["/metrics"] = server.reply
        options = WorkSettings(f"{stub.url}/metrics", "vllm", "llama", "2", service="chat", job_id="serve-1")
        meter = WorkMeter(
            [options], host="host-0", state_dir=settings.state_dir, tell=print, clock=clock, is_threaded=False
        )
        source = FakeSource(clock.monotonic_ns, watts=WATTS)
        loop = SamplingLoop(settings, [source], clock=clock, child=LandHere(settings), work=meter)
        meter.poll()
        first = loop.sample()
        for second in range(1, MINUTES * 60 + 1):
            clock.advance_s(1)
            server.work(TOKENS_EACH_S * 2, TOKENS_EACH_S)
            if second % 15 == 0:
                meter.poll()
            last = loop.sample()
            loop.keep()
        loop.spool.add_rows(
            "job_event",
            [job.event_row(first.ts_ms, "started"), job.event_row(last.ts_ms, "ended", state="completed", exit_code=0)],
        )
        loop.spool.add_rows("job_device", [job.device_row("host-0", first.ts_ms, last.ts_ms)])
        loop.finish()
    tokens = MINUTES * 60 * TOKENS_EACH_S
    with open_lake(config) as lake:
        run_all(lake)
        assert lake.rows("select count(*), sum(output_tokens_n) from raw.work_counter") == [(MINUTES, tokens)]
        (by_model,) = lake.rows(
            "select inference_kwh * 3.6e6 / output_tokens_n, requests_n, output_tokens_n from mart.model_lifecycle "
            "where model = 'llama' and model_version = '2'"
        )
        (by_job,) = lake.rows(
            "select it_kwh * 3.6e6 / output_tokens_n, input_tokens_n from mart.job where job_id = 'serve-1'"
        )
    assert by_model[0] == pytest.approx(WATTS / TOKENS_EACH_S, rel=1e-9)
    assert by_model[1:] == (MINUTES * 60, tokens)
    assert by_job == (pytest.approx(WATTS / TOKENS_EACH_S, rel=1e-9), 2 * tokens)
