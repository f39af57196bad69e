"""Files with metrics as series: answers of the Prometheus query interface, and text expositions.

What belongs here: the two shapes, and the time of samples that carry none. What must not be here: what a metric means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ....metrics.text import MS_PER_S, MetricsTextError, Sample, is_openmetrics, parse_metrics_text
from ...errors import SourceError
from ...format import Finding, Source
from ...moments import MomentError, moment_ms

BY_NAME = "name"
"""Value of the option that takes the time of a file from its name."""
_EPOCH_S_DIGITS, _EPOCH_MS_DIGITS = 10, 13
_NAMED_TIME = re.compile(rf"(?<!\d)(\d{{{_EPOCH_MS_DIGITS}}}|\d{{{_EPOCH_S_DIGITS}}})(?!\d)|(\d{{8}}T\d{{6}})Z")
_NAME_LABEL = "__name__"


class FoundSeries(NamedTuple):
    """A series as a file states it.

    Attributes:
        name: metric name; empty where the series is the result of an expression.
        labels: labels without empty ones.
        points: stamp [epoch ms, UTC] and value.
    """

    name: str
    labels: dict[str, str]
    points: Iterable[tuple[int, float]]


def found_series(source: Source, path: Path, scraped_at: str | None) -> Iterator[FoundSeries | Finding]:
    """Yield the series of a file.

    Args:
        source: the import.
        path: the file.
        scraped_at: time of samples without a stamp: epoch seconds, ISO 8601, ``name``, or ``None``.

    Raises:
        SourceError: if the file is of neither shape, or samples have no time.
    """
    shown = source.shown(path)
    text = source.read_bytes(path).decode("utf-8-sig", "replace")
    begins_as_json = text.lstrip()[:1] in ("{", "[")
    document: object = None
    trouble = ""
    if begins_as_json:
        try:
            document = json.loads(text)
        except ValueError as error:
            trouble = f"is no JSON ({error}); read as text: "
    if isinstance(document, dict | list):
        yield from _of_answer(shown, document)
    else:
        yield from _of_text(shown, path, text, scraped_at, trouble)


def _of_answer(shown: str, document: dict[str, Any] | list[Any]) -> Iterator[FoundSeries | Finding]:
    if isinstance(document, dict) and document.get("status", "success") != "success":
        raise SourceError(shown, f"is an answer with an error: {document.get('error', document['status'])}")
    for warning in document.get("warnings") or () if isinstance(document, dict) else ():
        yield Finding(f"{shown}: Prometheus warned: {warning}")
    data = document if isinstance(document, list) else document.get("data", document)
    result = data.get("result") if isinstance(data, dict) else data
    kind = data.get("resultType", "matrix") if isinstance(data, dict) else "matrix"
    if kind not in ("matrix", "vector") or not isinstance(result, list):
        msg = (
            f"is no answer of /api/v1/query_range or /api/v1/query: the result is {kind!r}, not 'matrix' or 'vector'"
            if isinstance(result, list)
            else "is JSON, but no answer of /api/v1/query_range or /api/v1/query: it has no list `result`"
        )
        raise SourceError(shown, msg)
    for number, item in enumerate(result, 1):
        result[number - 1] = None  # the values as objects take many times the room of the file
        try:
            labels = {str(key): str(value) for key, value in item["metric"].items() if value}
            pairs = item["values"] if "values" in item else [item["value"]] if "value" in item else []
            points = [(round(float(stamp) * MS_PER_S), float(value)) for stamp, value in pairs]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise SourceError(shown, f"series {number} is malformed: {error!r}") from error
        yield FoundSeries(labels.pop(_NAME_LABEL, ""), labels, points)


def _of_text(shown: str, path: Path, text: str, scraped_at: str | None, trouble: str) -> Iterator[FoundSeries]:
    stamp_ms: int | None = None
    try:
        for sample in parse_metrics_text(text, openmetrics=is_openmetrics(text)):
            at_ms = sample.timestamp_ms
            if at_ms is None:
                stamp_ms = stamp_ms if stamp_ms is not None else _time_of(shown, path, scraped_at)
                at_ms = stamp_ms
            yield _one(sample, at_ms)
    except MetricsTextError as error:
        raise SourceError(shown, f"{trouble}{error}") from error


def _one(sample: Sample, at_ms: int) -> FoundSeries:
    labels = {key: value for key, value in sample.labels.items() if value}
    return FoundSeries(sample.name, labels, ((at_ms, sample.value),))


def _time_of(shown: str, path: Path, scraped_at: str | None) -> int:
    if scraped_at is None:
        msg = "samples carry no time: say when they were scraped by --scraped-at TIME, or --scraped-at name"
        raise SourceError(shown, msg)
    if scraped_at == BY_NAME:
        match = _NAMED_TIME.search(PurePosixPath(path.name).name)
        if match is None:
            raise SourceError(shown, "its name holds no time (epoch seconds or milliseconds, or 20240131T235959Z)")
        if match[2]:
            moment = datetime.strptime(match[2], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            return round(moment.timestamp()) * MS_PER_S
        return int(match[1]) * (MS_PER_S if len(match[1]) == _EPOCH_S_DIGITS else 1)
    if scraped_at.isdigit():
        return int(scraped_at) * MS_PER_S
    try:
        return moment_ms(scraped_at, None)
    except MomentError as error:
        raise SourceError(None, f"--scraped-at: {error}") from error
