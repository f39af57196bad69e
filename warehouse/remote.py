"""Landed files in an object store, brought to the landing folder.

What belongs here: listing the store, bringing files over, removing them there. What must not be here: judging files
(``ingest``), or the collectors' side.

A file is brought over whole and synced under its final name before it is removed from the store. A crash in between
brings it over again, and ingest knows its content. Where the store refuses to remove (a bucket with a lock on its
objects), files stay there, and those that the ledger knows are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import fs

from collectors.landing.stores import object_store
from warehouse.lake import Lake

Progress = Callable[[int, int, str], None]


class RemoteError(RuntimeError):
    """The object store cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class RemoteReport:
    """What was brought over.

    Attributes:
        fetched_n: files brought to the landing folder.
        fetched_bytes: their size [bytes].
        known_n: files that stay in the store and are known to the ledger.
        kept_n: files that could not be removed from the store.
        problem: why the store could not be read, and what to do; what has landed here is taken in all the same.
    """

    fetched_n: int = 0
    fetched_bytes: int = 0
    known_n: int = 0
    kept_n: int = 0
    problem: str | None = None


def waiting(address: str) -> list[tuple[str, int]]:
    """Return the files of an object store: path below the address, and size [bytes].

    Args:
        address: address of the store.

    Raises:
        RemoteError: if it cannot be read.
    """
    return _listed(address)[2]


def fetch_remote(lake: Lake, *, limit: int | None = None, progress: Progress | None = None) -> RemoteReport:
    """Bring what landed in the object store of the configuration to the landing folder.

    Args:
        lake: an open lake.
        limit: files to bring over at most.
        progress: called with files done, files in all and the name of the file.

    Returns:
        What was brought over; nothing if the configuration names no store. A store that cannot be read is told in the
        report, because what waits in the landing folder must not wait for it.
    """
    address = lake.config.landing.remote
    if address is None:
        return RemoteReport()
    try:
        files, root, found = _listed(address)
    except RemoteError as error:
        return RemoteReport(problem=str(error))
    known = _known(lake, [path for path, _ in found])
    new = [path for path, _ in found if path not in known and _is_ours(path)][:limit]
    fetched_bytes = kept_n = 0
    for done, path in enumerate(new):
        if progress:
            progress(done, len(new), path.rpartition("/")[2])
        try:
            data = _read(files, f"{root}/{path}")
        except FileNotFoundError:  # another process was faster
            continue
        _keep(lake.config.landing_path / path, data)
        fetched_bytes += len(data)
        kept_n += not _remove(files, f"{root}/{path}")
    if progress and new:
        progress(len(new), len(new), "")
    return RemoteReport(len(new), fetched_bytes, len(known), kept_n)


def _listed(address: str) -> tuple[Any, str, list[tuple[str, int]]]:
    try:
        files, root = object_store(address)
        chosen = fs.FileSelector(root, recursive=True, allow_not_found=True)
        infos = [info for info in files.get_file_info(chosen) if info.type == fs.FileType.File]
    except OSError as error:
        msg = f"landing.remote {address} cannot be read: {error}; check the address, the network and the credentials"
        raise RemoteError(msg) from error
    return files, root, sorted((info.path[len(root) :].lstrip("/"), info.size) for info in infos)


def _is_ours(relative: str) -> bool:
    """Return whether a name can be one of a landed file; a path that leads elsewhere is never followed."""
    parts = relative.split("/")
    return ".." not in parts and not any(part.startswith(".") or not part for part in parts)


def _known(lake: Lake, paths: list[str]) -> set[str]:
    """Return those of the paths that were taken in or refused before."""
    if not paths:
        return set()
    sql = (
        "SELECT path FROM raw.ingest_file WHERE path IN (SELECT unnest($paths)) "
        "UNION SELECT path FROM raw.quarantine_file WHERE path IN (SELECT unnest($paths))"
    )
    return {str(path) for (path,) in lake.rows(sql, {"paths": paths})}


def _read(files: Any, path: str) -> bytes:  # noqa: ANN401 - pyarrow has no types
    with files.open_input_stream(path) as stream:
        data: bytes = stream.read()
    return data


def _keep(target: Path, data: bytes) -> None:
    """Put a file into the landing folder, synced, whole or not at all; the same name has the same content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.fetched")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(files: Any, path: str) -> bool:  # noqa: ANN401 - pyarrow has no types
    try:
        files.delete_file(path)
    except OSError:
        return False
    return True
