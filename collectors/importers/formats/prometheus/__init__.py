"""Power and energy from Prometheus: answers of range queries, and saved expositions of exporters.

What belongs here: the options and the rows. What must not be here: what a metric means (``metrics.known``), which
series counts (``series``), the shapes of files (``files``).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import pyarrow as pa

from ....contract import POWER_SAMPLE
from ....landing.validate import to_valid_table
from ....metrics.known import Quantity
from ...format import Assumption, Finding, Format, Item, LeftOut, Option, Options, Rows, Source, files_matching
from .files import found_series
from .series import TABLE, Book, HostRule, Measured, Values, values_of

BRIDGED_MS = 10_000
"""Longest gap between two power readings that ``wattledger run`` bridges unless it is configured otherwise [ms]."""
_KEEP, _CUT = "keep", "cut"
_PATTERNS = ("*.json", "*.prom", "*.txt", "*.om", "*.metrics")


def _read(source: Source, options: Options) -> Iterator[Item]:
    book = Book(HostRule(options.get("host"), options.get("host_label"), options["domain"] == _CUT))
    for path in source.files:
        for found in found_series(source, path, options.get("scraped_at")):
            if isinstance(found, Finding):
                yield found
            else:
                book.add(found, source.shown(path))
    yield Assumption("readings of all exporters of a host were stamped by clocks that agree")
    slow: dict[str, float] = {}
    repeated = blank = 0
    for item in book.measured():
        if not isinstance(item, Measured):
            yield item
            continue
        repeated += any("GPU_I_ID" in member.raw.labels for found in item.members.values() for member in found)
        values = {quantity: values_of(found) for quantity, found in item.members.items()}
        blank += sum(value.blank_n for value in values.values())
        yield from _rows(item, values)
        step = _step_ms(item, values)
        if step:
            name = _source(item)
            slow[name] = max(slow.get(name, 0), step)
    yield from _findings(slow, repeated, blank)


def _rows(item: Measured, values: dict[Quantity, Values]) -> Iterator[Item]:
    """Yield the rows of one device: at every time at which its energy or power is stated."""
    energy, power = values.get("energy", Values()), values.get("power", Values())
    util = values.get("utilisation", Values())
    for found in (energy, power, util):
        yield from found.refused
    stamps = sorted(energy.by_ms.keys() | power.by_ms.keys())
    loose = sum(stamp not in energy.by_ms and stamp not in power.by_ms for stamp in util.by_ms)
    left_out = loose + sum(found.left_out_n for found in (energy, power, util))
    if left_out:
        yield LeftOut(left_out)
    if not stamps:
        return
    goes_round = any(member.metric.goes_round for member in item.members.get("energy", ()))
    count = len(stamps)
    columns = {
        "ts_ms": stamps,
        "host": [item.host] * count,
        "device": [item.device.device] * count,
        "kind": [item.device.kind] * count,
        "parent": [item.device.parent] * count,
        "point": [item.device.point] * count,
        "power_mw": [power.by_ms.get(stamp) for stamp in stamps],
        "energy_mj": [energy.by_ms.get(stamp) for stamp in stamps],
        "session": [0] * count if goes_round else _sessions([energy.by_ms.get(stamp) for stamp in stamps]),
        "util_percent": [util.by_ms.get(stamp) for stamp in stamps],
        "source": [_source(item)] * count,
        "is_estimate": [_is_estimate(item)] * count,
    }
    schema = {column.name: column.type for column in POWER_SAMPLE.columns}
    table = pa.table({name: pa.array(column, schema[name]) for name, column in columns.items()})
    read = len(energy.by_ms) + len(power.by_ms) + len(util.by_ms) - loose
    yield Rows(TABLE, to_valid_table(POWER_SAMPLE, table), read=read)


def _sessions(energy: list[int | None]) -> list[int]:
    """Return the counter session of each row: a new one wherever the counter is lower than it was [mJ]."""
    sessions, session, last = [], 0, 0
    for value in energy:
        if value is not None:
            session += value < last
            last = value
        sessions.append(session)
    return sessions


def _source(item: Measured) -> str:
    """Return the interface that gave the readings: the counter's, else that of the power."""
    found = item.members.get("energy") or item.members.get("power") or next(iter(item.members.values()))
    return found[0].metric.source


def _is_estimate(item: Measured) -> bool:
    """Return whether the readings are modelled, as our own agent marks them."""
    return any(member.raw.labels.get("is_estimate") == "true" for found in item.members.values() for member in found)


def _step_ms(item: Measured, values: dict[Quantity, Values]) -> float:
    """Return how far apart the readings of a device without a counter are [ms], 0 if that is near enough."""
    stamps = sorted(values["power"].by_ms) if "power" in values and "energy" not in item.members else []
    step = median(later - earlier for earlier, later in pairwise(stamps)) if len(stamps) > 1 else 0
    return step if step > BRIDGED_MS else 0


def _findings(slow: dict[str, float], repeated: int, blank: int) -> Iterator[Finding]:
    for name, step in sorted(slow.items()):
        yield Finding(
            f"power of interface {name} comes every {step / 1000:g} s without a counter; `wattledger run` bridges "
            f"{BRIDGED_MS // 1000} s and calls the rest a gap: set max_gap_s_by_source = "
            f"{{ {name} = {round(1.5 * step / 1000)} }} in [accounting]"
        )
    if repeated:
        yield Finding(
            f"{repeated} GPUs are split into MIG instances, and each instance states the whole GPU: it is counted once"
        )
    if blank:
        yield Finding(f"{blank} values are so large that they mean 'not available'; they were left out")


def _find(path: Path) -> list[Path]:
    return files_matching(path, *_PATTERNS, *(f"{pattern}.gz" for pattern in _PATTERNS))


FORMAT = Format(
    "prometheus",
    "power and energy metrics: answers of Prometheus range queries, and expositions of exporters saved as text",
    _find,
    _read,
    (
        Option("host", "host of series that no label names"),
        Option("host_label", "label that names the host; by default Hostname, node_name, ... instance"),
        Option("domain", "keep or cut the domain of host names", choices=(_KEEP, _CUT), default=_KEEP),
        Option("scraped_at", "time of samples without a stamp: epoch seconds, ISO 8601 with zone, or `name`"),
    ),
)
