"""``wattledger.toml``: what an installation states about itself, validated, with errors that say what to change.

What belongs here: the shape of the configuration and the places of an installation's files. What must not be here: any
default for a place, a zone or a factor. What the file does not state is not known.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from collectors.contract import DEVICE_KINDS, SOURCES
from models.bounds import MAX_FACILITY_POWER_KW
from warehouse.electricity import FeedSection, Grid, Instrument, Market, Section
from warehouse.equipment import Hardware, ServiceLife

CONFIG_NAME = "wattledger.toml"
MINUTES_PER_HOUR = 60
FIGURE_SECTIONS = {"organisation", "accounting", "grid", "market", "instrument", "facility", "hardware", "service_life"}
"""Sections that can change a figure."""
MOST_POWER_W = 1e10  # more than any site draws; the kernel counts in whole mW and checks at this bound


class ConfigError(ValueError):
    """The configuration is missing or wrong; the message says where and what to do."""


class Organisation(Section):
    """Who answers for the figures."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


class Landing(Section):
    """Where collectors put their files.

    Attributes:
        path: folder, relative to the configuration file.
        remote: object store from which landed files are brought to that folder (``s3://bucket/prefix``), if any.
    """

    path: str
    remote: Annotated[str, Field(pattern=r"^[a-z][a-z0-9+]*://[^/]+")] | None = None


class LakeSection(Section):
    """Catalog and data of the lake.

    Attributes:
        catalog: ``sqlite:`` and a file, or ``postgres:`` and a connection string.
        data: folder or object store of its files.
        all_snapshots_days: how long every earlier state of the lake stays readable.
        daily_snapshots_days: how long the last state of each day does; that of each month always does.
    """

    catalog: str = "sqlite:lake.sqlite"
    data: str = "lake"
    all_snapshots_days: Annotated[int, Field(ge=1, le=100_000)] = 1
    daily_snapshots_days: Annotated[int, Field(ge=1, le=100_000)] = 31

    @field_validator("catalog")
    @classmethod
    def _known_catalog(cls, value: str) -> str:
        if not value.startswith(("sqlite:", "postgres:")):
            msg = "must start with sqlite: (a file) or postgres: (a connection string)"
            raise ValueError(msg)
        return value


