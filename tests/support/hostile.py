"""The catalogue of hostile behaviours, and what any client must make of them.

A client joins by a ``Subject``. ``mutants`` are broken documents for ``parse`` (any text, and JSON, XML or CSV on top);
``hostile_http.FAULTS`` are broken answers over a real connection. ``verdict`` states what must hold for each of them:
no exception but FeedError, no wrong value, and a reason unless every right value came back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from pipelines.feeds.feed import Asked, Feed, FeedError, Page, Parsed, Value
from pipelines.feeds.judge import gaps
from tests.support.stub_http import Request

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d(:\d\d(:\d\d(\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?")
SAME = 1e-9
"""How far a number may lie from the right one: rounding of one multiplication."""


class Mutant(NamedTuple):
    """A broken document; ``leaves_gap`` if values are gone without a trace in it, so that only the gap shows it."""

    name: str
    body: bytes
    leaves_gap: bool = False


@dataclass(frozen=True)
class Subject:
    """A client under test.

    Attributes:
        source: its name, also in ``feed_server.SERVICES``.
        make: gives the client for a root address.
        asked: what is asked for.
        right: the right number by series and interval, from ``feed_server.figure``.
        format: ``json``, ``xml`` or ``csv``.
        undetectable: names of mutants that this source might publish just so: they are no behaviours.
        is_broken: which requests are answered badly; a login has tests of its own.
    """

    source: str
    make: Callable[[str], Feed]
    asked: Asked
    right: Mapping[tuple[object, ...], float]
    format: str
    undetectable: frozenset[str] = frozenset()
    is_broken: Callable[[Request], bool] = lambda request: not request.path.endswith("/login")


def key(value: Value) -> tuple[object, ...]:
    """Return what identifies a value: series and interval."""
    series = (value.zone, value.kind, value.basis, value.flow, value.factor_set)
    return (*series, value.start_ms, value.end_ms)


def verdict(subject: Subject, ask: Callable[[], Parsed], *, leaves_gap: bool = False) -> str:
    """Return the reason for which something was refused, or ``harmless``; fail for anything else."""
    try:
        parsed = ask()
    except FeedError as error:
        return error.reason
    for value in parsed.values:
        assert key(value) in subject.right, f"no right value has this interval: {value}"
        assert abs(value.gco2e_per_kwh - subject.right[key(value)]) < SAME, f"a wrong number: {value}"
    keys = [key(value) for value in parsed.values]
    assert len(keys) == len(set(keys)), "a value came twice"
    if parsed.refusals:
        assert all(refusal.detail for refusal in parsed.refusals)
        return parsed.refusals[0].reason
    if len(keys) == len(subject.right):
        return "harmless"
    assert leaves_gap, "values are missing and nobody says why"
    by_series = [[value for value in parsed.values if key(value)[:5] == series] for series in _series(subject)]
    assert any(gaps(values, subject.asked) for values in by_series), "values are missing and there is no gap"
    return "gap"


def _series(subject: Subject) -> set[tuple[object, ...]]:
    return {found[:5] for found in subject.right}


def judged(subject: Subject, feed: Feed, pages: Sequence[Page], mutant: Mutant) -> str:
    """Return the verdict on a mutant in place of the first page's content."""
    broken = [replace(pages[0], body=mutant.body), *pages[1:]]
    return verdict(subject, lambda: feed.parse(broken, subject.asked), leaves_gap=mutant.leaves_gap)


def mutants(form: str, body: bytes) -> list[Mutant]:
    """Return all broken documents made from a sound one.

    Args:
        form: ``json``, ``xml`` or ``csv``.
        body: a sound document with at least three records.
    """
    from tests.support import hostile_csv, hostile_json, hostile_xml

    special = {"json": hostile_json.mutants, "xml": hostile_xml.mutants, "csv": hostile_csv.mutants}[form]
    return [*any_text(body), *special(body)]


