"""Energy or emissions per request and per 1,000 tokens of one deployment and period, the standing part shown apart.

Active is what was used while requests were served; standing is what was used while the model was loaded and waited. A
token's share rests on a key with a name and stated weights: no key is assumed.

What belongs here: division of two totals. What must not be here: how the totals were measured or attributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from models import bounds
from models.products import inputs
from models.uncertain import Quantity, exactly

PER_TOKENS_N = 1_000.0
"""Tokens that a figure per tokens is stated for [1]; the usual price unit of text models."""
NO_REQUESTS, NO_TOKENS, NO_WEIGHT = "no_requests", "no_tokens", "no_weight"
REASONS = (NO_REQUESTS, NO_TOKENS, NO_WEIGHT)
"""Why a figure is None: nothing was served, no token was counted, or the key gives the counted tokens no weight."""
MAX_WEIGHT = 1e12
"""Greatest weight of one token taken [1]; weights may be seconds or FLOP per token."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """How a total is split between tokens that come in and tokens that go out.

    Attributes:
        name: what the weights are, such as ``device_time``; it goes into every result.
        input_weight: weight of one token that comes in [any unit].
        output_weight: weight of one token that goes out [same unit].
    """

    name: str
    input_weight: float
    output_weight: float

    def __post_init__(self) -> None:
        """Refuse a key without a name or without a weight."""
        if not isinstance(self.name, str) or not self.name.strip():
            msg = f"TokenKey.name must be a text that says what the weights are, not {self.name!r}"
            raise ValueError(msg)
        for field in ("input_weight", "output_weight"):
            bounds.number(f"TokenKey.{field}", getattr(self, field), 0.0, MAX_WEIGHT, "1")
        if self.input_weight == 0 and self.output_weight == 0:
            msg = f"TokenKey {self.name!r}: one of input_weight and output_weight must be above 0, both are 0"
            raise ValueError(msg)


EQUAL_TOKENS = TokenKey("equal_tokens", 1.0, 1.0)
"""Each token alike, in or out; to be asked for by name, since a token that goes out usually takes far more."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one request, or of all of them [1]."""

    input_n: float
    output_n: float

    def __post_init__(self) -> None:
        """Refuse a number of tokens that is negative or not finite."""
        inputs.units_n("input_n", self.input_n)
        inputs.units_n("output_n", self.output_n)


@dataclass(frozen=True, slots=True)
class Parts:
    """One figure in its two parts.

    Attributes:
        active: while requests were served.
        standing: loaded and waiting.
    """

    active: Quantity
    standing: Quantity

    @property
    def total(self) -> Quantity:
        """Give both parts together; errors that they share stay shared."""
        return self.active.plus(self.standing)

    def scaled(self, factor: float, unit: str) -> Parts:
        """Give both parts times a known number, in another unit."""
        return Parts(self.active.scaled(factor, unit), self.standing.scaled(factor, unit))


@dataclass(frozen=True, slots=True)
class ServingFigures:
    """What one deployment took in one period, per unit.

    Attributes:
        totals: the period's parts; without requests all of it is standing.
        key: how tokens were weighed.
        per_request: per request, None where there were none.
        per_1k_input: per 1,000 tokens that came in, None where there were none.
        per_1k_output: per 1,000 tokens that went out, None where there were none.
        reason: why a figure is None, one of ``REASONS``; empty where none is.
    """

    totals: Parts
    key: TokenKey
    per_request: Parts | None
    per_1k_input: Parts | None
    per_1k_output: Parts | None
    reason: str


def serving_figures(
    active: Quantity, standing: Quantity, requests_n: float, tokens: Tokens, key: TokenKey
) -> ServingFigures:
    """Give the figures of one deployment and period.

    Args:
        active: energy [kWh] or emissions [gCO2e] while requests were served.
        standing: the same while the model was loaded and waited, in the same unit.
        requests_n: requests served in the period [1].
        tokens: tokens of all of them [1].
        key: how tokens are weighed.

    Returns:
        Per request and per 1,000 tokens; ``reason`` says why one is None. Closure: requests times ``per_request``, and
        tokens times the figures per token, each give active plus standing.

    Raises:
        ValueError: if a count is negative or not finite, a unit is not of energy or emissions or differs, or tokens
            are counted where no request was.

    Reference: docs/models/products.md, per request and token.
    """
    inputs.in_unit("active", active, (*inputs.ENERGY_UNITS, *inputs.CARBON_UNITS))
    inputs.in_unit("standing", standing, (active.unit,))
    inputs.units_n("requests_n", requests_n)
    if requests_n == 0 and (tokens.input_n or tokens.output_n):
        msg = f"requests_n must be above 0 where tokens are counted ({tokens.input_n!r} in, {tokens.output_n!r} out)"
        raise ValueError(msg)
    if requests_n == 0:
        idle = Parts(exactly(0.0, active.unit), active.plus(standing))
        return ServingFigures(idle, key, None, None, None, NO_REQUESTS)
    parts = Parts(active, standing)
    per_request = parts.scaled(1.0 / requests_n, f"{active.unit} per request")
    weighed = key.input_weight * tokens.input_n + key.output_weight * tokens.output_n
    if weighed == 0:
        reason = NO_WEIGHT if tokens.input_n or tokens.output_n else NO_TOKENS
        return ServingFigures(parts, key, per_request, None, None, reason)
    per_input = parts.scaled(key.input_weight / weighed * PER_TOKENS_N, f"{active.unit} per 1,000 input tokens")
    per_output = parts.scaled(key.output_weight / weighed * PER_TOKENS_N, f"{active.unit} per 1,000 output tokens")
    is_whole = bool(tokens.input_n and tokens.output_n)
    return ServingFigures(
        parts,
        key,
        per_request,
        per_input if tokens.input_n else None,
        per_output if tokens.output_n else None,
        "" if is_whole else NO_TOKENS,
    )


def shares(requests: Sequence[Tokens], key: TokenKey) -> list[float]:
    """Give each request's share of a total by its weighed tokens [1]; the shares add up to 1.

    Multiply active and standing of the period by it: over all requests both come back whole.

    Args:
        requests: tokens of each request.
        key: how tokens are weighed.

    Raises:
        ValueError: if there is no request, or the key gives none of them any weight.

    Reference: docs/models/products.md, per request and token.
    """
    weights = [key.input_weight * one.input_n + key.output_weight * one.output_n for one in requests]
    weighed = fsum(weights)
    if weighed == 0:
        msg = f"requests must have tokens that the key {key.name!r} weighs above 0, not {len(weights)} without any"
        raise ValueError(msg)
    return [weight / weighed for weight in weights]
