"""The data of a figure as CSV, in full precision and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
from datetime import datetime

from warehouse.report.queries import Result

# A spreadsheet runs a cell that starts with one of these as a formula (OWASP, CSV Injection).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_bytes(result: Result) -> bytes:
    """Return rows as CSV (RFC 4180, UTF-8): numbers as they are, NULL as an empty cell, times in ISO 8601 UTC."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(result.columns)
    writer.writerows([_cell(row[column]) for column in result.columns] for row in result.rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
