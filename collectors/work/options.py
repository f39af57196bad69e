"""What can be said of an inference server: plain values, as the configuration file states them.

What belongs here: these values and their defaults. What must not be here: reading or checking a file (``settings``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

WORK_EVERY_S = 15.0
"""Time between two readings of an inference server's counters [s]."""
WORK_TIMEOUT_S = 4.0
"""Longest time for one answer [s]."""


class ModelName(NamedTuple):
    """What the organisation calls a model.

    Attributes:
        model: its name.
        model_version: its version; ``None`` for what the server says, if it says any.
    """

    model: str
    model_version: str | None = None


class WorkSettings(NamedTuple):
    """An inference server whose counters of work are read.

    Attributes:
        url: address of its metrics.
        kind: what server it is, one of ``closed_sets.WORK_KINDS``.
        model: what the organisation calls the model; ``None`` where ``models`` says it, or the server's own names hold.
        model_version: version of that model.
        service: name of the service.
        every_s: time between two readings [s].
        job_id: job that the server runs as.
        models: name that the server tells -> what the organisation calls that model.
        leave_out: names that the server tells and that are not counted.
        timeout_s: longest time for one answer [s].
        max_bytes: largest answer [bytes].
        token_env: environment variable that holds a bearer token.
        ca_file: certificates to trust in place of the system's.
        is_verified: whether the server's certificate must be trusted.
    """

    url: str
    kind: str
    model: str | None = None
    model_version: str | None = None
    service: str | None = None
    every_s: float = WORK_EVERY_S
    job_id: str | None = None
    models: Mapping[str, ModelName] = MappingProxyType({})
    leave_out: tuple[str, ...] = ()
    timeout_s: float = WORK_TIMEOUT_S
    max_bytes: int = 8 << 20
    token_env: str | None = None
    ca_file: str | None = None
    is_verified: bool = True
