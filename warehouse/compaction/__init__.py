"""Compaction: the landed power samples of one hour become few sorted, checksummed hour files.

What belongs here: which row stays of several with one key, the order and encoding of an hour file, its series ledger,
and how the file appears whole or not at all. What must not be here: the lake and its ledger tables, energy, jobs.

Everything is a function of files: the same set of landed files gives the same bytes, in any order, any number of times.
"""

from __future__ import annotations

from .compact import compact_hour, write_hour
from .parts import CompactedHour, CompactionError, HourFile, Source
from .sweep import sweep

__all__ = ["CompactedHour", "CompactionError", "HourFile", "Source", "compact_hour", "sweep", "write_hour"]
