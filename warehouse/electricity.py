"""What the configuration states about electricity: grid factors, feeds, markets and instruments.

What belongs here: these sections of ``wattledger.toml``. What must not be here: the file (``config``), any default
for a factor.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A section of the configuration: closed, and not changed once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Grid(Section):
    """Which grid factors are taken where several are known.

    Attributes:
        basis: ``lifecycle`` (fuel chains and plants included) or ``operational`` (combustion alone, with the rest as
            scope 3 category 3 where it is known). The other stands in only where none of this basis is known at all.
        prefer: providers whose values come first, the best first; of providers that are not named the name decides.
        max_age_months: how far the month may lie away whose mean stands in for a slot.
        max_age_years: how far the year may lie away whose mean does.
    """

    basis: Literal["lifecycle", "operational"] = "lifecycle"
    prefer: list[str] = []
    max_age_months: Annotated[int, Field(ge=0, le=120)] = 12
    max_age_years: Annotated[int, Field(ge=0, le=100)] = 10


class Boundary(Section):
    """A market boundary: within it instruments may be claimed for energy.

    Attributes:
        id: name of the market.
        zones: grid zones whose energy it covers.
    """

    id: Annotated[str, Field(min_length=1, max_length=100)]
    zones: Annotated[list[str], Field(min_length=1)]


class Market(Section):
    """Market-based accounting of purchased electricity.

    Attributes:
        fallback: what unmatched energy takes where no residual mix is known: ``location``, the location-based factor;
            unset leaves it not known.
        boundary: markets of several zones, or of part of a country; a zone that none names is matched in its country.
    """

    fallback: Literal["location"] | None = None
    boundary: list[Boundary] = []

    @model_validator(mode="after")
    def _one_market_a_zone(self) -> Market:
        zones = [zone for entry in self.boundary for zone in entry.zones]
        twice = sorted({zone for zone in zones if zones.count(zone) > 1})
        if twice:
            msg = f"a zone lies in one market boundary; in several: {', '.join(twice)}"
            raise ValueError(msg)
        return self


class Instrument(Section):
    """A contractual instrument: what is claimed for purchased electricity. It is used once.

    Attributes:
        id: name of the instrument.
        type: ``certificate``, ``contract`` or ``supplier_rate``.
        boundary: market in which it may be claimed.
        valid_from: first day of its vintage.
        valid_to: day after its vintage.
        volume_kwh: volume that was issued [kWh]; never more is used.
        profile: ``hourly``, as landed in instrument_volume; ``flat``, the same in every hour of the vintage;
            ``annual``, for the year alone: it matches no hour.
        gco2e_per_kwh: emission rate [gCO2e/kWh].
        is_carbon_free: whether its electricity counts as carbon-free.
        tracking_id: number in the tracking system.
        quality_flags: criteria of the Scope 2 Guidance that are not met or not proven.
        source: document that proves it.
    """

    id: Annotated[str, Field(min_length=1, max_length=100)]
    type: Literal["certificate", "contract", "supplier_rate"]
    boundary: Annotated[str, Field(min_length=1, max_length=100)]
    valid_from: date
    valid_to: date
    volume_kwh: Annotated[float, Field(gt=0)] | None = None
    profile: Literal["hourly", "flat", "annual"]
    gco2e_per_kwh: Annotated[float, Field(ge=0, le=3000)]
    is_carbon_free: bool
    tracking_id: str | None = None
    quality_flags: list[str] = []
    source: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _complete(self) -> Instrument:
        if self.valid_to <= self.valid_from:
            msg = f"valid_to {self.valid_to} must lie after valid_from {self.valid_from}"
            raise ValueError(msg)
        if self.profile != "hourly" and self.volume_kwh is None:
            msg = f"profile {self.profile} needs volume_kwh, the volume that was issued"
            raise ValueError(msg)
        return self


class FeedSection(Section):
    """A source of grid intensities that is asked again and again.

    Attributes:
        source: name of the source; `wattledger feeds status` lists them.
        zones: grid zones for which it is asked.
        since: first day that is asked for.
        url: root of the service where it is not the provider's own (a proxy).
        token_env: environment variable that holds the token, where it is not the usual one.
        user_env: environment variable that holds the user name.
        password_env: environment variable that holds the password.
        names: the provider's own name of a zone, where it is another one.
        factor_sets: emission factors by which intensities are computed from generation.
        signals: which of the source's signals are wanted.
    """

    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
    zones: Annotated[list[Annotated[str, Field(min_length=1, max_length=40)]], Field(min_length=1)]
    since: date
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+[^/\s]$")] | None = None
    token_env: str | None = None
    user_env: str | None = None
    password_env: str | None = None
    names: dict[str, str] = {}
    factor_sets: list[str] = []
    signals: list[str] = []
