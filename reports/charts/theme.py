"""Colours and type of all charts, and the three ways to draw one.

A chart is made with stand-in colours. They become CSS variables in a page (one drawing serves light, dark and print),
and real colours where there is no page. Series use Okabe and Ito's palette (2008, safe for colour-blind readers),
lightened for dark grounds, and always another shape or dash beside the colour.
"""

from __future__ import annotations

import html
import json
import re
from typing import Any, Literal, TypeAlias

import altair as alt
import vl_convert
from altair.utils.schemapi import debug_mode

from reports.tables import plain

Ground = Literal["light", "dark"]
Layers: TypeAlias = alt.LayerChart

INK, MUTED, LINE, PAPER = "#010101", "#020202", "#030303", "#0a0a0a"
STYLES = {
    "better": ("#040404", "triangle-up"),
    "worse": ("#050505", "triangle-down"),
    "different": ("#060606", "diamond"),
    "same": ("#070707", "square"),
    "unclear": ("#080808", "circle"),
    "none": ("#090909", "circle"),
}
"""Style of a verdict -> stand-in colour and point shape."""
SERIES = ("#0b0b0b", "#0c0c0c", "#0d0d0d", "#0e0e0e", "#0f0f0f", "#101010")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3])
VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", PAPER: "--card"} | {
    colour: f"--{style}" for style, (colour, _) in STYLES.items()
}
VARIABLES |= {colour: f"--s{n}" for n, colour in enumerate(SERIES, 1)}
_LIGHT = (
    "#1c2127 #606872 #e2e0da #ffffff #0a5ea8 #b4450b #7b3f98 #3d6b57 #7a808a #8d939c "
    "#0072b2 #d55e00 #009e73 #a8477f #b87f00 #2b8cc4"
)
_DARK = (
    "#e9e7e2 #9da5af #31353b #1a1d21 #74b4f2 #f39b63 #cb9ee0 #86c3a5 #9aa1ab #868d97 "
    "#56b4e9 #f08b3e #3cc79c #e29cc6 #e6b13c #9bd1f2"
)
COLOURS: dict[Ground, dict[str, str]] = {
    "light": dict(zip(VARIABLES, _LIGHT.split(), strict=True)),
    "dark": dict(zip(VARIABLES, _DARK.split(), strict=True)),
}
"""What the stand-ins are where no page gives its own: the colours of `assets/report.css`."""
WIDTH, ROW = 324, 40
PADDING = {"left": 2, "top": 2, "right": 2, "bottom": 2}
DIRECTION = {True: "higher is better", False: "lower is better", None: "neither side is better"}


def named(title: str, unit: str = "", higher_is_better: bool | str | None = "") -> str:
    """An axis' words: title, unit, and which way is better where that is given."""
    text = plain(title) + (f" ({plain(unit)})" if unit else "")
    return text if isinstance(higher_is_better, str) else f"{text}, {DIRECTION[higher_is_better]}"


unchecked = debug_mode(False)
"""Decorates what builds a chart. Altair's checks of what we build take longer than all else; a test makes them."""


def layer(rows: list[dict[str, Any]]) -> alt.Chart:
    """A layer of its own data: as a tuple, which Altair does not copy at each step."""
    return alt.Chart(alt.Data(values=tuple(rows)))


def configure(chart: Layers, height: int, width: int = WIDTH) -> Layers:
    """Size, type and lines that all charts share."""
    return (
        chart.properties(width=width, height=height, background="transparent", padding=PADDING)
        .configure(aria=False, font="sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK,
            labelFontSize=12,
            gridColor=LINE,
            domainColor=LINE,
            tickColor=LINE,
            labelFontWeight="normal",
            titleColor=MUTED,
            titleFontSize=11,
            titleFontWeight="normal",
            titleLimit=width,
        )
        .configure_axisX(labelColor=MUTED, labelFontSize=11, grid=False)
        .configure_legend(
            labelColor=INK,
            titleColor=MUTED,
            labelFontSize=11,
            titleFontSize=11,
            orient="top",
            labelLimit=100,
            columns=3,
        )
    )


@unchecked
def described(chart: Layers) -> dict[str, Any]:
    found: dict[str, Any] = chart.to_dict(validate=False)
    return found


def inline(chart: Layers, label: str) -> str:
    """The drawing as an element of an HTML page: page fonts and colours, no namespaces, a label for screen readers."""
    svg = _svg(described(chart))
    start = svg.index("<svg")
    svg = re.sub(r' (xmlns(:\w+)?|font-family|version|class|role|aria-[\w]+)="[^"]*"', "", svg[start:])
    for colour, variable in VARIABLES.items():
        svg = svg.replace(f'"{colour}"', f'"var({variable})"')
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d{2})\d+", r"\1", tag[0]), svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)


def drawing(chart: Layers, ground: Ground = "light") -> str:
    """A whole SVG file in real colours, on its own ground."""
    spec = themed(chart, ground)
    return _svg({**spec, "background": COLOURS[ground][PAPER], "padding": dict.fromkeys(PADDING, 12)})


def themed(chart: Layers, ground: Ground) -> dict[str, Any]:
    """The description in real colours, for a page that draws it in the browser."""
    text = json.dumps(described(chart))
    for stand_in, colour in COLOURS[ground].items():
        text = text.replace(f'"{stand_in}"', f'"{colour}"')
    found: dict[str, Any] = json.loads(text)
    return found


def _svg(spec: dict[str, Any]) -> str:
    drawn: str = vl_convert.vegalite_to_svg(spec, vl_version="_".join(alt.SCHEMA_VERSION.split(".")[:2]))
    return drawn
