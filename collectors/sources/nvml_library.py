"""NVIDIA's management library (NVML), called directly: the few functions that a meter needs.

What belongs here: prototypes, structures, error codes. What must not be here: what a value or an error means for a
measurement (``nvml``), loading and calling (``library``).

The ``pynvml`` module offers the same functions under the same names, and a stand-in for tests has them too. It
describes the whole library, though, and holds 16 MB in a process that lives for months; this module holds 0.5 MB.

Reference: NVIDIA, nvml.h (API reference).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import Structure, byref, c_char_p, c_int, c_longlong, c_uint, c_ulonglong, c_void_p

from .library import NVML_FILES, Library, LibraryError

FUNCTION_NOT_FOUND, LIBRARY_NOT_FOUND = 13, 12
_TEXT_BYTES = 96  # NVML_DEVICE_UUID_V2_BUFFER_SIZE and NVML_DEVICE_NAME_V2_BUFFER_SIZE


class NVMLError(LibraryError):
    """A call that did not succeed; ``value`` is its nvmlReturn_t."""

    library = "NVML"


class Utilization(Structure):
    """Shares of the last sample period in which the GPU and its memory were busy [%]."""

    _fields_ = (("gpu", c_uint), ("memory", c_uint))


class _Value(ctypes.Union):
    _fields_ = (("uiVal", c_uint), ("ullVal", c_ulonglong), ("sllVal", c_longlong), ("dVal", ctypes.c_double))


class FieldValue(Structure):
    """One field value, nvmlFieldValue_t."""

    _fields_ = (
        ("fieldId", c_uint),
        ("scopeId", c_uint),
        ("timestamp", c_longlong),
        ("latencyUsec", c_longlong),
        ("valueType", c_uint),
        ("nvmlReturn", c_uint),
        ("value", _Value),
    )


class Nvml(Library):
    """The loaded library; functions under NVIDIA's own names, as ``pynvml`` has them."""

    files = NVML_FILES
    error = NVMLError
    library_not_found, function_not_found = LIBRARY_NOT_FOUND, FUNCTION_NOT_FOUND

    def __init__(self, name: str | None = None) -> None:
        """Load the library.

        Args:
            name: file of the library; by default where the driver puts it.

        Raises:
            NVMLError: with code 12 if there is none.
        """
        super().__init__(name)
        self._uint, self._energy, self._rates = c_uint(), c_ulonglong(), Utilization()

    def nvmlInit(self) -> None:  # noqa: N802 - NVIDIA's names throughout
        """Begin to use the library."""
        self._call("nvmlInit_v2")

    def nvmlShutdown(self) -> None:  # noqa: N802
        """Cease to use the library."""
        self._call("nvmlShutdown")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        """Return the number of GPUs."""
        count = c_uint()
        self._call("nvmlDeviceGetCount_v2", byref(count))
        return count.value

    def nvmlDeviceGetHandleByIndex(self, index: int) -> c_void_p:  # noqa: N802
        """Return a GPU by its index, which may change between boots."""
        handle = c_void_p()
        self._call("nvmlDeviceGetHandleByIndex_v2", c_uint(index), byref(handle))
        return handle

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> c_void_p:  # noqa: N802
        """Return a GPU by its UUID."""
        handle = c_void_p()
        self._call("nvmlDeviceGetHandleByUUID", c_char_p(uuid.encode()), byref(handle))
        return handle

    def nvmlDeviceGetUUID(self, handle: c_void_p) -> str:  # noqa: N802
        """Return the UUID of a GPU."""
        return self._text("nvmlDeviceGetUUID", handle)

    def nvmlDeviceGetName(self, handle: c_void_p) -> str:  # noqa: N802
        """Return the name of a GPU."""
        return self._text("nvmlDeviceGetName", handle)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: c_void_p) -> int:  # noqa: N802
        """Return the power limit that is in force [mW]."""
        return self._number("nvmlDeviceGetEnforcedPowerLimit", handle)

    def nvmlDeviceGetPowerUsage(self, handle: c_void_p) -> int:  # noqa: N802
        """Return the power of a GPU and its board [mW]; see the reference for its meaning by architecture."""
        return self._number("nvmlDeviceGetPowerUsage", handle)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: c_void_p) -> int:  # noqa: N802
        """Return the energy since the driver was loaded [mJ]."""
        self._call("nvmlDeviceGetTotalEnergyConsumption", handle, byref(self._energy))
        return self._energy.value

    def nvmlDeviceGetUtilizationRates(self, handle: c_void_p) -> Utilization:  # noqa: N802
        """Return the utilisation of a GPU; the same object each time."""
        self._call("nvmlDeviceGetUtilizationRates", handle, byref(self._rates))
        return self._rates

    def nvmlDeviceGetMigMode(self, handle: c_void_p) -> list[int]:  # noqa: N802
        """Return whether MIG is on now, and after the next reset."""
        now, then = c_uint(), c_uint()
        self._call("nvmlDeviceGetMigMode", handle, byref(now), byref(then))
        return [now.value, then.value]

    def nvmlDeviceGetFieldValues(self, handle: c_void_p, fields: list[int]) -> list[FieldValue]:  # noqa: N802
        """Return field values, each with a code of its own.

        Args:
            handle: the GPU.
            fields: numbers of the fields.
        """
        values = (FieldValue * len(fields))(*(FieldValue(fieldId=number) for number in fields))
        self._call("nvmlDeviceGetFieldValues", handle, c_int(len(fields)), values)
        return list(values)

    def meter(self, handle: c_void_p) -> Callable[[], tuple[int, int, int, int, int, int]]:
        """Return what reads a GPU as cheaply as it can be read, once a second for months.

        Args:
            handle: the GPU.

        Returns:
            A function that returns three codes of errors, 0 for none, each with its value: energy since the driver was
            loaded [mJ], power [mW], utilisation [%].

        Raises:
            NVMLError: if the library lacks one of the three functions; then each is to be called by itself.
        """
        energy_mj, power_mw, rates = c_ulonglong(), c_uint(), Utilization()
        calls = []
        for name, value in (
            ("nvmlDeviceGetTotalEnergyConsumption", energy_mj),
            ("nvmlDeviceGetPowerUsage", power_mw),
            ("nvmlDeviceGetUtilizationRates", rates),
        ):
            calls.append((self._function(name), byref(value)))
        (get_energy, to_energy), (get_power, to_power), (get_rates, to_rates) = calls

        def read() -> tuple[int, int, int, int, int, int]:
            return (
                get_energy(handle, to_energy),
                energy_mj.value,
                get_power(handle, to_power),
                power_mw.value,
                get_rates(handle, to_rates),
                rates.gpu,
            )

        return read

    def _number(self, name: str, handle: c_void_p) -> int:
        self._call(name, handle, byref(self._uint))
        return self._uint.value

    def _text(self, name: str, handle: c_void_p) -> str:
        buffer = ctypes.create_string_buffer(_TEXT_BYTES)
        self._call(name, handle, buffer, c_uint(_TEXT_BYTES))
        return buffer.value.decode("utf-8", "replace")
