"""What every power source has in common: devices, readings, and the counter that never invents energy.

What belongs here: the interface and its value types, and the unwrapping of counters. What must not be here: anything of
one vendor, time stamps, or files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from ..clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Collection

PLAUSIBLE_FACTOR = 1.5
"""Power above this many times the device's limit is not believed; short peaks above an enforced limit are real."""
JITTER_S = 1.0
"""Time added to an interval before its power is judged [s]: counters are updated up to 1 s late (NVML average)."""
_MJ_PER_J = 1_000


class Device(NamedTuple):
    """A device of this host that has, or should have, a power reading.

    Attributes:
        id: stable id: GPU UUID, ``cpu-package-0``, ``dram-0``.
        kind: kind of device, one of the contract's ``DEVICE_KINDS``.
        point: where the power is measured, one of the contract's ``POINTS``.
        source: interface that reads it, one of the contract's ``SOURCES``.
        parent: device that contains this one, or ``None`` for an outermost device.
        hardware_model: name that the driver or kernel gives, or ``None`` if it tells none.
        limit_w: largest power the device may draw for long [W], or ``None`` if not known.
        counter_range_mj: energy at which its counter starts again at zero [mJ], or ``None`` if not known.
        is_estimate: whether the power is modelled, not measured.
    """

    id: str
    kind: str
    point: str
    source: str
    parent: str | None = None
    hardware_model: str | None = None
    limit_w: float | None = None
    counter_range_mj: int | None = None
    is_estimate: bool = False


class Reading(NamedTuple):
    """What one device said at one tick.

    A gap reason beside values speaks of the interval that ends here (a counter was reset); a gap reason without values
    says why there are none.

    Attributes:
        device_id: id of the device.
        power_mw: power [mW], or ``None``.
        energy_mj: cumulative energy, unwrapped and monotone inside the session [mJ], or ``None``.
        session: counter session; energies of two sessions have no difference.
        util_percent: utilisation [%], 0 to 100, or ``None``.
        gap_reason: one of the contract's ``GAP_REASONS``, or ``None``.
        source: interface of this reading where it differs from the device's, or ``None``.
        taken_ns: when it was taken on the monotonic clock [ns], where that is not now, or ``None``.
    """

    device_id: str
    power_mw: int | None = None
    energy_mj: int | None = None
    session: int = 0
    util_percent: int | None = None
    gap_reason: str | None = None
    source: str | None = None
    taken_ns: int | None = None

    @property
    def has_value(self) -> bool:
        """Whether the reading carries power or energy."""
        return self.power_mw is not None or self.energy_mj is not None


class LeftOut(NamedTuple):
    """Something that could be read and is not, on purpose.

    Attributes:
        name: device or sensor.
        kind: kind of device, for people; ``-`` if not known.
        reason: why it is not read.
        fix: what to do to read it after all, or ``None``.
    """

    name: str
    kind: str
    reason: str
    fix: str | None = None


