"""Intensities from what each fuel generated: one value an interval, basis and factor set, or a refusal.

What belongs here: common steps of fuels, completeness of a mix, the bookkeeping of what is refused. What must not be
here: the equation (``models.generation``) and the shape of any provider's answer.

An interval is refused if any fuel of the answer has no value in it: without one plant type a mix is another mix, and
nobody can tell by how much. A fuel that is missing from the whole answer cannot be seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from models.generation import (
    FUELS,
    STORAGE_FUELS,
    FactorSet,
    NoFactorError,
    carbon_free_fraction,
    intensity_gco2e_per_kwh,
)
from models.generation_factors import carbon_free_fuels, factor_sets, fuel_codes
from models.solar import hours_from_noon, zone_longitudes
from pipelines.feeds.feed import Asked, FeedError, Refusal, Value
from pipelines.feeds.stamps import HOUR_MS, iso_of

DEFAULT_FACTOR_SETS = ("electricity_maps_default",)
"""The sets where the configuration names none: the only one with a factor for every fuel, on both bases."""
STEPS_MS = (300_000, 900_000, 1_800_000, HOUR_MS)
"""Lengths of interval that generation may have [ms]."""
MAX_MW = 1_000_000.0
"""Largest mean power of one fuel in one zone [MW]: no grid has a terawatt of one fuel. Our bound against nonsense."""

MAX_NEGATIVE_FRACTION = 0.1
"""Largest share of negative generation of one code in the sum of the others [1]: plants' own use is far below (France
2020: at most 0.4 %), so more is taken for an error, such as -999 for missing. Our bound."""


DAY_MS = 24 * HOUR_MS
MIN_SUN_DAYS = 14
"""Fewest days by which the clock of solar generation is judged [d]; clouds move the middle of a single day."""
MAX_OFF_NOON_H = 1.5
"""Farthest that solar generation may lie from solar noon over the middle of a zone [h]. In 2022 four zones of EIA lay
within 1.45 h in every 14 days (PJM, whose plants stand in its east, the farthest): one hour cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Generated:
    """What one fuel generated over one interval.

    Attributes:
        code: the provider's code of the fuel.
        start_ms: start of the interval [epoch ms UTC].
        end_ms: end of the interval, exclusive [epoch ms UTC].
        mwh: net generation [MWh]; None where the provider states that it has no value.
    """

    code: str
    start_ms: int
    end_ms: int
    mwh: float | None


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A range of time in which something of the answer cannot be read, so that no mix of it is complete.

    Attributes:
        reason: one of ``READ_REASONS``.
        detail: what and where.
        start_ms: start of the range; None if not even that is known: then all of the answer is spoilt.
        end_ms: end of the range.
    """

    reason: str
    detail: str
    start_ms: int | None = None
    end_ms: int | None = None


@dataclass
class Mixed:
    """Values and refusals of an answer.

    Attributes:
        values: the intensities.
        refused: number of values refused, by reason and text, with the start of the first one [epoch ms UTC].
        clipped: negative generation taken as zero, by code: number of intervals, and their sum [MWh].
    """

    values: list[Value] = field(default_factory=list)
    refused: dict[tuple[str, str], tuple[int, int | None]] = field(default_factory=dict)
    clipped: dict[str, tuple[int, float]] = field(default_factory=dict)

    def refuse(self, reason: str, text: str, start_ms: int | None, values_n: int = 1) -> None:
        """Count a refusal."""
        count, first_ms = self.refused.get((reason, text), (0, start_ms))
        self.refused[reason, text] = (count + values_n, first_ms)

    def refusals(self) -> tuple[Refusal, ...]:
        """Give one refusal for each reason and text."""
        return tuple(
            Refusal(reason, text if first_ms is None else f"{text}; first at {iso_of(first_ms)}", count)
            for (reason, text), (count, first_ms) in self.refused.items()
        )


def wanted_sets(names: Sequence[str], feed: str) -> list[FactorSet]:
    """Give the factor sets of the configuration, every basis of each.

    Raises:
        FeedError: ``not_configured`` if there is no set of a name.
    """
    known = factor_sets()
    for name in names:
        if name not in known:
            text = f"feed {feed}: there is no factor set {name!r}; known are {', '.join(sorted(known))}"
            raise FeedError(reason="not_configured", message=text)
    return [one for name in dict.fromkeys(names or DEFAULT_FACTOR_SETS) for one in known[name]]


def fuels_of(system: str) -> dict[str, str]:
    """Give our fuel by code.

    Args:
        system: ``eia``, ``entsoe``, or ``fuel`` where the codes are our fuels themselves.
    """
    if system == "fuel":
        return {fuel: fuel for fuel in FUELS}
    return {code: one.fuel for code, one in fuel_codes(system).items()}


def mixed(
    generated: Sequence[Generated],
    spoilt: Iterable[Spoilt],
    sets: Sequence[FactorSet],
    asked: Asked,
    fuel_of: Mapping[str, str],
) -> Mixed:
    """Give the intensity of every interval in which the mix is complete.

    Args:
        generated: what the answer states, in any order.
        spoilt: what of the answer cannot be read.
        sets: factor sets by which intensities are computed.
        asked: zone and range; intervals that are not wholly in it are refused.
        fuel_of: our fuel by the provider's code, see ``fuels_of``.
    """
    found = Mixed()
    hours: dict[int, list[Generated]] = defaultdict(list)
    codes: set[str] = set()
    for one in generated:
        if fuel_of.get(one.code) not in STORAGE_FUELS:
            codes.add(one.code)
            hours[one.start_ms // HOUR_MS].append(one)
    holes = _Holes(spoilt)
    for hour in sorted(hours):
        for start_ms, end_ms, cell in _cells(hours[hour]):
            if start_ms < asked.start_ms or end_ms > asked.end_ms:
                found.refuse("outside_range", "it was not asked for", start_ms, len(sets))
                continue
            hole = holes.at(start_ms, end_ms)
            if hole is not None:
                found.refuse(hole.reason, hole.detail, start_ms, len(sets))
                continue
            mwh_by_code = _complete(cell, codes, (start_ms, end_ms), found, len(sets))
            if mwh_by_code is not None:
                _value(mwh_by_code, fuel_of, sets, asked.zone, (start_ms, end_ms), found)
    for hole in holes.all:
        if (hole.reason, hole.detail) not in found.refused:
            found.refuse(hole.reason, hole.detail, hole.start_ms, 0)
    _note_sun(asked.zone, [one for one in generated if fuel_of.get(one.code) == "solar"], found)
    return found


def _note_sun(zone: str, sun: Sequence[Generated], found: Mixed) -> None:
    """Note a clock that seems to be wrong; no value is refused for it."""
    off_h = hours_off_noon(zone, sun)
    if off_h is not None and abs(off_h) > MAX_OFF_NOON_H:
        side = "after" if off_h > 0 else "before"
        text = f"the sun of {zone} generates {abs(off_h):.1f} h {side} solar noon: check label and time zone"
        found.refuse("sun_misplaced", text, None, 0)


def hours_off_noon(zone: str, sun: Sequence[Generated]) -> float | None:
    """Give how long after solar noon the middle of solar generation lies [h]; None where that cannot be told.

    It cannot where the longitude of the zone is not known, or of less than ``MIN_SUN_DAYS`` days.

    Args:
        zone: zone of the answer.
        sun: solar generation, in any order; what has no value or is negative says nothing.
    """
    longitude_deg = zone_longitudes().get(zone)
    days = {one.start_ms // DAY_MS for one in sun if one.mwh}
    if longitude_deg is None or len(days) < MIN_SUN_DAYS:
        return None
    return hours_from_noon(longitude_deg, [((one.start_ms + one.end_ms) // 2, max(one.mwh or 0.0, 0.0)) for one in sun])


class _Holes:
    """The spoilt ranges, found fast by hour."""

    def __init__(self, spoilt: Iterable[Spoilt]) -> None:
        self.all = list(dict.fromkeys(spoilt))
        self._always = [one for one in self.all if one.start_ms is None or one.end_ms is None]
        self._long: list[Spoilt] = []
        self._by_hour: dict[int, list[Spoilt]] = defaultdict(list)
        for one in self.all:
            if one.start_ms is None or one.end_ms is None:
                continue
            if one.end_ms - one.start_ms > 48 * HOUR_MS:
                self._long.append(one)
                continue
            for hour in range(one.start_ms // HOUR_MS, max(one.start_ms, one.end_ms - 1) // HOUR_MS + 1):
                self._by_hour[hour].append(one)

    def at(self, start_ms: int, end_ms: int) -> Spoilt | None:
        """Give what spoils an interval, or None."""
        if self._always:
            return self._always[0]
        near: list[Spoilt] = [*self._by_hour.get(start_ms // HOUR_MS, []), *self._long]
        for one in near:
            if one.start_ms is not None and one.end_ms is not None and one.start_ms < end_ms and one.end_ms > start_ms:
                return one
        return None


def _cells(parts: list[Generated]) -> Iterable[tuple[int, int, list[Generated]]]:
    """Cut one hour at the longest step of its fuels, so that no value is split in time."""
    step_ms = max(one.end_ms - one.start_ms for one in parts)
    cells: dict[int, list[Generated]] = defaultdict(list)
    for one in parts:
        cells[one.start_ms // step_ms * step_ms].append(one)
    for start_ms in sorted(cells):
        yield start_ms, start_ms + step_ms, cells[start_ms]


def _complete(
    cell: list[Generated], codes: set[str], span: tuple[int, int], found: Mixed, sets_n: int
) -> dict[str, float] | None:
    """Give generation by code [MWh] if every code has values over all of the cell, each moment stated once."""
    by_code: dict[str, dict[tuple[int, int], float]] = defaultdict(dict)
    for one in cell:
        if one.mwh is None:
            continue
        if by_code[one.code].setdefault((one.start_ms, one.end_ms), one.mwh) != one.mwh:
            found.refuse("conflicting", f"{one.code} is stated with two values for the same interval", span[0], sets_n)
            return None
        if abs(one.mwh) > MAX_MW * (one.end_ms - one.start_ms) / HOUR_MS:
            found.refuse("bad_value", f"{one.code} is beyond {MAX_MW:g} MW", span[0], sets_n)
            return None
    covered = {code: sum(end - start for start, end in parts) for code, parts in by_code.items()}
    missing = sorted(code for code in codes if covered.get(code, 0) < span[1] - span[0])
    if missing:
        found.refuse("no_value", f"no value of {', '.join(missing)}, so the mix is incomplete", span[0], sets_n)
        return None
    twice = sorted(code for code in covered if covered[code] > span[1] - span[0])
    if twice:
        found.refuse("conflicting", f"intervals of {', '.join(twice)} overlap", span[0], sets_n)
        return None
    # In one order, so that the order of an answer never shows in the last digit.
    return {code: sum(mwh for _, mwh in sorted(by_code[code].items())) for code in sorted(by_code)}


def _value(
    mwh_by_code: Mapping[str, float],
    fuel_of: Mapping[str, str],
    sets: Sequence[FactorSet],
    zone: str,
    span: tuple[int, int],
    found: Mixed,
) -> None:
    """Add the values of one complete mix, or why there are none."""
    unknown = sorted(code for code, mwh in mwh_by_code.items() if mwh != 0 and code not in fuel_of)
    if unknown:
        found.refuse("unknown_fuel", f"no fuel of ours has the code {', '.join(unknown)}"[:200], span[0], len(sets))
        return
    mwh_by_fuel: dict[str, float] = defaultdict(float)
    floor_mwh = -MAX_NEGATIVE_FRACTION * sum(mwh for mwh in mwh_by_code.values() if mwh > 0)
    beyond = sorted(code for code, mwh in mwh_by_code.items() if mwh < floor_mwh)
    if beyond:
        text = f"negative generation of {', '.join(beyond)} beyond {MAX_NEGATIVE_FRACTION:.0%} of the others' sum"
        found.refuse("bad_value", text, span[0], len(sets))
        return
    for code, mwh in mwh_by_code.items():
        if mwh < 0:
            count, sum_mwh = found.clipped.get(code, (0, 0.0))
            found.clipped[code] = (count + 1, sum_mwh + mwh)
        elif mwh > 0:
            mwh_by_fuel[fuel_of[code]] += mwh
    share = carbon_free_fraction(mwh_by_fuel, carbon_free_fuels())
    for one in sets:
        try:
            intensity = intensity_gco2e_per_kwh(mwh_by_fuel, one).gco2e_per_kwh
        except NoFactorError as error:
            found.refuse("unknown_fuel", str(error), span[0])
            continue
        if intensity is None:
            found.refuse("no_value", "nothing was generated", span[0])
            continue
        series = ("average", one.basis, "production", one.name)
        found.values.append(Value(zone, *span, intensity, *series, is_estimate=False, carbon_free_fraction=share))
