"""Energy totals of other tools as readings of a counter.

What belongs here: how an amount of energy over an interval becomes ``power_sample`` rows whose integral is exactly that
amount. What must not be here: what a tool's columns mean.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

MJ_PER_KWH = 3_600_000_000
MJ_PER_J = 1_000
MS_PER_HOUR = 3_600_000
STEP_MS = 12 * MS_PER_HOUR
"""Longest distance of two readings that are made of one total; the warehouse bridges at most 24 h by a counter [ms]."""


class Device(NamedTuple):
    """A device of the host of a run; columns of ``power_sample``.

    Attributes:
        device: device id.
        kind: kind of device, one of the contract's.
        point: where it was measured, one of the contract's.
        source: interface, one of the contract's.
        is_estimate: whether the energy is modelled.
    """

    device: str
    kind: str
    point: str
    source: str
    is_estimate: bool


def session_of(*parts: str) -> int:
    """Return the number of a counter session that is the same for the same run, and differs between runs.

    Args:
        *parts: what identifies the run, for example tool and run id.
    """
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def counter_rows(
    *,
    host: str,
    device: str,
    kind: str,
    point: str,
    source: str,
    start_ms: int,
    end_ms: int,
    energy_mj: int,
    session: int,
    before_mj: int = 0,
    is_estimate: bool = False,
) -> list[dict[str, Any]]:
    """Return readings of a counter that rises evenly by an amount of energy.

    Args:
        host: host of the device.
        device: device id.
        kind: kind of device, one of the contract's.
        point: where it was measured, one of the contract's.
        source: interface, one of the contract's.
        start_ms: start of the interval [epoch ms].
        end_ms: its end [epoch ms], after the start.
        energy_mj: energy over the interval [mJ].
        session: counter session, see ``session_of``.
        before_mj: reading at the start [mJ], where an earlier part of the same run came before.
        is_estimate: whether the energy is modelled.

    Returns:
        ``power_sample`` rows: at the start, at the end, and between them where they are far apart.

    Raises:
        ValueError: if the interval has no length, or the energy is negative.
    """
    if end_ms <= start_ms or energy_mj < 0 or before_mj < 0:
        msg = f"{energy_mj} mJ from {start_ms} to {end_ms} ms is no rise of a counter"
        raise ValueError(msg)
    steps = -(-(end_ms - start_ms) // STEP_MS)
    stamps = [start_ms + (end_ms - start_ms) * step // steps for step in range(steps + 1)]
    return [
        {
            "ts_ms": stamp,
            "host": host,
            "device": device,
            "kind": kind,
            "point": point,
            "power_mw": None,
            "energy_mj": before_mj + energy_mj * (stamp - start_ms) // (end_ms - start_ms),
            "session": session,
            "source": source,
            "is_estimate": is_estimate,
        }
        for stamp in stamps
    ]
