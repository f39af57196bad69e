"""The parts of the report, in their order. A part is a function from the report's data to blocks and CSV files."""

from __future__ import annotations

from collections.abc import Callable

from warehouse.report.blocks import Part
from warehouse.report.parts import components, factors, jobs, method, phases, quality, querying, results
from warehouse.report.queries import ReportData

PARTS: tuple[Callable[[ReportData], Part], ...] = (
    results.part,
    phases.part,
    components.part,
    jobs.part,
    quality.part,
    factors.part,
    method.part,
    querying.part,
)

__all__ = ["PARTS"]
