"""Files of an installation: durable moves, hashes, the places of taken-in and refused files."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
import stat
from pathlib import Path

CHUNK_BYTES = 1 << 20
FOLDER_MODE = 0o750


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Of a link, the hash of where it points to (it is never followed); of a pipe, socket or device, that of its path
    (reading one could wait for ever).
    """
    digest = hashlib.sha256()
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        digest.update(b"link:" + os.fsencode(path.readlink()))
        return digest.hexdigest()
    if not stat.S_ISREG(mode):
        digest.update(b"special:" + os.fsencode(path))
        return digest.hexdigest()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def move(source: Path, target: Path) -> None:
    """Move a file durably, replacing a file of the same name; nothing happens when the source is gone already."""
    target.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    try:
        source.replace(target)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_then_remove(source, target)
    sync_folder(target.parent)
    sync_folder(source.parent)


def _copy_then_remove(source: Path, target: Path) -> None:
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        if not is_alive(owner_of(left)):
            left.unlink(missing_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(source, temporary, follow_symlinks=False)
    sync_file(temporary)
    temporary.replace(target)
    sync_folder(target.parent)
    source.unlink()


def owner_of(temporary: Path) -> int | None:
    """Return the process that made a temporary named ``.<name>.<process>.<ending>``; ``None`` for another name."""
    parts = temporary.name.removesuffix(".wal").split(".")
    return int(parts[-2]) if len(parts) >= 4 and parts[0] == "" and parts[-2].isdecimal() else None


def is_alive(process: int | None) -> bool:
    """Tell whether a process of this machine is running; one that is not known counts as running."""
    if process is None or process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def write_durably(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
