"""What charts share besides their look: inline data, axes for values and for months."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import altair as alt

from warehouse.report.svg import Canvas

LEFT = 52  # room for the labels of the value axis [px]
LABEL_ROOM = 128  # room for names beside the last month [px]


def values(rows: list[dict[str, Any]]) -> alt.InlineData:
    """Return rows as data inside the chart."""
    return alt.InlineData(values=rows)


def title(text: str) -> alt.TitleParams:
    """Return the line above a chart."""
    return alt.TitleParams(text)


def value_axis(count: int = 5, *, is_percent: bool = False) -> alt.Axis:
    """Return a vertical axis of plain numbers, or of fractions as percent, with labels of a fixed width."""
    form = "'%'" if is_percent else "''"
    expression = f"format(datum.value{' * 100' if is_percent else ''}, ',~r') + {form}"
    return alt.Axis(
        title=None, tickCount=count, domain=False, labelExpr=expression, minExtent=LEFT - 6, maxExtent=LEFT - 6
    )


def months_between(first: date, last: date) -> list[str]:
    """Return all months from the first to the last as 2025-03, so that a month without data is a gap in the chart."""
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    steps = [first.month - 1 + step for step in range(count)]
    return [f"{first.year + step // 12}-{step % 12 + 1:02d}" for step in steps]


def month_x(months: Sequence[str], canvas: Canvas) -> alt.X:
    """Return the horizontal channel of charts by month: a band for every month, also for those without data."""
    scale = alt.Scale(domain=list(months), paddingInner=0.2, paddingOuter=0.15)
    return alt.X("row:O", scale=scale, axis=month_axis(months, canvas))


def month_axis(months: Sequence[str], canvas: Canvas) -> alt.Axis:
    """Return an axis of months (2025-03) that names as many as there is room for, with the year below each January."""
    # Most months of an axis on which each month, each quarter, each half-year is named.
    limits = (14, 30, 72) if canvas.is_wide else (7, 16, 30)
    step = next((step for step, limit in zip((1, 3, 6), limits, strict=True) if len(months) <= limit), 12)
    shown = [month for month in months if (int(month[5:]) - 1) % step == 0]
    labels = {}
    for number, month in enumerate(shown):
        name = date.fromisoformat(f"{month}-01").strftime("%b")
        labels[month] = [name, month[:4]] if number == 0 or month.endswith("-01") else [name]
    table = "{" + ", ".join(f"'{month}': {names!r}" for month, names in labels.items()) + "}"
    return alt.Axis(
        title=None, values=shown, labelExpr=f"({table})[datum.value]", labelAngle=0, labelOverlap=False, ticks=False
    )
