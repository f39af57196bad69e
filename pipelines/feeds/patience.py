"""How long to wait: between attempts, when a provider asks for it, and for the next token of a rate limit.

What belongs here: arithmetic on waiting. What must not be here: sleeping and requests (``web``).
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

FIRST_BACKOFF_S = 1.0
"""Upper end of the wait before the second attempt [s]; it doubles with each further one. Our choice."""
LONGEST_BACKOFF_S = 20.0
"""Upper end of any wait that we choose ourselves [s]. Our choice: a third of the usual deadline."""
_MOST_DIGITS = 9
"""A Retry-After of more digits (30 years) is for ever."""


def backoff_s(retry: int, random: Callable[[], float]) -> float:
    """Give the wait before a retry: full jitter, so that clients that failed together do not come back together.

    Args:
        retry: 0 before the first retry, 1 before the second.
        random: gives numbers in [0, 1).

    Reference: Brooker, Exponential Backoff And Jitter (AWS Architecture Blog, 2015), "full jitter".
    """
    highest_s: float = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**retry)
    return random() * highest_s


def retry_after_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Give how long the provider asks to wait [s]; None if it does not say so in a way that can be read.

    Args:
        headers: headers by lower-case name.
        now_ms: our time [epoch ms UTC]; only used for an HTTP date where the answer has no ``Date`` of its own.

    Reference: RFC 9110, 10.2.3 (Retry-After).
    """
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return float(text) if len(text) <= _MOST_DIGITS else math.inf
    until = _http_date(text)
    if until is None:
        return None
    # The provider's own clock, so that an offset of ours does not shorten or lengthen the wait.
    sent = _http_date(headers.get("date", ""))
    since_s = sent.timestamp() if sent else now_ms / 1000
    return max(0.0, until.timestamp() - since_s)


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found if found.tzinfo else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


class Bucket:
    """A token bucket: so many requests at once, then so many a second."""

    def __init__(self, rate_per_s: float, burst_n: int, monotonic_s: Callable[[], float]) -> None:
        """Start with a full bucket.

        Args:
            rate_per_s: requests that come free each second.
            burst_n: requests that may go out at once.
            monotonic_s: a clock that never goes back [s].

        Raises:
            ValueError: if the rate is not positive or the burst below 1.
        """
        if not rate_per_s > 0 or burst_n < 1:
            msg = f"a rate above 0 and a burst of at least 1 are needed, found {rate_per_s} and {burst_n}"
            raise ValueError(msg)
        self._rate_per_s, self._burst_n, self._monotonic_s = rate_per_s, burst_n, monotonic_s
        self._free_n, self._at_s = float(burst_n), monotonic_s()
        self._lock = threading.Lock()

    def take(self, at_most_s: float) -> float | None:
        """Take one request and give how long to wait before it [s]; None, and nothing taken, if that is too long.

        Args:
            at_most_s: longest wait that is worth it [s].
        """
        with self._lock:
            now_s = self._monotonic_s()
            self._free_n = min(self._burst_n, self._free_n + (now_s - self._at_s) * self._rate_per_s)
            self._at_s = now_s
            wait_s = max(0.0, (1 - self._free_n) / self._rate_per_s)
            if wait_s > at_most_s:
                return None
            self._free_n -= 1
            return wait_s
