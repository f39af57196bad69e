"""NVIDIA GPUs by NVML, keyed by UUID.

What belongs here: NVML calls and what their errors mean. What must not be here: other vendors, time stamps, files.

The energy counter comes first: it misses nothing between two polls. Power stands beside it for GPUs without a counter
(before Volta). The counter counts millijoules since the driver was loaded and never wraps; a drop is a driver reload.

Reference: NVIDIA, nvml.h, nvmlDeviceGetTotalEnergyConsumption, nvmlDeviceGetPowerUsage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .common import Device, MonotoneCounter, PowerSource, Reading
from .nvml_library import LIBRARY_NOT_FOUND, Nvml

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

# NVML error codes (nvml.h, nvmlReturn_t), by what they mean for a measurement.
_NOT_SUPPORTED = {3, 13, 25, 26}  # NOT_SUPPORTED, FUNCTION_NOT_FOUND, ARGUMENT_VERSION_MISMATCH, DEPRECATED
_NO_PERMISSION = {4}
# UNINITIALIZED, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, GPU_IS_LOST, RESET_REQUIRED, LIB_RM_VERSION_MISMATCH,
# GPU_NOT_FOUND
_DRIVER_LOST = {1, 9, 12, 15, 16, 18, 28}

RECOVERY_S = 30
"""Time between two attempts to find lost GPUs again [s]."""
_NS_PER_S = 1_000_000_000
_MAX_POWER_MW = 100_000_000
"""Power above 100 kW for one GPU is one of NVML's "not available" values (0xFFFFFFFF), not a reading [mW]."""
_MAX_PERCENT = 100
_MAX_ENERGY_MJ = 2**62
"""Energy above this is a blank value (0xFFFFFFFFFFFFFFFF, 0x7FFFFFFFFFFFFFF0), not a reading [mJ]."""

FIX_LIBRARY = (
    "install the NVIDIA driver; in a container start it with GPUs and the utility capability: "
    "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility ..."
)


def gap_reason(error: BaseException) -> str:
    """Return the contract's gap reason for an error of an NVML call.

    Args:
        error: what the call raised, an NVML error or anything else.
    """
    code = getattr(error, "value", None)
    return _reason(code) if isinstance(code, int) else "read_failed"


def _reason(code: int) -> str:
    code &= 0xFFFFFFFF
    if code in _NOT_SUPPORTED:
        return "not_supported"
    if code in _NO_PERMISSION:
        return "permission_denied"
    if code in _DRIVER_LOST:
        return "driver_lost"
    return "read_failed"


class _Gpu:
    """A GPU that was found, and whether it is lost."""

    __slots__ = ("counter", "device", "handle", "lost", "meter")

    def __init__(self, device: Device, handle: object, counter: MonotoneCounter, lost: str | None) -> None:
        self.device, self.handle, self.counter, self.lost = device, handle, counter, lost
        self.meter: Callable[[], tuple[int, int, int, int, int, int]] | None = None


