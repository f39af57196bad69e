"""The text formats in which exporters state metrics: Prometheus text format 0.0.4 and OpenMetrics 1.0.

What belongs here: the grammar of the two formats, for the importer of saved files and for a live scraper alike. What
must not be here: what a metric means (see ``known``), files, the network.

It is strict: a line that is none of the grammar is an error with its number, because half a line (a file that was cut
off, a body that was merged) reads as a plausible wrong number.

Reference: Prometheus, "Exposition formats"; OpenMetrics 1.0, section "Text format". Quoted names: Prometheus 3, UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

MS_PER_S = 1_000
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_TEXT = r'"((?:[^"\\\n]|\\.)*)"'
_LABEL = re.compile(rf"[ \t]*(?:([a-zA-Z_][a-zA-Z0-9_]*)|{_TEXT})[ \t]*(?:=[ \t]*{_TEXT}[ \t]*)?")
_REAL = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER = rf"(?:{_REAL}|[+-]?[iI][nN][fF](?:[iI][nN][iI][tT][yY])?|[nN][aA][nN])"
_PLAIN_TAIL = re.compile(rf"[ \t]*({_NUMBER})(?:[ \t]+([+-]?[0-9]{{1,18}}))?[ \t]*\Z")
_OPEN_TAIL = re.compile(rf" ({_NUMBER})(?: ({_REAL}))?(?: # (\{{.*\}}) {_NUMBER}(?: {_REAL})?)?\Z")
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
_ESCAPE = re.compile(r"\\.")
_META = re.compile(r"#[ \t]+(TYPE|HELP|UNIT)[ \t]+(?:\S+)(?:[ \t]+(\S.*?))?[ \t]*\Z")
_TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}
_OPEN_TYPES = (_TYPES - {"untyped"}) | {"gaugehistogram", "stateset", "info", "unknown"}
_EOF = "# EOF"
_MAX_STAMP_DIGITS = 15
"""Digits of a stamp in seconds before the point; a text such as 1e999999999 must not become an integer."""


class MetricsTextError(ValueError):
    """A text that is not of the format; nothing of it should be used.

    Attributes:
        line: number of the line, from 1.
    """

    def __init__(self, line: int, message: str) -> None:
        """Say what is wrong and where.

        Args:
            line: number of the line, from 1.
            message: what is wrong.
        """
        self.line = line
        super().__init__(f"line {line}: {message}")


class Sample(NamedTuple):
    """One value of one series.

    Attributes:
        name: metric name as written, with its suffix.
        labels: labels by name; a label with an empty value is kept.
        value: the value, NaN and infinities included.
        timestamp_ms: its stamp [epoch ms, UTC], ``None`` where the text states none.
    """

    name: str
    labels: dict[str, str]
    value: float
    timestamp_ms: int | None


def is_openmetrics(text: str) -> bool:
    """Return whether a text ends as OpenMetrics must; its stamps are then seconds, not milliseconds.

    Args:
        text: the whole text.
    """
    return text.rstrip("\n").rsplit("\n", 1)[-1] == _EOF


def parse_metrics_text(text: str, *, openmetrics: bool = False) -> Iterator[Sample]:
    """Yield the samples of a text, in its order. Exemplars are checked and left out.

    Args:
        text: the whole text.
        openmetrics: whether it is OpenMetrics; a scraper knows it from the content type, a file by ``is_openmetrics``.

    Raises:
        MetricsTextError: for the first line that is not of the format, or if the end is missing.
    """
    lines = text.split("\n")
    complete = lines.pop() == "" or (openmetrics and is_openmetrics(text))
    if openmetrics and text and not text.endswith("\n"):
        lines.append(_EOF)
    if text and not complete:
        raise MetricsTextError(len(lines) + 1, "the last line has no end: the text is cut off")
    end: int | None = None
    typed: set[str] = set()
    for number, line in enumerate(lines, 1):
        if end is not None:
            raise MetricsTextError(number, "there is text after # EOF")
        if openmetrics and line == _EOF:
            end = number
        elif line.lstrip(" \t").startswith("#") or not line.strip(" \t"):
            _check_comment(number, line, typed, openmetrics=openmetrics)
        else:
            yield _sample(number, line, openmetrics=openmetrics)
    if openmetrics and end is None:
        raise MetricsTextError(len(lines) + 1, "# EOF is missing: the text is cut off")


def _check_comment(number: int, line: str, typed: set[str], *, openmetrics: bool) -> None:
    match = _META.match(line.lstrip(" \t"))
    if openmetrics and (match is None or line != line.lstrip(" \t")):
        raise MetricsTextError(number, f"{line!r} is neither a sample nor HELP, TYPE or UNIT")
    if match is None or match[1] != "TYPE":
        return
    name = line.split()[2]
    kinds = _OPEN_TYPES if openmetrics else _TYPES
    if match[2] not in kinds:
        raise MetricsTextError(number, f"type {match[2]!r} of {name} is none of {', '.join(sorted(kinds))}")
    if name in typed:
        raise MetricsTextError(number, f"the type of {name} is stated twice")
    typed.add(name)


def _sample(number: int, line: str, *, openmetrics: bool) -> Sample:
    start = 0 if openmetrics else len(line) - len(line.lstrip(" \t"))
    match = _NAME.match(line, start)
    name, at = (match[0], match.end()) if match else (None, start)
    bare = at
    while not openmetrics and line[at : at + 1] in (" ", "\t"):
        at += 1
    labels: dict[str, str] = {}
    if line[at : at + 1] == "{":
        quoted, labels, at = _labels(number, line, at + 1, openmetrics=openmetrics, named=name is not None)
        name = name or quoted
        bare = at
    elif name is not None and line[bare : bare + 1] not in (" ", "\t"):
        raise MetricsTextError(number, f"{line!r} has no blank after the name")
    if name is None:
        raise MetricsTextError(number, f"{line!r} begins with no metric name")
    tail = (_OPEN_TAIL if openmetrics else _PLAIN_TAIL).match(line, bare)
    if tail is None:
        raise MetricsTextError(number, f"{line[bare:]!r} after {name} is not a value with an optional stamp")
    if openmetrics and tail[3]:
        _, _, end = _labels(number, tail[3], 1, openmetrics=True, named=True)
        if end != len(tail[3]):
            raise MetricsTextError(number, f"exemplar {tail[3]!r} is malformed")
    return Sample(name, labels, float(tail[1]), _stamp_ms(number, tail[2], openmetrics=openmetrics))


def _labels(
    number: int, line: str, at: int, *, openmetrics: bool, named: bool
) -> tuple[str | None, dict[str, str], int]:
    """Return a quoted metric name, the labels, and where the text goes on after the closing brace."""
    labels: dict[str, str] = {}
    quoted: str | None = None
    first, closed = True, False
    while not closed:
        match = _LABEL.match(line, at)
        if match is None:
            closed = line[at:].lstrip(" \t").startswith("}") and (first or not openmetrics)
            if not closed:
                raise MetricsTextError(number, f"{line!r} has malformed labels")
            at = line.index("}", at) + 1
            break
        plain, quoted_key, text = match.groups()
        key = plain if plain is not None else _unescaped(number, quoted_key, openmetrics=openmetrics)
        if text is None:
            if plain is not None or named or not first:
                raise MetricsTextError(number, f"label {key!r} has no value")
            quoted = key
        elif key in labels:
            raise MetricsTextError(number, f"label {key!r} is stated twice")
        else:
            labels[key] = _unescaped(number, text, openmetrics=openmetrics)
        at, first = match.end() + 1, False
        mark = line[match.end() : at]
        closed = mark == "}"
        if not closed and mark != ",":
            raise MetricsTextError(number, f"{line!r} has malformed labels")
    return quoted, labels, at


def _unescaped(number: int, text: str, *, openmetrics: bool) -> str:
    if "\\" not in text:
        return text

    def replaced(match: re.Match[str]) -> str:
        found = _ESCAPES.get(match[0])
        if found is None and not openmetrics:
            raise MetricsTextError(number, f'{match[0]!r} is no escape; only \\\\, \\" and \\n are')
        # OpenMetrics keeps the backslash of an escape that it does not define.
        return match[0] if found is None else found

    return _ESCAPE.sub(replaced, text)


def _stamp_ms(number: int, text: str | None, *, openmetrics: bool) -> int | None:
    if text is None or not openmetrics:
        return None if text is None else int(text)
    seconds = Decimal(text)
    if seconds.adjusted() > _MAX_STAMP_DIGITS:
        raise MetricsTextError(number, f"stamp {text} is no time")
    return round(seconds * MS_PER_S)
