"""One event of a job, told by whoever starts and ends jobs: the prolog and epilog of a scheduler, a hook, a person.

What belongs here: the rows of such an event and their way into the spool. What must not be here: sampling, which is the
agent's; the event waits in the agent's spool and is landed with its next journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..clock import SystemClock
from ..clock import boot_id as read_boot_id
from ..spool.spool import Spool
from ..usage import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ..sources.common import Device
    from .job import Job


def devices_of(gpus: str, found: Iterable[Device], share_fraction: float | None) -> list[tuple[str, float | None]]:
    """Return what a job holds that was given some GPUs of a host: those whole, and its part of everything else.

    Args:
        gpus: indices or UUIDs of its GPUs, with commas between them; empty for none.
        found: devices of this host, GPUs in the order of their indices.
        share_fraction: part of the other devices that it holds, 0 to 1; ``None`` for an equal part.

    Returns:
        Device id and share.

    Raises:
        UsageError: if this host has no such GPU.
    """
    known = list(found)
    cards = [device.id for device in known if device.kind in ("gpu", "accelerator")]
    held: list[tuple[str, float | None]] = []
    for name in filter(None, (part.strip() for part in gpus.split(","))):
        if name in cards:
            held.append((name, None))
        elif name.isdigit() and int(name) < len(cards):
            held.append((cards[int(name)], None))
        else:
            msg = f"--gpus {gpus}: this host has no GPU {name}; it has {', '.join(cards) or 'none that can be read'}"
            raise UsageError(msg)
    return held + [(device.id, share_fraction) for device in known if device.id not in cards]


def tell_event(
    job: Job,
    event: str,
    *,
    host: str,
    state_dir: Path,
    version: str,
    devices: Sequence[tuple[str, float | None]] = (),
    share_fraction: float | None = None,
    state: str | None = None,
    exit_code: int | None = None,
    ts_ms: int | None = None,
    tell: Callable[[str], None],
) -> bool:
    """Write one event of a job into the spool.

    A start says as well that the job holds devices of this host from then on; the end of the job ends that.

    Args:
        job: attributes of the job; its id must be stated, or nothing would join the events of one job.
        event: one of the contract's ``TOLD_EVENTS``.
        host: name of this host.
        state_dir: folder of the spool.
        version: version of the collector.
        devices: devices that the job holds from its start on, and its share of each; none for all of the host.
        share_fraction: part of the host that it holds where no devices are named, 0 to 1; ``None`` for an equal part.
        state: final state, with ``ended``.
        exit_code: exit code, with ``ended``.
        ts_ms: time of the event [epoch ms]; by default now.
        tell: where trouble is told.

    Returns:
        True if the event is on disk.

    Raises:
        UsageError: if the state does not go with the event.
    """
    if (state is not None or exit_code is not None) and event != "ended":
        msg = f"--state and --exit-code go with ended, not with {event}"
        raise UsageError(msg)
    at_ms = SystemClock().now_ms() if ts_ms is None else ts_ms
    spool = Spool(
        state_dir / "spool",
        host=host,
        header={"boot_id": read_boot_id(), "version": version},
        now_ms=lambda: at_ms,
        tell=tell,
    )
    spool.add_rows("job_event", [job.event_row(at_ms, event, state=state, exit_code=exit_code)])
    if event == "started":
        held = devices or (("*", share_fraction),)
        spool.add_rows(
            "job_device", [job.device_row(host, at_ms, device=name, share_fraction=share) for name, share in held]
        )
    return spool.rotate(end=True)