class PowerSource(ABC):
    """An interface of the host that gives power or energy.

    Attributes:
        name: short name of the source.
        kinds: kinds of device that it can read, for people, for example ``cpu, dram``.
        unavailable_reason: why it cannot be used on this host, or ``None`` if it can.
        fix: what to do about that, with the exact command, or ``None``.
        may_come: whether an unavailable source looks for what it lacks when it is read, and may become usable.
    """

    name: str = ""
    kinds: str = ""
    unavailable_reason: str | None = None
    fix: str | None = None
    may_come: bool = False

    @abstractmethod
    def devices(self) -> list[Device]:
        """Return the devices, found once at construction; empty if the source is unavailable."""

    @abstractmethod
    def read(self) -> list[Reading]:
        """Return one reading a device; never raises: a failure is a gap reason.

        A device that has nothing new to say since the last call may be left out.
        """

    def counters(self) -> dict[str, MonotoneCounter]:
        """Return the counters by device id, for the hand-over to a later process; empty if there are none."""
        return {}

    def covers(self) -> set[str]:
        """Return the kinds of device whose energy this source reads: its own, and what lies inside of them."""
        return {device.kind for device in self.devices()}

    def left_out(self) -> list[LeftOut]:
        """Return what this source saw and does not read, and why."""
        return []

    def leave_out(self, kinds: Collection[str], reason: str) -> None:  # noqa: B027 - most sources overlap with none
        """Cease to read some kinds of device before the first reading, because something else reads them.

        Args:
            kinds: the kinds.
            reason: why, for people.
        """

    def trouble(self) -> str | None:
        """Return what went wrong at the last reading, in words; ``None`` if nothing did or a reason says it all."""
        return None

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Release what the source holds."""


class CounterStep(NamedTuple):
    """Result of one reading of a counter.

    Attributes:
        energy_mj: cumulative energy of the session [mJ].
        session: session of the value.
        gap_reason: why the interval before this value is not measured, or ``None``.
    """

    energy_mj: int
    session: int
    gap_reason: str | None = None


class MonotoneCounter:
    """Unwraps an energy counter, and starts a new session wherever the truth is not known.

    A counter that went down has wrapped or was reset; both look alike. A wrap is believed only where the range is known
    and the power it implies is plausible. Anything else begins a new session, over whose edge no energy is counted.
    """

    def __init__(
        self, counter_range: int | None, limit_w: float | None, *, per_mj: int = 1, first_session: int = 0
    ) -> None:
        """Make a counter that has not been read yet.

        Args:
            counter_range: value at which the counter starts again at zero [counter units]; ``None`` if not known.
            limit_w: largest power of the device for long [W]; ``None`` if not known, and then no wrap is believed.
            per_mj: counter units in a millijoule: 1 for mJ, 1000 for uJ.
            first_session: number of the first session.
        """
        self._range = counter_range if counter_range and counter_range > 0 else None
        self._limit_w = limit_w if limit_w and limit_w > 0 else None
        self._per_mj = per_mj
        self._session = first_session
        self._raw: int | None = None
        self._base = 0
        self._at_ns = 0

    @property
    def session(self) -> int:
        """The session of the last value."""
        return self._session

    def state(self) -> list[int] | None:
        """Return what another process of this boot needs to go on with it; ``None`` before the first value."""
        return None if self._raw is None else [self._raw, self._base, self._session, self._at_ns]

    def resume(self, state: object) -> None:
        """Go on where another process of this boot stopped.

        Args:
            state: what ``state`` returned there; anything else changes nothing.
        """
        if isinstance(state, list) and len(state) == 4 and all(isinstance(value, int) for value in state):
            self._raw, self._base, self._session, self._at_ns = state

    def update(self, raw: int, monotonic_ns: int) -> CounterStep:
        """Take a value of the counter.

        Args:
            raw: value as read [counter units].
            monotonic_ns: when it was read [ns, monotonic clock].

        Returns:
            Cumulative energy of the session [mJ], the session, and why the interval before is unmeasured, if it is.
        """
        reason = None if self._raw is None else self._judge(raw, (monotonic_ns - self._at_ns) / NS_PER_S)
        if reason is not None:
            self._session += 1
            self._base = 0
        elif self._raw is not None and raw < self._raw:
            self._base += self._range or 0
        self._raw, self._at_ns = raw, monotonic_ns
        return CounterStep((self._base + raw) // self._per_mj, self._session, reason)

    def _judge(self, raw: int, dt_s: float) -> str | None:
        """Return why the interval since the last value is not measured, or ``None`` if it is."""
        delta = raw - (self._raw or 0)
        if self._limit_w is None:
            return "counter_reset" if delta < 0 else None
        if self._range is not None and self._ceiling(self._limit_w, dt_s) >= self._range:
            # In a silence this long the counter may have gone round more than once.
            return "dropped"
        if delta < 0 and self._range is not None:
            delta += self._range
        if delta < 0 or delta > self._ceiling(self._limit_w, dt_s + JITTER_S):
            return "counter_reset"
        return None

    def _ceiling(self, limit_w: float, dt_s: float) -> float:
        """Return the largest plausible difference over an interval [counter units]."""
        return PLAUSIBLE_FACTOR * limit_w * dt_s * _MJ_PER_J * self._per_mj
