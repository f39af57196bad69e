"""Files of a public repository at a fixed commit.

What belongs here: the two addresses, the commit and its date. What must not be here: what the files hold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.feeds.feed import FeedError, Page

API = "https://api.github.com/repos"
RAW = "https://raw.githubusercontent.com"
NEWEST = "HEAD"
"""Stands for the newest commit in an address, where its id is not known."""
CAP_BYTES = 4 << 20
"""Largest file that is taken [bytes]; the largest published table is 50 kB."""
UNKNOWN_DATE = "unknown"
"""Stands for the date of a publication where nothing tells it."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Asks(Protocol):
    """The part of the feeds' web client that is used here."""

    def get(
        self,
        url: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] = ...,
        accept: Sequence[int] = (200,),
        cap_bytes: int | None = None,
    ) -> Page:
        """Give the answer.

        Raises:
            FeedError: if there is none, or none with a status that is accepted.
        """
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """A commit, with its date (ISO 8601); ``commit`` is None where the service did not tell."""

    commit: str | None
    published: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A public repository.

    Attributes:
        name: owner and name.
        path: folder or file whose last change is the version.
    """

    name: str
    path: str

    def version(self, web: Asks) -> Version:
        """Give the newest commit that changed the path; one without an id where the service does not tell.

        The id is wanted, not needed: the service limits callers without a token, and the content has its own hash.
        """
        try:
            page = web.get(
                f"{API}/{self.name}/commits",
                params=(("path", self.path), ("per_page", "1")),
                headers={"Accept": "application/vnd.github+json"},
                cap_bytes=CAP_BYTES,
            )
            newest = json.loads(page.body)[0]
            commit, published = str(newest["sha"]), str(newest["commit"]["committer"]["date"])
        except (FeedError, ValueError, LookupError, TypeError):
            return Version(None, UNKNOWN_DATE)
        if not _COMMIT.fullmatch(commit) or not _DATE.fullmatch(published):
            return Version(None, UNKNOWN_DATE)
        return Version(commit, published)

    def file(self, web: Asks, version: Version, path: str, *, may_be_missing: bool = False) -> Page | None:
        """Fetch a file at a version.

        Args:
            web: how to ask.
            version: which commit; the newest one where it has no id.
            path: path in the repository.
            may_be_missing: whether a file that is not there is None and no error.

        Raises:
            FeedError: if there is no complete answer.
        """
        accept = (200, 404) if may_be_missing else (200,)
        url = f"{RAW}/{self.name}/{version.commit or NEWEST}/{path}"
        page = web.get(url, accept=accept, cap_bytes=CAP_BYTES)
        return None if page.status == 404 else page
