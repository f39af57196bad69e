"""Small published tables of cloud regions, constructed: the shape of the real ones, values made up."""

from __future__ import annotations

from collections.abc import Sequence

from models.regions import RegionZone
from pipelines.feeds.cloud import gsf_table, judge
from pipelines.feeds.cloud.google_regions import SOURCE, GoogleRegions
from pipelines.feeds.cloud.gsf_table import GsfTable
from pipelines.feeds.cloud.publication import Publication, Reading

FETCHED_MS = 1_795_348_800_000
GOOGLE_HEAD = "Google Cloud Region,Location,Google CFE,{}rid carbon intensity (gCO2eq / kWh)\n"
COLUMNS = (
    *("year", "cloud-provider", "cloud-region", "cfe-region", "em-zone-id", "wt-region-id", "location", "geolocation"),
    *("provider-cfe-hourly", "provider-cfe-annual", "power-usage-effectiveness", "water-usage-effectiveness"),
    "provider-carbon-intensity-market-annual",
    "provider-carbon-intensity-average-consumption-hourly",
    "grid-carbon-intensity-average-consumption-annual",
    *("grid-carbon-intensity-marginal-consumption-annual", "grid-carbon-intensity-average-production-annual"),
    *("grid-carbon-intensity", "total-ICT-energy-consumption-annual", "total-water-input"),
    *("renewable-energy-consumption", "renewable-energy-consumption-goe", "renewable-energy-consumption-ppa"),
    "renewable-energy-consumption-onsite",
)
SHORT = {
    **{"zone": "em-zone-id", "place": "geolocation", "cfe": "provider-cfe-hourly", "cfe_annual": "provider-cfe-annual"},
    **{"pue": "power-usage-effectiveness", "wue": "water-usage-effectiveness"},
    "market": "provider-carbon-intensity-market-annual",
    "own": "provider-carbon-intensity-average-consumption-hourly",
    "grid": "grid-carbon-intensity-average-consumption-annual",
}
NAMES = {"aws": "Amazon Web Services", "gcp": "Google Cloud", "azure": "Microsoft Azure"}
PLACES = {
    "DE": (50.0, 8.0),
    "FR": (48.0, 2.0),
    "IE": (53.0, -6.0),
    "SE-SE3": (59.0, 18.0),
    "US-MIDA-PJM": (39.0, -77.0),
}


def region_map(**zones: str) -> dict[tuple[str, str], RegionZone]:
    """Regions ``provider_region`` with their zone, such as ``gcp_a="DE"``."""
    found = {}
    for name, zone in zones.items():
        provider, _, region = name.partition("_")
        found[provider, region] = RegionZone(
            *(provider, region, zone, (), zone[:2], *PLACES[zone], "", "", None, None, "", None, None),
            *("adjudicated", "cloud_region_compilation", ""),
        )
    return found


def google(year: int, *rows: str, basis: str | None = None) -> Reading:
    """Google's file of a year, rows such as ``a,Place,0.5,300``."""
    life = basis == "lifecycle" if basis else year <= 2020
    text = GOOGLE_HEAD.format("Lifecycle g" if life else "G") + "".join(f"{row}\n" for row in rows)
    return GoogleRegions().parse(Publication(SOURCE, f"{year}.csv", text.encode(), FETCHED_MS, year))


def gsf_text(*rows: dict[str, str], head: Sequence[str] = COLUMNS) -> str:
    """The foundation's table; a row names year, provider, region and the short names of ``SHORT``."""
    lines = [",".join(head)]
    for row in rows:
        cells = {SHORT.get(name, name): value for name, value in row.items()}
        cells |= {"cloud-provider": NAMES.get(row["provider"], row["provider"]), "cloud-region": row["region"]}
        lines.append(
            ",".join(f'"{cells[name]}"' if "," in cells.get(name, "") else cells.get(name, "") for name in head)
        )
    return "\n".join(lines) + "\n"


def gsf(*rows: dict[str, str], source: str = gsf_table.SOURCE) -> Reading:
    """The foundation's table, read."""
    return GsfTable().parse(Publication(source, "table.csv", gsf_text(*rows).encode(), FETCHED_MS))


def row(year: int, provider: str, region: str, **cells: str) -> dict[str, str]:
    """One row of the foundation's table."""
    return {"year": str(year), "provider": provider, "region": region, **cells}


def verdict(readings: Sequence[Reading], **zones: str) -> judge.Judged:
    """The verdict on readings with a region map of just these zones."""
    return judge.judge(readings, region_map(**zones))
