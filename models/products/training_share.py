"""Training spread over what a model version serves: an analyst's view, never part of a reported total.

Four policies. ``none``: training stays with training, as SCI for AI wants it. ``cumulative``: training over what was
served so far, restated with each period. ``expected``: training over the units that a forecast promised. ``window``: a
straight line over a stated service life in days.

What belongs here: the charge of each period and its closure. What must not be here: what training took, and lineage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum

from models import bounds
from models.estimate import Estimate
from models.products import inputs

NONE, CUMULATIVE, EXPECTED, WINDOW = "none", "cumulative", "expected", "window"
POLICIES = (NONE, CUMULATIVE, EXPECTED, WINDOW)
"""Named policies of a training charge."""
COLUMNS = ("low", "central", "high")
"""The three ledgers of an estimate; each closes by itself."""
ROUNDING = 1e-12
"""Gap between the charges and the whole that is rounding [1]; a thousand periods of doubles leave about 1e-13."""
MIN_DAYS = 1e-6
"""Shortest service life taken [days], about a tenth of a second; it keeps a rate finite."""


@dataclass(frozen=True, slots=True)
class Service:
    """One period of a model version in service.

    Attributes:
        days: length [days], above 0.
        units_n: requests or tokens served in it [1], one kind throughout.
        expected_units_n: forecast of all units over the whole service life as it stood in this period [1]; None where
            it is the one before. A new forecast spreads the balance only: what was charged stays.
    """

    days: float
    units_n: float
    expected_units_n: float | None = None

    def __post_init__(self) -> None:
        """Refuse a period without length and counts that are negative or not finite."""
        bounds.positive("days", self.days, inputs.MAX_DAYS, "days")
        inputs.units_n("units_n", self.units_n)
        if self.expected_units_n is not None:
            bounds.positive("expected_units_n", self.expected_units_n, inputs.MAX_UNITS_N, "1")


@dataclass(frozen=True, slots=True)
class Charge:
    """What one period carries of the training.

    Attributes:
        charged: this period's charge [unit of the training].
        per_unit: the charge per unit served in it, None where nothing was served or the policy charges nothing.
    """

    charged: Estimate
    per_unit: Estimate | None


@dataclass(frozen=True, slots=True)
class TrainingLedger:
    """The training of one model version and where it went.

    ``charged + remaining + written_off - over_absorbed = total``, in each of low, central and high.

    Attributes:
        policy: one of ``POLICIES``.
        total: the training.
        charges: of each period, in the order given.
        charged: all charges together.
        remaining: not yet charged; with ``none``, all of it, for good.
        written_off: what a retired version had not absorbed.
        over_absorbed: charged beyond the training, where more was served than the forecast said.
    """

    policy: str
    total: Estimate
    charges: tuple[Charge, ...]
    charged: Estimate
    remaining: Estimate
    written_off: Estimate
    over_absorbed: Estimate

    def closure_error(self) -> float:
        """Give the greatest gap of the identity over low, central and high, relative to the total [1]."""
        return max(self._gap(column) for column in COLUMNS)

    def _gap(self, column: str) -> float:
        """Give the relative gap of one ledger [1]."""
        total = float(getattr(self.total, column))
        parts = [getattr(part, column) for part in (self.remaining, self.written_off, self.charged)]
        gap = fsum([*parts, -getattr(self.over_absorbed, column), -total])
        return abs(gap) / total if total else abs(gap)


def training_ledger(
    policy: str,
    training: Estimate,
    service: Sequence[Service],
    *,
    window_days: float | None = None,
    is_retired: bool = False,
) -> TrainingLedger:
    """Give the ledger of one training under a policy.

    Args:
        policy: one of ``POLICIES``.
        training: energy [kWh] or emissions [kgCO2e and the like] of the training.
        service: periods of service in order, without a gap in the window; none before the first.
        window_days: planned service life [days]; needed by ``window``, refused by the others.
        is_retired: whether the version left service; then a balance is written off.

    Raises:
        ValueError: if the policy is not known, what it needs is missing, or the training is not of energy or emissions
            or is negative.

    Reference: docs/models/products.md, training over inference.
    """
    bounds.known("policy", policy, POLICIES)
    bounds.known("unit of the training", training.unit, (*inputs.ENERGY_UNITS, *inputs.CARBON_UNITS))
    bounds.number("training.low", training.low, 0.0, bounds.MAX_TOTAL_KGCO2E * 1_000.0, training.unit)
    fractions = _fractions(policy, service, window_days)
    charged = fsum(fractions)
    if abs(charged - 1.0) <= ROUNDING:
        charged = 1.0  # else a balance of the last digit would remain for good
    open_fraction = max(1.0 - charged, 0.0)
    is_written_off = is_retired and policy != NONE
    return TrainingLedger(
        policy,
        training,
        tuple(_charge(training, fraction, one) for fraction, one in zip(fractions, service, strict=True)),
        training.scaled(charged),
        training.scaled(0.0 if is_written_off else open_fraction),
        training.scaled(open_fraction if is_written_off else 0.0),
        training.scaled(max(charged - 1.0, 0.0)),
    )


def _charge(training: Estimate, fraction: float, one: Service) -> Charge:
    """Give the charge of one period from its share of the training [1]."""
    per_unit = training.scaled(fraction / one.units_n) if one.units_n and fraction else None
    return Charge(training.scaled(fraction), per_unit)


def _fractions(policy: str, service: Sequence[Service], window_days: float | None) -> list[float]:
    """Give each period's share of the training [1] under a policy."""
    if policy == WINDOW:
        if window_days is None:
            msg = f"window_days must be given for the policy {WINDOW!r}, in (0, {inputs.MAX_DAYS}] days, not None"
            raise ValueError(msg)
        return _window(service, bounds.number("window_days", window_days, MIN_DAYS, inputs.MAX_DAYS, "days"))
    if window_days is not None:
        msg = f"window_days belongs to the policy {WINDOW!r} only; leave it out for {policy!r}, not {window_days!r}"
        raise ValueError(msg)
    simple: dict[str, Callable[[Sequence[Service]], list[float]]] = {
        NONE: lambda periods: [0.0] * len(periods),
        CUMULATIVE: _cumulative,
        EXPECTED: _expected,
    }
    return simple[policy](service)


