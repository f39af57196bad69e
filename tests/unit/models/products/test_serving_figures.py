"""Energy and emissions per request and token: worked by hand, closed over all requests, never without a key."""

from __future__ import annotations

import re
from math import fsum, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.estimate import Estimate
from models.products.request import (
    EQUAL_TOKENS,
    NO_REQUESTS,
    NO_TOKENS,
    NO_WEIGHT,
    Parts,
    TokenKey,
    Tokens,
    serving_figures,
    shares,
)
from models.uncertain import Quantity, exactly, from_interval

DEVICE_TIME = TokenKey("device_time", 1.0, 4.0)
COUNTS = st.integers(1, 10**12)
AMOUNTS = st.floats(0, 1e12)


def known(parts: Parts | None) -> Parts:
    assert parts is not None
    return parts


def test_a_day_worked_by_hand() -> None:
    # 10 kWh active, 2 kWh standing, 4,000 requests, 2 M tokens in, 0.5 M out, a token out as heavy as four in:
    # weighed 2e6 * 1 + 0.5e6 * 4 = 4e6; per 1,000 in 10 / 4e6 * 1,000 = 0.0025 kWh, per 1,000 out 0.01 kWh.
    found = serving_figures(exactly(10, "kWh"), exactly(2, "kWh"), 4_000, Tokens(2e6, 0.5e6), DEVICE_TIME)
    assert known(found.per_request).active.central == pytest.approx(0.0025)
    assert known(found.per_request).standing.central == pytest.approx(0.0005)
    assert known(found.per_1k_input).active.central == pytest.approx(0.0025)
    assert known(found.per_1k_output).active.central == pytest.approx(0.01)
    assert known(found.per_1k_output).standing.central == pytest.approx(0.002)
    assert known(found.per_1k_output).total.unit == "kWh per 1,000 output tokens"
    assert (found.key.name, found.reason) == ("device_time", "")


def test_the_key_changes_the_split_and_is_named() -> None:
    arguments = (exactly(10, "kWh"), exactly(2, "kWh"), 4_000, Tokens(2e6, 0.5e6))
    alike = serving_figures(*arguments, EQUAL_TOKENS)
    assert known(alike.per_1k_output).active.central == pytest.approx(10 / 2.5e6 * 1_000)
    assert known(alike.per_1k_output).active.central == known(alike.per_1k_input).active.central
    assert alike.key.name == "equal_tokens"


def test_without_requests_all_of_it_is_standing_and_there_is_no_figure_per_unit() -> None:
    found = serving_figures(exactly(3, "gCO2e"), exactly(2, "gCO2e"), 0, Tokens(0, 0), DEVICE_TIME)
    assert (found.per_request, found.per_1k_input, found.per_1k_output) == (None, None, None)
    assert (found.totals.active.central, found.totals.standing.central) == (0, 5)
    assert found.reason == NO_REQUESTS


def test_requests_whose_tokens_are_not_counted_have_a_figure_per_request_only() -> None:
    found = serving_figures(exactly(3, "gCO2e"), exactly(2, "gCO2e"), 5, Tokens(0, 0), DEVICE_TIME)
    assert known(found.per_request).total.central == pytest.approx(1)
    assert (found.per_1k_input, found.per_1k_output, found.reason) == (None, None, NO_TOKENS)


def test_tokens_of_one_kind_carry_the_whole() -> None:
    found = serving_figures(exactly(3, "gCO2e"), exactly(1, "gCO2e"), 5, Tokens(2_000, 0), DEVICE_TIME)
    assert known(found.per_1k_input).total.central == pytest.approx(2)
    assert (found.per_1k_output, found.reason) == (None, NO_TOKENS)


def test_a_key_that_weighs_none_of_the_counted_tokens_gives_no_figure() -> None:
    found = serving_figures(exactly(3, "gCO2e"), exactly(1, "gCO2e"), 5, Tokens(9, 0), TokenKey("out", 0, 1))
    assert (found.per_1k_input, found.per_1k_output, found.reason) == (None, None, NO_WEIGHT)


