"""Removing hour files that no ledger knows, and what dead writers left.

What belongs here: this. What must not be here: the ledger that says which files are known.
"""

from __future__ import annotations

import re
import time
from collections.abc import Set as AbstractSet
from pathlib import Path

from warehouse.files import sync_folder

_HASH = re.compile(r"[0-9a-f]{64}")
_HOUR_FILE = re.compile(r"[0-9a-f]{64}\.parquet")
_TEMPORARY = re.compile(r"\.shard-[0-9]{5,}\.[0-9a-f]{8}\.[0-9]+\.tmp")


def sweep(
    folder_of_hour: Path, keep: AbstractSet[str], older_than_s: float, *, now_s: float | None = None
) -> list[Path]:
    """Remove old files of an hour that are not known, and old temporaries.

    Args:
        folder_of_hour: the folder ``date=.../hour=..`` of one hour; nothing happens where there is none.
        keep: hashes of the files to keep, hexadecimal.
        older_than_s: age above which a file may go [s]; a younger one may belong to somebody who is still at work.
        now_s: time to measure ages from [epoch s]; by default now.

    Returns:
        The files removed. Files with other names are left alone.

    Raises:
        ValueError: if something to keep is no hash: it could be a path, and then nothing would be kept.
    """
    if not all(_HASH.fullmatch(sha256) for sha256 in keep):
        msg = "keep holds something that is no SHA-256 in hexadecimal"
        raise ValueError(msg)
    now_s = time.time() if now_s is None else now_s
    removed = []
    for path in sorted(folder_of_hour.iterdir()) if folder_of_hour.is_dir() else []:
        is_unknown = _HOUR_FILE.fullmatch(path.name) and path.stem not in keep
        if not (is_unknown or _TEMPORARY.fullmatch(path.name)):
            continue
        try:
            if now_s - path.lstat().st_mtime > older_than_s:
                path.unlink()
                removed.append(path)
        except FileNotFoundError:
            continue
    if removed:
        sync_folder(folder_of_hour)
    return removed
