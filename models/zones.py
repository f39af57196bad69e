"""Grid zones and the names that providers have for them.

What belongs here: reading and checking of ``zone.csv``. What must not be here: which zone a facility or a cloud region
lies in (``factors.region_zones``), or intensities.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from models.factors import sourced_rows
from models.table import Row


@dataclass(frozen=True, slots=True)
class Zone:
    """A grid zone.

    Attributes:
        zone: our key, such as ``US-CAL-CISO``; ``NA`` is Namibia.
        name: name for people; empty for retired zones.
        country: ISO 3166-1 alpha-2 code (``XK`` Kosovo); empty where there is none or it is not known.
        iso3: ISO 3166-1 alpha-3 code under which Ember has the country; None where it has none.
        time_zone: IANA time zone; None for retired zones.
        eia_respondent: balancing authority of EIA form 930; None outside of its area.
        entsoe_eic: EIC code of the area for generation at ENTSO-E; None outside of its area.
        is_retired: whether the key is no longer in use.
        source_id: key of ``source.csv``.
    """

    zone: str
    name: str
    country: str
    iso3: str | None
    time_zone: str | None
    eia_respondent: str | None
    entsoe_eic: str | None
    is_retired: bool
    source_id: str


@cache
def zones() -> dict[str, Zone]:
    """Give every zone by key; do not change the result.

    Raises:
        FactorDataError: if the table holds a value that cannot be used, or a zone twice.
    """
    found: dict[str, Zone] = {}
    for row in sourced_rows("zone.csv"):
        zone = _zone(row)
        if zone.zone in found:
            msg = "zone"
            raise row.error(msg, "stands twice")
        found[zone.zone] = zone
    return found


def _zone(row: Row) -> Zone:
    """Give the zone of one row; one in use has a time zone."""
    is_retired = row.choice("is_retired", frozenset({"true", "false"})) == "true"
    return Zone(
        zone=row.text("zone"),
        name=row.optional_text("name"),
        country=row.optional_text("country"),
        iso3=row.optional_text("iso3") or None,
        time_zone=(row.optional_text("time_zone") if is_retired else row.text("time_zone")) or None,
        eia_respondent=row.optional_text("eia_respondent") or None,
        entsoe_eic=row.optional_text("entsoe_eic") or None,
        is_retired=is_retired,
        source_id=row.text("source_id"),
    )
