"""NVIDIA GPUs by NVML, keyed by UUID.

What belongs here: NVML calls and what their errors mean. What must not be here: other vendors, time stamps, files.

The energy counter comes first: it misses nothing between two polls. Power stands beside it for GPUs without a counter
(before Volta). The counter counts millijoules since the driver was loaded and never wraps; a drop is a driver reload.

What nvmlDeviceGetPowerUsage means depends on the GPU: a mean over one second since Ampere (not GA100), the moment
before. Which of the two, tells the field that the GPU has; of a driver too old to have either it stays open.

Reference: NVIDIA, nvml.h, nvmlDeviceGetTotalEnergyConsumption, nvmlDeviceGetPowerUsage, NVML_FI_DEV_POWER_AVERAGE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .common import Device, MonotoneCounter, Reading
from .library import NVML_FILES
from .library_gpus import Gpu, LibraryGpus, gap_reason, worst

if TYPE_CHECKING:
    from collections.abc import Callable

    from .nvml_library import Nvml

CODES = {
    # NOT_SUPPORTED, FUNCTION_NOT_FOUND, ARGUMENT_VERSION_MISMATCH, DEPRECATED
    **dict.fromkeys((3, 13, 25, 26), "not_supported"),
    4: "permission_denied",  # NO_PERMISSION
    # UNINITIALIZED, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, GPU_IS_LOST, RESET_REQUIRED, LIB_RM_VERSION_MISMATCH,
    # GPU_NOT_FOUND
    **dict.fromkeys((1, 9, 12, 15, 16, 18, 28), "driver_lost"),
}
"""Gap reasons by the error codes of NVML (nvml.h, nvmlReturn_t); any other is a failed read."""
POWER_FIELDS = {185: "nvml_power_average", 186: "nvml_power_instant"}
"""What power is where the GPU has a field: NVML_FI_DEV_POWER_AVERAGE, else NVML_FI_DEV_POWER_INSTANT."""
_MAX_POWER_MW = 100_000_000
"""Power above 100 kW for one GPU is one of NVML's "not available" values (0xFFFFFFFF), not a reading [mW]."""
_MAX_PERCENT = 100
_MAX_ENERGY_MJ = 2**62
"""Energy above this is a blank value (0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFF0), not a reading [mJ]."""

FIX_LIBRARY = (
    "install the NVIDIA driver; in a container start it with GPUs and the utility capability: "
    "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility ..."
)


class _Gpu(Gpu):
    """A GPU, what reads it in one go if the library can, and what its power is."""

    __slots__ = ("meter", "power_source")

    def __init__(self, device: Device, handle: object, counter: MonotoneCounter, lost: str | None) -> None:
        super().__init__(device, handle, counter, lost)
        self.meter: Callable[[], tuple[int, int, int, int, int, int]] | None = None
        self.power_source = "nvml_power"


class NvmlSource(LibraryGpus[_Gpu, int]):
    """The NVIDIA GPUs of this host."""

    name = "nvml"
    library_name = "NVML"
    files = NVML_FILES
    lacking = "no NVIDIA driver library (libnvidia-ml.so.1)"
    fix_library = FIX_LIBRARY
    codes = CODES

    def _load(self, name: str) -> Nvml:
        from .nvml_library import Nvml

        return Nvml(name)

    def _begin(self) -> None:
        self._library.nvmlInit()

    def _end(self) -> None:
        self._library.nvmlShutdown()

    def _found(self) -> list[int]:
        return list(range(int(self._library.nvmlDeviceGetCount())))

    def _find_again(self, names: list[str]) -> dict[str, tuple[object, str | None]]:
        return {name: self._try(self._library.nvmlDeviceGetHandleByUUID, name) for name in names}

    def _open(self, index: int, found: int) -> _Gpu:
        handle, reason = self._try(self._library.nvmlDeviceGetHandleByIndex, found)
        uuid, uuid_reason = (None, reason) if reason else self._try(self._library.nvmlDeviceGetUUID, handle)
        name = None if reason else self._try(self._library.nvmlDeviceGetName, handle)[0]
        limit_mw = None if reason else self._try(self._library.nvmlDeviceGetEnforcedPowerLimit, handle)[0]
        limit_w = limit_mw / 1000 if isinstance(limit_mw, int) and 0 < limit_mw < _MAX_POWER_MW else None
        device = Device(
            _text(uuid) or f"gpu-index-{index}",
            "gpu",
            "board",
            "nvml_energy",
            hardware_model=_text(name),
            limit_w=limit_w,
        )
        counter = MonotoneCounter(None, limit_w, first_session=self._first_session)
        return _Gpu(device, handle, counter, uuid_reason)

    def _bind(self, gpu: _Gpu) -> None:
        """Let the library read the GPU in one go where it can; ``pynvml`` and stand-ins make one call a value."""
        if gpu.lost is None:
            gpu.meter = self._try(lambda: self._library.meter(gpu.handle))[0]
            gpu.power_source = self._power_source(gpu.handle)

    def _power_source(self, handle: object) -> str:
        fields, reason = self._try(lambda: self._library.nvmlDeviceGetFieldValues(handle, list(POWER_FIELDS)))
        if reason is None:
            for field in fields:
                if field.nvmlReturn == 0 and field.fieldId in POWER_FIELDS:
                    return POWER_FIELDS[field.fieldId]
        return "nvml_power"

    def _read_gpu(self, gpu: _Gpu) -> Reading:
        energy_reason: str | None
        power_reason: str | None
        if gpu.meter is not None:
            energy_code, energy, power_code, power, util_code, util = gpu.meter()
            energy_reason = gap_reason(CODES, energy_code) if energy_code else None
            power_reason = gap_reason(CODES, power_code) if power_code else None
            energy_mj = energy if not energy_code and energy < _MAX_ENERGY_MJ else None
            power_mw = power if not power_code and power < _MAX_POWER_MW else None
            util_percent = util if not util_code and util <= _MAX_PERCENT else None
        else:
            read, energy_reason = self._try(self._library.nvmlDeviceGetTotalEnergyConsumption, gpu.handle)
            energy_mj = _within(read, _MAX_ENERGY_MJ)
            read, power_reason = self._try(self._library.nvmlDeviceGetPowerUsage, gpu.handle)
            power_mw = _within(read, _MAX_POWER_MW)
            util_percent = self._utilisation(gpu.handle)
        at_ns = self._monotonic_ns()
        if energy_mj is not None:
            step = gpu.counter.update(energy_mj, at_ns)
            return Reading(gpu.device.id, power_mw, step.energy_mj, step.session, util_percent, step.gap_reason)
        # Without power there is no value at all, and the reason must say so; the worse of the two is told.
        reasons = [reason or "not_supported" for reason in (energy_reason, power_reason)]
        reason = None if power_mw is not None else worst(reasons)
        return Reading(gpu.device.id, power_mw, None, gpu.counter.session, util_percent, reason, gpu.power_source)

    def _utilisation(self, handle: object) -> int | None:
        rates, _ = self._try(self._library.nvmlDeviceGetUtilizationRates, handle)
        return _within(getattr(rates, "gpu", None), _MAX_PERCENT + 1)


def _within(value: object, below: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < below else None


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value) if value else None
