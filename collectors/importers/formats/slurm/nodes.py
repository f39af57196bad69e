"""Slurm's lists of nodes, and how large the nodes are.

What belongs here: expansion of node lists, sizes from options or ``scontrol show node``, and the share of its nodes
that a job holds. What must not be here: jobs beyond their counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import UNKNOWN_VALUE, RefusedError, SourceError
from .record import Record

MAX_NODES = 100_000
"""Nodes of one list above this are a typing error, not a cluster."""
_NONE = ("", "none", "none assigned", "unknown", "(null)")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?\Z")
_PART = re.compile(r"([^\[\],\s]*)(?:\[([\d,\-]+)\])?")
_NODE_KEY = re.compile(r"(?:^|\s)(NodeName|CPUEfctv|CPUTot|Gres)=(\S*)")
_GPU = re.compile(r"gpu(?::[^:,()]+)?:(\d+)")


class Share(NamedTuple):
    """Part of its nodes that a job holds.

    Attributes:
        fraction: the part, ``None`` if it is not known.
        why: in a few words, where it comes from or why it is not known.
    """

    fraction: float | None
    why: str


class NodeSizes:
    """CPUs and GPUs of nodes."""

    def __init__(self, cpus: dict[str, int], gpus: dict[str, int], every: tuple[int | None, int | None]) -> None:
        """Take the sizes.

        Args:
            cpus: node -> CPUs.
            gpus: node -> GPUs.
            every: CPUs and GPUs of all other nodes, ``None`` if not known.
        """
        self._cpus, self._gpus, self._every = cpus, gpus, every

    @classmethod
    def of(cls, cpus: str | None, gpus: str | None, file: str | None) -> NodeSizes:
        """Return the sizes that the options state; a file fills what the others leave open.

        Args:
            cpus: ``64``, or ``node[01-04]=64,gpu[1-2]=128``.
            gpus: the same for GPUs.
            file: output of ``scontrol show node``, as text or JSON.

        Raises:
            SourceError: if one of them cannot be read.
        """
        told_cpus, told_gpus = _of_file(file) if file else ({}, {})
        every_cpus = _of_option("node_cpus", cpus, told_cpus)
        every_gpus = _of_option("node_gpus", gpus, told_gpus)
        return cls(told_cpus, told_gpus, (every_cpus, every_gpus))

    def share(self, record: Record) -> Share:
        """Return the part of its nodes that a job holds.

        A job with GPUs holds by its GPUs, because they lead what the node draws; its CPUs say nothing of them.

        Args:
            record: the job, with nodes.
        """
        if record.exclusive:
            return Share(1.0, "exclusive")
        what, amount, sizes, every = "CPUs", record.cpus, self._cpus, self._every[0]
        if record.gpus:
            what, amount, sizes, every = "GPUs", record.gpus, self._gpus, self._every[1]
        known = [sizes.get(node, every) for node in record.nodes]
        total = sum(size for size in known if size)
        if amount is None or not all(known):
            return Share(None, f"the number of {what} of its nodes is not known")
        if amount > total:
            return Share(None, f"it has more {what} than the stated size of its nodes")
        return Share(amount / total, what)

    def shares_gpus(self, record: Record) -> bool:
        """Return whether a job without GPUs is on a node that is known to have some."""
        return not record.gpus and any(self._gpus.get(node, self._every[1]) for node in record.nodes)

    def fills(self, record: Record) -> bool:
        """Return whether a job has all CPUs of its nodes, so that no other can be on them."""
        known = [self._cpus.get(node, self._every[0]) for node in record.nodes]
        return record.cpus is not None and all(known) and record.cpus >= sum(size or 0 for size in known)


def nodes_of(text: str) -> tuple[str, ...]:
    """Return the nodes of a list such as ``node[01-04,07],gpu-a[1-2]b[0-1]``.

    Args:
        text: list as written; an empty one and ``None assigned`` have no nodes.

    Raises:
        RefusedError: if it is no list of nodes, or has more than ``MAX_NODES``.
    """
    text = text.strip()
    if text.lower() in _NONE:
        return ()
    found: dict[str, None] = {}
    for item in split_list(text):
        for node in _expanded(item):
            found[node] = None
            if len(found) > MAX_NODES:
                raise RefusedError(UNKNOWN_VALUE, f"NodeList has more than {MAX_NODES} nodes")
    return tuple(found)


def split_list(text: str) -> list[str]:
    """Return the parts of a list, split at commas outside of brackets.

    Args:
        text: list as written.
    """
    return re.split(r",(?![^\[\]]*\])", text)


def _expanded(item: str) -> Iterator[str]:
    parts: list[list[str]] = []
    at = 0
    while at < len(item):
        match = _PART.match(item, at)
        if match is None or match.end() == at:
            raise RefusedError(UNKNOWN_VALUE, f"NodeList: {item!r} is no list of nodes")
        parts.append([match[1]])
        if match[2] is not None:
            parts.append(_numbers(match[2], item))
        at = match.end()
    if not parts or parts == [[""]]:
        raise RefusedError(UNKNOWN_VALUE, "NodeList: there is an empty name")
    count = 1
    for part in parts:
        count *= len(part)
    if count > MAX_NODES:
        raise RefusedError(UNKNOWN_VALUE, f"NodeList has more than {MAX_NODES} nodes")
    for names in product(*parts):
        yield "".join(names)


def _numbers(text: str, item: str) -> list[str]:
    found: list[str] = []
    for part in text.split(","):
        match = _RANGE.match(part)
        last = int(match[2] or match[1]) if match else -1
        if match is None or not 0 <= last - int(match[1]) < MAX_NODES:
            raise RefusedError(UNKNOWN_VALUE, f"NodeList: [{text}] of {item!r} is no range")
        # Zeros in front belong to the name: 01-10 counts 01, 02, ... 10.
        found += [f"{number:0{len(match[1])}d}" for number in range(int(match[1]), last + 1)]
    return found


def _of_option(name: str, text: str | None, sizes: dict[str, int]) -> int | None:
    every: int | None = None
    for part in split_list(text) if text else ():
        nodes, _, size = part.rpartition("=")
        if not size.strip().isdigit():
            msg = f"--{name.replace('_', '-')} {part!r} is no number and no NODES=NUMBER"
            raise SourceError(None, msg)
        if not nodes:
            every = int(size)
            continue
        try:
            sizes.update(dict.fromkeys(nodes_of(nodes), int(size)))
        except RefusedError as error:
            raise SourceError(None, f"--{name.replace('_', '-')}: {error}") from error
    return every


def _of_file(file: str) -> tuple[dict[str, int], dict[str, int]]:
    try:
        text = Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SourceError(file, f"cannot be read: {error.strerror}") from error
    found = _of_json(text) if text.lstrip().startswith("{") else list(_of_text(text))
    if not found:
        raise SourceError(file, "names no node; it should be the output of `scontrol show node`")
    cpus = {name: count for name, count, _ in found if count}
    gpus = {name: sum(map(int, _GPU.findall(gres))) for name, _, gres in found}
    return cpus, gpus


def _of_json(text: str) -> list[tuple[str, int, str]]:
    try:
        nodes: list[dict[str, Any]] = json.loads(text).get("nodes", [])
        return [
            (str(node["name"]), int(node.get("effective_cpus") or node.get("cpus") or 0), str(node.get("gres") or ""))
            for node in nodes
        ]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def _of_text(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield name, CPUs and Gres of each node; the CPUs that jobs may have outrank those that there are."""
    for block in re.split(r"(?:^|\n)(?=NodeName=)", text):
        values = dict(_NODE_KEY.findall(block))
        if "NodeName" in values:
            cpus = values.get("CPUEfctv") or values.get("CPUTot") or "0"
            yield values["NodeName"], int(cpus) if cpus.isdigit() else 0, values.get("Gres", "")
