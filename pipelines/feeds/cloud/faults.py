"""What can be wrong with a published figure of a cloud region: a closed list with a name, a severity and a sentence.

What belongs here: the list. What must not be here: how a fault is found (see ``checks_rows``, ``checks_series``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What happens to a figure with a fault."""

    QUARANTINE = "quarantine"
    """The fault touches the value: it does not land, it goes to quarantine under the fault's name."""
    FLAG = "flag"
    """The value stands: it lands and carries the fault's name."""
    COUNT = "count"
    """There is no value: no row, only counted."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        severity: what happens to the figure.
        sentence: what is wrong, for people.
    """

    severity: Severity
    sentence: str


def _quarantine(sentence: str) -> Fault:
    return Fault(Severity.QUARANTINE, sentence)


def _flag(sentence: str) -> Fault:
    return Fault(Severity.FLAG, sentence)


FAULTS: dict[str, Fault] = {
    # The order is the precedence: of several faults of a figure the first one is its reason.
    "unknown_header": _quarantine("The table has other columns than those that are known; nothing of it is read."),
    "torn_row": _quarantine("The source's row is cut off, or two rows are written into each other."),
    "bad_year": _quarantine("The year of the row cannot be read or lies outside of what can be."),
    "unknown_provider": _quarantine("The row names a cloud provider that the region map does not know."),
    "unknown_region": _quarantine("The provider has no region of that id in our map; the id may be invented."),
    "duplicated_region": _quarantine("The region stands twice for a year, and this row is not the one of our map."),
    "decimal_comma": _quarantine("The number has a comma; whether it parts decimals or thousands is not known."),
    "unparseable_number": _quarantine("The source's text is not a number."),
    "pue_out_of_range": _quarantine("A power usage effectiveness lies outside of 1.0 to 3."),
    "wue_out_of_range": _quarantine("A water usage effectiveness lies outside of 0 to 20 l/kWh."),
    "cfe_out_of_range": _quarantine("A carbon-free share lies outside of 0 to 1."),
    "intensity_out_of_range": _quarantine("An intensity lies outside of 0 to 2,000 gCO2e/kWh."),
    "zero_location": _quarantine("A grid intensity of 0: rounded away, missing or a market figure; no grid has it."),
    "wrong_zone": _quarantine("The row holds the grid figure of another zone than the region's."),
    "shifted_year": _quarantine("The table holds the provider's figure of the year before."),
    "wrong_column": _quarantine("The column holds the provider's figure of another column."),
    "filled_blank": _quarantine("The provider published nothing, and the table holds 0."),
    "differs_from_provider": _quarantine("The table differs from the provider's own file of the same year."),
    "stale_copy": _quarantine("The column repeats the year before for the whole provider."),
    "zone_year_conflict": _quarantine("One grid zone has two values in one year and column."),
    "basis_break": _flag("From this year on the basis is operational, before it was life-cycle: no line across."),
    "row_of_wrong_zone": _flag("The row states another grid zone than our map; its grid figures are refused."),
    "coarser_zone": _flag("The row states the country where our map has a zone of it."),
    "no_zone_stated": _flag("The grid figure stands in a row that names no grid zone."),
    "has_duplicate": _flag("The region stands twice for this year; this row is the one of our map."),
    "far_place": _flag("The coordinates lie far from the region."),
    "unreadable_place": _flag("The coordinates cannot be read."),
    "market_zero": _flag("The market factor is 0 by annual matching; it says nothing about the location."),
    "one_value_for_many": _flag("Many regions of the provider share this value: an average or a design value."),
    "large_change": _flag("The figure changed much against the year before, on the same basis."),
    "not_compared": _flag("The provider's own file of that year was not at hand, so nothing was compared."),
    "vanished_region": _flag("A region of the year before is missing."),
    "unnamed_column": _flag("A column without a name, and without values, was left out."),
    "not_published": Fault(Severity.COUNT, "Blank or NA: not published, which is not zero."),
}
"""Every fault by name."""

NAMES = tuple(FAULTS)
"""The names in order of precedence."""


def severity(name: str) -> Severity:
    """Give what happens to a figure with a fault.

    Raises:
        KeyError: if the name is not in the list.
    """
    return FAULTS[name].severity
