"""Bars: stacked by month, or level with a label at the end. They start at zero; the unit is in the title.

Positions of stacks and labels are made here and not left to the chart library, so that hatching (estimated) and labels
lie where they should. No text from outside goes into a chart, only closed sets, dates and numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from warehouse.report import axes
from warehouse.report.numbers import Unit, significant
from warehouse.report.svg import INK, TEXT, Canvas, Picture, hatched

_LABEL_HEIGHT = 17
_WHISKER = "#2b2d33"
_EDGED_MONTHS = 30  # with more months, white edges would eat the bars
_PX_PER_LETTER = 7.5
_DARK = 0.22  # below it white text has more contrast than dark text


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a bar.

    Attributes:
        row: bar that it belongs to (month, phase group, component).
        label: what it stands for.
        colour: its colour (#rrggbb).
        value: its length, in the unit of the chart.
        estimated: the part of ``value`` that is estimated.
    """

    row: str
    label: str
    colour: str
    value: float
    estimated: float = 0.0


@dataclass(frozen=True, slots=True)
class Whisker:
    """Interval of a bar, in the unit of the chart; ``None`` where it is not known."""

    row: str
    low: float | None
    central: float | None
    high: float | None


def nice_ceiling(value: float) -> float:
    """Return the smallest 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8 x 10^n that is not below a positive value; 1 for zero."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 15) if step * power >= value * (1 - 1e-12))


def spread(wanted: Sequence[float], gap: float, limit: float) -> list[float]:
    """Move label positions apart to at least ``gap``, in their order, inside [0, limit] where there is room."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [wanted[index] for index in order]
    for here in range(1, len(placed)):
        placed[here] = max(placed[here], placed[here - 1] + gap)
    if placed and placed[-1] > limit:
        placed[-1] = limit
        for here in range(len(placed) - 2, -1, -1):
            placed[here] = min(placed[here], placed[here + 1] - gap)
    result = [0.0] * len(wanted)
    for index, position in zip(order, placed, strict=True):
        result[index] = position
    return result