def any_text(body: bytes) -> list[Mutant]:
    """Return mutants that need no knowledge of the format."""
    html = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in</body></html>"
    middle = len(body) // 2
    made = {
        "empty": b"",
        "blanks only": b" \n\t ",
        "null byte only": b"\0",
        "html with status 200": html,
        "html of a gateway": b"<html><center><h1>403 Forbidden</h1></center><hr>nginx</html>",
        "utf-16": b"\xff\xfe" + body.decode().encode("utf-16-le"),
        "utf-16 without mark": body.decode().encode("utf-16-be"),
        "utf-32": body.decode().encode("utf-32"),
        "a latin-1 letter": body[:middle] + b"\xe9" + body[middle:],
        "broken utf-8": body[:middle] + b"\xc3\x28\xff" + body[middle:],
        "surrogates": body[:middle] + b"\xed\xa0\x80" + body[middle:],
        "byte-order mark": b"\xef\xbb\xbf" + body,
        "two byte-order marks": b"\xef\xbb\xbf\xef\xbb\xbf" + body,
        "cut after a byte": body[:1],
        "cut at a tenth": body[: len(body) // 10],
        "cut in the middle": body[:middle],
        "cut before the last token": body.rstrip()[:-2],
        "the same document twice": body + body,
        "packed without saying so": b"\x1f\x8b\x08\x00" + body,
        "control characters": body[:middle] + b"\x07\x1b[2J" + body[middle:],
        "null bytes": body[:middle] + b"\0\0\0" + body[middle:],
        "a megabyte of letters": b"a" * 1_000_000,
        "binary": bytes(range(256)) * 40,
        "prefix against hijacking": b")]}',\n" + body,
        "an error in words": b"Internal Server Error",
        "yaml": b"data:\n  - from: 2026-01-01\n",
    }
    return [Mutant(name, content) for name, content in made.items()]


def broken_times(text: str) -> dict[str, str]:
    """Return times that are wrong or cannot be read, from a sound one; what stays the same instant is harmless."""
    naive = re.sub(r"(Z|[+-]\d\d:\d\d)$", "", text)
    day = naive[:10]
    made = {
        "naive": naive,
        "other zone": f"{naive}+01:00",
        "date only": day,
        "epoch as text": "1704067200",
        "day first": f"{day[8:10]}/{day[5:7]}/{day[:4]} {naive[11:]}",
        "blank for T": text.replace("T", " "),
        "month 13": f"{day[:5]}13{naive[7:]}Z",
        "day 31 of February": f"{day[:5]}02-31{naive[10:]}Z",
        "hour 25": f"{day}T25:00:00Z",
        "minute 61": f"{day}T00:61:00Z",
        "leap second": f"{day}T23:59:60Z",
        "year 0": f"0000{naive[4:]}Z",
        "year 1970": f"1970{naive[4:]}Z",
        "year 2999": f"2999{naive[4:]}Z",
        "year 10000": f"1{naive}Z",
        "Arabic digits": text.translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")),
        "zone name": f"{naive} CET",
        "offset of 99 hours": f"{naive}+99:00",
        "blank around it": f" {text} ",
        "week date": f"{day[:4]}-W01-1T00:00:00Z",
    }
    return {name: broken for name, broken in made.items() if broken != text}


def moved(text: str, by_s: int) -> str:
    """Return a time moved by seconds, in the same form; other texts as they are."""
    if not TIME.fullmatch(text):
        return text
    naive = re.sub(r"(Z|[+-]\d\d:\d\d)$", "", text)
    zone, tail = text[len(naive) :], naive[19:]
    moment = datetime.fromisoformat(naive[:19] if len(naive) > 13 else f"{naive}:00") + timedelta(seconds=by_s)
    return moment.isoformat()[: min(len(naive), 19)] + tail + zone


BROKEN_NUMBERS = ("", " ", "-1", "1e999", "NaN", "inf", "1,5", "1.5.2", "0x10", "one", "٣", "1" * 400, "--", "12 g")
"""Texts that are no number, or no intensity."""
