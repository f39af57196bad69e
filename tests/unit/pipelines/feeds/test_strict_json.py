"""JSON of providers is read strictly: every fault gets its reason and its place, and nothing of a secret is shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.feeds.feed import FeedError, Page
from pipelines.feeds.reasons import READ_REASONS
from pipelines.feeds.strict_json import ShapeError, load, member, number, page_json, refused, stated, text, time_ms

FIRST_US = 21 * 365 * 86_400_000_000
"""Some day in December 1990 since the epoch [us]."""
DEEP = b"[" * 100_000 + b"]" * 100_000


def page(body: bytes, status: int = 200) -> Page:
    return Page("https://api.example/a?key=***", status, {"content-type": "text/html"}, body, 0)


@pytest.mark.parametrize("body", [b"", b"<html>", b"NaN", b'{"a": Infinity}', b"\xff\xfe", b'{"a": 1', DEEP])
def test_what_is_no_json_is_not_the_format_and_names_address_type_and_status(body: bytes) -> None:
    with pytest.raises(FeedError, match=r"api\.example.*text/html") as caught:
        page_json(page(body, status=203))
    assert (caught.value.reason, caught.value.status) == ("not_the_format", 203)


def test_nothing_of_a_text_that_is_no_json_is_shown() -> None:
    with pytest.raises(FeedError) as caught:
        load(b"token=s3cr3t-of-the-login", "login")
    assert "s3cr3t" not in str(caught.value)


def test_a_key_that_stands_twice_is_another_shape() -> None:
    with pytest.raises(FeedError, match="'a' stands twice") as caught:
        load(b'{"a": 1, "a": 1}', "answer")
    assert caught.value.reason == "unknown_shape"


def test_a_byte_order_mark_is_no_fault() -> None:
    assert load(b'\xef\xbb\xbf{"a": 0}', "answer") == {"a": 0}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (lambda: member([], "a", int, "answer"), "unknown_shape"),
        (lambda: member({}, "a", object, "answer"), "unknown_shape"),
        (lambda: member({"a": True}, "a", int, "answer"), "unknown_shape"),
        (lambda: member({"a": 1}, "a", bool, "answer"), "unknown_shape"),
        (lambda: text({"a": ""}, "a", "answer"), "unknown_shape"),
        (lambda: number(None, "answer.a"), "no_value"),
        (lambda: number(True, "answer.a"), "bad_value"),
        (lambda: number("1", "answer.a"), "bad_value"),
        (lambda: number(10**400, "answer.a"), "bad_value"),
        (lambda: number(float("inf"), "answer.a"), "bad_value"),
        (lambda: number("1_0", "answer.a", may_be_text=True), "bad_value"),
        (lambda: stated("FR", "DE", "wrong_zone", "answer.a"), "wrong_zone"),
        (lambda: time_ms("2025-01-31T12:00", "answer.a"), "bad_time"),
        (lambda: time_ms("2025-02-30T12:00Z", "answer.a"), "bad_time"),
        (lambda: time_ms("0001-01-01T00:00+14:00", "answer.a"), "bad_time"),
        (lambda: time_ms(1_700_000_000, "answer.a"), "bad_time"),
    ],
)
def test_every_fault_has_its_reason_and_its_place(found: Any, reason: str) -> None:
    assert reason in READ_REASONS
    with pytest.raises(ShapeError, match="answer") as caught:
        found()
    assert caught.value.reason == reason
    failed = refused(page(b"", status=203), caught.value)
    assert (failed.reason, failed.status) == (reason, 203)
    assert "https://api.example/a?key=***: answer" in str(failed)


def test_zero_and_false_are_values() -> None:
    assert member({"a": 0}, "a", int, "answer") == 0
    assert member({"a": False}, "a", object, "answer") is False
    assert number("0.0", "answer.a", may_be_text=True) == 0.0


@given(
    st.integers(min_value=FIRST_US, max_value=FIRST_US + 200 * 365 * 86_400_000_000),
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_a_time_is_the_same_moment_with_any_offset(since_us: int, minutes: int) -> None:
    moment = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=since_us)).astimezone(
        timezone(timedelta(minutes=minutes))
    )
    assert abs(time_ms(moment.isoformat(), "a") * 1000 - since_us) <= 500
