"""What each kind of server says: which of its series are work, and what is no answer at all."""

from __future__ import annotations

import time

import pytest

from collectors.sources.http_client import HttpError
from collectors.work.options import WorkSettings
from collectors.work.server import WorkServer, instance_of
from tests.support.stub_http import Reply, serving
from tests.support.work_servers import VllmStub

TGI = """# TYPE tgi_request_count counter
tgi_request_count 12
# TYPE tgi_request_success counter
tgi_request_success 11
# TYPE tgi_request_input_length histogram
tgi_request_input_length_bucket{le="16"} 4
tgi_request_input_length_sum 340
tgi_request_input_length_count 12
# TYPE tgi_request_generated_tokens histogram
tgi_request_generated_tokens_sum 905
tgi_request_generated_tokens_count 11
tgi_queue_size 0
"""
TRITON = """# TYPE nv_inference_request_success counter
nv_inference_request_success{model="resnet50",version="1"} 7
nv_inference_request_success{model="llama",version="2"} 3
nv_inference_request_failure{model="llama",reason="OTHER",version="2"} 1
nv_inference_count{model="resnet50",version="1"} 56
nv_inference_count{model="llama",version="2"} 3
nv_inference_exec_count{model="resnet50",version="1"} 9
nv_energy_consumption{gpu_uuid="GPU-1"} 1e6
nv_trt_llm_request_metrics{model="llama",request_type="active",version="2"} 5
nv_llm_input_token_len_sum{model="llama",response_metric_type="total_input_tokens",version="2"} 120
nv_llm_output_token_len_sum{model="llama",response_metric_type="total_output_tokens",version="2"} 77
"""
SGLANG = """# TYPE sglang:prompt_tokens_total counter
sglang:prompt_tokens_total{engine_type="unified",model_name="qwen"} 1.282888e+06
sglang:generation_tokens_total{engine_type="unified",model_name="qwen"} 337.0
sglang:cached_tokens_total{model_name="qwen"} 25.0
sglang:num_requests_total{engine_type="unified",model_name="qwen"} 6.0
sglang:num_aborted_requests_total{model_name="qwen"} 1.0
sglang:e2e_request_latency_seconds_count{model_name="qwen"} 6.0
sglang:gen_throughput{model_name="qwen"} 250.0
"""
OTEL = """# TYPE gen_ai_client_token_usage histogram
gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_request_model="gpt-x",gen_ai_token_type="input"} 100
gen_ai_client_token_usage_count{gen_ai_operation_name="chat",gen_ai_request_model="gpt-x",gen_ai_token_type="input"} 5
gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_request_model="gpt-x",gen_ai_token_type="output"} 40
gen_ai_client_token_usage_sum{gen_ai_operation_name="chat",gen_ai_request_model="gpt-x",gen_ai_token_type="total"} 140
gen_ai_client_token_usage_sum{gen_ai_operation_name="invoke_agent",gen_ai_token_type="input"} 900
gen_ai_server_request_duration_seconds_count{gen_ai_operation_name="chat",gen_ai_request_model="gpt-x"} 5
gen_ai_server_request_duration_seconds_count{error_type="500",gen_ai_operation_name="chat",gen_ai_request_model="g"} 2
gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name="execute_tool"} 50
"""


def read(kind: str, reply: Reply, **options):
    with serving() as stub:
        stub.answers["/metrics"] = reply
        server = WorkServer(WorkSettings(f"{stub.url}/metrics", kind, "m", **options), monotonic_ns=time.monotonic_ns)
        try:
            return server.read()
        finally:
            server.close()


def totals(kind: str, text: str, content_type: str = "text/plain") -> dict[tuple, int]:
    found: dict[tuple, int] = {}
    for point in read(kind, Reply(text.encode(), headers={"Content-Type": content_type})).points.values():
        key = (point.served, point.version, point.metric.quantity, point.metric.rank)
        found[key] = found.get(key, 0) + point.value
    return found


def test_vllm_sums_engines_and_counts_neither_aborted_requests_nor_the_histogram_named_total():
    server = VllmStub(engines=[{"prompt": 10, "generation": 3, "stop": 2, "abort": 1}] * 2)
    assert totals("vllm", server.text()) == {
        (server.model, None, "input_tokens_n", 1): 20,
        (server.model, None, "output_tokens_n", 1): 6,
        (server.model, None, "requests_n", 1): 4,
    }


def test_vllm_says_when_it_and_its_counters_began():
    text = VllmStub(start_s=1_795_000_000.25).text()
    text += 'vllm:prompt_tokens_created{engine="0",model_name="meta-llama/Llama-3.1-8B"} 1.79500001e+09\n'
    found = read("vllm", Reply(text.encode()))
    assert found.start_s == 1_795_000_000.25
    created = {point.metric.name: point.created_s for point in found.points.values()}
    assert created["vllm:prompt_tokens_total"] == 1_795_000_010.0
    assert created["vllm:generation_tokens_total"] is None


