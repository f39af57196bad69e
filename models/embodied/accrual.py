"""The life of one asset in the amortised ledger: what it accrues when, what is written off, and what remains.

Straight line, with prospective revisions of the service life and a write-off at early retirement. Low, central and high
are three ledgers of their own, each of which adds up: accrued + written off + remaining = total at every moment.

What belongs here: the life of one asset. What must not be here: which job or idle time an accrual goes to (SQL), which
factor an asset has (``models.embodied.catalogue``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from models import bounds
from models.estimate import Estimate
from models.units import MS_PER_HOUR

COLUMNS = ("low", "central", "high")
"""The three ledgers, in the order of every triple here."""

Triple: TypeAlias = tuple[float, float, float]
"""Low, central and high value of one amount."""


@dataclass(frozen=True, slots=True)
class LifeRevision:
    """A service life stated anew: it holds from a moment on and leaves what was accrued before as it is.

    Attributes:
        at_ms: from when it holds [epoch ms].
        life_h: the new service life, counted from when the asset went into service [h].
    """

    at_ms: int
    life_h: float


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset as it is booked.

    Attributes:
        total: embodied emissions of the asset, or the balance taken over with a used one [kgCO2e].
        life_h: service life behind the low, central and high ledger [h]; a long life makes a low rate.
        purchased_ms: when it was bought [epoch ms], None where only its service is known.
        in_service_ms: when it went into service [epoch ms], None while it is not.
        retired_ms: when it was retired for good [epoch ms], None while it is not.
        revisions: of the service life, in any order.
    """

    total: Estimate
    life_h: Triple
    purchased_ms: int | None = None
    in_service_ms: int | None = None
    retired_ms: int | None = None
    revisions: tuple[LifeRevision, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a life that is not positive, and events in an impossible order."""
        for name, life_h in zip(COLUMNS, self.life_h, strict=True):
            bounds.positive(f"life_h ({name})", life_h, bounds.MAX_LIFE_H, "h")
        for revision in self.revisions:
            bounds.positive("life_h of a revision", revision.life_h, bounds.MAX_LIFE_H, "h")
        stated = [
            (name, at_ms)
            for name, at_ms in (
                ("purchased_ms", self.purchased_ms),
                ("in_service_ms", self.in_service_ms),
                ("retired_ms", self.retired_ms),
            )
            if at_ms is not None
        ]
        for (earlier, first_ms), (later, second_ms) in pairwise(stated):
            if second_ms < first_ms:
                msg = f"{later} ({second_ms}) must not be before {earlier} ({first_ms})"
                raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time with one rate.

    Attributes:
        start_ms: its start [epoch ms].
        end_ms: its end [epoch ms], not in it.
        gco2e_per_s: low, central and high rate [gCO2e/s].
    """

    start_ms: int
    end_ms: int
    gco2e_per_s: Triple


@dataclass(frozen=True, slots=True)
class Balance:
    """Where the total of an asset stands at a moment; the three parts add up to the total in each column.

    Attributes:
        accrued_kgco2e: charged to time in service so far.
        written_off_kgco2e: charged at once, at retirement or where a life was shortened below the age.
        remaining_kgco2e: not yet charged.
    """

    accrued_kgco2e: Triple
    written_off_kgco2e: Triple
    remaining_kgco2e: Triple


def accrual_spans(asset: Asset) -> list[Span]:
    """Give the spans in which an asset accrues, in order and without overlap; none while it is not in service.

    Args:
        asset: the asset.

    Returns:
        Spans with constant rates. A ledger that has ended (low, central and high may have different lives) has rate 0.

    Reference: docs/models/embodied.md, amortisation; straight line, rules (a) to (d).
    """
    ledgers = [_ledger(asset, column) for column in range(len(COLUMNS))]
    edges = sorted({edge for ledger in ledgers for part in ledger.parts for edge in (part.start_ms, part.end_ms)})
    return [
        Span(start_ms, end_ms, (rates[0], rates[1], rates[2]))
        for start_ms, end_ms in pairwise(edges)
        if any(rates := [ledger.rate_at(start_ms) for ledger in ledgers])
    ]


def write_offs(asset: Asset) -> list[tuple[int, Triple]]:
    """Give what is charged at once and when: at early retirement, or where a shortened life is already over.

    Args:
        asset: the asset.

    Returns:
        Moment [epoch ms] and low, central, high [kgCO2e], in the order of time; moments without an amount are left out.
    """
    ledgers = [_ledger(asset, column) for column in range(len(COLUMNS))]
    moments = sorted({at_ms for ledger in ledgers for at_ms, _ in ledger.write_offs})
    found: list[tuple[int, Triple]] = []
    for at_ms in moments:
        amounts = [sum(kg for when, kg in ledger.write_offs if when == at_ms) for ledger in ledgers]
        found.append((at_ms, (amounts[0], amounts[1], amounts[2])))
    return found


def balance(asset: Asset, at_ms: int) -> Balance:
    """Give where an asset stands at a moment: what happens at that moment itself has happened.

    Args:
        asset: the asset.
        at_ms: the moment [epoch ms].
    """
    accrued, written_off, remaining = [], [], []
    for column in range(len(COLUMNS)):
        ledger = _ledger(asset, column)
        accrued.append(ledger.accrued_kg(at_ms))
        written_off.append(sum(kg for when, kg in ledger.write_offs if when <= at_ms))
        remaining.append(max(ledger.total_kg - accrued[-1] - written_off[-1], 0.0))
    return Balance(_triple(accrued), _triple(written_off), _triple(remaining))


def acquisition(asset: Asset) -> tuple[int, Estimate] | None:
    """Give when and with how much an asset enters the inventory of purchased goods: all of it, in the year of purchase.

    Args:
        asset: the asset.

    Returns:
        Moment [epoch ms] (of the purchase, else of going into service, else of retirement) and total [kgCO2e]; None for
        an asset of which no event is known.

    Reference: GHG Protocol, Corporate Value Chain (Scope 3) Standard, category 2; no depreciation.
    """
    for at_ms in (asset.purchased_ms, asset.in_service_ms, asset.retired_ms):
        if at_ms is not None:
            return at_ms, asset.total
    return None


@dataclass(frozen=True, slots=True)
class _Part:
    """A span of one ledger and its rate [kg per ms]."""

    start_ms: int
    end_ms: int
    kg_per_ms: float

    def kg_until(self, at_ms: int) -> float:
        """Give what it accrues before a moment [kg]."""
        return self.kg_per_ms * (min(max(at_ms, self.start_ms), self.end_ms) - self.start_ms)


@dataclass(frozen=True, slots=True)
class _Ledger:
    """One of the three ledgers of an asset."""

    total_kg: float
    parts: tuple[_Part, ...]
    write_offs: tuple[tuple[int, float], ...]

    def rate_at(self, at_ms: int) -> float:
        """Give the rate at a moment [g/s]."""
        for part in self.parts:
            if part.start_ms <= at_ms < part.end_ms:
                return part.kg_per_ms * 1e6
        return 0.0

    def accrued_kg(self, at_ms: int) -> float:
        """Give what was accrued before a moment [kg], never more than the total."""
        return min(sum(part.kg_until(at_ms) for part in self.parts), self.total_kg)


def _ledger(asset: Asset, column: int) -> _Ledger:
    """Walk through the life of an asset in one column."""
    total_kg = (asset.total.low, asset.total.central, asset.total.high)[column]
    started_ms = asset.in_service_ms
    if started_ms is None:
        lost = ((asset.retired_ms, total_kg),) if asset.retired_ms is not None and total_kg else ()
        return _Ledger(total_kg, (), lost)
    parts: list[_Part] = []
    at_ms, left_kg, end_ms = started_ms, total_kg, _end_ms(started_ms, asset.life_h[column])
    for when_ms, new_end_ms in _turns(asset, started_ms, column):
        stop_ms = min(when_ms, end_ms)
        if left_kg and stop_ms > at_ms:
            parts.append(_Part(at_ms, stop_ms, left_kg / (end_ms - at_ms)))
            left_kg = max(left_kg - parts[-1].kg_until(stop_ms), 0.0) if stop_ms < end_ms else 0.0
        if not left_kg:
            return _Ledger(total_kg, tuple(parts), ())
        if new_end_ms is None or new_end_ms <= when_ms:
            return _Ledger(total_kg, tuple(parts), ((when_ms, left_kg),))
        at_ms, end_ms = when_ms, new_end_ms
    if left_kg:
        parts.append(_Part(at_ms, end_ms, left_kg / (end_ms - at_ms)))
    return _Ledger(total_kg, tuple(parts), ())


def _end_ms(started_ms: int, life_h: float) -> int:
    """Give the end of a service life [epoch ms], at least a millisecond after its start."""
    return started_ms + max(round(life_h * MS_PER_HOUR), 1)


def _turns(asset: Asset, started_ms: int, column: int) -> Sequence[tuple[int, int | None]]:
    """Give the moments at which a ledger turns, with its new end, or None where the asset is retired."""
    # A life stated anew is the central one: the others keep their relation to it.
    relation = asset.life_h[column] / asset.life_h[1]
    turns: list[tuple[int, int | None]] = [
        (max(revision.at_ms, started_ms), _end_ms(started_ms, revision.life_h * relation))
        for revision in sorted(asset.revisions, key=lambda revision: revision.at_ms)
        if asset.retired_ms is None or revision.at_ms < asset.retired_ms
    ]
    if asset.retired_ms is not None:
        turns.append((asset.retired_ms, None))
    return turns


def _triple(values: Sequence[float]) -> Triple:
    return (values[0], values[1], values[2])
