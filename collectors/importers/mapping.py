"""Mapping files: TOML that says how columns of a CSV or Parquet file become a landing table.

What belongs here: reading and checking of a mapping without its source; ``docs/import-table.md`` explains every key to
users. What must not be here: source files and rows.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

from ..contract import TABLES, LandingTable
from .errors import MappingError, Where
from .grammar import parse_conditions, parse_join, parse_value
from .reading import Section, checked, positive_ms, scalar
from .spec import Aggregate, Assumption, CsvOptions, Expand, Mapping, TableSpec, Value

FORMAT = 1
"""Version of the mapping format; a file states it as ``format = 1``."""

ASSUMED_ONLY = ("org", "team", "project", "user_ref", "provider", "region", "facility")
"""Columns that place a job in an organisation: a fixed value or default for one of them needs a reason."""

_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$")
_TABLE_KEYS = ("landing", "file", "use", "columns", "labels", "where", "join", "expand", "aggregate", "nulls", "csv")
_BUILT = ("sample_time", "bucket_start", "bucket_end", "bucket_count")


def shipped_mappings() -> dict[str, Path]:
    """Return the mappings that come with the program: name -> file."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "maps").glob("*.toml"))}


def load_mapping(mapping: Path | str) -> Mapping:
    """Read and check a mapping.

    Args:
        mapping: name of a shipped mapping, or path of a mapping file.

    Returns:
        The mapping; only its fit to a source is still unknown.

    Raises:
        MappingError: if there is no such mapping, or anything in it is wrong.
    """
    shipped = shipped_mappings()
    path = shipped.get(str(mapping)) or Path(mapping)
    try:
        content = path.read_bytes()
    except OSError as error:
        known = ", ".join(shipped)
        msg = f"cannot be read ({error.strerror}); give a file or one of the shipped mappings: {known}"
        raise MappingError(str(mapping), None, None, msg) from error
    where = Where(path.name)
    try:
        data = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        where.fail(f"is not valid TOML: {error}")
    return _parse(where, path, content, data)


def _parse(where: Where, path: Path, content: bytes, data: dict[str, Any]) -> Mapping:
    top = Section.of(where, data, ("format", "name", "title", "constants", "assumptions", "shared", "table"))
    version = top.need("format", int)
    if version != FORMAT:
        where.at("format").fail(f"{version} is not known; this program reads format {FORMAT}")
    name = top.need("name", str)
    if not _NAME.match(name):
        where.at("name").fail(f"{name!r} must be 1 to 48 of a-z, 0-9 and -")
    spelled = top.get("constants", dict) or {}
    constants = {key: _assumption(where.at("constants").at(key), value) for key, value in spelled.items()}
    assumptions = {
        key: checked(where.at("assumptions").at(key), value, str)
        for key, value in (top.get("assumptions", dict) or {}).items()
    }
    shared = top.get("shared", dict) or {}
    entries = top.tables("table")
    if not entries:
        where.at("table").fail("there is no [[table]]; a mapping needs at least one")
    tables = tuple(
        _table(Where(where.mapping, _entry_name(number, entry)), entry, constants, shared)
        for number, entry in enumerate(entries, start=1)
    )
    _refuse_unused(where, constants, tables)
    return Mapping(name, top.get("title", str, "") or "", path, content, constants, assumptions, tables)


def _entry_name(number: int, entry: object) -> str:
    landing = entry.get("landing") if isinstance(entry, dict) else None
    return f"table {number} ({landing})" if isinstance(landing, str) else f"table {number}"


def _assumption(where: Where, data: object) -> Assumption:
    section = Section.of(where, data, ("value", "reason"))
    reason = section.need("reason", str)
    if not reason.strip():
        where.at("reason").fail("must say why this value is taken; it is not in the data")
    if "value" not in section.data:
        where.fail("value is missing")
    return Assumption(scalar(where.at("value"), section.data["value"]), reason)


def _refuse_unused(where: Where, constants: dict[str, Assumption], tables: tuple[TableSpec, ...]) -> None:
    used = {name for table in tables for name in assumed_names(table)}
    for name in constants:
        if name not in used:
            where.at("constants").at(name).fail(f'is not used; refer to it as {{ assumed = "{name}" }}')


def assumed_names(table: TableSpec) -> list[str]:
    """Return the names of what an entry takes without finding it in the data, sorted."""
    values = [*table.targets.values(), *table.labels.values()]
    values += [table.expand.start, table.expand.end] if table.expand else []
    values += [table.aggregate.time] if table.aggregate else []
    names = {value.assumption[0] for value in values if value.assumption}
    return sorted(names | {name for value in values if value.time for name in value.time.assumed})


