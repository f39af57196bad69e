"""Metrics of inference servers that count work, and what each of them means.

What belongs here: the table. What must not be here: reading of any format, differences, rows.

Only cumulative counters and the sums and counts of histograms are here. Traps that the table keeps out:
``vllm:iteration_tokens_total`` is a histogram for all its name; ``nv_trt_llm_request_metrics`` is a gauge; tokens that
are counted by source, or of type ``total``, are in the others already; operations of agents contain those of models.

Names were looked up in the sources, not seen on a running server of each kind.

Reference: vLLM, vllm/engine/metrics.py (v0), vllm/v1/metrics/loggers.py and FinishReason in vllm/v1/engine (v1); Text
Generation Inference, docs/source/reference/metrics.md and router/src/server.rs; Triton Inference Server,
docs/user_guide/metrics.md; TensorRT-LLM backend, inflight_batcher_llm/src/custom_metrics_reporter; SGLang,
python/sglang/srt/metrics/collector.py; OpenTelemetry semantic conventions, docs/gen-ai/gen-ai-metrics.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Quantity = Literal["requests_n", "input_tokens_n", "output_tokens_n", "other_n"]
QUANTITIES: tuple[Quantity, ...] = ("requests_n", "input_tokens_n", "output_tokens_n", "other_n")
"""Columns of ``work_counter`` that a metric can fill."""
PROCESS_START = "process_start_time_seconds"
"""When the process began [epoch s], as the client libraries of Prometheus tell it."""
CREATED = "_created"
"""Ending of the series that tells when a counter was created [epoch s]."""

_Labels = tuple[tuple[str, tuple[str, ...]], ...]


class WorkMetric(NamedTuple):
    """One metric and its meaning.

    Attributes:
        name: name in the exposition.
        quantity: column that it fills.
        rank: lower is better among the metrics of a server that fill the same column; only one rank is used.
        only: labels and the values that they must have.
        without: labels and the values that they must not have; none of them: any value.
    """

    name: str
    quantity: Quantity
    rank: int = 1
    only: _Labels = ()
    without: _Labels = ()

    @property
    def created(self) -> str:
        """Name of the series that tells when the counter was created."""
        base = self.name
        for ending in ("_total", "_sum", "_count"):
            base = base.removesuffix(ending)
        return base + CREATED

    def counts(self, labels: Mapping[str, str]) -> bool:
        """Return whether a series of the metric is work, by its labels."""
        for name, values in self.only:
            if labels.get(name) not in values:
                return False
        for name, values in self.without:
            value = labels.get(name)
            if value and (not values or value in values):
                return False
        return True


class WorkKind(NamedTuple):
    """What a kind of server tells.

    Attributes:
        name: one of ``WORK_KINDS``.
        metrics: its metrics.
        model_labels: labels that name the model, the best first.
        version_label: label of the model's version, or ``None``.
        is_own: whether the process that does the work tells the metrics itself. A series of such a process that was
            not there at one reading began at zero after it. A relay (a collector of OpenTelemetry) forgets series and
            brings them back at their full value.
        other_unit: unit of what ``other_n`` counts.
        prefix: beginning of the names of its metrics; an answer without any is not that of such a server.
    """

    name: str
    prefix: str
    metrics: tuple[WorkMetric, ...]
    model_labels: tuple[str, ...] = ()
    version_label: str | None = None
    is_own: bool = True
    other_unit: str | None = None

    def by_name(self) -> dict[str, tuple[WorkMetric, ...]]:
        """Return the meanings of each name."""
        found: dict[str, tuple[WorkMetric, ...]] = {}
        for metric in self.metrics:
            found[metric.name] = (*found.get(metric.name, ()), metric)
        return found


# A request that its client gave up or that failed was not answered. Some builds say `finish_reason`.
_UNANSWERED = ("abort", "error")
_VLLM_ANSWERED: _Labels = (("finished_reason", _UNANSWERED), ("finish_reason", _UNANSWERED))


def _vllm() -> tuple[WorkMetric, ...]:
    """v0 and v1 expose the same three names; the histograms serve where a build leaves the counters out."""
    return (
        WorkMetric("vllm:request_success_total", "requests_n", 1, without=_VLLM_ANSWERED),
        WorkMetric("vllm:prompt_tokens_total", "input_tokens_n"),
        WorkMetric("vllm:generation_tokens_total", "output_tokens_n"),
        WorkMetric("vllm:request_prompt_tokens_sum", "input_tokens_n", 2),
        WorkMetric("vllm:request_generation_tokens_sum", "output_tokens_n", 2),
        WorkMetric("vllm:request_generation_tokens_count", "requests_n", 2),
    )


def _sglang() -> tuple[WorkMetric, ...]:
    """Early releases have no counter of requests; their token counters were gauges that only grow."""
    found: list[WorkMetric] = []
    for rank, prefix in enumerate(("sglang:", "sglang_"), 1):
        found += [
            WorkMetric(f"{prefix}num_requests_total", "requests_n", rank),
            WorkMetric(f"{prefix}prompt_tokens_total", "input_tokens_n", rank),
            WorkMetric(f"{prefix}generation_tokens_total", "output_tokens_n", rank),
            WorkMetric(f"{prefix}e2e_request_latency_seconds_count", "requests_n", rank + 2),
        ]
    return tuple(found)


def _tgi() -> tuple[WorkMetric, ...]:
    return (
        WorkMetric("tgi_request_success", "requests_n"),
        WorkMetric("tgi_request_success_total", "requests_n", 2),
        WorkMetric("tgi_request_input_length_sum", "input_tokens_n"),
        WorkMetric("tgi_request_generated_tokens_sum", "output_tokens_n"),
    )


def _triton() -> tuple[WorkMetric, ...]:
    """Tokens only from the backends that count them: vLLM, and TensorRT-LLM with its histograms of lengths."""
    return (
        WorkMetric("nv_inference_request_success", "requests_n"),
        WorkMetric("nv_inference_count", "other_n"),
        WorkMetric("vllm:prompt_tokens_total", "input_tokens_n"),
        WorkMetric("vllm:generation_tokens_total", "output_tokens_n"),
        WorkMetric("nv_llm_input_token_len_sum", "input_tokens_n", 2),
        WorkMetric("nv_llm_output_token_len_sum", "output_tokens_n", 2),
    )


# An agent's or a workflow's operation contains the model's own; a tool's is no work of a model.
_MODEL_OPERATIONS: _Labels = (
    ("gen_ai_operation_name", ("execute_tool", "invoke_agent", "create_agent", "invoke_workflow")),
)
_WITHOUT_ERRORS: _Labels = (("error_type", ()), *_MODEL_OPERATIONS)


def _otel() -> tuple[WorkMetric, ...]:
    """Names as exporters to Prometheus write them: with the unit or without it, and under the prefix of a gateway."""
    found: list[WorkMetric] = []
    for step, prefix in enumerate(("", "agentgateway_")):
        for unit in ("", "_token", "_tokens"):
            name = f"{prefix}gen_ai_client_token_usage{unit}"
            rank = 10 * step + ("", "_token", "_tokens").index(unit) + 1
            for quantity, types in (("input_tokens_n", ("input",)), ("output_tokens_n", ("output", "completion"))):
                only: _Labels = (("gen_ai_token_type", types),)
                found.append(WorkMetric(f"{name}_sum", quantity, rank, only, _MODEL_OPERATIONS))  # type: ignore[arg-type]
            only = (("gen_ai_token_type", ("input",)),)
            found.append(WorkMetric(f"{name}_count", "requests_n", rank + 6, only, _WITHOUT_ERRORS))
        for place, metric in enumerate(("gen_ai_server_request_duration", "gen_ai_client_operation_duration")):
            for place_of_unit, unit in enumerate(("_seconds", "")):
                rank = 10 * step + 2 * place + place_of_unit + 1
                name = f"{prefix}{metric}{unit}_count"
                found.append(WorkMetric(name, "requests_n", rank, (), _WITHOUT_ERRORS))
    return tuple(found)


KNOWN: dict[str, WorkKind] = {
    kind.name: kind
    for kind in (
        WorkKind("vllm", "vllm:", _vllm(), ("model_name",)),
        WorkKind("tgi", "tgi_", _tgi()),
        WorkKind("triton", "nv_", _triton(), ("model",), "version", other_unit="inference"),
        WorkKind("sglang", "sglang", _sglang(), ("model_name",)),
        WorkKind("otel", "gen_ai_", _otel(), ("gen_ai_request_model", "gen_ai_response_model"), is_own=False),
    )
}
"""Kind of server -> what it tells."""