def _pieces(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    """Lay segments end to end in the given order: the measured piece plain, then the estimated one hatched."""
    ends: dict[str, float] = {}
    pieces = []
    for segment in segments:
        for length, fill in (
            (segment.value - segment.estimated, segment.colour),
            (segment.estimated, hatched(segment.colour)),
        ):
            if length <= 0:
                continue
            start = ends.get(segment.row, 0.0)
            ends[segment.row] = start + length
            pieces.append({"row": segment.row, "start": start, "end": start + length, "fill": fill})
    return pieces


def stacked_months(
    segments: Sequence[Segment],
    whiskers: Sequence[Whisker],
    months: Sequence[str],
    title: str,
    canvas: Canvas,
) -> Picture:
    """Stacked bars by month with the interval of each month's total; labels beside the last month.

    Args:
        segments: pieces by month (``row``) from the bottom up.
        whiskers: interval of the total by month; may be empty.
        months: all months of the axis.
        title: what is shown, with the unit.
        canvas: the space.
    """
    height = 280 if canvas.is_wide else 220
    width = canvas.width - axes.LEFT - 8 - (axes.LABEL_ROOM if canvas.is_wide else 0)
    pieces = _pieces(segments)
    highs = [whisker.high for whisker in whiskers if whisker.high is not None]
    top = nice_ceiling(max([piece["end"] for piece in pieces] + highs, default=0.0))
    x = axes.month_x(months, canvas)
    y_scale = alt.Scale(domain=[0, top], nice=False)
    layers = [
        alt.Chart(axes.values(pieces))
        .mark_bar(stroke="#fff", strokeWidth=0.6 if len(months) <= _EDGED_MONTHS else 0)
        .encode(
            x=x,
            y=alt.Y("start:Q", scale=y_scale, axis=axes.value_axis()),
            y2="end:Q",
            fill=alt.Fill("fill:N", scale=None),
        )
    ]
    layers += _upright_whiskers(whiskers, x, y_scale, width / max(len(months), 1))
    if canvas.is_wide:
        layers += _end_labels(segments, months[-1], width, height, top)
    return alt.layer(*layers).properties(width=width, height=height, title=axes.title(title))


def _upright_whiskers(whiskers: Sequence[Whisker], x: alt.X, y_scale: alt.Scale, band: float) -> list[alt.Chart]:
    known = [
        {"row": whisker.row, "low": whisker.low, "high": whisker.high}
        for whisker in whiskers
        if whisker.low is not None and whisker.high  # an interval of zero width at zero is no line
    ]
    unknown = [{"row": whisker.row, "at": 0} for whisker in whiskers if whisker.central is None]
    base = alt.Chart(axes.values(known))
    cap = base.mark_tick(size=max(min(band * 0.35, 12.0), 2.0), thickness=1.1, color=_WHISKER)
    layers: list[alt.Chart] = []
    if known:
        layers = [
            base.mark_rule(color=_WHISKER, strokeWidth=1.1).encode(x=x, y=alt.Y("low:Q", scale=y_scale), y2="high:Q"),
            cap.encode(x=x, y=alt.Y("low:Q", scale=y_scale)),
            cap.encode(x=x, y=alt.Y("high:Q", scale=y_scale)),
        ]
    if unknown:
        layers.append(
            alt.Chart(axes.values(unknown))
            .mark_text(text="?", dy=-9, color=TEXT)
            .encode(x=x, y=alt.Y("at:Q", scale=y_scale))
        )
    return layers


def _end_labels(segments: Sequence[Segment], last: str, width: float, height: float, top: float) -> list[alt.Chart]:
    labels, positions, start = [], [], 0.0
    for segment in segments:
        if segment.row != last:
            continue
        labels.append(segment)
        positions.append(height - (start + segment.value / 2) / top * height)
        start += segment.value
    rows = [
        {"label": segment.label, "fill": segment.colour, "at": at}
        for segment, at in zip(labels, spread(positions, _LABEL_HEIGHT, height), strict=True)
    ]
    y = alt.Y("at:Q", scale=None, axis=None)
    base = alt.Chart(axes.values(rows))
    return [
        base.mark_square(size=70, opacity=1).encode(x=alt.value(width + 10), y=y, fill=alt.Fill("fill:N", scale=None)),
        base.mark_text(align="left", baseline="middle").encode(x=alt.value(width + 20), y=y, text="label:N"),
    ]


def level_bars(
    segments: Sequence[Segment],
    whiskers: Sequence[Whisker],
    rows: Sequence[tuple[str, str]],
    title: str,
    canvas: Canvas,
    *,
    names_inside: bool = False,
) -> Picture:
    """Horizontal bars with a label at the end of each; what one month, or one bar a group, reads best as.

    Args:
        segments: pieces by row.
        whiskers: interval of each row; may lack some.
        rows: (key, end label) from top to bottom; the key is the label on the left.
        title: what is shown, with the unit.
        canvas: the space.
        names_inside: whether each piece that is long enough names itself.
    """
    left = 122 if canvas.is_wide else 104
    room = 178 if canvas.is_wide else 62
    width = canvas.width - left - room - 6
    step = 40 if canvas.is_wide else 36
    pieces = _pieces(segments)
    highs = [whisker.high for whisker in whiskers if whisker.high is not None]
    top = max([piece["end"] for piece in pieces] + highs, default=0.0) or 1.0
    y = alt.Y(
        "row:N",
        scale=alt.Scale(domain=[key for key, _ in rows], paddingInner=0.3, paddingOuter=0.2),
        axis=alt.Axis(title=None, domain=True, minExtent=left - 6, maxExtent=left - 6, labelLimit=left),
    )
    scale = alt.Scale(domain=[0, top], nice=False)
    layers: list[alt.Chart] = [
        alt.Chart(axes.values(pieces))
        .mark_bar(stroke="#fff", strokeWidth=0.6)
        .encode(
            y=y,
            x=alt.X("start:Q", scale=scale, axis=alt.Axis(title=None, grid=False, labels=False, domain=False)),
            x2="end:Q",
            fill=alt.Fill("fill:N", scale=None),
        )
    ]
    layers += _level_whiskers(whiskers, y, scale)
    layers.append(_row_labels(pieces, whiskers, rows, y, scale))
    if names_inside:
        layers.append(_names_inside(segments, width / top, y, scale))
    return alt.layer(*layers).properties(width=width, height=step * len(rows), title=axes.title(title))


def _names_inside(segments: Sequence[Segment], px_per_unit: float, y: alt.Y, scale: alt.Scale) -> alt.Chart:
    ends: dict[str, float] = {}
    names = []
    for segment in segments:
        start = ends.get(segment.row, 0.0)
        ends[segment.row] = start + segment.value
        if segment.value * px_per_unit > _PX_PER_LETTER * len(segment.label) + 12:
            ink = "#ffffff" if _luminance(segment.colour) < _DARK else INK
            names.append({"row": segment.row, "at": start, "label": segment.label, "ink": ink})
    chart: alt.Chart = (
        alt.Chart(axes.values(names))
        .mark_text(align="left", baseline="middle", dx=7)
        .encode(y=y, x=alt.X("at:Q", scale=scale), text="label:N", color=alt.Color("ink:N", scale=None))
    )
    return chart


def _luminance(colour: str) -> float:
    """Relative luminance of a colour (#rrggbb), 0 to 1 (WCAG 2.2)."""
    parts = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _level_whiskers(whiskers: Sequence[Whisker], y: alt.Y, scale: alt.Scale) -> list[alt.Chart]:
    known = [
        {"row": whisker.row, "low": whisker.low, "high": whisker.high}
        for whisker in whiskers
        if whisker.low is not None and whisker.high  # an interval of zero width at zero is no line
    ]
    if not known:
        return []
    base = alt.Chart(axes.values(known))
    cap = base.mark_tick(size=10, thickness=1.2, color=_WHISKER)
    return [
        base.mark_rule(color=_WHISKER, strokeWidth=1.2).encode(y=y, x=alt.X("low:Q", scale=scale), x2="high:Q"),
        cap.encode(y=y, x=alt.X("low:Q", scale=scale)),
        cap.encode(y=y, x=alt.X("high:Q", scale=scale)),
    ]


def _row_labels(
    pieces: list[dict[str, Any]],
    whiskers: Sequence[Whisker],
    rows: Sequence[tuple[str, str]],
    y: alt.Y,
    scale: alt.Scale,
) -> alt.Chart:
    ends = {key: 0.0 for key, _ in rows}
    for piece in pieces:
        ends[piece["row"]] = max(ends[piece["row"]], piece["end"])
    for whisker in whiskers:
        if whisker.high is not None:
            ends[whisker.row] = max(ends[whisker.row], whisker.high)
    labels = [{"row": key, "end": ends[key], "label": label} for key, label in rows]
    chart: alt.Chart = (
        alt.Chart(axes.values(labels))
        .mark_text(align="left", baseline="middle", dx=8)
        .encode(y=y, x=alt.X("end:Q", scale=scale), text="label:N")
    )
    return chart


def end_label(whisker: Whisker, unit: Unit, canvas: Canvas) -> str:
    """Return the text at the end of a bar: the value, and where there is room its interval and unit."""
    if whisker.central is None:
        return "not known"
    value = significant(whisker.central)
    if not canvas.is_wide:
        return value
    if whisker.low is None or not whisker.high:
        return f"{value} {unit.name}"
    return f"{value} ({significant(whisker.low)}\u2013{significant(whisker.high)})"
