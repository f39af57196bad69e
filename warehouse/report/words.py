"""Closed sets in words: phase groups, components, factor tiers, kinds of issues; and their colours.

Colours: the phase groups have those of Okabe and Ito (2008); the components two hues, one for operation and one for
hardware and building (ColorBrewer BrBG, colour-blind safe); the tiers run from dark (best) to light.
"""

from __future__ import annotations

from typing import NamedTuple


class Word(NamedTuple):
    """One member of a closed set: its name for readers, its colour, and what it means."""

    label: str
    colour: str
    meaning: str


PHASE_GROUPS = {
    "training": Word("Training", "#0072b2", "data processing, experimentation, training, fine-tuning and evaluation"),
    "inference": Word("Inference", "#e69f00", "deployment and inference"),
    "storage": Word("Storage", "#009e73", "storage"),
    "unknown": Word("Phase not stated", "#cc79a7", "jobs that do not state their phase"),
    "unallocated": Word("Unallocated", "#56565e", "shared equipment while no job ran"),
    "idle": Word("Idle", "#b4b4bb", "devices without a job"),
}
COMPONENTS = {
    "it": Word("IT", "#01665e", "electricity of the IT equipment, location-based"),
    "overhead": Word(
        "Overhead", "#6cc0b5", "electricity of cooling and power supply: IT \u00d7 (PUE \u2212 1), location-based"
    ),
    "upstream": Word("Upstream", "#c0d9d3", "fuel chains and losses of the grid, scope 3 category 3, location-based"),
    "chip": Word("Chip", "#8c510a", "manufacture of accelerators and processors, amortised"),
    "server": Word("Server", "#d8a84e", "manufacture of the rest of the server, amortised"),
    "building": Word("Building", "#f1dcae", "construction of the building and its plant, amortised"),
}
OPERATIONAL = ("it", "overhead")
EMBODIED = ("chip", "server", "building")
MISSING = "missing"
TIERS = {
    "zone_slot_measured": Word("Zone, slot", "#08306b", "intensity of the grid zone in that slot, from measurements"),
    "zone_slot_estimated": Word("Zone, slot (est.)", "#0b4a8f", "intensity of the grid zone in that slot, estimated"),
    "zone_month": Word("Zone, month", "#1c6cb1", "monthly average of the grid zone"),
    "zone_year": Word("Zone, year", "#3787c0", "yearly average of the grid zone; hides the hours of the day"),
    "country_month": Word("Country, month", "#5a9bd0", "monthly average of the country"),
    "country_year": Word(
        "Country, year", "#7fb9da", "yearly average of the country, where the zone has none of its own"
    ),
    "world": Word("World", "#c8ddf0", "world average; applied only where a place states the zone WORLD"),
    "T1": Word("T1", "#3f007d", "product footprint verified by a third party"),
    "T2": Word("T2", "#61409b", "life-cycle assessment by the maker or peer-reviewed"),
    "T3": Word("T3", "#8683bd", "component model: wafer area, memory, packaging"),
    "T4": Word("T4", "#b6b5d8", "archetype: a typical device of its kind, because the hardware is not named"),
    "T5": Word("T5", "#dcdcec", "by money spent"),
    MISSING: Word("No factor", "#d55e00", "no factor is known; the emissions are not known and not in any total"),
}
ISSUES = {
    "finding": "audit finding",
    "quarantined_file": "quarantined file",
    "quarantined_row": "quarantined row",
    "restatement": "restatement of a closed month",
}
_OTHER_COLOUR = "#cc79a7"


def word(table: dict[str, Word], key: str) -> Word:
    """Return the member of a closed set; a member that this program does not know keeps its own name."""
    return table.get(key, Word(key, _OTHER_COLOUR, "not described by this version of the program"))


def ordered(table: dict[str, Word], keys: set[str]) -> list[str]:
    """Return keys in the order of the closed set; those it does not know come last, sorted."""
    return [key for key in table if key in keys] + sorted(keys - table.keys())
