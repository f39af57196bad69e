"""How an hour file is encoded: Arrow columns out of arrays, encodings, row groups, metadata, digests of columns.

What belongs here: the form of the file. What must not be here: when a file is written, and what is in it.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.hourfile import HOUR_SCHEMA

from .rows import LABEL_TEXTS, NO_UTIL, NO_VALUE, SERIES_FIELDS, Block, Names

META_VERSION = "wattledger.hour_file"
META_HOUR = "wattledger.hour_ms"
META_SOURCES = "wattledger.sources"
VERSION = "1"

TEXTS = [field.name for field in HOUR_SCHEMA if pa.types.is_string(field.type)]
_DELTA = [field.name for field in HOUR_SCHEMA if pa.types.is_integer(field.type)]
CODED_SCHEMA = pa.schema(
    [field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in TEXTS else field for field in HOUR_SCHEMA]
)
GROUP_ROWS = 260_000
"""Rows of a row group that are aimed at [rows]; groups of 120k to 400k cost the same bytes, smaller ones more."""
PAGE_BYTES = 1 << 20
"""Bytes of a page before compression that are aimed at [bytes]."""
PAGE_ROWS = 1 << 30
"""Most rows of a page [rows]: only bytes limit it. pyarrow's default of 20,000 costs 3 % more bytes and time."""


def metadata_of(hour_ms: int, sources: list[str]) -> dict[str, str]:
    """Return the metadata of an hour file.

    Args:
        hour_ms: start of the hour [epoch ms].
        sources: hashes of the landed files, by the index that ``source_file`` states.
    """
    return {META_VERSION: VERSION, META_HOUR: str(hour_ms), META_SOURCES: json.dumps(sources, separators=(",", ":"))}


def new_writer(path: str) -> pq.ParquetWriter:
    """Open a file for writing, in the encodings of an hour file."""
    return pq.ParquetWriter(
        path,
        CODED_SCHEMA,
        compression="lz4",
        use_dictionary=TEXTS,
        column_encoding=dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED") | {"is_estimate": "RLE"},
        data_page_size=PAGE_BYTES,
        max_rows_per_page=PAGE_ROWS,
        write_page_checksum=True,
        write_statistics=["ts_ms", "host", "device"],
        # The Arrow schema would make readers see codes in place of texts.
        store_schema=False,
    )


def group_ends(rows_n: npt.NDArray[np.int64]) -> list[int]:
    """Return where row groups of whole series end, of about equal size.

    Args:
        rows_n: rows of each series, in order [rows].

    Returns:
        The rows behind the last one of each group, ascending.
    """
    ends = np.cumsum(rows_n)
    total = int(ends[-1])
    groups_n = max(1, round(total / GROUP_ROWS))
    chosen = {total}
    for number in range(1, groups_n):
        target = total * number / groups_n
        at = int(np.searchsorted(ends, target))
        before = int(ends[at - 1]) if at else 0
        nearest = before if target - before < ends[at] - target else int(ends[at])
        chosen.add(nearest)
    return sorted(chosen - {0})


def to_arrow(block: Block, names: Names) -> pa.RecordBatch:
    """Return rows as Arrow columns in ``CODED_SCHEMA``; the codes of a text depend on nothing but these rows."""
    columns: dict[str, pa.Array] = {
        "ts_ms": pa.array(block.ts_ms),
        "power_mw": _nullable(block.power_mw, NO_VALUE),
        "energy_mj": _nullable(block.energy_mj, NO_VALUE),
        "session": pa.array(block.session),
        "util_percent": _nullable(block.util_percent, NO_UTIL),
        "is_estimate": pa.array(names.is_estimate[block.label]),
        "source_file": pa.array(block.source_file),
        "source_row": pa.array(block.source_row),
    }
    labels = np.flatnonzero(np.bincount(block.label, minlength=len(names.is_estimate)))
    for name in LABEL_TEXTS:
        texts = [names.texts[place] if place >= 0 else None for place in names.text_of[name][labels].tolist()]
        columns[name] = _coded(texts, labels, len(names.is_estimate), block.label)
    first = int(block.series[0]) if len(block.series) else 0
    own = block.series - first
    ranks = np.flatnonzero(np.bincount(own))
    for at, name in enumerate(SERIES_FIELDS):
        texts = [names.series[rank][at] for rank in (ranks + first).tolist()]
        columns[name] = _coded(texts, ranks, int(ranks[-1]) + 1 if len(ranks) else 0, own)
    return pa.RecordBatch.from_arrays([columns[name] for name in CODED_SCHEMA.names], schema=CODED_SCHEMA)


def _nullable(values: npt.NDArray[Any], null: int) -> pa.Array:
    is_null = values == null
    return pa.array(values, mask=is_null) if is_null.any() else pa.array(values)


def _coded(
    texts: list[str | None], codes: npt.NDArray[np.int64], codes_n: int, of_row: npt.NDArray[Any]
) -> pa.DictionaryArray:
    """Return a text column whose dictionary is sorted and holds only what occurs.

    Args:
        texts: text of each code that occurs.
        codes: the codes that occur, as many.
        codes_n: above every code.
        of_row: code of each row.
    """
    values = sorted({text for text in texts if text is not None})
    place = {text: at for at, text in enumerate(values)} | {None: NO_VALUE}
    lut = np.zeros(codes_n, np.int32)
    lut[codes] = [place[text] for text in texts]
    indices = lut[of_row]
    return pa.DictionaryArray.from_arrays(_nullable(indices, NO_VALUE), pa.array(values, pa.string()))


def digests(rows: pa.RecordBatch | pa.Table) -> dict[str, int]:
    """Return a checksum of the values of each column, the same for equal columns however they are held in memory.

    Args:
        rows: rows with the columns of ``CODED_SCHEMA``.
    """
    return {name: _digest(rows.column(name)) for name in CODED_SCHEMA.names}


def _digest(column: pa.Array | pa.ChunkedArray) -> int:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    start = 0
    if pa.types.is_dictionary(column.type):
        start = zlib.crc32(json.dumps(column.dictionary.to_pylist()).encode())
        column = column.indices
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    null = NO_UTIL if pa.types.is_uint8(column.type) else NO_VALUE
    values = column.fill_null(null) if column.null_count else column
    return zlib.crc32(np.ascontiguousarray(values.to_numpy()).data, start)
