"""A look at the page headers of a Parquet column before anything is decompressed or decoded.

What belongs here: reading Thrift's compact protocol as far as page headers need it, and adding up what they declare.
What must not be here: decoding of values.

A page header states how large its page becomes and how many values it holds; the footer's totals can lie about both. A
70 kB page may grow to 2 GB, so the sum over the headers is checked first. The decoder allocates what the header says.

Reference: Apache Parquet, parquet.thrift (PageHeader); Apache Thrift, compact protocol.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_STOP, _TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(13)
_MAX_DEPTH = 8
_DATA_V1, _DICTIONARY, _DATA_V2 = 5, 7, 8
DATA_PAGE, INDEX_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = range(4)


class PageError(ValueError):
    """Page headers that cannot be what a Parquet writer wrote."""


@dataclass(slots=True)
class PageTotals:
    """What the page headers of one column chunk declare.

    Attributes:
        uncompressed_bytes: size of all pages after decompression [bytes].
        dictionary_bytes: size of the dictionary page after decompression [bytes].
        values_n: values in the data pages, NULLs included.
        dictionary_values_n: values in the dictionary page.
        encodings: Parquet encoding numbers of the data pages.
    """

    uncompressed_bytes: int = 0
    dictionary_bytes: int = 0
    values_n: int = 0
    dictionary_values_n: int = 0
    encodings: set[int] = field(default_factory=set)


def page_totals(data: memoryview, start: int, length: int, *, max_pages: int) -> PageTotals:
    """Add up the page headers of a column chunk.

    Args:
        data: the whole file.
        start: offset of the first page [bytes].
        length: compressed size of the chunk, headers included [bytes].
        max_pages: largest number of pages to look at.

    Raises:
        PageError: if the headers are damaged, do not fill the chunk exactly, or are too many.
    """
    end = start + length
    if start < 4 or length < 0 or end > len(data):
        msg = f"column chunk {start}..{end} lies outside the file"
        raise PageError(msg)
    totals = PageTotals()
    pages = 0
    while start < end:
        pages += 1
        if pages > max_pages:
            msg = f"more than {max_pages} pages in a column chunk"
            raise PageError(msg)
        header = _Reader(data, start, end)
        fields = header.struct()
        page_type, uncompressed, compressed = (_integer(fields, key) for key in (1, 2, 3))
        totals.uncompressed_bytes += uncompressed
        if page_type == DICTIONARY_PAGE:
            totals.dictionary_bytes += uncompressed
            totals.dictionary_values_n += _integer(_inner(fields, _DICTIONARY), 1)
        elif page_type in (DATA_PAGE, DATA_PAGE_V2):
            is_v1 = page_type == DATA_PAGE
            inner = _inner(fields, _DATA_V1 if is_v1 else _DATA_V2)
            totals.values_n += _integer(inner, 1)
            totals.encodings.add(_integer(inner, 2 if is_v1 else 4))
        start = header.at + compressed
    if start != end:
        msg = "pages do not fill the column chunk"
        raise PageError(msg)
    return totals


def _integer(fields: dict[int, object], key: int) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or value < 0:
        msg = f"page header field {key} is {value!r}"
        raise PageError(msg)
    return value


def _inner(fields: dict[int, object], key: int) -> dict[int, object]:
    value = fields.get(key)
    if not isinstance(value, dict):
        msg = f"page header lacks field {key}"
        raise PageError(msg)
    return value


class _Reader:
    """Reads one Thrift struct in the compact protocol; values other than integers and structs are skipped."""

    def __init__(self, data: memoryview, at: int, end: int) -> None:
        self._data, self.at, self._end = data, at, end

    def struct(self, depth: int = 0) -> dict[int, object]:
        if depth > _MAX_DEPTH:
            msg = "page header is nested too deeply"
            raise PageError(msg)
        fields: dict[int, object] = {}
        key = 0
        while True:
            head = self._byte()
            kind = head & 0x0F
            if kind == _STOP:
                return fields
            key = key + (head >> 4) if head >> 4 else self._zigzag()
            fields[key] = kind == _TRUE if kind in (_TRUE, _FALSE) else self._value(kind, depth)

    def _value(self, kind: int, depth: int) -> object:
        if kind in (_I16, _I32, _I64):
            return self._zigzag()
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_BYTE, _TRUE, _FALSE):
            return self._byte()
        if kind == _DOUBLE:
            self._skip(8)
            return None
        if kind == _BINARY:
            self._skip(self._varint())
            return None
        if kind in (_LIST, _SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._varint()
            if depth >= _MAX_DEPTH or count > self._end - self.at:
                msg = "page header holds an impossible list"
                raise PageError(msg)
            for _ in range(count):
                self._value(head & 0x0F, depth + 1)
            return None
        msg = f"page header holds a value of unknown type {kind}"
        raise PageError(msg)

    def _byte(self) -> int:
        if self.at >= self._end:
            msg = "page header runs past its column chunk"
            raise PageError(msg)
        self.at += 1
        return self._data[self.at - 1]

    def _skip(self, count: int) -> None:
        if count > self._end - self.at:
            msg = "page header runs past its column chunk"
            raise PageError(msg)
        self.at += count

    def _varint(self) -> int:
        value = shift = 0
        while shift < 70:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
        msg = "page header holds an endless number"
        raise PageError(msg)

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
