"""What Slurm's accounting knows of one run of a job, whatever the export it came from.

What belongs here: the record, states, resources and the one rule by which steps and job become an energy. What must not
be here: any export's columns, rows of the ledger.

Reference: Slurm, sacct(1); src/stepmgr/stepmgr.c (_internal_step_complete) for what is in the energy of a job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from ...errors import UNKNOWN_VALUE, RefusedError

NOT_SET = frozenset({2**32 - 1, 2**32 - 2, 2**64 - 1, 2**64 - 2})
"""Values that Slurm writes for "not set" and "infinite", of 32 and 64 bits."""
EXTERN = "extern"
"""The step that lasts as long as the job on all its nodes."""
RESIZING = "RESIZING"

_ENDED = {
    "COMPLETED": "completed",
    "FAILED": "failed",
    "OUT_OF_MEMORY": "failed",
    "LAUNCH_FAILED": "failed",
    "SPECIAL_EXIT": "failed",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "NODE_FAIL": "interrupted",
    "BOOT_FAIL": "interrupted",
    "PREEMPTED": "interrupted",
    "REQUEUED": "interrupted",
    RESIZING: "interrupted",
}
_ALIVE = frozenset(
    {"PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "STOPPED", "STAGE_OUT", "SIGNALING"}
)
_SIGNAL_BASE = 128
_PREFIXES = ("", "K", "M", "G", "T", "P")
_AMOUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGTP]?)\Z")


class Step(NamedTuple):
    """One step of a job.

    Attributes:
        name: ``batch``, ``extern`` or its number.
        start_ms: its start [epoch ms], ``None`` if not known.
        end_ms: its end [epoch ms], ``None`` if not known.
        energy_j: energy of its nodes while it ran [J], ``None`` if not known.
    """

    name: str
    start_ms: int | None
    end_ms: int | None
    energy_j: int | None


class Energy(NamedTuple):
    """Energy of one run of a job.

    Attributes:
        joules: energy [J], ``None`` if not known.
        basis: where it was stated: ``job``, ``extern`` or ``steps``; ``overlap`` where steps at the same time forbid a
            figure, ``repeated`` where the job's own figure is the sum of such steps and so too large; ``none``.
    """

    joules: int | None
    basis: str


@dataclass(slots=True)
class Record:
    """One run of a job: a job that was requeued has several.

    Attributes:
        cluster: cluster.
        number: job id as users know it: ``123``, ``123_4`` of an array, ``123+0`` of a heterogeneous job.
        state: Slurm's state without its suffix.
        submit_ms: submission, or the last requeue [epoch ms].
        start_ms: start [epoch ms], ``None`` if it did not start.
        end_ms: end [epoch ms], ``None`` if it has not ended.
        nodes: its nodes.
        fields: account, user, partition, qos, comment, wckey, job_name, raw_id as far as they are known.
        cpus: allocated CPUs, as Slurm counts them.
        gpus: allocated GPUs.
        energy_j: energy that is stated for the job as a whole [J].
        steps: its steps.
        exclusive: whether it had its nodes for itself, ``None`` if that is not stated.
        restarts: how often the job was requeued before, ``None`` if that is not stated.
        origin: what all runs of the job share, ``None`` if that is not stated.
        suspended_s: how long it was suspended [s].
        exit_code: exit code, 128 + N where signal N ended it.
        file: file that holds it.
        row: its number there, from 1.
    """

    cluster: str
    number: str
    state: str
    submit_ms: int
    start_ms: int | None
    end_ms: int | None
    nodes: tuple[str, ...]
    fields: dict[str, str]
    cpus: int | None = None
    gpus: int | None = None
    energy_j: int | None = None
    steps: list[Step] = field(default_factory=list)
    exclusive: bool | None = None
    restarts: int | None = None
    origin: str | None = None
    suspended_s: int = 0
    exit_code: int | None = None
    file: str = ""
    row: int | None = None

    @property
    def has_started(self) -> bool:
        """Whether it ever had nodes."""
        return self.start_ms is not None and bool(self.nodes)

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self.state in _ENDED and self.end_ms is not None

    @property
    def outcome(self) -> str:
        """The ledger's state of an ended job."""
        return _ENDED[self.state]

    def energy(self) -> Energy:
        """Return the energy of this run: of the job or of its steps, never of both.

        Slurm gives each step all energy of its nodes while it runs, so steps that run at the same time state the same
        energy twice. The job's own figure is the extern step's where there is one, else the plain sum of all steps. A
        job figure of 0 means that none is stored.
        """
        stated = [step for step in self.steps if step.energy_j]
        total = sum(step.energy_j or 0 for step in stated)
        extern = [step.energy_j for step in stated if step.name == EXTERN]
        if self.energy_j:
            is_sum = not extern and self.energy_j == total and _overlap(stated)
            return Energy(self.energy_j, "repeated" if is_sum else "job")
        if extern:
            return Energy(extern[0], EXTERN)
        if not stated:
            return Energy(None, "none")
        return Energy(None, "overlap") if _overlap(stated) else Energy(total, "steps")

    def shown(self) -> dict[str, Any]:
        """Return what may be shown of a refused record: nothing that a person wrote or that names one."""
        return {
            "cluster": self.cluster,
            "job_id": self.number,
            "state": self.state,
            "submit_ms": self.submit_ms,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
        }


