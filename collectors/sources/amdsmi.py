"""AMD GPUs by AMD SMI, keyed by UUID.

What belongs here: AMD SMI calls and what their errors and odd values mean. What must not be here: other vendors, time
stamps, files, the layout of structures (``amdsmi_library``).

The energy counter comes first, with power beside it. Two kinds of counter are no counters: one that reads 0 (the second
die of an MI250, whose energy is in the first die's), and one that stands still (MI100 until it is reset). A counter is
therefore believed once it has moved; until then there is power alone.

Reference: AMD, amdsmi.h, amdsmi_get_energy_count, amdsmi_get_power_info. Second die: Linux commit 076f55a45e9e ("Only
primary die supports power data"). Counters that stand still: github.com/ROCm/amdsmi, issues 22 and 38.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from .common import Device, LeftOut, MonotoneCounter, Reading
from .library import AMDSMI_FILES
from .library_gpus import Gpu, LibraryGpus, worst

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from .amdsmi_library import AmdSmi

CODES = {
    # NOT_SUPPORTED, NOT_YET_IMPLEMENTED, FAIL_LOAD_SYMBOL, NO_DATA, SETTING_UNAVAILABLE
    **dict.fromkeys((2, 3, 5, 40, 55), "not_supported"),
    10: "permission_denied",  # NO_PERM
    # FAIL_LOAD_MODULE, INIT_ERROR, NOT_FOUND, NOT_INIT, DRIVER_NOT_LOADED, NO_DRV, AMDGPU_RESTART_ERR
    **dict.fromkeys((4, 18, 31, 32, 34, 51, 54), "driver_lost"),
}
"""Gap reasons by the error codes of AMD SMI (amdsmi_status_t); any other is a failed read."""
_AMD_GPU = 1
"""Type of a processor that is an AMD GPU (AMDSMI_PROCESSOR_TYPE_AMD_GPU)."""
_NJ_PER_UJ = 1_000
_UJ_PER_MJ = 1_000
_MAX_POWER_W = 0xFFFF
"""Power from here on is one of AMD SMI's "not available" values (0xFFFF, 0xFFFFFFFF), not a reading [W]."""
_MAX_RESOLUTION_UJ = 1_000
"""Largest energy of one unit that is believed [uJ]; all GPUs so far have 15.3."""
_MAX_ACCUMULATOR = 2**62
"""A counter above this is a blank value (0xFFFFFFFFFFFFFFFF), not a reading [counter units]."""

FIX_LIBRARY = (
    "install AMD's driver and library: sudo apt install amd-smi-lib (or dnf), from the ROCm repository; in a container "
    "pass /dev/kfd and /dev/dri: docker run --device /dev/kfd --device /dev/dri --group-add video ..."
)
_NO_OWN_POWER = "its energy is part of {parent}'s: the dies of a card share one sensor"


class _Gpu(Gpu):
    """A GPU and whether its counter is one.

    Attributes:
        first_raw: first value of its counter [counter units]; the counter is believed once it differs.
        is_moving: whether the counter has moved.
    """

    __slots__ = ("first_raw", "is_moving")

    def __init__(self, device: Device, handle: object, counter: MonotoneCounter, lost: str | None) -> None:
        super().__init__(device, handle, counter, lost)
        self.first_raw: int | None = None
        self.is_moving = False