class NvmlSource(PowerSource):
    """The NVIDIA GPUs of this host."""

    name = "nvml"
    kinds = "gpu"

    def __init__(
        self, module: ModuleType | None = None, *, monotonic_ns: Callable[[], int], first_session: int = 0
    ) -> None:
        """Load NVML and find the GPUs.

        Args:
            module: what has NVIDIA's functions under their names: ``pynvml``, or a stand-in for tests; by default
                ``nvml_library``.
            monotonic_ns: the monotonic clock [ns].
            first_session: number of the first counter session.
        """
        self._monotonic_ns = monotonic_ns
        self._first_session = first_session
        self._gpus: list[_Gpu] = []
        self._next_recovery_ns = 0
        self._nvml: Any = module
        try:
            self._nvml = module or Nvml()
            self._nvml.nvmlInit()
            count = int(self._nvml.nvmlDeviceGetCount())
        except Exception as error:  # noqa: BLE001 - any failure of the library means there is none
            lacks = module is None and getattr(error, "value", None) == LIBRARY_NOT_FOUND
            reason = "no NVIDIA driver library (libnvidia-ml.so.1)" if lacks else f"NVML cannot be used: {error}"
            self.unavailable_reason, self.fix = reason, FIX_LIBRARY
            return
        self._gpus = [self._open(index) for index in range(count)]
        if not self._gpus:
            self.unavailable_reason, self.fix = "NVML reports no GPU", FIX_LIBRARY

    def devices(self) -> list[Device]:
        """Return the GPUs; one that could not be opened has the id ``gpu-index-N``."""
        return [gpu.device for gpu in self._gpus]

    def read(self) -> list[Reading]:
        """Return cumulative energy [mJ], power [mW] and utilisation [%] a GPU, or why there are none."""
        readings = [self._read_gpu(gpu) for gpu in self._gpus]
        if any(reading.gap_reason == "driver_lost" for reading in readings):
            self._recover()
        return readings

    def counters(self) -> dict[str, MonotoneCounter]:
        """Return the counters by device id."""
        return {gpu.device.id: gpu.counter for gpu in self._gpus}

    def close(self) -> None:
        """Release NVML."""
        if self.unavailable_reason is None:
            self._try(self._nvml.nvmlShutdown)

    def _open(self, index: int) -> _Gpu:
        handle, reason = self._try(self._nvml.nvmlDeviceGetHandleByIndex, index)
        uuid, uuid_reason = (None, reason) if reason else self._try(self._nvml.nvmlDeviceGetUUID, handle)
        name = None if reason else self._try(self._nvml.nvmlDeviceGetName, handle)[0]
        limit_mw = None if reason else self._try(self._nvml.nvmlDeviceGetEnforcedPowerLimit, handle)[0]
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
        gpu = _Gpu(device, handle, counter, uuid_reason)
        self._bind(gpu)
        return gpu

    def _bind(self, gpu: _Gpu) -> None:
        """Let the library read the GPU in one go where it can; ``pynvml`` and stand-ins make one call a value."""
        if isinstance(self._nvml, Nvml) and gpu.lost is None:
            gpu.meter = self._try(self._nvml.meter, gpu.handle)[0]

    def _read_gpu(self, gpu: _Gpu) -> Reading:
        if gpu.lost:
            return Reading(gpu.device.id, session=gpu.counter.session, gap_reason=gpu.lost)
        energy_reason: str | None
        power_reason: str | None
        if gpu.meter is not None:
            energy_code, energy, power_code, power, util_code, util = gpu.meter()
            energy_reason = _reason(energy_code) if energy_code else None
            power_reason = _reason(power_code) if power_code else None
            energy_mj = energy if not energy_code and energy < _MAX_ENERGY_MJ else None
            power_mw = power if not power_code and power < _MAX_POWER_MW else None
            util_percent = util if not util_code and util <= _MAX_PERCENT else None
        else:
            read, energy_reason = self._try(self._nvml.nvmlDeviceGetTotalEnergyConsumption, gpu.handle)
            energy_mj = _within(read, _MAX_ENERGY_MJ)
            read, power_reason = self._try(self._nvml.nvmlDeviceGetPowerUsage, gpu.handle)
            power_mw = _within(read, _MAX_POWER_MW)
            util_percent = self._utilisation(gpu.handle)
        at_ns = self._monotonic_ns()
        if energy_mj is not None:
            step = gpu.counter.update(energy_mj, at_ns)
            return Reading(gpu.device.id, power_mw, step.energy_mj, step.session, util_percent, step.gap_reason)
        # Without power there is no value at all, and the reason must say so; the worse of the two is told.
        reasons = [reason or "not_supported" for reason in (energy_reason, power_reason)]
        reason = None if power_mw is not None else _worst(reasons)
        return Reading(gpu.device.id, power_mw, None, gpu.counter.session, util_percent, reason, "nvml_power")

    def _utilisation(self, handle: object) -> int | None:
        rates, _ = self._try(self._nvml.nvmlDeviceGetUtilizationRates, handle)
        return _within(getattr(rates, "gpu", None), _MAX_PERCENT + 1)

    def _recover(self) -> None:
        """Load NVML again and find the GPUs by UUID; at most every ``RECOVERY_S``."""
        now_ns = self._monotonic_ns()
        if now_ns < self._next_recovery_ns:
            return
        self._next_recovery_ns = now_ns + RECOVERY_S * _NS_PER_S
        self._try(self._nvml.nvmlShutdown)
        if self._try(self._nvml.nvmlInit)[1]:
            return
        for gpu in self._gpus:
            if gpu.device.id.startswith("gpu-index-"):
                continue
            handle, reason = self._try(self._nvml.nvmlDeviceGetHandleByUUID, gpu.device.id)
            gpu.lost = reason
            if reason is None:
                gpu.handle = handle
                self._bind(gpu)

    @staticmethod
    def _try(call: Callable[..., Any], *arguments: object) -> tuple[Any, str | None]:
        """Return the value of a call and ``None``, or ``None`` and the gap reason."""
        try:
            return call(*arguments), None
        except Exception as error:  # noqa: BLE001 - one device's failure must not end the loop
            return None, gap_reason(error)


def _worst(reasons: list[str]) -> str:
    order = ("driver_lost", "permission_denied", "read_failed", "not_supported")
    return next((reason for reason in order if reason in reasons), "read_failed")


def _within(value: object, below: int) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < below else None


def _text(value: object) -> str | None:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value) if value else None
