"""GPUs that are read by a vendor's library: finding them, losing them, finding them again.

What belongs here: what the sources of all vendors share. What must not be here: calls of one vendor and what their
values mean (``nvml``, ``amdsmi``), how a library is loaded and called (``library``).

A driver may be reloaded while a process lives for months. A lost GPU is therefore looked for by its UUID, and a library
that was not there at the start is looked for as well: both seldom, because looking costs more than reading.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ..clock import NS_PER_S
from .common import Device, MonotoneCounter, PowerSource, Reading
from .library import loadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

RECOVERY_S = 30
"""Time between two attempts to find lost GPUs again [s]."""
LATE_S = 10 * RECOVERY_S
"""Time between two attempts to load a library that was not there at the start [s]."""
_UNNAMED = "gpu-index-"
_WORST_FIRST = ("driver_lost", "permission_denied", "read_failed", "not_supported")


def gap_reason(codes: Mapping[int, str], error: object) -> str:
    """Return the contract's gap reason for an error of a call.

    Args:
        codes: reasons by error code of the library.
        error: the code that a function returned, or whatever a call raised.
    """
    code = error if isinstance(error, int) else getattr(error, "value", None)
    return codes.get(code & 0xFFFFFFFF, "read_failed") if isinstance(code, int) else "read_failed"


def worst(reasons: Iterable[str | None]) -> str:
    """Return the reason that tells most of why a GPU has no value.

    Args:
        reasons: why each of its values is missing.
    """
    found = set(reasons)
    return next((reason for reason in _WORST_FIRST if reason in found), "read_failed")


class Gpu:
    """A GPU that was found."""

    __slots__ = ("counter", "device", "handle", "lost")

    def __init__(self, device: Device, handle: object, counter: MonotoneCounter, lost: str | None) -> None:
        """Take over a GPU.

        Args:
            device: what it is.
            handle: what the library knows it by.
            counter: its energy counter.
            lost: why it cannot be read until it is found again, or ``None``.
        """
        self.device, self.handle, self.counter, self.lost = device, handle, counter, lost


GpuT = TypeVar("GpuT", bound=Gpu)
FoundT = TypeVar("FoundT")


class LibraryGpus(PowerSource, Generic[GpuT, FoundT]):
    """The GPUs of this host that one library knows.

    Attributes:
        library_name: name of the library, for people.
        files: its files, the best first.
        lacking: reason where there is none of them.
        fix_library: what to do about that.
        codes: gap reasons by its error codes.
    """

    kinds = "gpu"
    library_name: ClassVar[str]
    files: ClassVar[tuple[str, ...]]
    lacking: ClassVar[str]
    fix_library: ClassVar[str]
    codes: ClassVar[Mapping[int, str]]

    def __init__(
        self, module: ModuleType | None = None, *, monotonic_ns: Callable[[], int], first_session: int = 0
    ) -> None:
        """Load the library and find the GPUs.

        Args:
            module: what has the library's functions under their names, a stand-in for tests; by default our binding.
            monotonic_ns: the monotonic clock [ns].
            first_session: number of the first counter session.
        """
        self._monotonic_ns, self._first_session = monotonic_ns, first_session
        self._gpus: list[GpuT] = []
        self._next_try_ns = 0
        self._library: Any = module
        self._start()
        # One that is there and fails is not tried again: nobody knows what each failure leaves in memory.
        self.may_come = self._library is None
        if self.may_come:
            self._is_due(LATE_S)

    def devices(self) -> list[Device]:
        """Return the GPUs; one that could not be opened has an id that begins with ``gpu-index-``."""
        return [gpu.device for gpu in self._gpus]

    def read(self) -> list[Reading]:
        """Return cumulative energy [mJ], power [mW] and utilisation [%] a GPU, or why there are none."""
        if self.may_come and self._is_due(LATE_S):
            self._look_again()
        readings = [
            Reading(gpu.device.id, session=gpu.counter.session, gap_reason=gpu.lost)
            if gpu.lost
            else self._read_gpu(gpu)
            for gpu in self._gpus
        ]
        if any(reading.gap_reason == "driver_lost" for reading in readings) and self._is_due(RECOVERY_S):
            self._recover()
        return readings

    def counters(self) -> dict[str, MonotoneCounter]:
        """Return the counters by device id."""
        return {gpu.device.id: gpu.counter for gpu in self._gpus}

    def close(self) -> None:
        """Release the library."""
        if self.unavailable_reason is None:
            self._try(self._end)

    # ---- what a vendor's source says ----

    @abstractmethod
    def _load(self, name: str) -> object:
        """Return the binding of a file of the library; what it describes is in memory only where there is a library."""

    @abstractmethod
    def _begin(self) -> None:
        """Begin to use the library; raises where that is not possible."""

    @abstractmethod
    def _end(self) -> None:
        """Cease to use the library; raises where that is not possible."""

    @abstractmethod
    def _found(self) -> list[FoundT]:
        """Return what ``_open`` takes, one for each GPU; raises where the library cannot list them."""

    @abstractmethod
    def _open(self, index: int, found: FoundT) -> GpuT | None:
        """Return a GPU; ``None`` for one whose energy is part of another's."""

    @abstractmethod
    def _read_gpu(self, gpu: GpuT) -> Reading:
        """Return what a GPU says now, or why it says nothing."""

    @abstractmethod
    def _find_again(self, names: list[str]) -> dict[str, tuple[object, str | None]]:
        """Return, for each GPU by its id, its handle and ``None``, or anything and why it is still lost."""

    def _bind(self, gpu: GpuT) -> None:
        """Prepare the reading of a GPU that has a new handle."""

    # ---- what all do alike ----

    def _start(self) -> None:
        """Load the library and open the GPUs, or say why there are none."""
        self.unavailable_reason, self.fix = self.lacking, self.fix_library
        name = loadable(self.files) if self._library is None else None
        if self._library is None and name is None:
            return
        try:
            self._library = self._load(name) if name else self._library
            self._begin()
            found = self._found()
        except Exception as error:  # noqa: BLE001 - any failure of the library means there is none
            self.unavailable_reason = f"{self.library_name} cannot be used: {error}"
            return
        for index, one in enumerate(found):
            gpu = self._open(index, one)
            if gpu is not None:
                self._bind(gpu)
                self._gpus.append(gpu)
        self.unavailable_reason = None if self._gpus else f"{self.library_name} reports no GPU"
        self.fix = None if self._gpus else self.fix_library

    def _look_again(self) -> None:
        """Load the library if it has come."""
        if self._library is not None:
            self._try(self._end)
        self._start()
        if self.unavailable_reason is None:
            self.may_come, self._next_try_ns = False, 0

    def _recover(self) -> None:
        """Begin with the library again and find the GPUs by UUID."""
        self._try(self._end)
        names = [gpu.device.id for gpu in self._gpus if not gpu.device.id.startswith(_UNNAMED)]
        began = self._try(self._begin)[1] is None
        found = self._find_again(names) if began else dict.fromkeys(names, (None, "driver_lost"))
        for gpu in self._gpus:
            if gpu.device.id in found:
                handle, gpu.lost = found[gpu.device.id]
                if gpu.lost is None:
                    gpu.handle = handle
                    self._bind(gpu)

    def _is_due(self, every_s: float) -> bool:
        """Return whether it is time to look for what is missing; if it is, the next time is that much later."""
        now_ns = self._monotonic_ns()
        if now_ns < self._next_try_ns:
            return False
        self._next_try_ns = now_ns + int(every_s * NS_PER_S)
        return True

    def _try(self, call: Callable[..., Any], *arguments: object) -> tuple[Any, str | None]:
        """Return the value of a call and ``None``, or ``None`` and the gap reason."""
        try:
            return call(*arguments), None
        except Exception as error:  # noqa: BLE001 - one device's failure must not end the loop
            return None, gap_reason(self.codes, error)
