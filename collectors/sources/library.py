"""A vendor's shared library, called directly: where it lies, loading it, calling it, and the error of a call.

What belongs here: what the bindings of all vendors share, and what must be known before one is loaded. What must not be
here: functions, structures or error codes of one vendor (``nvml_library``, ``amdsmi_library``), or what an error means
for a measurement (``library_gpus``).
"""

from __future__ import annotations

import ctypes
from typing import ClassVar

NVML_FILES = ("libnvidia-ml.so.1", "libnvidia-ml.so")
AMDSMI_FILES = (
    "libamd_smi.so.26",
    "libamd_smi.so.25",
    "libamd_smi.so.24",
    "libamd_smi.so",
    "/opt/rocm/lib/libamd_smi.so",
)
SUCCESS = 0


def loadable(files: tuple[str, ...]) -> str | None:
    """Return the first of these files that can be loaded, or ``None``; it is loaded then.

    Args:
        files: files of one library, the best first.
    """
    for name in files:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return name
    return None


class LibraryError(Exception):
    """A call that did not succeed.

    Attributes:
        library: name of the library, for people.
        value: code of the error, as the library numbers them.
    """

    library: ClassVar[str] = "library"

    def __init__(self, value: int, function: str = "") -> None:
        """Name the error.

        Args:
            value: code of the error.
            function: function that returned it.
        """
        self.value = value
        super().__init__(f"{self.library} error {value}" + (f" of {function}" if function else ""))


class Library:
    """A loaded library, every function of which returns a code, 0 for success.

    Attributes:
        files: files of the library, the best first.
        error: what a failing call raises.
        library_not_found: code that says that there is no library.
        function_not_found: code that says that the library lacks a function.
    """

    files: ClassVar[tuple[str, ...]]
    error: ClassVar[type[LibraryError]]
    library_not_found: ClassVar[int]
    function_not_found: ClassVar[int]

    def __init__(self, name: str | None = None) -> None:
        """Load the library.

        Args:
            name: file of the library; by default where its vendor puts it.

        Raises:
            LibraryError: with the code ``library_not_found`` if there is none.
        """
        found = loadable((name,) if name else self.files)
        if found is None:
            raise self.error(self.library_not_found)
        self._library = ctypes.CDLL(found)

    def _function(self, name: str) -> ctypes._NamedFuncPointer:
        try:
            return getattr(self._library, name)  # type: ignore[no-any-return]
        except AttributeError:
            raise self.error(self.function_not_found, name) from None

    def _call(self, name: str, *arguments: object) -> None:
        code = self._function(name)(*arguments)
        if code != SUCCESS:
            raise self.error(code & 0xFFFFFFFF, name)