def _overlap(steps: list[Step]) -> bool:
    """Return whether two steps ran at the same time, or may have."""
    spans = sorted((step.start_ms, step.end_ms) for step in steps if step.start_ms and step.end_ms)
    return len(steps) > 1 and (
        len(spans) < len(steps) or any(earlier[1] > later[0] for earlier, later in pairwise(spans))
    )


def state_of(text: str) -> str:
    """Return a state without its suffix, such as that of ``CANCELLED by 1000``.

    Args:
        text: state as written.

    Raises:
        RefusedError: if there is no such state.
    """
    state = text.strip().partition(" ")[0].rstrip("+").upper()
    if state not in _ENDED and state not in _ALIVE:
        raise RefusedError(UNKNOWN_VALUE, f"state {state!r} is no state of Slurm")
    return state


def tres_of(text: str) -> dict[str, int]:
    """Return trackable resources by name; units of memory count 1,024, ``billing`` is no resource and left out.

    Args:
        text: resources as written, for example ``cpu=8,mem=16G,gres/gpu:a100=2``.

    Raises:
        RefusedError: if a part is no resource.
    """
    found: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, equals, amount = part.partition("=")
        match = _AMOUNT.match(amount)
        if not equals or match is None:
            raise RefusedError(UNKNOWN_VALUE, f"AllocTRES: {part!r} is no resource")
        if name != "billing":
            found[name] = _scaled(match, 1024)
    return found


def _scaled(match: re.Match[str], base: int) -> int:
    number = int(match[1]) if match[1].isdigit() else float(match[1])
    factor: int = base ** _PREFIXES.index(match[2])
    return round(number * factor)


def gpus_of(tres: dict[str, int]) -> int | None:
    """Return the number of GPUs, ``None`` if none is allocated; typed entries repeat the untyped one.

    Args:
        tres: resources by name.
    """
    if "gres/gpu" in tres:
        return tres["gres/gpu"] or None
    return sum(count for name, count in tres.items() if name.startswith("gres/gpu:")) or None


def joules_of(text: str) -> int | None:
    """Return an energy [J], ``None`` if it is not set; units count 1,000.

    Args:
        text: ``ConsumedEnergyRaw`` or ``ConsumedEnergy`` as written.

    Raises:
        RefusedError: if it is no energy.
    """
    text = text.strip()
    if not text:
        return None
    match = _AMOUNT.match(text)
    if match is None:
        raise RefusedError(UNKNOWN_VALUE, f"ConsumedEnergy: {text!r} is no energy")
    joules = _scaled(match, 1000)
    return None if joules in NOT_SET else joules


def exit_code_of(text: str) -> int | None:
    """Return an exit code, 128 + N where signal N ended the job; ``None`` if there is none.

    Args:
        text: for example ``1:0`` or ``0:9``.
    """
    match = re.match(r"(\d{1,9}):(\d{1,9})\Z", text.strip())
    if match is None:
        return None
    return exit_code(int(match[1]), int(match[2]))


def exit_code(code: int, signal: int) -> int:
    """Return the exit code of a job.

    Args:
        code: code that the job returned.
        signal: signal that ended it, or 0.
    """
    return _SIGNAL_BASE + signal if signal else code