class Accounting(Section):
    """Rules by which samples become energy.

    Attributes:
        slot_minutes: length of a slot; a divisor of 60.
        max_gap_s: longest gap between two power readings that a trapezoid may bridge [s].
        max_gap_s_by_source: the same for one interface where it differs [s].
        max_counter_gap_h: longest gap that a counter difference may bridge [h].
        absent_after_s: a longer silence is no gap in the readings but the absence of the device [s].
        max_power_w: largest plausible power by kind of device [W]; a counter that implies more was reset.
        jitter_s: allowance for late or early stamps in the plausibility bound [s].
        counter_range_mj: value at which the counters of an interface start again at zero [mJ], where it is known; a
            fall of the counter is then taken as a wrap if the power that it implies is plausible.
        idle: who bears idle energy: ``visible``, nobody (rows of its own); ``holder``, the job that reserves the device
            without running on it; ``spread``, the jobs of the host in the hour, in proportion to their energy on it.
    """

    slot_minutes: int = 5
    max_gap_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    max_gap_s_by_source: dict[str, Annotated[float, Field(gt=0, le=3600)]] = Field(default_factory=dict)
    max_counter_gap_h: Annotated[int, Field(ge=1, le=24)] = 24
    absent_after_s: Annotated[float, Field(gt=0, le=86400)] = 3600.0
    max_power_w: dict[str, Annotated[float, Field(gt=0, le=MOST_POWER_W)]] = Field(default_factory=dict)
    jitter_s: Annotated[float, Field(ge=0, le=10)] = 1.0
    counter_range_mj: dict[str, Annotated[int, Field(gt=0, le=2**62)]] = Field(default_factory=dict)
    idle: Literal["visible", "holder", "spread"] = "visible"

    @field_validator("slot_minutes")
    @classmethod
    def _divides_the_hour(cls, value: int) -> int:
        if value < 1 or MINUTES_PER_HOUR % value:
            msg = "must divide 60: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60"
            raise ValueError(msg)
        return value

    @field_validator("max_gap_s_by_source", "counter_range_mj")
    @classmethod
    def _known_source(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _only(value, SOURCES, "interface")

    @field_validator("max_power_w")
    @classmethod
    def _known_kind(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _only(value, DEVICE_KINDS, "kind of device")


def _only(value: dict[str, Any], known: tuple[str, ...], noun: str) -> dict[str, Any]:
    unknown = [name for name in value if name not in known]
    if unknown:
        msg = f"{', '.join(unknown)}: not a known {noun}; known are {', '.join(known)}"
        raise ValueError(msg)
    return value


class Facility(Section):
    """A place with hosts.

    Attributes:
        id: name of the place.
        zone: grid zone; unset means not known.
        pue: power usage effectiveness, at least 1; unset means not known.
        grid_loss_fraction: part of the electricity fed into the grid that is lost on its way; unset means not known.
        ownership: decides the scope of its energy.
        it_capacity_kw: IT power that it was built for [kW]; unset means not known.
        hosts: shell-style patterns of host names that stand in it.
    """

    id: Annotated[str, Field(min_length=1, max_length=100)]
    zone: str | None = None
    pue: Annotated[float, Field(ge=1, le=5)] | None = None
    grid_loss_fraction: Annotated[float, Field(ge=0, lt=0.5)] | None = None
    ownership: Literal["owned", "leased", "colocation", "cloud"] | None = None
    it_capacity_kw: Annotated[float, Field(gt=0, le=MAX_FACILITY_POWER_KW)] | None = None
    hosts: list[str] = Field(default_factory=list)


class Ingest(Section):
    """Limits of what ingest accepts.

    Attributes:
        max_file_mb: largest file [MB].
        max_rows: most rows of one file.
        future_tolerance_s: how far a stamp may lie in the future [s].
        max_rejected_fraction: a file of which more rows than this are refused is refused as a whole.
    """

    max_file_mb: Annotated[int, Field(ge=1)] = 256
    max_rows: Annotated[int, Field(ge=1)] = 5_000_000
    future_tolerance_s: Annotated[float, Field(ge=0)] = 300.0
    max_rejected_fraction: Annotated[float, Field(ge=0, le=1)] = 0.5


class Config(Section):
    """The whole configuration and the folder it was read from."""

    organisation: Organisation
    landing: Landing
    lake: LakeSection = LakeSection()
    accounting: Accounting = Accounting()
    grid: Grid = Grid()
    market: Market | None = None
    instrument: list[Instrument] = Field(default_factory=list)
    feed: list[FeedSection] = Field(default_factory=list)
    facility: list[Facility] = Field(default_factory=list)
    hardware: list[Hardware] = Field(default_factory=list)
    service_life: list[ServiceLife] = Field(default_factory=list)
    ingest: Ingest = Ingest()
    home: Path

    @model_validator(mode="after")
    def _unique_facilities(self) -> Config:
        ids = [entry.id for entry in self.facility]
        twice = sorted({entry for entry in ids if ids.count(entry) > 1})
        if twice:
            msg = f"facility ids must be unique; twice: {', '.join(twice)}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _instruments_once(self) -> Config:
        if self.instrument and self.market is None:
            msg = "instruments are for market-based accounting: add a section [market]"
            raise ValueError(msg)
        for name, entries in (
            ("id", [entry.id for entry in self.instrument]),
            ("tracking_id", [entry.tracking_id for entry in self.instrument if entry.tracking_id]),
        ):
            twice = sorted({entry for entry in entries if entries.count(entry) > 1})
            if twice:
                msg = f"an instrument is used once; {name} stated twice: {', '.join(twice)}"
                raise ValueError(msg)
        return self

    def _inside(self, path: str) -> Path:
        return (self.home / path).resolve()

    @property
    def landing_path(self) -> Path:
        """Folder into which collectors write."""
        return self._inside(self.landing.path)

    @property
    def archive_path(self) -> Path:
        """Folder into which files move once they are taken in; the source of truth."""
        return self.home / "archive"

    @property
    def plans_path(self) -> Path:
        """Folder of the plans of runs that are to be forecast."""
        return self.home / "plans"

    @property
    def answers_path(self) -> Path:
        """Folder of the answers of feeds, as they came."""
        return self.home / "answers"

    @property
    def samples_path(self) -> Path:
        """Folder of the hour files; they can be made again from the archive."""
        return self.home / "samples"

    @property
    def quarantine_path(self) -> Path:
        """Folder into which refused files move."""
        return self.home / "quarantine"

    @property
    def published_path(self) -> Path:
        """Folder of the published databases."""
        return self.home / "published"

    @property
    def report_path(self) -> Path:
        """Folder of the reports."""
        return self.home / "reports"

    @property
    def lake_data(self) -> str:
        """Folder or URL of the lake's Parquet files."""
        data = self.lake.data
        return data if "://" in data else str(self._inside(data))

    @property
    def catalog_dsn(self) -> str:
        """DuckLake's name of the catalog, with a file path made absolute."""
        kind, _, rest = self.lake.catalog.partition(":")
        return f"sqlite:{self._inside(rest)}" if kind == "sqlite" else self.lake.catalog

    @property
    def accounting_sha256(self) -> str:
        """Hash of everything in the configuration that can change a figure."""
        parts = self.model_dump(mode="json", include=FIGURE_SECTIONS)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def home_path() -> Path:
    """Return the home of this installation: ``WATTLEDGER_HOME``, else ``.wattledger`` in the working folder."""
    return Path(os.environ.get("WATTLEDGER_HOME", ".wattledger")).expanduser().resolve()


def load_config(path: Path | None = None) -> Config:
    """Read and validate the configuration.

    Args:
        path: the file; by default ``wattledger.toml`` in the home of this installation.

    Returns:
        The configuration; relative paths in it count from the folder of the file.

    Raises:
        ConfigError: if the file is missing, is not TOML or states something that cannot be; the message names the file,
            the key, the value and what is allowed.
    """
    file = (path or home_path() / CONFIG_NAME).expanduser().resolve()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        msg = f"no configuration at {file}; write one with `wattledger init`, or name another with --config"
        raise ConfigError(msg) from None
    except OSError as error:
        msg = f"cannot read {file}: {error.strerror}"
        raise ConfigError(msg) from error
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{file} is not TOML: {error}"
        raise ConfigError(msg) from error
    try:
        return Config(**values, home=file.parent)
    except (ValidationError, TypeError) as error:
        raise ConfigError(_explain(file, error)) from error


def _explain(file: Path, error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"{file}: {error}"
    lines = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"]) or "the file"
        given = "" if problem["type"] == "missing" else f" (given: {problem.get('input')!r})"
        lines.append(f"  {key}: {problem['msg']}{given}")
    return f"{file} is not valid:\n" + "\n".join(lines)