class AmdSmiSource(LibraryGpus[_Gpu, tuple[object, bool]]):
    """The AMD GPUs of this host that have a sensor."""

    name = "amdsmi"
    library_name = "AMD SMI"
    files = AMDSMI_FILES
    lacking = "no AMD SMI library (libamd_smi.so)"
    fix_library = FIX_LIBRARY
    codes = CODES

    def __init__(
        self, module: ModuleType | None = None, *, monotonic_ns: Callable[[], int], first_session: int = 0
    ) -> None:
        """Load AMD SMI and find the GPUs; see ``LibraryGpus``."""
        self._parts: list[LeftOut] = []
        super().__init__(module, monotonic_ns=monotonic_ns, first_session=first_session)

    def left_out(self) -> list[LeftOut]:
        """Return the dies and partitions whose energy is part of another GPU's."""
        return list(self._parts)

    def _load(self, name: str) -> AmdSmi:
        from .amdsmi_library import AmdSmi

        return AmdSmi(name)

    def _begin(self) -> None:
        self._library.amdsmi_init()

    def _end(self) -> None:
        self._library.amdsmi_shut_down()

    def _found(self) -> list[tuple[object, bool]]:
        return list(self._processors())

    def _find_again(self, names: list[str]) -> dict[str, tuple[object, str | None]]:
        found: dict[str, object] = {}
        for handle, _ in self._try(self._found)[0] or ():
            found.setdefault(self._try(self._library.amdsmi_get_gpu_device_uuid, handle)[0] or "", handle)
        return {name: (found.get(name), None if name in found else "driver_lost") for name in names}

    def _processors(self) -> Iterator[tuple[object, bool]]:
        """Yield the GPUs, and whether each is the first of its socket; ``None`` for a socket that cannot be read.

        Raises:
            Exception: whatever the library raises if it cannot list the sockets.
        """
        for socket in self._library.amdsmi_get_socket_handles():
            handles, reason = self._try(self._library.amdsmi_get_processor_handles, socket)
            handles = [None] if reason else handles
            kinds = [self._try(self._library.amdsmi_get_processor_type, handle)[0] for handle in handles]
            # The library was asked for GPUs only: what does not tell its type is one.
            gpus = [handle for handle, kind in zip(handles, kinds, strict=True) if kind in (None, _AMD_GPU)]
            for number, handle in enumerate(gpus):
                yield handle, number == 0

    def _open(self, index: int, found: tuple[object, bool]) -> _Gpu | None:
        handle, is_first = found
        uuid, reason = self._try(self._library.amdsmi_get_gpu_device_uuid, handle)
        uuid = uuid if isinstance(uuid, str) and uuid else None
        name, _ = self._try(self._library.amdsmi_get_gpu_asic_info, handle)
        cap_uw, _ = self._try(self._library.amdsmi_get_power_cap_info, handle)
        cap_w = cap_uw / 1_000_000 if isinstance(cap_uw, int) and 0 < cap_uw < _MAX_POWER_W * 1_000_000 else None
        device_id = uuid or f"gpu-index-amd-{index}"
        before = self._gpus[-1].device.id if self._gpus else None
        repeated = any(gpu.device.id == device_id for gpu in self._gpus)
        raw, resolution, _ = self._accumulator(handle)
        if before is not None and (repeated or not is_first or (raw == 0 and self._power_mw(handle)[0] in (None, 0))):
            self._parts.append(LeftOut(device_id, "gpu", _NO_OWN_POWER.format(parent=before)))
            return None
        device = Device(device_id, "gpu", "board", "amdsmi", hardware_model=name or None, limit_w=cap_w)
        counter = MonotoneCounter(None, cap_w, per_mj=_UJ_PER_MJ, first_session=self._first_session)
        # Without its UUID a GPU has no stable name, and nothing is measured under one that may be another's tomorrow.
        gpu = _Gpu(device, handle, counter, None if uuid else reason or "read_failed")
        gpu.first_raw = raw if resolution else None
        return gpu

    def _read_gpu(self, gpu: _Gpu) -> Reading:
        raw, resolution, energy_reason = self._accumulator(gpu.handle)
        at_ns = self._monotonic_ns()
        power_mw, power_reason = self._power_mw(gpu.handle)
        util, _ = self._try(self._library.amdsmi_get_gpu_activity, gpu.handle)
        util_percent = util if _is_number(util) and 0 <= util <= 100 else None
        if raw is not None and raw > 0:
            gpu.is_moving = gpu.is_moving or (gpu.first_raw is not None and raw != gpu.first_raw)
            gpu.first_raw = raw if gpu.first_raw is None else gpu.first_raw
        if raw and gpu.is_moving:
            # Whole nanojoules a unit, so that equal steps of the counter are equal energies.
            energy_uj = raw * round(resolution * _NJ_PER_UJ) // _NJ_PER_UJ
            step = gpu.counter.update(energy_uj, at_ns)
            return Reading(gpu.device.id, power_mw, step.energy_mj, step.session, util_percent, step.gap_reason)
        if power_mw == 0 and raw == 0:
            power_mw = None
        reason = None if power_mw is not None else worst([energy_reason, power_reason])
        return Reading(gpu.device.id, power_mw, None, gpu.counter.session, util_percent, reason)

    def _accumulator(self, handle: object) -> tuple[int | None, float, str]:
        """Return the counter [counter units], the energy of a unit [uJ], and why there is none."""
        count, reason = self._try(self._library.amdsmi_get_energy_count, handle)
        raw, resolution = getattr(count, "accumulator", None), getattr(count, "resolution_uj", None)
        if not _is_number(raw) or not 0 <= raw < _MAX_ACCUMULATOR:
            return None, 0.0, reason or "not_supported"
        if not isinstance(resolution, float) or not 0.001 <= resolution <= _MAX_RESOLUTION_UJ:
            return None, 0.0, "not_supported"
        return raw, resolution, "not_supported"

    def _power_mw(self, handle: object) -> tuple[int | None, str]:
        """Return the power [mW], at the moment or else the mean, and why there is none."""
        info, reason = self._try(self._library.amdsmi_get_power_info, handle)
        for name in ("current_w", "average_w", "socket_w"):
            value = getattr(info, name, None)
            if _is_number(value) and 0 <= value < _MAX_POWER_W:
                return value * 1_000, ""
        return None, reason or "not_supported"


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
