"""How one value, one condition and one join of a mapping are written.

What belongs here: the grammar of ``columns``, ``where`` and ``join`` entries. What must not be here: whole tables (see
``mapping``), rows.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ..contract import Column
from .errors import Where
from .reading import Section, checked, scalar
from .spec import Assumption, Condition, Join, Scalar, TimeSpec, Value
from .times import check_format, check_zone
from .units import UnitError, factor

_FROM = ("column", "constant", "assumed", "template", "product")
_VALUE_KEYS = (*_FROM, "unit", "time", "values", "otherwise", "default", "reason")
_TIME_KEYS = ("unit", "epoch", "format", "zone")
_ONE_VALUE = ("equals", "not_equals", "contains", "not_contains", "min", "max", "below")
_LISTS = ("in", "not_in")
_FLAGS = ("present", "absent")
_COLUMNS = ("min_column", "max_column", "below_column")
_OPS = (*_ONE_VALUE, *_LISTS, *_FLAGS, *_COLUMNS)


def is_time(column: Column) -> bool:
    """Return whether a contract column is a moment: milliseconds since the epoch."""
    return column.unit == "ms"


def parse_value(where: Where, data: object, constants: dict[str, Assumption], target: Column | None = None) -> Value:
    """Read where the values of a column come from.

    Args:
        where: place in the mapping.
        data: text (the source column) or table.
        constants: values with a reason that may be referred to.
        target: contract column, or ``None`` for a label or a moment of expand and aggregate.

    Raises:
        MappingError: if anything is wrong with it.
    """
    section = Section.of(where, {"column": data} if isinstance(data, str) else data, _VALUE_KEYS)
    given = [key for key in _FROM if key in section.data]
    if len(given) != 1:
        where.fail(f"needs exactly one of {', '.join(_FROM)}; it has {', '.join(given) or 'none'}")
    constant, assumption = _fixed(where, section, constants)
    value = Value(
        where,
        column=section.get("column", str),
        constant=constant,
        template=_template(where.at("template"), section.get("template", str)),
        product=_product(where.at("product"), section.texts("product")),
        unit=section.get("unit", str),
        time=_time(where.at("time"), section.data["time"], constants) if "time" in section.data else None,
        values=_values(where.at("values"), section.get("values", dict)),
        otherwise=section.get("otherwise", str),
        default=scalar(where.at("default"), section.data["default"]) if "default" in section.data else None,
        assumption=assumption,
    )
    if value.otherwise is not None and value.values is None:
        where.at("otherwise").fail("has no meaning without values")
    if value.time is not None and (value.values is not None or value.product):
        where.at("time").fail("does not go with values or product")
    if target is not None:
        _check_target(value, target)
    elif value.unit is not None:
        where.at("unit").fail("has no meaning here; only columns of the contract have units")
    return value


def _fixed(
    where: Where, section: Section, constants: dict[str, Assumption]
) -> tuple[Scalar | None, tuple[str, Scalar, str] | None]:
    """Return the fixed value, if any, and the assumption behind the value, if any."""
    reason = section.get("reason", str)
    if "assumed" in section.data:
        name = section.need("assumed", str)
        return _named(where.at("assumed"), constants, name).value, (name, *_pair(constants[name]))
    constant = scalar(where.at("constant"), section.data["constant"]) if "constant" in section.data else None
    if reason is None:
        return constant, None
    if not reason.strip():
        where.at("reason").fail("must say why the value may be taken so")
    name = str(where.key).rsplit(".", 1)[-1]
    origin = next(section.data[key] for key in _FROM if key in section.data)
    return constant, (name, origin if isinstance(origin, str | int | float) else str(origin), reason)


def _pair(assumption: Assumption) -> tuple[Scalar, str]:
    return assumption.value, assumption.reason


def _named(where: Where, constants: dict[str, Assumption], name: str) -> Assumption:
    if name not in constants:
        where.fail(f"there is no [constants] {name}; there are: {', '.join(constants) or 'none'}")
    return constants[name]


def _template(where: Where, text: str | None) -> tuple[tuple[str, str | None], ...]:
    if text is None:
        return ()
    try:
        parts = [(before, name, spec, conversion) for before, name, spec, conversion in string.Formatter().parse(text)]
    except ValueError as error:
        where.fail(f"{text!r} is no template: {error}")
    if any(spec or conversion or name == "" for _, name, spec, conversion in parts):
        where.fail(f"{text!r} is no template; write columns as {{name}}")
    if not any(name for _, name, _, _ in parts):
        where.fail(f"{text!r} names no column; use constant")
    return tuple((before, name) for before, name, _, _ in parts)


def _product(where: Where, names: tuple[str, ...]) -> tuple[str, str] | None:
    if not names:
        return None
    if len(names) != 2:
        where.fail(f"{list(names)!r} must name two columns")
    return names[0], names[1]


def _values(where: Where, data: dict[str, Any] | None) -> dict[str, str] | None:
    if data is None:
        return None
    return {key: checked(where.at(key), value, str) for key, value in data.items()}


def _time(where: Where, data: object, constants: dict[str, Assumption]) -> TimeSpec:
    section = Section.of(where, data, _TIME_KEYS)
    unit, form = section.get("unit", str), section.get("format", str)
    epoch, epoch_name = _maybe_assumed(section, "epoch", constants)
    zone, zone_name = _maybe_assumed(section, "zone", constants)
    if unit is not None and (form is not None or zone is not None):
        where.fail("unit is for numbers, format and zone are for texts; give one of the two")
    if epoch is not None and unit is None:
        where.at("epoch").fail("needs the unit of the numbers that count from it")
    if unit is not None:
        try:
            factor(unit, "ms")
        except UnitError as error:
            where.at("unit").fail(str(error))
    form = None if form == "iso" else form
    if zone is not None:
        check_zone(where.at("zone"), zone)
    if form is not None:
        check_format(where.at("format"), form, zone)
    assumed = tuple(name for name in (epoch_name, zone_name) if name)
    return TimeSpec(unit, _epoch_ms(where.at("epoch"), epoch), form, zone, assumed)


def _maybe_assumed(section: Section, key: str, constants: dict[str, Assumption]) -> tuple[str | None, str | None]:
    """Return a text that may be written as ``{ assumed = "name" }``, and that name."""
    data = section.data.get(key)
    if not isinstance(data, dict):
        return section.get(key, str), None
    where = section.where.at(key)
    name = Section.of(where, data, ("assumed",)).need("assumed", str)
    return checked(where, _named(where, constants, name).value, str), name


def _epoch_ms(where: Where, text: str | None) -> int:
    if text is None:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        where.fail(f"{text!r} is no ISO 8601 time")
    if moment.tzinfo is None:
        where.fail(f"{text!r} has no zone; write it as {text}Z")
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _check_target(value: Value, target: Column) -> None:
    """Check unit and time of a value against the contract column."""
    where = value.where
    if is_time(target) != (value.time is not None):
        if value.time is None:
            where.fail(
                'is a time; say how it is written, for example time = { unit = "ms" } or time = { zone = "UTC" }'
            )
        where.at("time").fail(f"{target.name} is not a time")
    if value.product and not (pa.types.is_integer(target.type) or pa.types.is_floating(target.type)):
        where.at("product").fail(f"{target.name} is not a number")
    physical = target.unit if not is_time(target) else None
    if physical is None:
        if value.unit is not None:
            where.at("unit").fail(f"{target.name} has no unit; leave {value.unit!r} out")
        return
    if value.unit is None:
        where.fail(f"unit is missing; {target.name} is landed in {physical}, say in what unit the source is")
    try:
        factor(value.unit, physical)
    except UnitError as error:
        where.at("unit").fail(str(error))


def parse_conditions(where: Where, items: list[object]) -> tuple[Condition, ...]:
    """Read the conditions of a ``where`` list.

    Raises:
        MappingError: if anything is wrong with one.
    """
    return tuple(_condition(where, f"{where.key}[{number}]", item) for number, item in enumerate(items, start=1))


def _condition(where: Where, key: str, data: object) -> Condition:
    where = Where(where.mapping, where.table, key)
    section = Section.of(where, data, ("column", *_OPS))
    ops = [op for op in _OPS if op in section.data]
    if len(ops) != 1:
        where.fail(f"needs exactly one of {', '.join(_OPS)}; it has {', '.join(ops) or 'none'}")
    op, column = ops[0], section.need("column", str)
    if op in _FLAGS:
        if section.need(op, bool) is not True:
            where.at(op).fail("must be true; use present or absent, not false")
        return Condition(where, column, op)
    if op in _COLUMNS:
        return Condition(where, column, op, other=section.need(op, str))
    raw = section.need(op, list) if op in _LISTS else [section.data[op]]
    values = [scalar(where.at(op), item) for item in raw]
    if not values:
        where.at(op).fail("must not be empty")
    numbers = [item for item in values if isinstance(item, int | float) and not isinstance(item, bool)]
    if numbers and len(numbers) != len(values):
        where.at(op).fail(f"{values!r} mixes numbers and texts")
    if op in ("min", "max", "below") and not numbers:
        where.at(op).fail(f"{values[0]!r} must be a number")
    if numbers:
        return Condition(where, column, op, numbers=tuple(Decimal(str(item)) for item in numbers))
    texts = tuple(str(item).lower() if isinstance(item, bool) else str(item) for item in values)
    return Condition(where, column, op, texts=texts)


def parse_join(where: Where, data: object, check_file: Callable[[Where, str | None], str | None]) -> Join:
    """Read one join.

    Args:
        where: place in the mapping.
        data: value read from TOML.
        check_file: check of a file name.

    Raises:
        MappingError: if anything is wrong with it.
    """
    section = Section.of(where, data, ("file", "on", "columns", "where", "pick", "order_by", "optional"))
    on = section.data.get("on")
    keys = {on: on} if isinstance(on, str) else _names(where.at("on"), on)
    columns = _names(where.at("columns"), section.data.get("columns"))
    pick, order_by = section.get("pick", str), section.get("order_by", str)
    if pick not in (None, "first", "last"):
        where.at("pick").fail(f"{pick!r} must be first or last")
    if (pick is None) != (order_by is None):
        where.fail("pick and order_by belong together")
    file = check_file(where.at("file"), section.need("file", str))
    conditions = parse_conditions(where.at("where"), section.tables("where"))
    return Join(where, str(file), keys, columns, conditions, pick, order_by, section.get("optional", bool) or False)


def _names(where: Where, data: object) -> dict[str, str]:
    """Return names here -> names there, from a list of equal names or a table."""
    if isinstance(data, list) and data:
        return {checked(where, name, str): name for name in data}
    if not isinstance(data, dict) or not data:
        where.fail(f"{data!r} must be a list of columns, or a table of new name = column")
    return {name: checked(where.at(name), other, str) for name, other in data.items()}
