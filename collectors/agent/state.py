"""What a host's collectors hand on from one to the next: the state of the counters and of the clock.

What belongs here: saving and loading it. What must not be here: what a counter or a clock does with it.

With it a counter goes on where the process before it stopped, within one boot: energy over a kill, a restart or an
update of the collector is exact, and stamps never run back over those that were already given.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ..landing.stores import host_hash

if TYPE_CHECKING:
    from pathlib import Path


class HostState:
    """A small file with the state of one host and boot."""

    def __init__(self, folder: Path, host: str, boot_id: str) -> None:
        """Name the file; nothing is read yet.

        Args:
            folder: folder of the file.
            host: host name.
            boot_id: id of this boot; a state of another boot is none, because its counters and clock are gone.
        """
        self._path = folder / f"sampler-{host_hash(host)}.json"
        self._boot_id = boot_id

    def load(self) -> dict[str, Any]:
        """Return what the last collector of this boot left; empty if there is none, or it is damaged."""
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict) or found.get("boot_id") != self._boot_id:
            return {}
        return found

    def save(self, state: dict[str, Any]) -> None:
        """Replace what is left for the next one; it need not outlive the boot, so it is not synced.

        Args:
            state: JSON values.

        Raises:
            OSError: if it cannot be written.
        """
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        data = json.dumps({"boot_id": self._boot_id, **state}, separators=(",", ":")).encode()
        try:
            temporary.write_bytes(data)
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data)
        temporary.replace(self._path)
