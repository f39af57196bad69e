"""What the columns of each provider's carbon export mean.

What belongs here: how each export is recognised, its subject, period, scope, method and unit. What must not be here:
files; any energy or emission that the export does not state.

Reference: AWS, Data Exports, "Carbon emissions columns", and Sustainability API, GetEstimatedCarbonEmissions; Google
Cloud, "Carbon Footprint export data schema"; Azure, Carbon Optimization API 2025-04-01; Cloud Carbon Footprint,
packages/common/src/EstimationResult.ts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from ...errors import (
    MISSING_VALUE,
    OUT_OF_RANGE,
    UNKNOWN_VALUE,
    UNPARSEABLE_NUMBER,
    UNPARSEABLE_TIME,
    RefusedError,
    SourceError,
)
from ...format import Options
from ..shared.stated import UNKNOWN, Statement

UNSPECIFIED = "unspecified"
"""Method where the provider does not split by method."""
LOCATION, MARKET = "location_based", "market_based"
_METHODS = {"lbm": LOCATION, "mbm": MARKET, None: UNSPECIFIED}
_EMISSIONS, _ENERGY, _WATER = "emissions", "energy", "water"
_KG_PER_UNIT = {
    # Metric tonnes, not megatonnes: the only unit that AWS writes.
    "mtco2e": Decimal(1000),
    "tco2e": Decimal(1000),
    "kgco2e": Decimal(1),
    "gco2e": Decimal("0.001"),
}
_AWS_TABLE = re.compile(r"total_(?:scope_(\d)_)?(?:(lbm|mbm)_)?emissions_value\Z")
_AWS_API = re.compile(r"emissionsvalues_total_(?:scope_(\d)_)?(?:(lbm|mbm)_)?carbon_emissions(?:_value)?\Z")
_GOOGLE = {
    "carbon_footprint_kgco2e_scope1": ("scope1", UNSPECIFIED),
    "carbon_footprint_kgco2e_scope2_location_based": ("scope2", LOCATION),
    "carbon_footprint_kgco2e_scope2_market_based": ("scope2", MARKET),
    "carbon_footprint_kgco2e_scope3": ("scope3", UNSPECIFIED),
    "carbon_footprint_total_kgco2e_location_based": ("total", LOCATION),
    "carbon_footprint_total_kgco2e_market_based": ("total", MARKET),
}
OFFSETS = ("carbon_footprint_total_kgco2e_after_offsets", "carbon_offsets_kgco2e")
_CCF_STEPS = {"day": (0, 1), "week": (0, 7), "month": (1, 0), "quarter": (3, 0), "year": (12, 0)}
_AZURE_KINDS = {"subscription": "account", "resourcegroup": "project"}


class Cells:
    """The cells of a row, with the checks that every export needs."""

    def __init__(self, cells: dict[str, Any]) -> None:
        """Take the cells.

        Args:
            cells: value by column.
        """
        self.all = cells

    def text(self, *names: str) -> str | None:
        """Return the first of the columns that has a value, as text."""
        return next((str(self.all[name]).strip() for name in names if name in self.all), None)

    def need(self, name: str) -> str:
        """Return a required column as text.

        Raises:
            RefusedError: if it is missing.
        """
        text = self.text(name)
        if text is None:
            raise RefusedError(MISSING_VALUE, f"{name} is missing")
        return text

    def number(self, name: str, factor: Decimal = Decimal(1)) -> float:
        """Return a column times an exact factor, rounded once.

        Raises:
            RefusedError: if it is no finite number.
        """
        text = str(self.all[name]).strip()
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or "_" in text:
            raise RefusedError(UNPARSEABLE_NUMBER, f"{name}: {text!r} is no number")
        return float(value * factor)

    def moment(self, name: str) -> datetime:
        """Return a column as a time in UTC; one without a zone is in UTC, as all these exports are.

        Raises:
            RefusedError: if it is missing or no time.
        """
        value = self.all.get(name)
        try:
            if isinstance(value, datetime):
                moment = value
            elif isinstance(value, date):
                moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
            elif isinstance(value, int | Decimal):
                moment = datetime.fromtimestamp(float(value), UTC)
            else:
                text = self.need(name).removesuffix(" UTC")
                moment = datetime.fromisoformat(f"{text}-01" if re.fullmatch(r"\d{4}-\d{2}", text) else text)
        except (ValueError, OverflowError, OSError) as error:
            if isinstance(error, RefusedError):
                raise
            raise RefusedError(UNPARSEABLE_TIME, f"{name}: {value!r} is no time") from error
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)

    def month(self, name: str) -> datetime:
        """Return the start of a month.

        Raises:
            RefusedError: if the column is not the start of a month.
        """
        moment = self.moment(name)
        if (moment.day, moment.hour, moment.minute, moment.second) != (1, 0, 0, 0):
            raise RefusedError(OUT_OF_RANGE, f"{name} {moment.isoformat()} is not the start of a month")
        return moment


class Figure(NamedTuple):
    """One figure that a row states.

    Attributes:
        row: row of ``stated_figure``.
        refreshed: when the provider worked it out, as text that sorts; empty if it does not tell.
    """

    row: dict[str, Any]
    refreshed: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """One export.

    Attributes:
        name: provider and export, for messages.
        needed: columns that it must have.
        one_of: pattern of columns of which it must have one.
        figures: yields the figures of a row.
    """

    name: str
    needed: tuple[str, ...]
    one_of: re.Pattern[str]
    figures: Callable[[Cells, Options], Iterator[Figure]]

    def missing(self, columns: set[str]) -> list[str]:
        """Return the columns that are missing for this export, empty if it is one.

        Args:
            columns: columns of the file.
        """
        found = [name for name in self.needed if name not in columns]
        if not any(self.one_of.match(name) for name in columns):
            found.append(self.one_of.pattern.removesuffix(r"\Z"))
        return found


def after_months(moment: datetime, months: int) -> datetime:
    """Return the start of a month a number of months later.

    Args:
        moment: start of a month.
        months: how many.
    """
    index = moment.year * 12 + moment.month - 1 + months
    return moment.replace(year=index // 12, month=index % 12 + 1)


def _row(statement: Statement, quantity: str, value: float, unit: str, **more: str | None) -> dict[str, Any]:
    return {**statement.figure(quantity, value, unit), **more}


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _subject(*parts: str | None) -> str:
    return "/".join(part or "-" for part in parts)


def _labels(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _kg(cells: Cells, name: str, unit: str | None) -> float:
    factor = _KG_PER_UNIT.get((unit or "").lower())
    if factor is None:
        reason = UNKNOWN_VALUE if unit else MISSING_VALUE
        raise RefusedError(reason, f"{name}: unit {unit!r} is none of MTCO2e, tCO2e, kgCO2e, gCO2e")
    return cells.number(name, factor)


def _aws_table(cells: Cells, _options: Options) -> Iterator[Figure]:
    start = cells.month("usage_period_start")
    end = cells.moment("usage_period_end")
    # The end is written as the last day, the last second or the next month; all mean the end of a month.
    end = end if end == end.replace(day=1, hour=0, minute=0, second=0, microsecond=0) else _next_month(end)
    if end <= start:
        raise RefusedError(OUT_OF_RANGE, f"usage_period_end {end.isoformat()} is not after {start.isoformat()}")
    account, region, product = cells.text("usage_account_id"), cells.text("region_code"), cells.text("product_code")
    for name in cells.all:
        match = _AWS_TABLE.match(name)
        if match is None:
            continue
        unit = cells.text(f"{name.removesuffix('_value')}_unit")
        statement = Statement(
            "aws",
            _METHODS[match[2]],
            "account",
            _subject(account, region or cells.text("location"), product),
            _ms(start),
            _ms(end),
            cells.need("model_version"),
            provider="aws",
            region=region,
            labels=_labels(
                account=account, payer_account=cells.text("payer_account_id"), location=cells.text("location")
            ),
        )
        scope = f"scope{match[1]}" if match[1] else "total"
        row = _row(statement, _EMISSIONS, _kg(cells, name, unit), "kgCO2e", scope=scope, service=product)
        yield Figure(row, cells.text("last_refresh_timestamp") or "")


def _next_month(moment: datetime) -> datetime:
    return after_months(moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0), 1)


def _aws_api(cells: Cells, _options: Options) -> Iterator[Figure]:
    start, end = cells.month("timeperiod_start"), cells.month("timeperiod_end")
    prefix = "dimensionsvalues_"
    account, region = cells.text(f"{prefix}usage_account_id"), cells.text(f"{prefix}region")
    service = cells.text(f"{prefix}service")
    statements = {
        method: Statement(
            "aws",
            method,
            "account" if account else "organisation",
            _subject(account, region, service),
            _ms(start),
            _ms(end),
            cells.need("modelversion"),
            provider="aws",
            region=region,
            labels=_labels(account=account),
        )
        for method in _METHODS.values()
    }
    for name in cells.all:
        match = _AWS_API.match(name)
        if match:
            unit = cells.text(f"{name.removesuffix('_value')}_unit") or "MTCO2e"
            scope = f"scope{match[1]}" if match[1] else "total"
            value = _kg(cells, name, unit)
            yield Figure(
                _row(statements[_METHODS[match[2]]], _EMISSIONS, value, "kgCO2e", scope=scope, service=service)
            )


def _google(cells: Cells, _options: Options) -> Iterator[Figure]:
    start = cells.month("usage_month")
    billing, number = cells.text("billing_account_id"), cells.text("project_number")
    project = cells.text("project_id") or number
    region, place = cells.text("location_region"), cells.text("location_location")
    service_id, service = cells.text("service_id"), cells.text("service_description")
    for name, (scope, method) in _GOOGLE.items():
        if name not in cells.all:
            continue
        statement = Statement(
            "google_cloud",
            method,
            "project" if project else "account",
            _subject(billing, project, service_id or service, place or region),
            _ms(start),
            _ms(after_months(start, 1)),
            cells.need("carbon_model_version"),
            provider="gcp",
            region=region,
            labels=_labels(billing_account=billing, project_number=number, service_id=service_id, location=place),
        )
        yield Figure(_row(statement, _EMISSIONS, cells.number(name), "kgCO2e", scope=scope, service=service))


def _azure(cells: Cells, options: Options) -> Iterator[Figure]:
    if "date" not in cells.all and "month" not in options:
        raise SourceError(None, "the rows name no month: state the month of the query by --month YYYY-MM")
    start = cells.month("date") if "date" in cells.all else Cells({"--month": options["month"]}).month("--month")
    category, item = cells.text("categorytype"), cells.text("itemname")
    subscription, group = cells.text("subscriptionid"), cells.text("resourcegroup")
    if item is None and "account" not in options:
        raise SourceError(None, "the rows are a summary and name no account: say by --account whom they speak of")
    parts = (subscription, group, item) if subscription else (category, item) if item else (options["account"],)
    name = "latestmonthemissions"
    if name not in cells.all:
        return
    statement = Statement(
        "azure",
        UNSPECIFIED,
        _AZURE_KINDS.get((category or "").lower(), "account"),
        _subject(*parts),
        _ms(start),
        _ms(after_months(start, 1)),
        UNKNOWN,
        provider="azure",
        region=cells.text("location") or (item if category == "Location" else None),
        labels=_labels(category=category, data_type=cells.text("datatype"), account=options.get("account")),
    )
    service = cells.text("resourcetype") or (item if category == "ResourceType" else None)
    scope = options.get("azure_scope")
    yield Figure(_row(statement, _EMISSIONS, cells.number(name), "kgCO2e", scope=scope, service=service))


def _ccf(cells: Cells, _options: Options) -> Iterator[Figure]:
    start = cells.moment("timestamp" if "timestamp" in cells.all else "periodstartdate")
    start = start.replace(hour=0, minute=0, second=0, microsecond=0)
    group = cells.text("groupby") or ""
    if group not in _CCF_STEPS:
        raise RefusedError(UNKNOWN_VALUE, f"groupBy {group!r} is none of {', '.join(_CCF_STEPS)}")
    months, days = _CCF_STEPS[group]
    end = after_months(start, months) + timedelta(days=days) if start.day == 1 or not months else None
    if end is None:
        raise RefusedError(OUT_OF_RANGE, f"timestamp {start.isoformat()} is not the start of a {group}")
    account, region = cells.text("accountid", "accountname"), cells.text("region")
    service = cells.text("servicename")
    tags = {name: str(value) for name, value in sorted(cells.all.items()) if name.startswith("tags_")}
    statement = Statement(
        "cloud_carbon_footprint",
        LOCATION,
        "account",
        _subject(account, region, service, *(f"{name}={value}" for name, value in tags.items())),
        _ms(start),
        _ms(end),
        UNKNOWN,
        provider=cells.need("cloudprovider").lower(),
        region=region,
        labels=_labels(account=account, uses_average_cpu=cells.text("usesaveragecpuconstant")) | tags,
    )
    if "co2e" in cells.all:
        value = cells.number("co2e", _KG_PER_UNIT["tco2e"])
        yield Figure(_row(statement, _EMISSIONS, value, "kgCO2e", scope=None, service=service))
    if "kilowatthours" in cells.all:
        yield Figure(_row(statement, _ENERGY, cells.number("kilowatthours"), "kWh", scope=None, service=service))


SHAPES = (
    Shape("AWS Data Exports", ("usage_period_start", "usage_period_end", "model_version"), _AWS_TABLE, _aws_table),
    Shape("AWS Sustainability API", ("timeperiod_start", "timeperiod_end", "modelversion"), _AWS_API, _aws_api),
    Shape(
        "Google Cloud Carbon Footprint",
        ("usage_month", "carbon_model_version"),
        re.compile(r"carbon_footprint_(?:total_)?kgco2e_\w+\Z"),
        _google,
    ),
    Shape("Azure Carbon Optimization", (), re.compile(r"latestmonthemissions\Z"), _azure),
    Shape("Cloud Carbon Footprint", ("cloudprovider", "groupby"), re.compile(r"co2e\Z"), _ccf),
)
