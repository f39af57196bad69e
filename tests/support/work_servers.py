"""Inference servers to read: their metrics as texts, written for the tests in the form that each of them has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from collectors.clock import Tick
from collectors.work.known import KNOWN, WorkMetric
from collectors.work.server import Point, WorkReading
from tests.support.stub_http import Reply

NOON_MS = 1_795_348_800_000
COUNTS = ("prompt", "generation", "stop", "abort")


@dataclass
class VllmStub:
    """A vLLM server, one engine or several: what it has done since it began."""

    start_s: float = NOON_MS / 1000 - 3600
    model: str = "meta-llama/Llama-3.1-8B"
    engines: list[dict[str, int]] = field(
        default_factory=lambda: [{"prompt": 0, "generation": 0, "stop": 0, "abort": 0}]
    )
    tells_start: bool = True

    def work(self, prompt: int, generation: int, stop: int = 1, *, engine: int = 0, abort: int = 0) -> None:
        done = {"prompt": prompt, "generation": generation, "stop": stop, "abort": abort}
        for name, count in done.items():
            self.engines[engine][name] += count

    def restart(self, at_s: float) -> None:
        self.start_s = at_s
        for engine in self.engines:
            engine.update(dict.fromkeys(engine, 0))

    def text(self) -> str:
        lines = [
            "# HELP process_start_time_seconds Start time of the process.",
            "# TYPE process_start_time_seconds gauge",
        ]
        lines = [*lines, f"process_start_time_seconds {self.start_s}"] if self.tells_start else []
        for family, name in (("prompt_tokens", "prompt"), ("generation_tokens", "generation")):
            lines.append(f"# TYPE vllm:{family}_total counter")
            lines += [f"vllm:{family}_total{{{self._labels(i)}}} {float(e[name])}" for i, e in enumerate(self.engines)]
        lines.append("# TYPE vllm:request_success_total counter")
        for index, engine in enumerate(self.engines):
            for reason in ("stop", "abort"):
                labels = f'{self._labels(index)},finished_reason="{reason}"'
                lines.append(f"vllm:request_success_total{{{labels}}} {float(engine[reason])}")
        lines += [
            "# TYPE vllm:iteration_tokens_total histogram",
            f'vllm:iteration_tokens_total_bucket{{{self._labels(0)},le="+Inf"}} 99999.0',
            f"vllm:iteration_tokens_total_sum{{{self._labels(0)}}} 123456.0",
            f"vllm:iteration_tokens_total_count{{{self._labels(0)}}} 99999.0",
            f"vllm:num_requests_running{{{self._labels(0)}}} 3.0",
        ]
        return "\n".join(lines) + "\n"

    def reply(self, _request: Any = None) -> Reply:
        return Reply(self.text().encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    def _labels(self, engine: int) -> str:
        return f'engine="{engine}",model_name="{self.model}"'


def reading(kind: str, values: dict[tuple[str, str], int], start_s: float | None = None, **more: Any) -> WorkReading:
    """Return a reading of some series, by metric name and a text that tells series apart."""
    known = KNOWN[kind].by_name()
    points = {
        f"{name}{{{label}}}": Point(metric_of(known, name), "served", None, value, more.get("created_s"))
        for (name, label), value in values.items()
    }
    return WorkReading(0, points, start_s)


def metric_of(known: dict[str, tuple[WorkMetric, ...]], name: str) -> WorkMetric:
    return known[name][0]


def tick(at_ms: int) -> Tick:
    """Return a tick whose monotonic clock is the wall clock."""
    return Tick(at_ms, at_ms * 1_000_000)
