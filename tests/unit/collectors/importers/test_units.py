"""Units are converted exactly, and a wrong one is an error that lists the right ones."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.contract import TABLES
from collectors.importers.columns import Converter
from collectors.importers.errors import Where
from collectors.importers.grammar import is_time, parse_value
from collectors.importers.numbers import multiply, product, to_float, to_number
from collectors.importers.spec import TableSpec
from collectors.importers.units import UNITS, UnitError, dimension, factor

# Written down by hand, not taken from the code: how many of the target one unit is.
KNOWN = {
    ("W", "mW"): Decimal(1000),
    ("kW", "mW"): Decimal(1_000_000),
    ("MW", "mW"): Decimal(10) ** 9,
    ("mW", "mW"): Decimal(1),
    ("uW", "mW"): Decimal("0.001"),
    ("J", "mJ"): Decimal(1000),
    ("mJ", "mJ"): Decimal(1),
    ("uJ", "mJ"): Decimal("0.001"),
    ("kJ", "mJ"): Decimal(10) ** 6,
    ("Wh", "mJ"): Decimal(3_600_000),
    ("kWh", "mJ"): Decimal(3_600_000_000),
    ("MWh", "mJ"): Decimal(3_600_000_000_000),
    ("Wh", "kWh"): Decimal("0.001"),
    ("MWh", "kWh"): Decimal(1000),
    ("ns", "ms"): Decimal("0.000001"),
    ("us", "ms"): Decimal("0.001"),
    ("s", "ms"): Decimal(1000),
    ("min", "ms"): Decimal(60_000),
    ("h", "ms"): Decimal(3_600_000),
    ("fraction", "%"): Decimal(100),
    ("percent", "fraction"): Decimal("0.01"),
    ("m3", "l"): Decimal(1000),
    ("tCO2e", "kgCO2e"): Decimal(1000),
    ("kgCO2e/MWh", "gCO2e/kWh"): Decimal(1),
    ("kgCO2e/kWh", "gCO2e/kWh"): Decimal(1000),
}


@pytest.mark.parametrize(("pair", "size"), KNOWN.items(), ids=lambda item: str(item))
def test_factors_are_those_written_down_by_hand(pair: tuple[str, str], size: Decimal) -> None:
    assert factor(*pair) == Fraction(size)


def test_every_unit_of_the_contract_is_known() -> None:
    units = {column.unit for table in TABLES.values() for column in table.columns if column.unit}
    assert {dimension(unit) for unit in units} <= set(UNITS)


def test_unknown_unit_lists_those_that_are_known() -> None:
    with pytest.raises(
        UnitError, match=r"unknown unit 'Watt'; known units are power: nW, uW, mW, W, kW, MW, GW; energy"
    ):
        factor("Watt", "mW")


def test_energy_for_a_power_column_is_refused() -> None:
    with pytest.raises(UnitError, match="kWh is a unit of energy, but the column holds power in mW; use one of nW"):
        factor("kWh", "mW")


def _power(unit: str, source: pa.Array) -> tuple[list[int | None], list[bool]]:
    """Convert one column with the converter that the importer uses."""
    landing = TABLES["power_sample"]
    column = landing.column("power_mw")
    value = parse_value(Where("m"), {"column": "x", "unit": unit}, {}, column)
    batch = pa.RecordBatch.from_arrays([source], names=["x"])
    table, problems = Converter(TableSpec(Where("m"), landing, None, {"power_mw": value}), {}, {}).convert(
        batch, first=False
    )
    bad = [any(p.mask[i].as_py() for p in problems if p.target == "power_mw") for i in range(len(source))]
    return table.column("power_mw").to_pylist(), bad


numbers = st.decimals(min_value=0, max_value=Decimal("9999999"), places=9)


@given(st.lists(numbers, min_size=1, max_size=20), st.sampled_from([unit for unit, to in KNOWN if to == "mW"]))
def test_integers_equal_the_decimal_oracle_rounded_half_even(values: list[Decimal], unit: str) -> None:
    got, _ = _power(unit, pa.array([str(value) for value in values]))
    scale = KNOWN[unit, "mW"]
    expected = [int((value * scale).quantize(Decimal(1), ROUND_HALF_EVEN)) for value in values]
    limit = 10_000_000_000
    assert [v for v, e in zip(got, expected, strict=True) if e <= limit] == [e for e in expected if e <= limit]


@given(st.lists(st.floats(min_value=0, max_value=9e6), min_size=1, max_size=20))
def test_a_float_of_a_parquet_file_counts_as_its_shortest_text(values: list[float]) -> None:
    as_float, _ = _power("W", pa.array(values))
    as_text, _ = _power("W", pa.array([repr(value) for value in values]))
    oracle = [int((Decimal(repr(value)) * 1000).quantize(Decimal(1), ROUND_HALF_EVEN)) for value in values]
    assert as_float == as_text == oracle


def test_halves_go_to_the_even_neighbour() -> None:
    assert _power("uW", pa.array(["500", "1500", "2500", "2500.000001"]))[0] == [0, 2, 2, 3]
    # A double holds 0.0005 slightly too large; rounding the double instead of its text would give 1.
    assert _power("W", pa.array([0.0005, 0.0015, 0.0025]))[0] == [0, 2, 2]


@pytest.mark.parametrize("text", ["1e3", "1E+3", "+1000", "1000.", "1000.0", " 1000 ", "0001000"])
def test_notations_of_the_same_number(text: str) -> None:
    assert to_number(pa.array([text]))[0].to_pylist() == [Decimal(1000)]


@pytest.mark.parametrize("text", ["abc", "1,000", "1_000", "1 000", "0x10", "inf", "1e99", "--1", "1e", "."])
def test_what_is_no_number(text: str) -> None:
    array, bad = to_number(pa.array([text]))
    assert bad.to_pylist() == [True]
    assert array.to_pylist() == [None]


@pytest.mark.parametrize(
    "missing", [pa.array([""]), pa.array(["NaN"]), pa.array([None], pa.string()), pa.array([float("nan")])]
)
def test_missing_is_not_wrong(missing: pa.Array) -> None:
    for read in (to_number, to_float):
        array, bad = read(missing)
        assert bad.to_pylist() == [False]
        assert array.to_pylist() == [None]


def test_decimal_comma() -> None:
    assert to_number(pa.array(["1,5"]), decimal=",")[0].to_pylist() == [Decimal("1.5")]
    assert to_float(pa.array(["1,5"]), decimal=",")[0].to_pylist() == [1.5]


@given(numbers, numbers)
def test_products_are_exact_to_twelve_decimals_of_each_factor(left: Decimal, right: Decimal) -> None:
    got = product(to_number(pa.array([str(left)]))[0], to_number(pa.array([str(right)]))[0])
    assert [Fraction(value) for value in got.to_pylist()] == [Fraction(left) * Fraction(right)]


@given(numbers)
def test_multiply_is_exact(value: Decimal) -> None:
    assert multiply(to_number(pa.array([str(value)]))[0], Fraction(3_600_000)).to_pylist() == [
        Decimal(value * 3_600_000)
    ]


def test_only_moments_have_milliseconds() -> None:
    times = {column.name for table in TABLES.values() for column in table.columns if is_time(column)}
    assert times >= {"ts_ms", "start_ms", "end_ms", "valid_from"}
