"""Fetching of the published tables: at a fixed commit where it is told, at the newest where not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pipelines.feeds.cloud.google_regions import GoogleRegions
from pipelines.feeds.cloud.gsf_table import GsfTable
from pipelines.feeds.feed import FeedError, Page
from tests.support.cloud_tables import FETCHED_MS

COMMIT = "49f3f26bfd682305e8d9b572fea1f811900421a9"
DATED = json.dumps([{"sha": COMMIT, "commit": {"committer": {"date": "2025-12-03T21:32:17Z"}}}]).encode()


class StubWeb:
    """A web client that answers from a function and remembers what it was asked."""

    def __init__(self, answer: Callable[[str], tuple[int, bytes]]) -> None:
        self.answer, self.asked = answer, []

    def get(self, url: str, *, params=(), headers=None, accept=(200,), cap_bytes=None) -> Page:
        self.asked.append(url)
        assert cap_bytes
        status, body = self.answer(url)
        if status not in accept:
            raise FeedError("not_found" if status == 404 else "rate_limited", f"{url}: {status}", status=status)
        return Page(url, status, {}, body, FETCHED_MS)


def years_to(last: int, commits: tuple[int, bytes]) -> Callable[[str], tuple[int, bytes]]:
    def answer(url: str) -> tuple[int, bytes]:
        if url.startswith("https://api.github.com/"):
            return commits
        year = int(url.removesuffix(".csv")[-4:])
        return (200, f"file of {year}".encode()) if year <= last else (404, b"404")

    return answer


def test_google_is_asked_for_every_year_at_one_commit_until_there_is_none() -> None:
    web = StubWeb(years_to(2024, (200, DATED)))
    found = GoogleRegions().fetch(web)
    assert [(p.year, p.body) for p in found] == [(y, f"file of {y}".encode()) for y in range(2019, 2025)]
    assert {(p.version, p.published) for p in found} == {(COMMIT, "2025-12-03T21:32:17Z")}
    root = f"https://raw.githubusercontent.com/GoogleCloudPlatform/region-carbon-info/{COMMIT}/data/yearly"
    assert web.asked[1:] == [f"{root}/{year}.csv" for year in range(2019, 2026)]


@pytest.mark.parametrize(
    "commits",
    [
        *((429, b""), (200, b"[]"), (200, b"<html>"), (200, b'{"message": "x"}'), (200, b"[1]"), (200, b"\xff")),
        (200, DATED.replace(COMMIT.encode(), b"../../evil")),
        (200, DATED.replace(b"2025-12-03T", b"yesterday ")),
    ],
)
def test_without_a_commit_the_newest_files_come_without_a_version(commits: tuple[int, bytes]) -> None:
    web = StubWeb(years_to(2019, commits))
    (found,) = GoogleRegions().fetch(web)
    assert (found.version, found.published) == (None, "unknown")
    assert "/HEAD/data/yearly/2019.csv" in web.asked[1]


def test_a_first_year_that_is_missing_is_an_error_and_not_an_empty_answer() -> None:
    with pytest.raises(FeedError) as caught:
        GoogleRegions().fetch(StubWeb(years_to(2018, (200, DATED))))
    assert caught.value.reason == "not_found"


def test_a_server_that_has_every_year_is_not_asked_for_ever() -> None:
    assert len(GoogleRegions().fetch(StubWeb(years_to(9999, (200, DATED))))) == 30


def test_table_and_estimates_are_fetched_as_two_sources() -> None:
    web = StubWeb(lambda url: (200, DATED if "api." in url else b"x"))
    found = GsfTable().fetch(web)
    assert [p.source for p in found] == ["gsf_real_time_cloud", "gsf_real_time_cloud_estimate"]
    assert all(COMMIT in url for url in web.asked[1:])
