"""Where landing files are kept: a local folder, or an object store.

What belongs here: how a file appears whole or not at all, in each of them. What must not be here: what is in a file or
how it is named.
"""

from __future__ import annotations

import errno
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

STALE_S = 3_600
"""Age above which another host's temporary is taken for abandoned [s]."""
_TEMPORARY = re.compile(r"\.[a-z0-9-]{1,80}\.parquet\.([0-9a-f]{12})\.([0-9]{1,10})\.[0-9a-f]{8}\.tmp")
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
try:
    # hashlib loads OpenSSL, some 4 MB that a process which hashes one host name need not hold.
    from _sha256 import sha256 as _sha256  # type: ignore[import-not-found]
except ImportError:
    from hashlib import sha256 as _sha256

_OBJECT_STORE = re.compile(r"^[a-z][a-z0-9+]*://")


def host_hash(host: str) -> str:
    """Return the 12 hexadecimal digits that stand for a host in names on disk.

    Args:
        host: host name.
    """
    digest: str = _sha256(host.encode("utf-8", "surrogateescape")).hexdigest()
    return digest[:12]


class Store(Protocol):
    """A place for landing files."""

    def names(self, parts: tuple[str, ...]) -> list[str]:
        """Return the names of the files in a folder; empty if there is none."""
        ...

    def put_new(self, parts: tuple[str, ...], name: str, data: bytes, host: str) -> Path | str:
        """Store bytes under a name; they appear whole or not at all. The same bytes may be there already.

        Args:
            parts: names of the folders below the root.
            name: name of the file.
            data: content of the file.
            host: host name, for whoever sweeps up after a crash.

        Returns:
            The path of the file, or its address in an object store.

        Raises:
            FileExistsError: if the name is taken by other bytes.
            OSError: if the file cannot be written.
        """
        ...


def store_of(root: Path | str) -> Store:
    """Return the store of a landing root.

    Args:
        root: folder, or the address of an object store such as ``s3://bucket/prefix``.
    """
    if isinstance(root, str) and _OBJECT_STORE.match(root):
        return ObjectStore(root)
    return LocalStore(Path(root))


def object_store(address: str) -> tuple[Any, str]:
    """Return the file system of an object store, and the path of an address in it, without a slash at its end.

    Args:
        address: for example ``s3://bucket/prefix`` or ``gs://bucket/prefix``. The standard variables name credentials,
            region and, for stores that are not Amazon's, ``AWS_ENDPOINT_URL_S3``.
    """
    from pyarrow import fs

    scheme, _, rest = address.partition("://")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if scheme == "s3" and endpoint:
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return fs.S3FileSystem(endpoint_override=endpoint, region=region), rest.rstrip("/")
    files, root = fs.FileSystem.from_uri(address)
    return files, root.rstrip("/")


class LocalStore:
    """A folder of this host, or one that is mounted."""

    def __init__(self, root: Path) -> None:
        """Name the folder; it is made when the first file is.

        Args:
            root: landing folder.
        """
        self._root = root

    def names(self, parts: tuple[str, ...]) -> list[str]:
        """Return the names of the files in a folder; empty if there is none."""
        try:
            return os.listdir(self._root.joinpath(*parts))  # noqa: PTH208 - names suffice
        except FileNotFoundError:
            return []

    def put_new(self, parts: tuple[str, ...], name: str, data: bytes, host: str) -> Path:
        """Store bytes; see ``Store.put_new``."""
        path = make_folders(self._root, parts) / name
        try:
            put_new(path, data, host)
        except FileExistsError:
            if path.read_bytes() != data:
                raise
        return path


class ObjectStore:
    """An object store; an object appears with its last byte, so it needs no temporary name."""

    def __init__(self, address: str) -> None:
        """Open the store; credentials come from where its own library looks for them.

        Args:
            address: for example ``s3://bucket/prefix`` or ``gs://bucket/prefix``.
        """
        self._fs, self._root = object_store(address)
        self._scheme = address.partition("://")[0]

    def names(self, parts: tuple[str, ...]) -> list[str]:
        """Return the names of the objects below a prefix; empty if there is none."""
        from pyarrow import fs

        chosen = fs.FileSelector("/".join((self._root, *parts)), allow_not_found=True)
        return [info.base_name for info in self._fs.get_file_info(chosen)]

    def put_new(self, parts: tuple[str, ...], name: str, data: bytes, host: str) -> str:
        """Store bytes; see ``Store.put_new``. Names are unique by writer, so the check need not be atomic."""
        from pyarrow import fs

        path = "/".join((self._root, *parts, name))
        if self._fs.get_file_info(path).type != fs.FileType.NotFound:
            with self._fs.open_input_stream(path) as stream:
                if stream.read() != data:
                    raise FileExistsError(errno.EEXIST, "name is taken by other bytes", path)
        else:
            with self._fs.open_output_stream(path) as stream:
                stream.write(data)
        return f"{self._scheme}://{path}"


def make_folders(root: Path, parts: tuple[str, ...]) -> Path:
    """Make folders below a root and sync the parent of each new one.

    Args:
        root: folder to begin at; made as well if it is missing.
        parts: names of the folders below it.

    Returns:
        The innermost folder.
    """
    missing = [parent for parent in (root, *root.parents) if not parent.exists()]
    for folder in reversed(missing):
        _make_folder(folder)
    for part in parts:
        root = root / part
        _make_folder(root)
    return root


def put_new(path: Path, data: bytes, host: str) -> None:
    """Store bytes under a name that must not exist yet; they appear whole or not at all.

    They are written under a hidden name, synced and linked to the final name, which fails rather than overwrites.

    Args:
        path: final name.
        data: content of the file.
        host: host name, hashed into the temporary name so that a sweep knows whose process to ask for.

    Raises:
        FileExistsError: if the name is taken.
        OSError: if the file cannot be written; no temporary is left behind.
    """
    temporary = path.with_name(f".{path.name}.{host_hash(host)}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def _publish(temporary: Path, path: Path) -> None:
    """Give the finished file its name; fails if the name is taken."""
    try:
        os.link(temporary, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links: names are unique by writer, so the check and the rename need not be atomic.
        if path.exists():
            raise FileExistsError(error.errno, "name is taken", str(path)) from error
        temporary.rename(path)


def sweep(root: Path, *, host: str, alive: Callable[[int], bool] | None = None, now_s: float | None = None) -> int:
    """Remove temporaries that no process will finish: of a dead process of this host, or older than an hour.

    Args:
        root: landing folder.
        host: name of this host.
        alive: whether a process id is alive; by default asked from the system.
        now_s: time to measure ages from [epoch s]; by default now.

    Returns:
        Number of files removed.
    """
    alive = alive or _alive
    now_s = time.time() if now_s is None else now_s
    removed = 0
    for path in Path(root).glob("*/date=*/hour=*/.*.tmp"):
        match = _TEMPORARY.fullmatch(path.name)
        if not match:
            continue
        try:
            dead = match[1] == host_hash(host) and not alive(int(match[2]))
            if dead or now_s - path.lstat().st_mtime > STALE_S:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        return
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk.

    Args:
        folder: the folder.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
