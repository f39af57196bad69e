"""Logs of requests to models, one request a row: CSV, JSON lines, and spans of OpenTelemetry.

What belongs here: which fields of a log mean what (``fields``), the three ways in which a log is written (``records``,
``otlp``), requests by the minute (``minutes``), and the course of an import (``log``). What must not be here: counters
of a running server, which the agent reads (``work``), or tables of sums, which ``wattledger import table`` takes.
"""

from __future__ import annotations

from .log import FORMAT

__all__ = ["FORMAT"]
