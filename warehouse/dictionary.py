"""The data dictionary: every table and column of the registry as one Markdown page.

What belongs here: how the registry reads. What must not be here: anything that the registry does not say.
"""

from __future__ import annotations

from warehouse.registry import ALL_TABLES, SCHEMAS, Column, Table, tables_in

LAYERS = {
    "ref": "Factors and facts about places and hardware, with the time for which and since which they are known.",
    "raw": "What has landed, as it came, and what was refused, with the reason.",
    "core": "Energy of devices and jobs, and the emissions that follow from it.",
    "mart": "What an organisation reads.",
    "rpt": "Tables as reports show them.",
    "audit": "What was computed, by what, what is still to do and what is wrong.",
}
HEAD = """\
# Data dictionary

Generated from `warehouse/registry` by `wattledger dictionary`; `make docs` writes it again. Names carry their unit.
NULL is "not known", 0 is "known to be zero". Times are UTC, intervals are half-open: [start, end).
"""


def dictionary() -> str:
    """Return the data dictionary as Markdown."""
    parts = [HEAD, _contents()]
    for schema in SCHEMAS:
        if tables_in(schema):
            parts += [f"## {schema}\n\n{LAYERS[schema]}\n", *(_table(entry) for entry in tables_in(schema))]
    return "\n".join(parts)


def _contents() -> str:
    rows = [
        f"| [{entry.qualified}](#{entry.qualified.replace('.', '')}) | {_cell(entry.grain)} | "
        f"{'yes' if entry.published else ''} |"
        for schema in SCHEMAS
        for entry in ALL_TABLES
        if entry.schema == schema
    ]
    return "\n".join(["| table | grain | published |", "|---|---|---|", *rows]) + "\n"


def _table(entry: Table) -> str:
    facts = [f"Grain: {entry.grain}.", f"Key: {', '.join(f'`{name}`' for name in entry.key)}."]
    if entry.partition:
        facts.append(f"Partition: `{entry.partition}`.")
    facts.append("In the published database." if entry.published else "Only in the lake.")
    lines = [f"### {entry.qualified}", "", entry.description, " ".join(facts), ""]
    lines += ["| column | type | unit | NULL | range | meaning |", "|---|---|---|---|---|---|"]
    lines += [_column(column) for column in entry.columns]
    return "\n".join(lines) + "\n"


def _column(column: Column) -> str:
    null = "yes" if column.nullable else ""
    cells = (f"`{column.name}`", column.type, column.unit or "", null, _range(column), column.description)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _range(column: Column) -> str:
    if column.minimum is None and column.maximum is None:
        return ""
    low = "" if column.minimum is None else f"{column.minimum:g}"
    high = "" if column.maximum is None else f"{column.maximum:g}"
    return f"{low} .. {high}".strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
