"""The clock of real solar generation: right as published, found wrong when it is moved by three hours."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

import pytest

from pipelines.feeds.drop import read_drop
from pipelines.feeds.feed import Asked
from pipelines.feeds.mix import Generated, fuels_of, hours_off_noon, mixed, wanted_sets

pytestmark = pytest.mark.real

DESCRIPTION = Path(__file__).resolve().parents[2] / "examples" / "feeds" / "eia_2022.toml"
HOUR_MS = 3_600_000
# Research gives 12.5 h local solar time for Texas, 12.1 California, 13.2 Arizona, 11.5 PJM, by longitudes of its own.
ZONES = {"US-TEX-ERCO": 0.1, "US-CAL-CISO": -0.4, "US-SW-AZPS": 0.7, "US-MIDA-PJM": -1.2}


def published(folder: Path, zone: str, moved_h: int) -> list[Generated]:
    with gzip.open(folder / f"eia930_generation_{zone}_2022.csv.gz", "rt", encoding="utf-8") as text:
        rows = [(row["period"], row["SUN_mwh"]) for row in csv.DictReader(text)]
    found = []
    for period, mwh in rows:
        end_ms = round(datetime.fromisoformat(period).timestamp() * 1000) + moved_h * HOUR_MS
        found.append(Generated("SUN", end_ms - HOUR_MS, end_ms, float(mwh) if mwh else None))
    return found


@pytest.mark.parametrize(("zone", "off_h"), ZONES.items())
def test_every_zone_is_where_it_was_measured(shared_data: Path, zone: str, off_h: float) -> None:
    sun = published(shared_data / "feeds" / "hourly", zone, 0)
    assert hours_off_noon(zone, sun) == pytest.approx(off_h, abs=0.06)


@pytest.mark.parametrize("zone", ZONES)
def test_three_hours_late_are_noted_and_refuse_no_value(shared_data: Path, zone: str) -> None:
    moved = published(shared_data / "feeds" / "hourly", zone, 3)
    asked = Asked(zone, moved[0].start_ms, moved[-1].end_ms)
    found = mixed(moved, (), wanted_sets(("eia_published",), "eia"), asked, fuels_of("eia"))
    notes = [refusal for refusal in found.refusals() if refusal.reason == "sun_misplaced"]
    assert [(note.values_n, "after solar noon" in note.detail) for note in notes] == [(0, True)]
    assert found.values


def test_the_published_files_have_no_note(shared_data: Path) -> None:
    for zone in ZONES:
        drop = read_drop(shared_data / "feeds" / "hourly" / f"eia930_generation_{zone}_2022.csv.gz", DESCRIPTION)
        assert not [refusal for refusal in drop.refusals if refusal.reason == "sun_misplaced"]


def test_a_zone_of_unknown_longitude_or_few_days_is_not_judged(shared_data: Path) -> None:
    sun = published(shared_data / "feeds" / "hourly", "US-TEX-ERCO", 6)
    assert hours_off_noon("US-NW-BPAT", sun) is None
    assert hours_off_noon("US-TEX-ERCO", sun[: 12 * 24]) is None
