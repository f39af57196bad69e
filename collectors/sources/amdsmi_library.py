"""AMD's management library (AMD SMI), called directly: the few functions that a meter needs.

What belongs here: prototypes, error codes, and where a field stands in which release. What must not be here:
what a value or an error means for a measurement (``amdsmi``), loading and calling (``library``).

Structures grew between releases, so every one is a block of bytes with room to spare, and only fields whose place is
known are read from it.

Reference: AMD, include/amd_smi/amdsmi.h of ROCm 5.7, 6.0 to 6.2 and of commit 0ceca28f (2024); structure pages of the
AMD SMI API reference for ROCm 6.4 to 7.1.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_float, c_uint, c_uint64, c_void_p
from typing import NamedTuple

from .library import AMDSMI_FILES, Library, LibraryError

NOT_SUPPORTED, LIBRARY_NOT_FOUND, FUNCTION_NOT_FOUND = 2, 4, 5
INIT_AMD_GPUS = 1 << 1
_UUID_BYTES = 64  # AMDSMI_GPU_UUID_SIZE is 38; more is allowed
_STRUCTURE_BYTES = 4096  # the largest of those used has 500
_TEXT_BYTES = 64  # the shortest length that market_name had in any release


class AmdSmiError(LibraryError):
    """A call that did not succeed; ``value`` is its amdsmi_status_t."""

    library = "AMD SMI"


class PowerInfo(NamedTuple):
    """Power of a socket, as far as the release and the GPU tell it; absent values are huge numbers.

    Attributes:
        current_w: power at the moment [W], MI300 and newer.
        average_w: mean power [W], MI200 and older, and Navi.
        socket_w: either of the two [W], ROCm 7 and newer; ``None`` before.
    """

    current_w: int
    average_w: int
    socket_w: int | None = None


class EnergyCount(NamedTuple):
    """The energy counter of a GPU.

    Attributes:
        accumulator: value of the counter [counter units].
        resolution_uj: energy of one unit [uJ].
    """

    accumulator: int
    resolution_uj: float


class AmdSmi(Library):
    """The loaded library; functions under AMD's own names."""

    files = AMDSMI_FILES
    error = AmdSmiError
    library_not_found, function_not_found = LIBRARY_NOT_FOUND, FUNCTION_NOT_FOUND

    def __init__(self, name: str | None = None) -> None:
        """Load the library.

        Args:
            name: file of the library; by default where ROCm puts it.

        Raises:
            AmdSmiError: with code 4 if there is none.
        """
        super().__init__(name)
        self._block = ctypes.create_string_buffer(_STRUCTURE_BYTES)
        self._accumulator, self._stamp, self._resolution = c_uint64(), c_uint64(), c_float()
        self._release: int | None = None

    def _filled(self, name: str, *arguments: object) -> bytes:
        """Return the structure that a function fills."""
        ctypes.memset(self._block, 0, _STRUCTURE_BYTES)
        self._call(name, *arguments, self._block)
        return self._block.raw

    def amdsmi_init(self) -> None:
        """Begin to use the library, for GPUs."""
        self._call("amdsmi_init", c_uint64(INIT_AMD_GPUS))
        self._release = None

    def amdsmi_shut_down(self) -> None:
        """Cease to use the library."""
        self._call("amdsmi_shut_down")

    def amdsmi_get_socket_handles(self) -> list[c_void_p]:
        """Return the sockets; the dies and partitions of one socket share its power."""
        return self._handles("amdsmi_get_socket_handles")

    def amdsmi_get_processor_handles(self, socket: c_void_p) -> list[c_void_p]:
        """Return the processors of a socket."""
        return self._handles("amdsmi_get_processor_handles", socket)

    def amdsmi_get_processor_type(self, processor: c_void_p) -> int:
        """Return the type of a processor, 1 for a GPU (AMDSMI_PROCESSOR_TYPE_AMD_GPU)."""
        kind = c_uint()
        self._call("amdsmi_get_processor_type", processor, byref(kind))
        return kind.value

    def amdsmi_get_gpu_device_uuid(self, processor: c_void_p) -> str:
        """Return the UUID of a GPU, made from its serial and device number."""
        text, length = ctypes.create_string_buffer(_UUID_BYTES), c_uint(_UUID_BYTES)
        self._call("amdsmi_get_gpu_device_uuid", processor, byref(length), text)
        return text.value.decode("ascii", "replace")

    def amdsmi_get_gpu_asic_info(self, processor: c_void_p) -> str:
        """Return the market name of a GPU, the first field of its ASIC information."""
        block = self._filled("amdsmi_get_gpu_asic_info", processor)
        return block[:_TEXT_BYTES].partition(b"\0")[0].decode("utf-8", "replace")

    def amdsmi_get_power_cap_info(self, processor: c_void_p) -> int:
        """Return the power cap that is in force [uW], the first field of the cap information."""
        return int.from_bytes(self._filled("amdsmi_get_power_cap_info", processor, c_uint(0))[:8], "little")

    def amdsmi_get_power_info(self, processor: c_void_p) -> PowerInfo:
        """Return the power of the socket.

        Raises:
            AmdSmiError: also before ROCm 6.2, whose layout changed under one version number.
        """
        release = self._library_release()
        if release < 24:
            raise AmdSmiError(NOT_SUPPORTED, "amdsmi_get_power_info before ROCm 6.2")
        block = self._filled("amdsmi_get_power_info", processor)
        begin = 8 if release >= 25 else 0
        current, average = (int.from_bytes(block[at : at + 4], "little") for at in (begin, begin + 4))
        return PowerInfo(current, average, int.from_bytes(block[:8], "little") if release >= 26 else None)

    def amdsmi_get_energy_count(self, processor: c_void_p) -> EnergyCount:
        """Return the energy counter; there is none in a virtual machine."""
        self._call(
            "amdsmi_get_energy_count",
            processor,
            byref(self._accumulator),
            byref(self._resolution),
            byref(self._stamp),
        )
        return EnergyCount(self._accumulator.value, self._resolution.value)

    def amdsmi_get_gpu_activity(self, processor: c_void_p) -> int:
        """Return the utilisation of the graphics engine [%], the first field of the activity information."""
        return int.from_bytes(self._filled("amdsmi_get_gpu_activity", processor)[:4], "little")

    def _library_release(self) -> int:
        """Return the first number of the library's version: the year up to 24, the major version since 25."""
        if self._release is None:
            self._release = int.from_bytes(self._filled("amdsmi_get_lib_version")[:4], "little")
        return self._release

    def _handles(self, name: str, *arguments: object) -> list[c_void_p]:
        count = c_uint()
        self._call(name, *arguments, byref(count), None)
        handles = (c_void_p * max(count.value, 1))()
        self._call(name, *arguments, byref(count), handles)
        return [c_void_p(handle) for handle in handles[: count.value]]
