"""What can be measured on this host, what cannot, why, and how to get it.

What belongs here: one row a device or source, and the table of them. What must not be here: flags and exit codes
(``cli``), or how anything is found or read (``sources``).
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .sources import PolledSource, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .sources import Device, Discovery, PowerSource

LIMIT_S = 3.5
"""Longest time that slow sources, all at once, are waited for [s]; an exporter was looked at for 1.5 s before."""
MEASURED, ESTIMATED, NOT_MEASURED, NOT_USED = "measured", "estimated", "not measured", "not used"
_COLUMNS = ("device", "kind", "source", "status", "reason")


def findings(found: Discovery, *, limit_s: float = LIMIT_S) -> list[dict[str, Any]]:
    """Return one row a device, sensor that is not used, or source that is not available.

    Args:
        found: the sources of the host.
        limit_s: longest time that slow sources are waited for [s].

    Returns:
        Rows with ``device``, ``kind``, ``source``, ``status``, ``reason``, ``fix`` and ``hardware_model``.
    """
    slow = _poll([source for source in found.sources if isinstance(source, PolledSource)], limit_s)
    rows: list[dict[str, Any]] = []
    for source in found.sources:
        rows += _of_source(source, f"no answer within {limit_s:g} s" if source in slow else None)
    for source in (*found.sources, *found.unavailable):
        rows += [_row(part.name, part.kind, source.name, NOT_USED, part.reason, part.fix) for part in source.left_out()]
    told = {row["reason"] for row in rows}
    rows += [
        _row("-", source.kinds, source.name, NOT_MEASURED, source.unavailable_reason, source.fix)
        for source in found.unavailable
        if source.unavailable_reason not in told
    ]
    return rows


def is_measured(rows: Sequence[dict[str, Any]]) -> bool:
    """Return whether anything is measured, not only estimated.

    Args:
        rows: what ``findings`` returned.
    """
    return any(row["status"] == MEASURED for row in rows)


def complaint(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines that say why nothing is measured.

    Args:
        rows: what ``findings`` returned.
    """
    yield "wattledger-collect: nothing is measured on this host, and --require was given:"
    for row in rows:
        yield f"  {row['kind']} by {row['source']}: {row['reason'] or row['status']}"


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table for people, and below it what to do about what is not measured.

    Args:
        rows: what ``findings`` returned.
    """
    cells = [list(_COLUMNS), *([str(row[name] or "-") for name in _COLUMNS] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(_COLUMNS))]
    for line in cells:
        yield "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
    for source, fix in dict.fromkeys((row["source"], row["fix"]) for row in rows if row["fix"]):
        yield f"\nTo measure by {source}: {fix}"


def _poll(sources: list[PolledSource], limit_s: float) -> list[PolledSource]:
    """Ask slow sources once, all at the same time; return those that have not answered in time."""
    threads = [threading.Thread(target=source.poll, daemon=True) for source in sources]
    deadline_s = time.monotonic() + limit_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline_s - time.monotonic(), 0.0))
    return [source for source, thread in zip(sources, threads, strict=True) if thread.is_alive()]


def _of_source(source: PowerSource, silent: str | None) -> Iterator[dict[str, Any]]:
    """Yield the rows of one source; ``silent`` says why it has not answered."""
    readings = source.read()
    devices = {device.id: device for device in source.devices()}
    told = {reading.device_id for reading in readings}
    if silent:
        readings += [Reading(name, gap_reason=silent) for name in devices if name not in told]
    trouble = None if silent else source.trouble()
    for reading in readings:
        yield _of_reading(source, devices[reading.device_id], reading, trouble)
    if not readings and (trouble or silent):
        yield _row("-", source.kinds, source.name, NOT_MEASURED, trouble or silent, source.fix)


def _of_reading(source: PowerSource, device: Device, reading: Reading, trouble: str | None) -> dict[str, Any]:
    interface = reading.source or device.source
    if reading.has_value:
        status = ESTIMATED if device.is_estimate else MEASURED
        return _row(device.id, device.kind, interface, status, None, None, device.hardware_model)
    reason = f"{reading.gap_reason}: {trouble}" if trouble else reading.gap_reason
    return _row(device.id, device.kind, interface, NOT_MEASURED, reason, source.fix, device.hardware_model)


def _row(
    device: str, kind: str, source: str, status: str, reason: str | None, fix: str | None, model: str | None = None
) -> dict[str, Any]:
    return {
        "device": device,
        "kind": kind,
        "source": source,
        "status": status,
        "reason": reason,
        "fix": fix,
        "hardware_model": model,
    }