def _cumulative(service: Sequence[Service]) -> list[float]:
    """Give each period's share of all units so far [1]; nothing where nothing was served."""
    served = fsum(one.units_n for one in service)
    return [one.units_n / served if served else 0.0 for one in service]


def _expected(service: Sequence[Service]) -> list[float]:
    """Give each period's units times the rate of the forecast that held [1]."""
    rate: float | None = None
    served = charged = 0.0
    found = []
    for at, one in enumerate(service):
        if one.expected_units_n is not None:
            rate = _rate(one.expected_units_n, served, charged, at)
        if rate is None:
            msg = f"expected_units_n of service[0] must be given for the policy {EXPECTED!r}, above 0, not None"
            raise ValueError(msg)
        found.append(one.units_n * rate)
        served += one.units_n
        charged += found[-1]
    return found


def _rate(expected_units_n: float, served: float, charged: float, at: int) -> float:
    """Give the share of the training per unit [1] that spreads the balance over the units still expected."""
    if charged >= 1:
        return 0.0
    if expected_units_n <= served:
        least = f"above the {served:g} units served before"
        msg = f"expected_units_n of service[{at}] must be {least}, not {expected_units_n!r}"
        raise ValueError(msg)
    return (1.0 - charged) / (expected_units_n - served)


def _window(service: Sequence[Service], window_days: float) -> list[float]:
    """Give each period's share of the window [1]; nothing past its end."""
    found, passed = [], 0.0
    for one in service:
        end = min(passed + one.days, window_days)
        found.append(max(end - passed, 0.0) / window_days)
        passed += one.days
    return found
