"""What outlives the process that counts work: the last readings, and rows that may not be in a journal yet.

What belongs here: saving and loading it. What must not be here: what a counter or a row is.

Rows of work are differences. A row that is on disk while the reading at its end is forgotten would be counted again;
one that is forgotten while the reading is kept would be lost. So both are in one file, which is replaced whole and
synced before the rows go to a journal. After a crash rows may be written again: with the same key and the same values,
which the ledger takes once.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ..landing.stores import host_hash

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1


class WorkState:
    """A small file with the state of one host's counters of work. It outlives a reboot: servers may be elsewhere."""

    def __init__(self, folder: Path, host: str) -> None:
        """Name the file; nothing is read yet.

        Args:
            folder: folder of the file.
            host: host name.
        """
        self.path = folder / f"work-{host_hash(host)}.json"

    def load(self) -> dict[str, Any]:
        """Return what was saved last; empty if there is nothing, or it cannot be read.

        Raises:
            ValueError: if there is a file and it is damaged; it is kept aside.
        """
        try:
            data = self.path.read_bytes()
        except OSError:
            return {}
        try:
            found = json.loads(data)
            if not isinstance(found, dict) or found.get("format") != FORMAT:
                raise ValueError(found)
        except ValueError as error:
            aside = self.path.with_suffix(".damaged")
            self.path.replace(aside)
            msg = f"the state of the work counters cannot be read and is kept as {aside}; they begin anew"
            raise ValueError(msg) from error
        return found

    def save(self, state: dict[str, Any]) -> None:
        """Replace what was saved, synced.

        Args:
            state: JSON values.

        Raises:
            OSError: if it cannot be written; what was saved before is still there.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        data = json.dumps({"format": FORMAT, **state}, separators=(",", ":")).encode()
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        descriptor = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
