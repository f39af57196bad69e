"""The sample kernel: from readings in hour files to energy in segments, exact and in one pass.

What belongs here: the interval rule and everything that makes it fast. What must not be here: DuckDB (but for the check
of the rule against its twin in SQL, ``check``), the lake, who the energy belongs to.

The rule stands in ``intervals``; ``warehouse/sql/check/energy_segment.sql`` states it a second time.
"""

from __future__ import annotations

from warehouse.kernel.hour import hour_segments
from warehouse.kernel.pool import HourTask, run_hours
from warehouse.kernel.rules import KERNEL_VERSION, KernelError, Rules
from warehouse.kernel.stitch import stitch_segments

__all__ = [
    "KERNEL_VERSION",
    "HourTask",
    "KernelError",
    "Rules",
    "hour_segments",
    "run_hours",
    "stitch_segments",
]
