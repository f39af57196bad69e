"""From an Altair chart to SVG that stands in the page as it is: no script, no link, no style of its own.

What belongs here: the look that all charts share, conversion, the check of what comes out. What must not be here: what
a chart shows (``bars``, ``timelines``).

Hatching says "estimated". Vega has no patterns: a chart asks for ``hatched(colour)``, a colour one step beside the real
one, and the conversion puts the pattern in its place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import altair as alt
import vl_convert
from markupsafe import Markup

TEXT = "#3c3f46"
INK = "#16181d"
_GRID = "#e7e8ec"
_AXIS = "#9a9da6"
_FONT = "sans-serif"  # the page's style sheet sets the reader's own font
_ELEMENTS = {"svg", "g", "path", "rect", "line", "text", "tspan", "defs", "pattern", "circle"}


class ChartError(RuntimeError):
    """The conversion gave nothing, or something that must not stand in the page."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """The space for a chart.

    Attributes:
        name: wide (screens and paper) or narrow (telephones).
        width: width of the whole picture [px].
        font_size: size of its text [px].
    """

    name: str
    width: int
    font_size: int

    @property
    def is_wide(self) -> bool:
        """Tell whether there is room for labels beside the chart."""
        return self.name == "wide"


WIDE = Canvas("wide", 920, 13)
NARROW = Canvas("narrow", 360, 12)
Picture = alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart
Build = Callable[[Canvas], Picture]


def hatched(colour: str) -> str:
    """Return the stand-in for a colour (#rrggbb) with hatching."""
    return f"{colour[:-2]}{int(colour[-2:], 16) ^ 1:02x}"


def both(build: Build, key: str, label: str, colours: list[str]) -> tuple[Markup, Markup]:
    """Return the wide and the narrow picture of a chart.

    Args:
        build: gives the chart for a canvas.
        key: id of the figure; must be unique in the page.
        label: what a reader who cannot see it is told.
        colours: colours that may be hatched.
    """
    return to_svg(build(WIDE), WIDE, key, label, colours), to_svg(build(NARROW), NARROW, key, label, colours)


def to_svg(chart: Picture, canvas: Canvas, key: str, label: str, colours: list[str]) -> Markup:
    """Return a chart as an SVG element for the page.

    Raises:
        ChartError: if it is empty or holds an element or attribute that could run or load something.
    """
    try:
        text: str = vl_convert.vegalite_to_svg(_themed(chart, canvas).to_dict())
    except ValueError as error:
        msg = f"the picture of {key} cannot be drawn: {error}"
        raise ChartError(msg) from error
    body = text[text.index(">") + 1 : text.rindex("</svg>")]
    size = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', text)
    if size is None:
        msg = f"the picture of {key} states no size"
        raise ChartError(msg)
    if "<text" not in body:  # the converter writes its error to stderr and returns an empty picture
        msg = f"the picture of {key} is empty; the converter's message stands above"
        raise ChartError(msg)
    body = re.sub(r"<[^>]*>", _slimmer, body)
    patterns = []
    for number, colour in enumerate(colours):
        pattern_id = f"{key}-{canvas.name}-{number}"
        replaced = body.replace(f'fill="{hatched(colour)}"', f'fill="url(#{pattern_id})"')
        if replaced != body:
            body = replaced
            patterns.append(_pattern(pattern_id, colour))
    check_harmless(body)
    # Never narrower than the canvas: the reader's font may be wider than the one by which the text was measured.
    width, height = max(float(size[1]), canvas.width), float(size[2])
    head = Markup(
        '<svg class="chart {}" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
    ).format(canvas.name, f"{width:g}", f"{height:g}", f"{width:g}", f"{height:g}", label)
    # Checked above; names from outside are text that Vega has escaped.
    inside = "".join(patterns) + body
    return head + Markup(inside) + Markup("</svg>")  # noqa: S704


def _slimmer(tag: re.Match[str]) -> str:
    """Return a tag without the attributes that the page does not need, with coordinates to a tenth of a pixel."""
    kept = re.sub(r' (?:class|role|aria-[a-z]+|pointer-events|font-family|opacity)="(?!0)[^"]*"', "", tag[0])
    rounded = re.sub(r"\d+\.\d{2,}", lambda number: f"{float(number[0]):.1f}", kept)
    return re.sub(r' d="(M[MLZ0-9.,\-]*)"', lambda path: f' d="{shorter_path(path[1])}"', rounded)


def shorter_path(path: str) -> str:
    """Return a path of straight lines with its level and upright pieces as H and V, neighbours of one kind joined.

    A chart of days by the thousand is a staircase; this halves it.
    """
    pieces: list[str] = []
    here = ("", "")
    for command, at in re.findall(r"([MLZ])([^MLZ]*)", path):
        x, _, y = at.partition(",")
        kind, text = command, at
        if command == "L" and here[1] == y:
            kind, text = "H", x
        elif command == "L" and here[0] == x:
            kind, text = "V", y
        if kind in "HV" and pieces[-1].startswith(kind):
            pieces.pop()
        pieces.append(kind + text)
        here = (x, y)
    return "".join(pieces)


def check_harmless(body: str) -> None:
    """Refuse SVG with any element or attribute outside a short list.

    Raises:
        ChartError: naming it.
    """
    strange = set(re.findall(r"<\s*/?\s*([^\s/>]*)", body)) - _ELEMENTS
    tags = re.findall(r"<[^>]*>", body)
    strange |= {tag for tag in tags if re.search(r"\s(?:on\w+|(?:xlink:)?href|style|src)\s*=", tag, re.IGNORECASE)}
    strange |= {tag for tag in tags if re.search(r"url\((?!#)", tag)}
    if strange:
        msg = f"a chart holds what must not be in the page: {', '.join(sorted(strange))[:200]}"
        raise ChartError(msg)


def _pattern(pattern_id: str, colour: str) -> str:
    return (
        f'<defs><pattern id="{pattern_id}" width="5" height="5" patternUnits="userSpaceOnUse" '
        f'patternTransform="rotate(45)"><rect width="5" height="5" fill="#fff"/>'
        f'<rect width="5" height="5" fill="{colour}" fill-opacity="0.25"/>'
        f'<rect width="2" height="5" fill="{colour}"/></pattern></defs>'
    )


def _themed(chart: Picture, canvas: Canvas) -> Picture:
    size = canvas.font_size
    themed: Picture = (
        chart.configure(
            aria=False, background="transparent", font=_FONT, padding={"left": 2, "right": 2, "top": 4, "bottom": 4}
        )
        .configure_view(stroke=None)
        .configure_concat(spacing=26)
        .configure_axis(
            labelFontSize=size,
            labelColor=TEXT,
            titleFontSize=size,
            titleColor=TEXT,
            titleFontWeight="normal",
            gridColor=_GRID,
            domainColor=_AXIS,
            tickColor=_AXIS,
            ticks=False,
            labelPadding=6,
        )
        .configure_title(fontSize=size, color=TEXT, fontWeight="normal", anchor="start", offset=10, frame="bounds")
        .configure_text(fontSize=size, color=INK)
        .configure_bar(discreteBandSize=alt.RelativeBandSize(band=0.82))
    )
    return themed
