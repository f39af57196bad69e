"""The goals of speed and size, and whether a figure meets them.

What belongs here: what must be reached. What must not be here: how it is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.tables import number


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure that must be reached.

    Attributes:
        figure: id of the figure; ``Section.figures`` has it.
        section: benchmark that measures it.
        what: what is compared with what.
        bound: the figure must be at most, or at least, the limit.
        limit: the limit.
        unit: what stands behind the number.
    """

    figure: str
    section: str
    what: str
    bound: Literal["at most", "at least"]
    limit: float
    unit: str = "x"

    def is_met(self, value: float) -> bool:
        """Tell whether a figure meets the goal; a figure that is no number does not."""
        return value <= self.limit if self.bound == "at most" else value >= self.limit

    def told(self, value: float) -> str:
        """Return a figure as text."""
        return f"{value * 100:.3g} %" if self.unit == "%" else f"{number(value)}{_gap(self.unit)}"

    @property
    def limit_told(self) -> str:
        """Return the goal as text."""
        return f"{'<=' if self.bound == 'at most' else '>='} {self.told(self.limit)}"


def _gap(unit: str) -> str:
    return unit if unit == "x" else f" {unit}"


GOALS = (
    Goal("scan_unwrapped", "kernel", "samples to segments / DuckDB sum, CPU, 86M rows, unwrapped", "at most", 1.0),
    Goal("scan_wraps", "kernel", "the same with raw wraps", "at most", 1.5),
    Goal(
        "decode_unwrapped", "kernel", "samples to segments / pyarrow decode, CPU, 86M rows, unwrapped", "at most", 2.5
    ),
    Goal("decode_wraps", "kernel", "the same with raw wraps", "at most", 2.5),
    Goal("chain", "chain", "whole chain to the org tables / samples to segments, CPU, 86M rows", "at most", 1.05),
    Goal("pandas_cpu", "rivals", "careful pandas / kernel, CPU, 10M rows", "at least", 20.0),
    Goal("pandas_memory", "rivals", "careful pandas / kernel, peak memory, 10M rows", "at least", 10.0),
    Goal("window_cpu", "rivals", "DuckDB window / kernel, CPU, 86M rows", "at least", 7.0),
    Goal("clickhouse_cpu", "rivals", "ClickHouse / kernel, CPU, 86M rows", "at least", 7.0),
    Goal("polars_cpu", "rivals", "polars / kernel, CPU, 86M rows", "at least", 7.0),
    Goal("kernel_peak_unwrapped_mb", "kernel", "peak memory of samples to segments, 86M rows", "at most", 500.0, "MB"),
    Goal("kernel_peak_wraps_mb", "kernel", "the same with raw wraps", "at most", 500.0, "MB"),
    Goal("chain_peak_mb", "chain", "peak memory of the whole chain, 86M rows", "at most", 500.0, "MB"),
    Goal("linearity", "kernel", "CPU a row, dearest / cheapest of 10M, 86M, 260M rows", "at most", 1.3),
    Goal("new_hour_year", "new_hour", "one new hour on a year of history / without history, CPU", "at most", 1.2),
    Goal("new_hour_month", "new_hour", "the same on a month", "at most", 1.2),
    Goal("hourly", "hourly", "an hour of a fourth day / of the first day, each hour committed, CPU", "at most", 1.2),
    Goal(
        "revised_factor", "chain", "a revised factor for a day / that day's full computation, CPU", "at most", 0.02, "%"
    ),
    Goal("revised_files", "chain", "hour files opened for it", "at most", 0.0, "files"),
    Goal("bytes_unwrapped", "layout", "bytes a row of an hour file, unwrapped", "at most", 5.2, "bytes"),
    Goal("bytes_wraps", "layout", "the same with raw wraps", "at most", 5.2, "bytes"),
    Goal("collector_cpu", "collectors", "agent, 8 devices, 1 Hz: share of a core", "at most", 0.00025, "%"),
    Goal("collector_rss_mb", "collectors", "its resident memory", "at most", 20.0, "MB"),
    Goal("collector_start_s", "collectors", "its import and start", "at most", 0.1, "s"),
    Goal("collector_cpu_ratio", "collectors", "agent / CodeCarbon 3.3.2, CPU, 1 Hz", "at most", 0.125),
    Goal("collector_rss_ratio", "collectors", "the same, resident memory", "at most", 0.2),
    Goal("collector_children_cpu", "collectors", "exec with 50 children: share of a core", "at most", 0.005, "%"),
)
