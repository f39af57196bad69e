"""A fake hwmon tree, laid out as the kernel does: chips in devices/, links in class/hwmon, each with its device."""

from __future__ import annotations

from pathlib import Path


class FakeHwmon:
    """Builds chips below ``root``, which stands for ``/sys``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._count = 0
        (root / "class" / "hwmon").mkdir(parents=True)

    def chip(self, name: str, files: dict[str, object], *, address: str = "", in_device: bool = False) -> Path:
        """Make a chip; ``in_device`` puts its files where drivers of the old interface have them."""
        number, self._count = self._count, self._count + 1
        device = self.root / "devices" / (address or f"{name}.{number}")
        folder = device / "hwmon" / f"hwmon{number}"
        folder.mkdir(parents=True)
        (folder / "device").symlink_to(device)
        (self.root / "class" / "hwmon" / folder.name).symlink_to(folder)
        (folder / "name").write_text(name + "\n")
        place = device if in_device else folder
        for file, text in files.items():
            (place / file).write_text(f"{text}\n")
        return place
