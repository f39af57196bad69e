"""What lies in the landing folder: its files, which of them go in together, and folders that are left empty.

What belongs here: walking the folder. What must not be here: what is in a file, and what becomes of it (``ingest``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from warehouse.rejected import REJECTED_FOLDER

EMPTY_FOLDER_S = 7200.0
# Small files of a day that go in together: few enough that a crash costs little to repeat.
BATCH_FILES = 64
BATCH_BYTES = 16_000_000


def landed_files(landing: Path) -> Iterator[Path]:
    """Yield every file under the landing root that is not hidden, in the order of its name.

    Temporary files of a writer start with a dot; they are not landed yet.
    """
    if not landing.is_dir():
        return
    found = []
    for folder, folders, names in os.walk(landing):  # a folder that vanishes meanwhile is passed over
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        found += [here / name for name in (*names, *links) if not name.startswith(".")]
        kept = [name for name in folders if not name.startswith(".") and name not in links]
        folders[:] = [name for name in kept if here != landing or name != REJECTED_FOLDER]
    yield from sorted(found)


def batches(paths: list[Path]) -> Iterator[list[Path]]:
    """Yield neighbouring files of the same day folder together, as long as they are few and small."""
    batch: list[Path] = []
    size = 0
    for path in paths:
        try:
            own = path.lstat().st_size
        except FileNotFoundError:  # another process was faster
            continue
        same_day = batch and path.parents[1:2] == batch[0].parents[1:2]
        if batch and (not same_day or len(batch) >= BATCH_FILES or size + own > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += own
    if batch:
        yield batch


def remove_empty_folders(landing: Path) -> None:
    """Remove emptied hour and day folders that no collector has used for a while; a walk over landing stays short."""
    oldest = time.time() - EMPTY_FOLDER_S
    folders = sorted((path for path in landing.glob("*/date=*/hour=*") if path.is_dir()), reverse=True)
    for folder in folders:
        for place in (folder, folder.parent):
            try:
                if place.stat().st_mtime > oldest:
                    break
                place.rmdir()
            except OSError:  # not empty (a sibling hour is left), or another process removed it
                break
