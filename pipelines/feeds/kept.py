"""Answers of feeds as they came: kept under the hash of their content, so that they can be read again.

What belongs here: the form in which pages are kept, and getting them back. What must not be here: what they say.

A file holds the pages of one asking, a line of JSON each, compressed; the same pages always give the same bytes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from pipelines.feeds.feed import Page

FOLDER_MODE = 0o750


def sha256_of(pages: Sequence[Page]) -> str:
    """Return the hash of the contents of some pages: of one page, that of its body."""
    if len(pages) == 1:
        return pages[0].sha256
    return hashlib.sha256("".join(page.sha256 for page in pages).encode()).hexdigest()


def path_of(folder: Path, source: str, sha256: str) -> Path:
    """Return where an answer lies.

    Args:
        folder: folder of the answers.
        source: the feed.
        sha256: what ``sha256_of`` gave.
    """
    return folder / source / sha256[:2] / f"{sha256}.jsonl.gz"


def keep(folder: Path, source: str, pages: Sequence[Page]) -> Path:
    """Keep the pages of one asking; an answer that is there already stays as it is.

    Args:
        folder: folder of the answers.
        source: the feed.
        pages: its pages.

    Returns:
        The file.
    """
    path = path_of(folder, source, sha256_of(pages))
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    lines = [
        json.dumps(
            {
                "url": page.url,
                "status": page.status,
                "headers": dict(page.headers),
                "fetched_ms": page.fetched_ms,
                "body": base64.b64encode(page.body).decode("ascii"),
            },
            sort_keys=True,
        )
        for page in pages
    ]
    hidden = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with hidden.open("wb") as file:
        file.write(gzip.compress("\n".join(lines).encode(), mtime=0))
        file.flush()
        os.fsync(file.fileno())
    hidden.rename(path)
    return path


def read(path: Path) -> list[Page]:
    """Return the pages of a kept answer.

    Args:
        path: the file.

    Raises:
        ValueError: if the file is not one of ours, or its content is not what its name says.
    """
    try:
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")
        entries = [json.loads(line) for line in lines]
        pages = [
            Page(
                entry["url"],
                entry["status"],
                entry["headers"],
                base64.b64decode(entry["body"], validate=True),
                entry["fetched_ms"],
            )
            for entry in entries
        ]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} is not a kept answer: {error}"
        raise ValueError(msg) from error
    if sha256_of(pages) != path.name.partition(".")[0]:
        msg = f"{path} does not hold what its name says; it was changed"
        raise ValueError(msg)
    return pages
