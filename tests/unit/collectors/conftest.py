"""Stand-ins for what tests of the collectors need: a clock, landing rows, a sysfs tree, a writer."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from collectors.landing.writer import LandingWriter

NOON_MS = 1_795_348_800_000  # 2026-11-22 12:00:00 UTC


class FakeClock:
    """A clock that moves only when told; ``wall_shift_ms`` is a step of the wall clock."""

    def __init__(self, wall_ms: int = NOON_MS) -> None:
        self.ns = 5_000_000_000
        self._start_ms = wall_ms - self.ns // 1_000_000
        self.wall_shift_ms = 0
        self.slept_until: list[int] = []
        self.on_sleep: Any = None

    def now_ms(self) -> int:
        return self._start_ms + self.ns // 1_000_000 + self.wall_shift_ms

    def monotonic_ns(self) -> int:
        return self.ns

    def advance_s(self, seconds: float) -> None:
        self.ns += round(seconds * 1_000_000_000)

    def sleep_until(self, monotonic_ns: int, wake: Any = None) -> bool:
        self.slept_until.append(monotonic_ns)
        self.ns = max(self.ns, monotonic_ns)
        if self.on_sleep is not None:
            self.on_sleep(len(self.slept_until))
        return wake is not None and wake.is_set()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sample_row() -> Any:
    def make(**changes: Any) -> dict[str, Any]:
        row: dict[str, Any] = {
            "ts_ms": NOON_MS,
            "host": "gpu-1",
            "device": "GPU-a",
            "kind": "gpu",
            "parent": None,
            "point": "board",
            "power_mw": 300_000,
            "energy_mj": 5,
            "session": 0,
            "util_percent": 50,
            "source": "nvml_energy",
            "is_estimate": False,
            "gap_reason": None,
        }
        return {**row, **changes}

    return make


@pytest.fixture
def writer(tmp_path: Path, clock: FakeClock) -> LandingWriter:
    return LandingWriter(
        tmp_path / "landing", "w-1", host="gpu-1", boot_id="boot", collector_version="0.1.0", clock=clock
    )


@pytest.fixture
def powercap(tmp_path: Path) -> Any:
    """Return a builder of fake powercap zones, laid out as the kernel does: real folders, flat symlinks in class/."""
    root = tmp_path / "sys"
    real = root / "devices" / "virtual" / "powercap" / "intel-rapl"
    flat = root / "class" / "powercap"
    flat.mkdir(parents=True)

    def zone(
        index: str, name: str, energy_uj: int, range_uj: int | None = 262_143_328_850, limit_uw: int | None = None
    ) -> Path:
        parts = index.split(":")
        folder = real / f"intel-rapl:{parts[0]}"
        if len(parts) == 2:
            folder = folder / f"intel-rapl:{index}"
        folder.mkdir(parents=True)
        (folder / "name").write_text(name + "\n")
        (folder / "energy_uj").write_text(f"{energy_uj}\n")
        if range_uj is not None:
            (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
        if limit_uw is not None:
            (folder / "constraint_0_power_limit_uw").write_text(f"{limit_uw}\n")
        (flat / f"intel-rapl:{index}").symlink_to(folder)
        return folder

    return SimpleNamespace(root=root, zone=zone)
