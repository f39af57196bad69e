"""Which row stays of several with the same key: the rule of ``warehouse.merge``, on sorted arrays.

The row of the earliest written source stays (time of writing, then content hash, then row number). One with the same
values is a duplicate and vanishes; of those with other values, the earliest with each value is a conflict.

What belongs here: this rule. What must not be here: files, and what becomes of a conflict.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .rows import Block, Chosen, Rows


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of rows.

    Attributes:
        kept: one row for each key, in order.
        conflicts: rows with other values, in order of key and precedence.
        duplicates_n: rows that only repeat another one.
    """

    kept: Chosen
    conflicts: Chosen
    duplicates_n: int


def judge(rows: Rows, ordered: Chosen) -> Judged:
    """Choose one row for each key.

    Args:
        rows: the rows.
        ordered: all of them by key, and those of equal key by precedence.
    """
    repeats = ordered.key[1:] == ordered.key[:-1]
    if not repeats.any():
        return Judged(ordered, _some(ordered, np.empty(0, np.int64)), 0)
    is_first = np.append(True, ~repeats)
    contested = np.flatnonzero(np.append(False, repeats) | np.append(repeats, False))
    conflicts = contested[_other_values(rows.block(_some(ordered, contested)), is_first[contested])]
    kept = _some(ordered, np.flatnonzero(is_first))
    return Judged(kept, _some(ordered, conflicts), len(ordered.key) - len(kept.key) - len(conflicts))


def _some(ordered: Chosen, places: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Chosen:
    return Chosen(ordered.key[places], ordered.place[places])


def _other_values(block: Block, is_first: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> np.ndarray:
    """Return the places of the rows that are the first to state another value than the first row of their key."""
    group = np.cumsum(is_first)
    values = (block.label, block.util_percent, block.session, block.energy_mj, block.power_mw)
    # Stable: of equal values in a group, the earliest comes first.
    order = np.lexsort((*values, group))
    is_new = np.append(True, np.zeros(len(order) - 1, np.bool_))
    for column in (group, *values):
        sorted_column = column[order]
        is_new[1:] |= sorted_column[1:] != sorted_column[:-1]
    return np.sort(order[is_new & ~is_first[order]])