@given(AMOUNTS, AMOUNTS, COUNTS, COUNTS, COUNTS, st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_units_times_figures_give_the_total(
    active: float, standing: float, requests: int, tokens_in: int, tokens_out: int, w_in: float, w_out: float
) -> None:
    tokens = Tokens(tokens_in, tokens_out)
    parts = (exactly(active, "kWh"), exactly(standing, "kWh"))
    found = serving_figures(*parts, requests, tokens, TokenKey("random", w_in, w_out))
    by_request = known(found.per_request).total.central * requests
    by_token = [
        known(found.per_1k_input).total.central * tokens_in / 1_000,
        known(found.per_1k_output).total.central * tokens_out / 1_000,
    ]
    assert by_request == pytest.approx(active + standing, rel=1e-12)
    assert fsum(by_token) == pytest.approx(active + standing, rel=1e-12)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=30), AMOUNTS, AMOUNTS)
def test_the_requests_one_by_one_give_the_total(counts: list[tuple[int, int]], active: float, standing: float) -> None:
    split = shares([Tokens(*pair) for pair in counts], DEVICE_TIME)
    assert fsum(split) == pytest.approx(1, rel=1e-12)
    assert fsum(one * active + one * standing for one in split) == pytest.approx(active + standing, rel=1e-12)


def test_a_factor_that_both_parts_share_keeps_its_interval_whole() -> None:
    grid = from_interval("grid", Estimate(200, 400, 800, "gCO2e/kWh"))
    parts = [exactly(kwh, "kWh").times(grid, "gCO2e") for kwh in (3, 1)]
    found = serving_figures(*parts, 100, Tokens(10, 10), EQUAL_TOKENS)
    whole = known(found.per_request).total
    assert whole.high / whole.central == pytest.approx(grid.high / grid.central)
    assert whole.low / whole.central == pytest.approx(grid.low / grid.central)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"requests_n": -1}, "requests_n must be a finite number in [0, 1e+30], not -1"),
        ({"requests_n": nan}, "requests_n must be a finite number in [0, 1e+30], not nan"),
        ({"requests_n": 0}, "requests_n must be above 0 where tokens are counted (1 in, 1 out)"),
        ({"active": exactly(1, "J")}, "active must be in kWh, gCO2e, kgCO2e, tCO2e, not 1 J"),
        ({"standing": exactly(1, "gCO2e")}, "standing must be in kWh, not 1 gCO2e"),
        ({"standing": 3.0}, "standing must be a quantity in kWh, not 3.0"),
    ],
)
def test_bad_totals_are_refused_with_field_value_and_range(change: dict[str, object], words: str) -> None:
    given_: dict[str, object] = {"active": exactly(1, "kWh"), "standing": exactly(1, "kWh"), "requests_n": 1}
    with pytest.raises(ValueError, match=re.escape(words)):
        serving_figures(**(given_ | change), tokens=Tokens(1, 1), key=EQUAL_TOKENS)  # type: ignore[arg-type]


def test_bad_tokens_and_keys_are_refused() -> None:
    for make, words in (
        (lambda: Tokens(-1, 0), "input_n must be a finite number in [0, 1e+30], not -1"),
        (lambda: Tokens(0, nan), "output_n must be a finite number in [0, 1e+30], not nan"),
        (lambda: TokenKey("", 1, 1), "TokenKey.name must be a text"),
        (lambda: TokenKey("none", 0, 0), "one of input_weight and output_weight must be above 0"),
        (lambda: TokenKey("minus", -1, 1), "TokenKey.input_weight must be a finite number in [0, 1e+12], not -1"),
        (lambda: shares([Tokens(0, 0)], EQUAL_TOKENS), "requests must have tokens"),
        (lambda: Quantity(-1.0, "kWh"), "must be finite and not negative"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            make()
