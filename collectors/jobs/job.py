"""Jobs as collectors see them: who ran what, and the landing rows that say so.

What belongs here: the attributes of a job and its rows. What must not be here: where attributes come from
(``carriers``), running anything, files, or guessed attributes. What nobody stated stays ``None``.
"""

from __future__ import annotations

import dataclasses
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..closed_sets import PHASES
from ..usage import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

COUNTS = ("attempt", "parameters_n", "tokens_n")
_UNKNOWN = "unknown"


class JobError(UsageError):
    """A job attribute that cannot be used."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job and what is known about it; attributes as in the landing table ``job_event``.

    Attributes:
        job_id: identifier, unique within the organisation.
        attempt: attempt of the job, counted from 1.
        org: organisation that answers for the job.
        team: team that ran it.
        project: project it belongs to.
        user_ref: pseudonym of the person who ran it.
        model: model that is trained or served.
        model_version: version of that model.
        task: what the job does with the model.
        phase: life-cycle phase, one of ``PHASES``.
        provider: cloud provider, ``None`` on own hardware.
        region: cloud region.
        facility: facility id of the configuration.
        parameters_n: number of model parameters.
        tokens_n: number of tokens processed.
        labels: free labels.
    """

    job_id: str = field(default_factory=lambda: f"job-{uuid.uuid4().hex}")
    attempt: int = 1
    org: str | None = None
    team: str | None = None
    project: str | None = None
    user_ref: str | None = None
    model: str | None = None
    model_version: str | None = None
    task: str | None = None
    phase: str = _UNKNOWN
    provider: str | None = None
    region: str | None = None
    facility: str | None = None
    parameters_n: int | None = None
    tokens_n: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse an unknown phase, an empty id and negative counts."""
        if self.phase not in PHASES:
            msg = f"phase {self.phase!r} is not known; must be one of " + ", ".join(PHASES)
            raise JobError(msg)
        if not self.job_id:
            msg = "job_id is empty"
            raise JobError(msg)
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and not (name == "attempt") <= value < 2**63:
                msg = f"{name} {value} is out of range"
                raise JobError(msg)

    def event_row(self, ts_ms: int, event: str, **more: object) -> dict[str, Any]:
        """Return a ``job_event`` row.

        Args:
            ts_ms: time of the event [epoch ms, UTC].
            event: one of the contract's ``JOB_EVENTS``.
            **more: further columns, for example ``state`` or ``quality_metric``; they win over the job's.
        """
        row: dict[str, Any] = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        row["labels"] = sorted(self.labels.items()) or None
        return {"ts_ms": ts_ms, "event": event, **row, **more}

    def device_row(
        self,
        host: str,
        start_ms: int,
        end_ms: int | None = None,
        *,
        device: str = "*",
        share_fraction: float | None = None,
    ) -> dict[str, Any]:
        """Return a ``job_device`` row: the job holds a device, or all of the host.

        Args:
            host: host of the device.
            start_ms: start of the reservation [epoch ms, UTC].
            end_ms: its end [epoch ms, UTC], ``None`` while the job runs.
            device: device id, or ``*`` for every device of the host.
            share_fraction: part of the device that the job holds, 0 to 1.
        """
        return {
            "job_id": self.job_id,
            "attempt": self.attempt,
            "host": host,
            "device": device,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "share_fraction": share_fraction,
        }

    def work_row(self, start_ms: int, end_ms: int, work: Mapping[str, Any]) -> dict[str, Any]:
        """Return a ``work_counter`` row.

        Args:
            start_ms: start of the interval [epoch ms, UTC].
            end_ms: its end [epoch ms, UTC].
            work: ``requests_n``, ``input_tokens_n``, ``output_tokens_n``, ``other_unit``, ``other_n`` as far as
                known; what was not counted stays ``None``.
        """
        return {
            "start_ms": start_ms,
            "end_ms": end_ms,
            "job_id": self.job_id,
            "service": None,
            "model": self.model or _UNKNOWN,
            "model_version": self.model_version,
            "requests_n": work.get("requests_n"),
            "input_tokens_n": work.get("input_tokens_n"),
            "output_tokens_n": work.get("output_tokens_n"),
            "other_unit": work.get("other_unit"),
            "other_n": work.get("other_n"),
        }


def parse_labels(texts: Iterable[str]) -> dict[str, str]:
    """Return labels written as ``key=value``.

    Args:
        texts: the labels, one text each.

    Raises:
        JobError: if a text has no ``=`` or an empty key.
    """
    labels: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            msg = f"label {text!r} is not of the form key=value"
            raise JobError(msg)
        labels[key.strip()] = value.strip()
    return labels


def to_count(name: str, value: object) -> int:
    """Return a whole number that somebody wrote, for example ``7e9``.

    Raises:
        JobError: if it is none.
    """
    text = str(value)
    try:
        if text.isdigit():
            return int(text)
        number = float(text)  # 7e9 is how people write parameters
        if number != int(number):
            raise ValueError(text)
        return int(number)
    except (ValueError, OverflowError) as error:
        msg = f"{name} {value!r} is not a whole number"
        raise JobError(msg) from error
