"""The ledger of the series of an hour file: what later steps need to know without opening the file.

What belongs here: ``hourfile.SERIES_SCHEMA``, computed from rows in the order of the file. What must not be here: how
they are written, and energy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from warehouse.hourfile import SERIES_SCHEMA

from .rows import NO_VALUE, SERIES_FIELDS, Block, Names

Places = npt.NDArray[np.int64]


def series_ledger(block: Block, names: Names, row_offset: int) -> pa.Table:
    """Return one row for each series.

    Args:
        block: rows of whole series, in the order of the file, at least one.
        names: the texts behind their codes.
        row_offset: number of the first row in the file.

    Returns:
        Rows in ``SERIES_SCHEMA``.
    """
    heads = np.append(0, np.flatnonzero(np.diff(block.series)) + 1)
    rows_n = np.diff(np.append(heads, len(block.series)))
    has_power, has_counter = block.power_mw >= 0, block.energy_mj >= 0
    reading = np.flatnonzero(has_power | has_counter)
    owner = np.repeat(np.arange(len(heads)), rows_n)[reading]
    readings_n = _count(owner, len(heads))
    keys = [names.series[rank] for rank in block.series[heads]]
    columns: dict[str, Any] = dict(zip(SERIES_FIELDS, zip(*keys, strict=True), strict=True))
    columns |= {
        "row_offset": heads + row_offset,
        "rows_n": rows_n,
        "readings_n": readings_n,
        "power_n": _count(owner[has_power[reading]], len(heads)),
        "counter_n": _count(owner[has_counter[reading]], len(heads)),
        "estimated_n": _count(owner[names.is_estimate[block.label[reading]]], len(heads)),
    }
    columns |= _sessions(block, reading, owner, readings_n)
    columns |= _texts(block, names, heads, reading, readings_n)
    columns |= _ends(block, names, reading, readings_n)
    return pa.table({field.name: columns[field.name] for field in SERIES_SCHEMA}).cast(SERIES_SCHEMA)


def _count(owner: Places, series_n: int) -> Places:
    return np.bincount(owner, minlength=series_n)


def _sessions(block: Block, reading: Places, owner: Places, readings_n: Places) -> dict[str, Any]:
    """Return changes of session and drops of the counter between neighbouring readings."""
    session, energy = block.session[reading], block.energy_mj[reading]
    is_inside = owner[1:] == owner[:-1]
    is_same = session[1:] == session[:-1]
    # A reading without a counter is -1, and so never above the one after it, nor a drop when it comes later.
    is_drop = is_inside & is_same & (energy[1:] < energy[:-1]) & (energy[1:] >= 0)
    changes_n = _count(owner[1:][is_inside & ~is_same], len(readings_n))
    return {
        "sessions_n": changes_n + (readings_n > 0),
        "drops_n": _count(owner[1:][is_drop], len(readings_n)),
    }


def _texts(block: Block, names: Names, heads: Places, reading: Places, readings_n: Places) -> dict[str, Any]:
    """Return the greatest kind, parent and source of each series, and whether kinds or sources are mixed."""
    has = readings_n > 0
    starts = (np.cumsum(readings_n) - readings_n)[has]
    columns: dict[str, Any] = {}
    is_mixed = np.zeros(len(heads), np.bool_)
    labels = block.label[reading]
    for name in ("kind", "parent", "source"):
        by_label = names.text_of[name]
        greatest = np.empty(len(heads), np.int64)
        if not has.all():
            greatest[:] = np.maximum.reduceat(by_label[block.label], heads)
        if len(starts):
            texts = by_label[labels]
            greatest[has] = np.maximum.reduceat(texts, starts)
            if name != "parent":
                is_mixed[has] |= np.minimum.reduceat(texts, starts) != greatest[has]
        columns[name] = _text_array(names, greatest)
    return columns | {"is_mixed": is_mixed}


def _text_array(names: Names, places: Places) -> pa.Array:
    return pa.array([names.texts[place] if place >= 0 else None for place in places.tolist()], pa.string())


def _ends(block: Block, names: Names, reading: Places, readings_n: Places) -> dict[str, Any]:
    """Return the values of the first and of the last reading of each series."""
    has = readings_n > 0
    stops = np.cumsum(readings_n)
    columns: dict[str, Any] = {}
    for end, at in (("first", (stops - readings_n)[has]), ("last", stops[has] - 1)):
        rows = np.full(len(has), NO_VALUE)
        rows[has] = reading[at]
        for name in ("ts_ms", "power_mw", "energy_mj", "session"):
            values = getattr(block, name)[rows].astype(np.int64)
            columns[f"{end}_{name}"] = pa.array(values, mask=~has | (values < 0))
        label = block.label[rows]
        columns[f"{end}_is_estimate"] = pa.array(names.is_estimate[label], mask=~has)
        for name in ("kind", "source"):
            columns[f"{end}_{name}"] = _text_array(names, np.where(has, names.text_of[name][label], NO_VALUE))
    return columns
