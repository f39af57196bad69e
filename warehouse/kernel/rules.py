"""The parameters of the interval rule, and what the kernel says when it cannot work.

What belongs here: numbers that decide how readings become energy, the version of the rule. What must not be here: the
rule itself (``intervals``), the configuration that the numbers come from (``warehouse.config``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

# To be raised when the same readings give other segments.
KERNEL_VERSION = 1

MS_PER_HOUR = 3_600_000
# Below these bounds every product of the kernel fits into 64 bits: 27 hours, 10 GW.
MAX_MS = 100_000_000
MAX_PLAUSIBLE_MW = 10**13


class KernelError(RuntimeError):
    """Segments cannot be made; the message names the file or the value and what to do."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Parameters of the interval rule.

    Attributes:
        slot_ms: length of a slot; divides the hour [ms].
        reach_ms: longest interval that a difference of counters may bridge [ms].
        absent_ms: a longer silence is no gap but the absence of the device [ms].
        jitter_ms: allowance for late or early stamps in the bound on a counter's rise [ms].
        max_gap_ms: longest interval that a trapezoid of powers may bridge, by source [ms].
        max_power_mw: largest plausible power, by kind of device [mW].
        counter_range_mj: largest value of a counter before it starts again at zero, by source; absent if not known
            [mJ].
    """

    slot_ms: int
    reach_ms: int
    absent_ms: int
    jitter_ms: int
    max_gap_ms: Mapping[str, int]
    max_power_mw: Mapping[str, int]
    counter_range_mj: Mapping[str, int]

    def __post_init__(self) -> None:
        """Refuse what the arithmetic cannot hold.

        Raises:
            ValueError: if a parameter is out of range; the message names it and the range.
        """
        if self.slot_ms <= 0 or MS_PER_HOUR % self.slot_ms:
            msg = f"slot_ms must divide the hour ({MS_PER_HOUR} ms), not {self.slot_ms}"
            raise ValueError(msg)
        times = {"reach_ms": self.reach_ms, "absent_ms": self.absent_ms, "jitter_ms": self.jitter_ms}
        times |= {f"max_gap_ms of {source}": value for source, value in self.max_gap_ms.items()}
        powers = {f"max_power_mw of {kind}": value for kind, value in self.max_power_mw.items()}
        ranges = {f"counter_range_mj of {source}": value for source, value in self.counter_range_mj.items()}
        for values, least, most in ((times, 0, MAX_MS), (powers, 1, MAX_PLAUSIBLE_MW), (ranges, 1, 2**62)):
            for name, value in values.items():
                if not least <= value <= most:
                    msg = f"{name} must be between {least} and {most}, not {value}"
                    raise ValueError(msg)

    def to_dict(self) -> dict[str, object]:
        """Return the parameters as plain numbers and dictionaries; ``Rules(**it)`` is equal to this."""
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in asdict(self).items()}
