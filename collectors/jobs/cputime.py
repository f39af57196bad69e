"""CPU time of a command and everything that it started, however short-lived.

What belongs here: the two ways to know it, a control group of its own and the tree of its processes. What must not be
here: what a share of CPU time means for energy.

A control group counts what runs in it, whoever started it and however soon it ends. Where none can be made, the tree is
walked: a process that ended has left its time with the parent that waited for it, and orphans come to us (the process
is made the reaper of its descendants) and keep theirs until we end. Only what a daemon started elsewhere is missed. In
the tree there are also helpers of our own, which land what was sampled: they are told, and their time is left out.

Reference: Linux, Control Group v2 (cpu.stat, cgroup.procs); prctl(2), PR_SET_CHILD_SUBREAPER; proc_pid_stat(5).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..clock import NS_PER_S, procfs_root

if TYPE_CHECKING:
    from collections.abc import Collection

_PR_SET_CHILD_SUBREAPER = 36
_NS_PER_US = 1_000


class CpuTime:
    """CPU time of the descendants of this process that joined.

    Attributes:
        way: ``cgroup`` or ``processes``.
    """

    def __init__(self, *, cgroup_root: Path = Path("/sys/fs/cgroup")) -> None:
        """Make a control group, or the process the reaper of its descendants.

        Args:
            cgroup_root: where the control groups (version 2) are mounted.
        """
        self._folder = _make_group(cgroup_root)
        self._ticks_ns = NS_PER_S // os.sysconf("SC_CLK_TCK")
        self.way = "cgroup" if self._folder else "processes"
        self._before_ns = self._helpers_ns = 0
        self._helpers: set[int] = set()
        if self._folder is None:
            _become_subreaper()
            # What this process started before is not the command's.
            self._before_ns = self._tree_ns()

    def join(self) -> None:
        """Put the calling process and what it will start into the group; to be called in the child before it runs."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                descriptor = os.open(self._folder / "cgroup.procs", os.O_WRONLY)
                os.write(descriptor, b"0")
                os.close(descriptor)

    def used_ns(self) -> int:
        """Return the CPU time used so far, of the living and the dead [ns]."""
        if self._folder is not None:
            for line in (self._folder / "cpu.stat").read_text(encoding="ascii").splitlines():
                if line.startswith("usage_usec "):
                    return int(line.split()[1]) * _NS_PER_US
        return max(self._tree_ns() - self._before_ns, 0)

    def began(self, pid: int) -> None:
        """Leave a child of this process out, with all that it starts.

        Args:
            pid: process that this one started and that is not the command's.
        """
        self._helpers.add(pid)

    def ended(self, pid: int) -> None:
        """Remember the time of such a child; to be called after its end and before it is reaped.

        Args:
            pid: the process.
        """
        self._helpers_ns += _process_ticks(pid) * self._ticks_ns
        self._helpers.discard(pid)

    def close(self) -> None:
        """Remove the group; one that still has processes stays until they end."""
        if self._folder is not None:
            with contextlib.suppress(OSError):
                self._folder.rmdir()

    def _tree_ns(self) -> int:
        """Return the time of our own dead children and of the tree below us, its dead included, without our helpers."""
        usage = os.times()
        total = int((usage.children_user + usage.children_system) * NS_PER_S) - self._helpers_ns
        for pid in _descendants(os.getpid(), self._helpers):
            total += _process_ticks(pid) * self._ticks_ns
        return total


def _make_group(root: Path) -> Path | None:
    """Make a group below our own; ``None`` where there are none of version 2, or we may not."""
    try:
        lines = (procfs_root() / "self" / "cgroup").read_text(encoding="ascii").splitlines()
        own = next(line[3:] for line in lines if line.startswith("0::"))
        folder = root / own.lstrip("/") / f"wattledger-{os.getpid()}"
        folder.mkdir()
    except (OSError, StopIteration):
        return None
    # A file system that is no control group makes folders too, and they count nothing.
    if (folder / "cpu.stat").exists() and os.access(folder / "cgroup.procs", os.W_OK):
        return folder
    with contextlib.suppress(OSError):
        folder.rmdir()
    return None


def _become_subreaper() -> None:
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _descendants(pid: int, without: Collection[int]) -> list[int]:
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        folder = procfs_root() / str(parent) / "task"
        try:
            threads = os.listdir(folder)  # noqa: PTH208 - names suffice
        except OSError:
            continue
        for thread in threads:
            with contextlib.suppress(OSError, ValueError):
                children = [int(text) for text in (folder / thread / "children").read_text().split()]
                children = [child for child in children if child not in without]
                found += children
                waiting += children
    return found


def _process_ticks(pid: int) -> int:
    """Return the time of a process and of its children that it waited for [clock ticks]; 0 if it is gone."""
    try:
        text = (procfs_root() / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The command's name stands in parentheses and may hold anything.
    fields = text.rpartition(")")[2].split()
    return sum(int(value) for value in fields[11:15])
