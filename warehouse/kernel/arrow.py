"""Between Arrow and numpy without pandas.

What belongs here: numbers in and out of Arrow by their buffers. pyarrow's own ``to_numpy`` and ``array`` import pandas
where it is installed, which costs a worker process more than an hour of a thousand devices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from warehouse.kernel.grid import Places
from warehouse.kernel.intervals import NONE

_WIDTHS = {np.dtype(np.int64): pa.int64(), np.dtype(np.int32): pa.int32(), np.dtype(np.int16): pa.int16()}
_WIDTHS |= {np.dtype(np.float64): pa.float64(), np.dtype(np.int8): pa.int8()}


def numbers(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    """Return a column of integers or truth values as an array; NONE stands for NULL.

    Args:
        column: integers keep their width; truth values become 0 and 1 in 8 bits.
    """
    array = _one(column)
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.int8())
    if array.null_count:
        # A scalar made of a Python number would import pandas too.
        array = array.fill_null(to_arrow(np.array([NONE], f"i{array.type.bit_width // 8}")).cast(array.type)[0])
    if not len(array):
        return np.empty(0, np.int64)
    width = array.type.bit_width // 8
    return np.frombuffer(array.buffers()[1], f"i{width}", len(array), array.offset * width)


def codes(column: pa.ChunkedArray) -> tuple[Places, list[str]]:
    """Return a text column without NULL as numbers, and the texts that they stand for."""
    encoded = _one(_one(column).dictionary_encode())
    return numbers(encoded.indices).astype(np.intp), encoded.dictionary.to_pylist()


def to_arrow(values: npt.NDArray[Any]) -> pa.Array:
    """Return the array as an Arrow array without NULL; it shares the memory where it is contiguous."""
    kept = np.ascontiguousarray(values)
    return pa.Array.from_buffers(_WIDTHS[kept.dtype], len(kept), [None, pa.py_buffer(kept)])


def _one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
