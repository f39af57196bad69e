"""The hardware that a host shows for the first time, as ``asset_event`` rows.

What belongs here: which devices are assets, their ids and the memory of what was already told. What must not be here:
embodied emissions, prices or ages.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ..landing.stores import host_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ..sources import Device

# Memory is part of its server in the embodied model, so it is no asset of its own.
_ASSET_KIND = {
    "gpu": "accelerator",
    "accelerator": "accelerator",
    "cpu": "cpu",
    "node": "server",
    "switch": "switch",
    "facility": "facility",
}


class AssetMemory:
    """Remembers, in a small file, which assets of a host were already sent."""

    def __init__(self, state_dir: Path, host: str) -> None:
        """Load what is remembered; a missing or damaged file is an empty memory.

        Args:
            state_dir: folder of the file.
            host: host name.
        """
        self._host = host
        self._path = state_dir / f"assets-{host_hash(host)}.json"
        try:
            seen = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            seen = {}
        self._seen: dict[str, int] = seen if isinstance(seen, dict) else {}

    def first_seen(self, devices: Iterable[Device], ts_ms: int, facility: str | None = None) -> list[dict[str, Any]]:
        """Return ``asset_event`` rows for the devices that were not sent before.

        The sight is not remembered until ``remember`` is called, after landing.

        Args:
            devices: devices of the host.
            ts_ms: time of the sight [epoch ms, UTC].
            facility: facility id of the configuration, if known.
        """
        return [
            {
                "ts_ms": ts_ms,
                "asset_id": f"{self._host}/{device.id}",
                "kind": _ASSET_KIND[device.kind],
                "hardware_model": device.hardware_model or "unknown",
                "host": self._host,
                "device": device.id,
                "facility": facility,
                "event": "in_service",
                "quantity": 1,
            }
            for device in devices
            # A GPU without a UUID is one that could not be opened; its index names no piece of hardware.
            if device.kind in _ASSET_KIND
            and not device.id.startswith("gpu-index-")
            and f"{self._host}/{device.id}" not in self._seen
        ]

    def remember(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Note that rows were landed, so that they are not sent again.

        Args:
            rows: rows that ``first_seen`` returned.

        Raises:
            OSError: if the file cannot be written; the rows will be sent once more, which changes nothing.
        """
        new = {str(row["asset_id"]): int(row["ts_ms"]) for row in rows}
        if not new:
            return
        self._seen.update(new)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(self._seen, indent=1, sort_keys=True), encoding="utf-8")
        temporary.replace(self._path)
