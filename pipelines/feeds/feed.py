"""What a feed is: what is asked, what comes back, and the interface that every source has.

What belongs here: the types that clients, the planner and the landing share. What must not be here: HTTP (``web``),
any one source, or judging of values that is the same for all (``judge``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from pipelines.feeds.reasons import REASONS

if TYPE_CHECKING:
    from pipelines.feeds.web import Web


@dataclass(frozen=True, slots=True)
class Asked:
    """A zone and a half-open range of time.

    Attributes:
        zone: our key of the grid zone (``models/data/zone.csv``), such as ``US-CAL-CISO``.
        start_ms: start of the range [epoch ms UTC].
        end_ms: end of the range, exclusive [epoch ms UTC].
    """

    zone: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Value:
    """One intensity over one half-open interval; becomes a row of the landing table ``grid_intensity``.

    Attributes:
        zone: our key of the zone.
        start_ms: start of the interval [epoch ms UTC], whatever the provider's label is.
        end_ms: end of the interval, exclusive [epoch ms UTC].
        gco2e_per_kwh: intensity [gCO2e/kWh].
        kind: ``average``, ``marginal`` or ``residual``.
        basis: ``lifecycle`` or ``operational`` (combustion only).
        flow: ``consumption`` or ``production``.
        factor_set: emission factors, or the version of the model, behind the value.
        is_estimate: whether the provider marks it as estimated.
        updated_ms: when the provider changed it last [epoch ms UTC]; None where it does not say.
        carbon_free_fraction: carbon-free share of the mix [1]; None where it is not known.
    """

    zone: str
    start_ms: int
    end_ms: int
    gco2e_per_kwh: float
    kind: str
    basis: str
    flow: str
    factor_set: str
    is_estimate: bool
    updated_ms: int | None = None
    carbon_free_fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of an answer that is not taken.

    Attributes:
        reason: one of ``REASONS``.
        detail: what exactly, where in the answer, and what was expected.
        values_n: how many values that concerns; 0 where nobody can tell.
    """

    reason: str
    detail: str
    values_n: int = 0

    def __post_init__(self) -> None:
        """Refuse a reason that is not in the list."""
        if self.reason not in REASONS:
            msg = f"{self.reason!r} is not in the list of reasons"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer as it came.

    Attributes:
        url: what was asked, with secrets taken out.
        status: HTTP status.
        headers: headers by lower-case name, as far as they matter (type, length, date, last-modified, retry-after).
        body: the content.
        fetched_ms: when the answer was complete [epoch ms UTC].
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    fetched_ms: int

    @property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True)
class Parsed:
    """What the pages of one asking hold: the values that may go in, and what was refused with its reason."""

    values: tuple[Value, ...]
    refusals: tuple[Refusal, ...] = ()


class FeedError(Exception):
    """There is no answer that can be read.

    Attributes:
        reason: one of ``REASONS``.
        status: HTTP status of the last answer; None if there was none.
    """

    def __init__(self, reason: str, message: str, *, status: int | None = None) -> None:
        """Say why.

        Args:
            reason: one of ``REASONS``.
            message: what, where and what to do; no secret may stand in it.
            status: HTTP status of the last answer.
        """
        if reason not in REASONS:
            msg = f"{reason!r} is not in the list of reasons"
            raise ValueError(msg)
        self.reason, self.status = reason, status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration states about one feed (``[[feed]]`` of ``wattledger.toml``).

    Attributes:
        url: root of the service where it is not the provider's own (a proxy); no trailing slash.
        token_env: environment variable that holds the token, where it is not the usual one.
        user_env: environment variable that holds the user name.
        password_env: environment variable that holds the password.
        names: the provider's own name of a zone by our key, where it is not the one in ``models/data/zone.csv``.
        factor_sets: factor sets by which intensities are computed from generation.
        signals: which of the source's signals are wanted.
    """

    url: str | None = None
    token_env: str | None = None
    user_env: str | None = None
    password_env: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    factor_sets: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()


class Feed(Protocol):
    """One source.

    Attributes:
        source: name of the source, also ``provider`` of its rows: lower case and underscores.
        title: name for people, with the publisher.
        licence: under which licence its values may be used.
        longest: longest range of one ``fetch``; longer ranges are asked for in parts.
        steps_s: lengths of interval that it may give [s].
        lag: how long after an interval's end its first value usually comes.
        needs: environment variables without which it gives nothing.
    """

    source: str
    title: str
    licence: str
    longest: timedelta
    steps_s: tuple[int, ...]
    lag: timedelta
    needs: tuple[str, ...]

    def fetch(self, web: Web, asked: Asked) -> list[Page]:
        """Ask for a range, all pages of it.

        Raises:
            FeedError: if there is no complete answer.
        """
        ...

    def parse(self, pages: Sequence[Page], asked: Asked) -> Parsed:
        """Read the pages of one ``fetch``; the same pages always give the same values.

        Values of another zone or range are refused, never moved; what the provider marks as missing is a refusal too.

        Raises:
            FeedError: if nothing of it can be read.
        """
        ...
