"""Log files of a folder and of the archives in it, as one list.

What belongs here: tar archives and compressed members. What must not be here: what the files mean. Nothing is unpacked
to disk.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from ...errors import SourceError
from ...format import Source

ARCHIVES = ("*.tar", "*.tar.gz", "*.tgz", "*.tar.bz2", "*.tar.xz")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file, wherever it lies.

    Attributes:
        path: path inside the imported folder, or inside its archive; a ``.gz`` at its end is left out.
        archive: name of the archive, or an empty text.
        shown: name under which it is told.
    """

    path: PurePosixPath
    archive: str
    shown: str
    _load: Callable[[], bytes]

    def lines(self) -> list[str]:
        """Return its lines; broken UTF-8 becomes U+FFFD.

        Raises:
            SourceError: if it cannot be read.
        """
        return self.text().replace("\r\n", "\n").removesuffix("\n").split("\n")

    def text(self) -> str:
        """Return all of it.

        Raises:
            SourceError: if it cannot be read.
        """
        return self._load().decode("utf-8-sig", "replace")


def log_files(source: Source) -> Iterator[LogFile]:
    """Yield the files of an import, those inside archives one by one.

    Raises:
        SourceError: if an archive cannot be read.
    """
    for path in source.files:
        shown = source.shown(path)
        if any(path.match(pattern) for pattern in ARCHIVES):
            yield from _members(shown, source.read_bytes(path))
        else:
            yield LogFile(_plain(shown), "", shown, lambda path=path: source.read_bytes(path))  # type: ignore[misc]


def _members(archive: str, data: bytes) -> Iterator[LogFile]:
    try:
        tar = tarfile.open(fileobj=io.BytesIO(data))  # noqa: SIM115 - members are read as long as the import lasts
        for member in tar.getmembers():
            if member.isfile():
                shown = f"{archive}:{member.name}"
                yield LogFile(_plain(member.name), archive, shown, _loader(tar, member, shown))
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise SourceError(archive, f"is no whole tar archive: {error}") from error


def _loader(tar: tarfile.TarFile, member: tarfile.TarInfo, shown: str) -> Callable[[], bytes]:
    def load() -> bytes:
        try:
            stream = tar.extractfile(member)
            data = stream.read() if stream else b""
            return gzip.decompress(data) if data.startswith(_GZIP) else data
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            raise SourceError(shown, f"cannot be read: {error}") from error

    return load


def _plain(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    return path.with_suffix("") if path.suffix == ".gz" else path
