"""Lines and areas over time: a share by month, a share by day. A time without data is a gap."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import altair as alt

from warehouse.report import axes
from warehouse.report.svg import INK, TEXT, Canvas, Picture, hatched

DayShare = tuple[date, float | None]
_BARS_UP_TO_DAYS = 130
_MS_PER_DAY = 86_400_000
_DAY_EDGE_MS = 4_000_000  # white between the bars of two days


def share_line(
    shares: Sequence[tuple[str, float | None]], months: Sequence[str], title: str, canvas: Canvas
) -> Picture:
    """A line of a share by month with the line of equality at one half; a month without a share interrupts it."""
    width = canvas.width - axes.LEFT - 8 - (axes.LABEL_ROOM if canvas.is_wide else 0)
    known = dict(shares)
    rows = [{"row": month, "share": known.get(month)} for month in months]
    x = axes.month_x(months, canvas)
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=axes.value_axis(2, is_percent=True))
    base = alt.Chart(axes.values(rows)).encode(x=x, y=y)
    half = alt.Chart(axes.values([{"share": 0.5}])).encode(y=y)
    layers = [
        half.mark_rule(color="#9a9da6", strokeDash=[4, 3]),
        base.mark_line(color=INK, strokeWidth=1.6, invalid="break-paths-show-domains"),
        base.mark_point(color=INK, filled=True, size=24, opacity=1, invalid="filter"),
    ]
    if canvas.is_wide:
        layers.append(
            half.mark_text(text="equal parts", align="left", baseline="middle", color=TEXT).encode(
                x=alt.value(width + 10)
            )
        )
    return alt.layer(*layers).properties(width=width, height=84 if canvas.is_wide else 70, title=axes.title(title))


def stack_and_share(stack: Picture, line: Picture) -> Picture:
    """Put a stack of months above the line of shares, on the same months."""
    return above_one_another([stack, line])


def _day_ms(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _MS_PER_DAY


def day_shares(
    shares: Sequence[DayShare], colour: str, title: str, canvas: Canvas, *, is_hatched: bool = False
) -> Picture:
    """A share of each day, from 0 to 100 %; a day without data, or that is not known, is a gap.

    Args:
        shares: day and fraction, ascending; ``None`` where it is not known.
        colour: fill (#rrggbb).
        title: what is shown.
        canvas: the space.
        is_hatched: whether it stands for estimated energy.
    """
    width, height = canvas.width - axes.LEFT - 12, 110 if canvas.is_wide else 90
    fill = hatched(colour) if is_hatched else colour
    first, last = _day_ms(shares[0][0]), _day_ms(shares[-1][0]) + _MS_PER_DAY
    x_scale = alt.Scale(type="utc", domain=[first, last], nice=False)
    few = (last - first) // _MS_PER_DAY
    ticks = min(few, 10 if canvas.is_wide else 4)
    form = "%d %b" if few <= _BARS_UP_TO_DAYS else "%b %Y"
    x_axis = alt.Axis(title=None, grid=False, tickCount=ticks, format=form, labelFlush=True, labelOverlap=True)
    y = alt.Y("share:Q", scale=alt.Scale(domain=[0, 1]), axis=axes.value_axis(2, is_percent=True))
    if few <= _BARS_UP_TO_DAYS:
        rows = [
            {
                "from": _day_ms(day) + _DAY_EDGE_MS,
                "to": _day_ms(day) + _MS_PER_DAY - _DAY_EDGE_MS,
                "share": share,
                "zero": 0,
            }
            for day, share in shares
            if share is not None
        ]
        marks: alt.Chart = (
            alt.Chart(axes.values(rows))
            .mark_rect(fill=fill)
            .encode(x=alt.X("from:T", scale=x_scale, axis=x_axis), x2="to:T", y=y, y2="zero:Q")
        )
    else:
        marks = (
            alt.Chart(axes.values(_steps(shares)))
            .mark_area(fill=fill, interpolate="step-after", invalid="break-paths-show-domains")
            .encode(x=alt.X("from:T", scale=x_scale, axis=x_axis), y=y)
        )
    sized: alt.Chart = marks.properties(width=width, height=height, title=axes.title(title))
    return sized


def _steps(shares: Sequence[DayShare]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for (day, share), following in zip(shares, [*(day for day, _ in shares[1:]), None], strict=True):
        rows.append({"from": _day_ms(day), "share": share})
        if following is None or (following - day).days > 1:
            end = _day_ms(day) + _MS_PER_DAY
            rows += [{"from": end, "share": share}, {"from": end + 1, "share": None}]
    return rows


def above_one_another(charts: Sequence[Picture]) -> Picture:
    """Put charts above one another."""
    joined: alt.VConcatChart = alt.vconcat(*charts).resolve_scale(x="independent", y="independent")
    return joined
