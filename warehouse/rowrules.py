"""Rules for single rows of a landed file, as one SQL expression per table made from the landing contract.

What belongs here: what makes a row unacceptable. What must not be here: what happens to it (``ingest``).
"""

from __future__ import annotations

from collectors.contract import Column, LandingTable

# Without the time of judging: the same file gives the same text whenever it is taken in.
_LATER = "'time is ' || {time} || ' ms, later than the clock here and its tolerance allow'"

RANGES = {"feed_pull": ("from_ms", "to_ms")}
"""Start and end of a range that a row speaks of by table, where the time of the row itself is another one."""


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _column_rules(column: Column) -> list[tuple[str, str, str]]:
    name = f'"{column.name}"'
    rules = []
    if not column.nullable:
        rules.append((f"{name} IS NULL", "null_value", _literal(f"{column.name} must have a value")))
    unit = f" {column.unit}" if column.unit else ""
    bounds = []
    if column.minimum is not None:
        bounds.append(f"{name} < {column.minimum}")
    if column.maximum is not None:
        bounds.append(f"{name} > {column.maximum}")
    if str(column.type) == "double":
        bounds.append(f"NOT isfinite({name})")
    if bounds:
        low = "" if column.minimum is None else f"{column.minimum}"
        high = "" if column.maximum is None else f"{column.maximum}"
        text = f"{_literal(column.name + ' is ')} || {name} || {_literal(f'{unit}; allowed: {low} to {high}{unit}')}"
        rules.append((" OR ".join(bounds), "out_of_range", text))
    if column.allowed:
        values = ", ".join(_literal(value) for value in column.allowed)
        text = f"{_literal(column.name + ' is ')} || {name} || {_literal('; allowed: ' + ', '.join(column.allowed))}"
        rules.append((f"{name} NOT IN ({values})", "unknown_value", text))
    return rules


def _text_rules(table: LandingTable) -> list[tuple[str, str, str]]:
    """Return the rule that no text holds a NUL: catalogs end a text there."""
    texts = [
        column.name for column in table.columns if str(column.type) == "string" or str(column.type).startswith("map")
    ]
    tests = [f'contains(CAST("{name}" AS VARCHAR), chr(0))' for name in texts]
    named = " ".join(f"WHEN {test} THEN {_literal(name)}" for test, name in zip(tests, texts, strict=True))
    return [(" OR ".join(tests), "unsafe_text", f"(CASE {named} END) || ' holds a NUL character'")] if texts else []


def _table_rules(table: LandingTable) -> list[tuple[str, str, str]]:
    rules = []
    if table.name == "power_sample":
        rules.append(
            (
                "kind = 'node' AND power_mw <= 0",
                "non_positive_power",
                "'node power is ' || power_mw || ' mW; a running node draws more than 0'",
            )
        )
        rules.append(
            (
                "power_mw IS NULL AND energy_mj IS NULL AND gap_reason IS NULL",
                "no_value",
                "'neither power_mw nor energy_mj nor gap_reason is set'",
            )
        )
    if table.name == "cloud_region_factor":
        # As for what is shipped (``models.regions``).
        detail = "'PUE is ' || value || '; allowed: 1 to 3'"
        rules.append(("metric = 'pue' AND (value < 1 OR value > 3)", "pue_out_of_range", detail))
    interval = (table.time_column, table.end_column) if table.end_column is not None else RANGES.get(table.name)
    if interval is not None:
        start, end = (f'"{name}"' for name in interval)
        rules.append((f"{end} < {start}", "end_before_start", f"'ends at ' || {end} || ', before ' || {start}"))
    return rules


def rule_expressions(table: LandingTable) -> tuple[str, str]:
    """Return two SQL expressions over a landed table: the reason a row is refused, and the detail.

    Args:
        table: the landing table; ``$latest_ms`` must be bound to the latest acceptable time [epoch ms].

    Returns:
        Expressions that are NULL for an acceptable row. The first rule that fails gives the reason.
    """
    rules = _text_rules(table)
    rules += _table_rules(table)[:1] if table.name == "power_sample" else []
    for column in table.columns:
        rules.extend(_column_rules(column))
    time = f'"{table.time_column}"'
    rules.append((f"{time} > $latest_ms", "future_time", _LATER.format(time=time)))
    rules.extend(rule for rule in _table_rules(table) if rule not in rules)
    reason = "CASE " + " ".join(f"WHEN {test} THEN {_literal(code)}" for test, code, _ in rules) + " END"
    detail = "CASE " + " ".join(f"WHEN {test} THEN {text}" for test, _, text in rules) + " END"
    return reason, detail