def test_openmetrics_is_read_as_well():
    text = (
        "# TYPE vllm:prompt_tokens counter\n"
        + 'vllm:prompt_tokens_total{model_name="m"} 5.0 # {trace_id="a"} 1.0\n# EOF\n'
    )
    assert totals("vllm", text, "application/openmetrics-text; version=1.0.0") == {("m", None, "input_tokens_n", 1): 5}


def test_tgi_counts_answered_requests_and_names_no_model():
    assert totals("tgi", TGI) == {
        (None, None, "requests_n", 1): 11,
        (None, None, "input_tokens_n", 1): 340,
        (None, None, "output_tokens_n", 1): 905,
    }


def test_triton_counts_by_model_and_version_and_tokens_where_a_backend_does():
    assert totals("triton", TRITON) == {
        ("resnet50", "1", "requests_n", 1): 7,
        ("resnet50", "1", "other_n", 1): 56,
        ("llama", "2", "requests_n", 1): 3,
        ("llama", "2", "other_n", 1): 3,
        ("llama", "2", "input_tokens_n", 2): 120,
        ("llama", "2", "output_tokens_n", 2): 77,
    }


@pytest.mark.parametrize("prefix", ["sglang:", "sglang_"])
def test_sglang_counts_by_either_spelling_of_its_names(prefix):
    found = totals("sglang", SGLANG.replace("sglang:", prefix))
    best = {key[2]: value for key, value in sorted(found.items(), key=lambda item: -item[0][3])}
    assert best == {"requests_n": 6, "input_tokens_n": 1_282_888, "output_tokens_n": 337}


@pytest.mark.parametrize("name", ["gen_ai_client_token_usage", "agentgateway_gen_ai_client_token_usage"])
@pytest.mark.parametrize("unit", ["", "_token", "_tokens"])
def test_opentelemetry_counts_models_once_without_agents_tools_and_errors(name, unit):
    found = totals("otel", OTEL.replace("gen_ai_client_token_usage", f"{name}{unit}"))
    ranks = {quantity: min(key[3] for key in found if key[2] == quantity) for _, _, quantity, _ in found}
    best = {key[2]: value for key, value in found.items() if key[3] == ranks[key[2]]}
    assert best == {"requests_n": 5, "input_tokens_n": 100, "output_tokens_n": 40}
    assert {key[0] for key in found} == {"gpt-x"}


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(TRITON.encode()), r'no metric of vllm; it looks like triton: set kind = "triton"'),
        (Reply(b"<html>back soon</html>\n"), "no metric of vllm; check url and kind"),
        (Reply(b"vllm:prompt_tokens_total 5"), "cut off"),
        (Reply(b"vllm:prompt_tokens_total{ 5\n"), "no metrics text: line 1"),
        (Reply(b"vllm:prompt_tokens_total \xff\n"), "no metrics text"),
        (Reply(b"", 503), "status 503"),
        (Reply(b"x" * 100, cut=10), "cut off after 10 of 100 bytes"),
    ],
)
def test_what_is_no_answer_says_why(reply, message):
    with pytest.raises(HttpError, match=message):
        read("vllm", reply)


def test_a_server_that_has_done_nothing_yet_is_read():
    assert read("tgi", Reply(b"# TYPE tgi_queue_size gauge\ntgi_queue_size 0\n")).points == {}


def test_values_that_are_no_counts_are_left_out():
    text = "vllm:prompt_tokens_total NaN\nvllm:generation_tokens_total -1\nvllm:request_success_total +Inf\nvllm:x 1\n"
    assert read("vllm", Reply(text.encode())).points == {}


@pytest.mark.parametrize(("environ", "message"), [({"T": "s3"}, None), ({}, "the environment variable T")])
def test_a_token_is_sent_and_missed_when_it_is_not_there(environ, message):
    with serving() as stub:
        stub.answers["/m"] = VllmStub().reply
        options = WorkSettings(f"{stub.url}/m", "vllm", "m", token_env="T")
        server = WorkServer(options, monotonic_ns=time.monotonic_ns, environ=environ)
        if message is None:
            assert server.read().points
            assert stub.seen[-1].headers["authorization"] == "Bearer s3"
        else:
            with pytest.raises(HttpError, match=message):
                server.read()
        server.close()


def test_too_many_series_are_refused():
    text = "".join(f'vllm:prompt_tokens_total{{model_name="m",request="{i}"}} 1\n' for i in range(10_001))
    with pytest.raises(HttpError, match="10001 series"):
        read("vllm", Reply(text.encode()))


@pytest.mark.parametrize(
    ("url", "instance"),
    [
        ("http://localhost:8000/metrics", "gpu-1/localhost:8000"),
        ("https://a.example/x/metrics?token=no", "gpu-1/a.example/x/metrics"),
    ],
)
def test_an_instance_is_named_by_host_and_address(url, instance):
    assert instance_of(WorkSettings(url, "vllm"), "gpu-1") == instance
