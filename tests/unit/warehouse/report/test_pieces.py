"""Numbers, CSV cells, label positions and the guard on SVG."""

from __future__ import annotations

import csv
import io
import math
from datetime import date
from itertools import pairwise

import altair as alt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from warehouse.report import numbers
from warehouse.report.axes import months_between
from warehouse.report.bars import nice_ceiling, spread
from warehouse.report.build import period
from warehouse.report.csvfile import csv_bytes
from warehouse.report.queries import Result
from warehouse.report.svg import WIDE, ChartError, check_harmless, hatched, shorter_path, to_svg
from warehouse.report.words import COMPONENTS, PHASE_GROUPS, TIERS


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1.00"),
        (9.996, "10.0"),
        (99.96, "100"),
        (1234.5, "1,234"),
        (0.012345, "0.0123"),
        (0.00001, "<0.0001"),
        (-0.00001, ">-0.0001"),
        (-12.34, "\u221212.3"),
    ],
)
def test_numbers_have_three_significant_digits(value: float, text: str) -> None:
    assert numbers.significant(value) == text


@given(st.floats(min_value=1e-3, max_value=1e12))
def test_shown_numbers_are_within_half_a_percent(value: float) -> None:
    assert float(numbers.significant(value).replace(",", "")) == pytest.approx(value, rel=0.00501)


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.0, "0"), (1.0, "100"), (0.0001, "<0.1"), (0.9999, ">99.9"), (0.342, "34.2"), (0.9985, "99.9"), (0.999, "99.9")],
)
def test_only_exact_shares_are_none_or_all(fraction: float, text: str) -> None:
    assert numbers.percent(fraction) == f"{text}\u00a0%"


def test_units_follow_the_largest_value() -> None:
    assert numbers.energy_unit(0.5).name == "Wh"
    assert numbers.energy_unit(3.0, 4_200.0, None).name == "MWh"
    assert numbers.energy_unit(0.0).name == numbers.energy_unit(None).name == "kWh"
    assert numbers.mass_unit(0.02).name == "gCO2e"
    assert numbers.mass_unit(250.0).name == "kgCO2e"
    assert numbers.mass_unit(2_500.0).name == "tCO2e"


def test_null_is_not_known_in_every_form() -> None:
    forms = (numbers.energy(None), numbers.mass(None), numbers.share(None), numbers.interval(None, 1.0, numbers.KWH))
    assert all("not known" in form for form in forms)
    assert numbers.percent(None) == numbers.in_unit(None, numbers.KWH) == numbers.count(None) == "not known"


@pytest.mark.parametrize(
    ("a", "b", "text"), [(24.0, 10.0, "2.40 : 1"), (1.0, 3.2, "1 : 3.20"), (1.0, 0.0, None), (None, 1.0, None)]
)
def test_ratio_has_one_on_the_smaller_side(a: float | None, b: float | None, text: str | None) -> None:
    assert numbers.ratio(a, b) == text


def test_control_characters_are_shown_as_replaced() -> None:
    assert numbers.readable("a\x00b\tc\ud800") == "a\ufffdb\ufffdc\ufffd"


@given(st.lists(st.floats(min_value=0, max_value=280), min_size=1, max_size=8))
def test_labels_never_overlap_and_keep_their_order(wanted: list[float]) -> None:
    placed = spread(wanted, 17, 280)
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    assert all(placed[b] - placed[a] >= 17 - 1e-9 for a, b in pairwise(order))
    assert max(placed) <= 280
    assert min(placed) >= 0


@given(st.floats(min_value=1e-9, max_value=1e12))
def test_axis_ends_just_above_the_largest_value(value: float) -> None:
    top = nice_ceiling(value)
    assert value * (1 - 1e-9) <= top <= value * 1.61
    assert math.isfinite(top)


def test_months_without_data_keep_their_place() -> None:
    assert months_between(date(2025, 11, 1), date(2026, 2, 1)) == ["2025-11", "2025-12", "2026-01", "2026-02"]


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (date(2026, 3, 1), date(2026, 3, 1), "1 March 2026"),
        (date(2026, 3, 1), date(2026, 3, 31), "1\u201331 March 2026"),
        (date(2026, 3, 1), date(2026, 4, 2), "1 March \u2013 2 April 2026"),
        (date(2025, 3, 1), date(2026, 4, 2), "1 March 2025 \u2013 2 April 2026"),
    ],
)
def test_period_repeats_nothing(first: date, last: date, text: str) -> None:
    assert period(first, last) == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_a_spreadsheet_would_run_gets_a_quote(start: str) -> None:
    result = Result("x", ("name", "value"), ({"name": f"{start}1+1", "value": -3.5}, {"name": None, "value": None}))
    rows = list(csv.reader(io.StringIO(csv_bytes(result).decode(), newline="")))
    assert rows == [["name", "value"], [f"'{start}1+1", "-3.5"], ["", ""]]


@pytest.mark.parametrize(
    "body",
    [
        "<script>1</script>",
        "<foreignObject></foreignObject>",
        '<image href="x"/>',
        '<path onload="x"/>',
        '<path xlink:href="#a"/>',
        '<path fill="url(http://x)"/>',
        '<g style="x"></g>',
    ],
)
def test_svg_that_could_load_or_run_is_refused(body: str) -> None:
    with pytest.raises(ChartError):
        check_harmless(f"<g>{body}</g>")


def test_svg_that_only_draws_is_taken() -> None:
    check_harmless('<g fill="none"><path d="M0,0h1" fill="url(#a)"/><text>a &lt;b&gt; onload=1</text></g>')


def test_a_chart_that_the_converter_cannot_draw_is_an_error() -> None:
    no_number_format = alt.Axis(format="%d %b")
    chart = alt.Chart(alt.InlineData(values=[{"a": 1}])).mark_bar().encode(x=alt.X("a:Q", axis=no_number_format))
    with pytest.raises(ChartError, match="picture of k"):
        to_svg(chart, WIDE, "k", "label", [])


def test_shorter_paths_draw_the_same() -> None:
    assert shorter_path("M0,5L10,5L10,7L20,7L20,9L20,9L15,9L0,9Z") == "M0,5H10V7H20V9H0Z"
    assert shorter_path("M0,5L10,6L20,7") == "M0,5L10,6L20,7"


def test_hatched_colours_are_no_colour_of_another_member() -> None:
    for table in (PHASE_GROUPS, COMPONENTS, TIERS):
        colours = [word.colour for word in table.values()]
        assert len(set(colours)) == len(colours)
        assert not {hatched(colour) for colour in colours} & set(colours)
        assert all(hatched(hatched(colour)) == colour for colour in colours)
