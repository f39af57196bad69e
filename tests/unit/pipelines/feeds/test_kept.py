"""Answers are kept as they came, under the hash of their content, and can be read again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.feeds.feed import Page
from pipelines.feeds.kept import keep, path_of, read, sha256_of

PAGES = [
    Page("https://one.example/a?key=***", 200, {"content-type": "application/json"}, b'{"a": 1}', 1_700_000_000_000),
    Page("https://one.example/b", 200, {}, bytes(range(256)), 1_700_000_000_500),
]


def test_pages_come_back_as_they_were(tmp_path: Path) -> None:
    path = keep(tmp_path, "one", PAGES)
    assert path == path_of(tmp_path, "one", sha256_of(PAGES))
    assert read(path) == PAGES


def test_the_hash_of_one_page_is_that_of_its_body_and_of_several_depends_on_their_order() -> None:
    assert sha256_of(PAGES[:1]) == PAGES[0].sha256
    assert sha256_of(PAGES) != sha256_of(PAGES[::-1])
    assert len({sha256_of(PAGES), PAGES[0].sha256, PAGES[1].sha256}) == 3


def test_an_answer_that_is_there_stays_and_no_other_file_does(tmp_path: Path) -> None:
    path = keep(tmp_path, "one", PAGES)
    before = path.read_bytes(), path.stat().st_mtime_ns
    later = [Page(page.url, page.status, page.headers, page.body, page.fetched_ms + 1) for page in PAGES]
    assert keep(tmp_path, "one", later) == path
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]


def test_the_same_pages_give_the_same_bytes(tmp_path: Path) -> None:
    assert keep(tmp_path / "a", "one", PAGES).read_bytes() == keep(tmp_path / "b", "one", PAGES).read_bytes()


@pytest.mark.parametrize("spoil", [lambda text: text[:-9], lambda _: b"", lambda _: b"hello", lambda text: text + b"x"])
def test_a_spoilt_file_is_named_and_refused(tmp_path: Path, spoil: object) -> None:
    path = keep(tmp_path, "one", PAGES)
    path.write_bytes(spoil(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(ValueError, match=f"{path.name} is not a kept answer"):
        read(path)


def test_a_file_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    path = keep(tmp_path, "one", PAGES)
    other = path_of(tmp_path, "one", "0" * 64)
    other.parent.mkdir(parents=True, exist_ok=True)
    path.rename(other)
    with pytest.raises(ValueError, match="does not hold what its name says"):
        read(other)
