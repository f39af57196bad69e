"""The cuts: at which times the energy of each host's devices is divided.

What belongs here: slot edges and given cuts of a period, and finding them. What must not be here: readings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from warehouse.kernel.intervals import Ints

Places = npt.NDArray[np.intp]


class Grid:
    """The cuts of several hosts over one period.

    Attributes:
        start_ms: start of the period [epoch ms].
        end_ms: end of the period [epoch ms].
        edges_ms: cuts of the first host, then of the next, and so on; each with start and end of the period [epoch ms].
        first_edge: place of each host's first cut in ``edges_ms``, and the number of all cuts.
    """

    def __init__(
        self, start_ms: int, end_ms: int, slot_ms: int, hosts: Sequence[str], cuts: Mapping[str, Ints]
    ) -> None:
        """Merge slot edges and cuts.

        Args:
            start_ms: start of the period, a slot edge [epoch ms].
            end_ms: end of the period, a slot edge [epoch ms].
            slot_ms: length of a slot [ms].
            hosts: the hosts, each once.
            cuts: further cuts by host [epoch ms]; those outside the period do not count.
        """
        self.start_ms, self.end_ms = start_ms, end_ms
        # One ascending list of all hosts' cuts: a host's number in the high part, the time in the low part.
        self._stride = end_ms - start_ms + 1
        slots = np.arange(0, self._stride, slot_ms, dtype=np.int64)
        base = np.arange(len(hosts), dtype=np.int64) * self._stride
        given = [self._inside(cuts[host]) + base[number] for number, host in enumerate(hosts) if host in cuts]
        keys = np.sort(np.concatenate([(base[:, None] + slots).ravel(), *given]))
        self._keys = keys[np.diff(keys, prepend=-1) > 0]
        host, since_start = np.divmod(self._keys, self._stride)
        self.edges_ms: Ints = since_start + start_ms
        self.first_edge: Places = np.searchsorted(host, np.arange(len(hosts) + 1))

    def _inside(self, cuts: Ints) -> Ints:
        """Return the cuts that lie in the period, from its start [ms]."""
        found = np.asarray(cuts, np.int64)
        low, high = found.searchsorted((self.start_ms, self.end_ms))
        return found[low:high] - self.start_ms

    def edges_of(self, host: int) -> Ints:
        """Return the cuts of one host, with start and end of the period [epoch ms]."""
        return self.edges_ms[self.first_edge[host] : self.first_edge[host + 1]]

    def segments_n(self) -> Places:
        """Return the number of segments of each host."""
        return np.diff(self.first_edge) - 1

    def touched(self, host: Places, from_ms: Ints, to_ms: Ints) -> tuple[Places, Places]:
        """Find the first and the last segment that intervals inside the period overlap.

        Args:
            host: number of each interval's host.
            from_ms: start of each interval, not before the period [epoch ms].
            to_ms: end of each interval, not after the period, later than its start [epoch ms].

        Returns:
            Places in ``edges_ms`` of the cuts at which those segments begin.
        """
        shift = host * self._stride - self.start_ms
        first = np.searchsorted(self._keys, from_ms + shift, "right") - 1
        last = np.searchsorted(self._keys, to_ms + shift, "left") - 1
        return first, last