def _table(where: Where, data: object, constants: dict[str, Assumption], shared: dict[str, Any]) -> TableSpec:
    section = Section.of(where, data, _TABLE_KEYS)
    name = section.need("landing", str)
    landing = TABLES.get(name)
    if landing is None:
        where.at("landing").fail(f"{name!r} is no landing table; there are {', '.join(TABLES)}")
    targets = {
        target: _target(where.at("columns").at(target), landing, target, value, constants)
        for target, value in _merged(section, shared).items()
    }
    _check_complete(where.at("columns"), landing, targets)
    labels = {
        label: parse_value(where.at("labels").at(label), value, constants)
        for label, value in (section.get("labels", dict) or {}).items()
    }
    if labels and "labels" not in [column.name for column in landing.columns]:
        where.at("labels").fail(f"{name} has no labels")
    spec = TableSpec(
        where=where,
        landing=landing,
        file=_file(where.at("file"), section.get("file", str)),
        targets=targets,
        labels=labels,
        conditions=parse_conditions(where.at("where"), section.tables("where")),
        joins=tuple(
            parse_join(where.at(f"join[{n}]"), item, _file) for n, item in enumerate(section.tables("join"), start=1)
        ),
        expand=_expand(where.at("expand"), section.data.get("expand"), constants),
        aggregate=_aggregate(where.at("aggregate"), section.data.get("aggregate"), constants),
        nulls=section.texts("nulls", ("",)),
        csv=_csv(where.at("csv"), section.data.get("csv", {})),
    )
    _check_built(spec)
    return spec


def _merged(section: Section, shared: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of the entry, on top of the shared sets that it uses."""
    merged: dict[str, Any] = {}
    for name in section.texts("use"):
        if not isinstance(shared.get(name), dict):
            known = ", ".join(shared) or "none"
            section.where.at("use").fail(f"there is no [shared.{name}]; there are: {known}")
        merged |= shared[name]
    return merged | section.need("columns", dict)


def _target(where: Where, landing: LandingTable, target: str, data: object, constants: dict[str, Assumption]) -> Value:
    names = [column.name for column in landing.columns if column.name != "labels"]
    if target not in names:
        hint = "; labels have a table of their own, [table.labels]" if target == "labels" else ""
        where.fail(f"{landing.name} has no column {target!r}; it has {', '.join(names)}{hint}")
    value = parse_value(where, data, constants, landing.column(target))
    fixed = value.constant is not None or value.default is not None or value.otherwise is not None
    if landing.name == "job_event" and target in ASSUMED_ONLY and fixed and value.assumption is None:
        hint = f'put it into [constants] with a reason and write {{ assumed = "{target}" }}, or add reason = "..." here'
        where.fail(f"a fixed {target} is not in the data; {hint}")
    return value


def _check_complete(where: Where, landing: LandingTable, targets: dict[str, Value]) -> None:
    missing = [column.name for column in landing.columns if not column.nullable and column.name not in targets]
    if missing:
        where.fail(f"{landing.name} needs {', '.join(missing)} as well")


def _file(where: Where, name: str | None) -> str | None:
    if name is None:
        return None
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name:
        where.fail(f"{name!r} must be a path below the imported folder, without ..")
    return name


def _expand(where: Where, data: object, constants: dict[str, Assumption]) -> Expand | None:
    if data is None:
        return None
    section = Section.of(where, data, ("start", "end", "every_s"))
    moments = [_moment(where.at(key), section, key, constants) for key in ("start", "end")]
    return Expand(moments[0], moments[1], positive_ms(where.at("every_s"), section.data.get("every_s")))


def _aggregate(where: Where, data: object, constants: dict[str, Assumption]) -> Aggregate | None:
    if data is None:
        return None
    section = Section.of(where, data, ("time", "every_s", "by", "sums"))
    every_ms = positive_ms(where.at("every_s"), section.data.get("every_s"))
    time = _moment(where.at("time"), section, "time", constants)
    return Aggregate(where, time, every_ms, section.texts("by"), section.texts("sums"))


def _moment(where: Where, section: Section, key: str, constants: dict[str, Assumption]) -> Value:
    value = parse_value(where, section.need(key, dict), constants)
    if value.time is None or not value.column:
        where.fail("must be a column with time = { ... }")
    return value


def _csv(where: Where, data: object) -> CsvOptions:
    section = Section.of(where, data, ("delimiter", "encoding", "decimal", "skip_rows"))
    default = CsvOptions()
    options = CsvOptions(
        section.get("delimiter", str) or default.delimiter,
        section.get("encoding", str) or default.encoding,
        section.get("decimal", str) or default.decimal,
        section.get("skip_rows", int) or default.skip_rows,
    )
    if len(options.delimiter.encode()) != 1:
        where.at("delimiter").fail(f"{options.delimiter!r} must be one character")
    if options.decimal not in (".", ","):
        where.at("decimal").fail(f"{options.decimal!r} must be . or ,")
    try:
        "".encode(options.encoding)
    except LookupError:
        where.at("encoding").fail(f"unknown encoding {options.encoding!r}")
    return options


def _check_built(spec: TableSpec) -> None:
    """Check expand and aggregate against the rest of the entry."""
    if spec.expand and spec.aggregate:
        spec.where.fail("expand and aggregate exclude each other")
    estimate = spec.targets.get("is_estimate")
    if spec.expand and spec.landing.name == "power_sample" and (estimate is None or estimate.constant is not True):
        msg = "samples made from a constant are estimates: write is_estimate = { constant = true }"
        spec.where.at("columns.is_estimate").fail(msg)
    if spec.aggregate:
        known = {*spec.aggregate.by, *spec.aggregate.sums, *_BUILT[1:]}
        for target, value in (*spec.targets.items(), *spec.labels.items()):
            for name in sorted(value.columns() - known):
                msg = f"{name!r} does not outlive the aggregation; there are {', '.join(sorted(known))}"
                spec.where.at("columns").at(target).fail(msg)
