"""Charts as static SVG that takes its colours from the page, so one drawing serves light, dark and print.

Altair describes, vl-convert draws, both without a network. The colours below stand for CSS variables and are replaced
in the drawing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

import altair as alt
import vl_convert
from altair.utils.schemapi import debug_mode

from ablations.effects import Effect
from reports.folder import AblationRun, Metric
from reports.tables import CERTAIN, look, number, plain

INK, MUTED, LINE = "#010101", "#020202", "#030303"
PAPER = "#0a0a0a"
STYLES = {
    "better": ("#040404", "triangle-up"),
    "worse": ("#050505", "triangle-down"),
    "different": ("#060606", "diamond"),
    "same": ("#070707", "square"),
    "unclear": ("#080808", "circle"),
    "none": ("#090909", "circle"),
}
"""Style of a verdict -> stand-in colour and point shape."""
VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line", PAPER: "--card"} | {
    colour: f"--{style}" for style, (colour, _) in STYLES.items()
}
WIDTH, ROW = 324, 40


def forest(run: AblationRun, metric: Metric, effects: Sequence[Effect], places: int) -> str:
    """Forest plot of one metric as an SVG element: each arm's difference to the base with its 95 % interval.

    An arm has two lines: its title with the difference, and below it the interval. Filled points are certain, hollow
    ones are not. An arm without a difference says "no score". Empty for no effects.
    """
    if not effects:
        return ""
    with debug_mode(False):  # Altair's checks of what we built take ten times as long as drawing it; a test makes them
        spec = forest_chart(run, metric, effects, places).to_dict(validate=False)
    svg = vl_convert.vegalite_to_svg(spec, vl_version="_".join(alt.SCHEMA_VERSION.split(".")[:2]))
    unit = f"difference to {plain(run.base.title)}" + (f" ({metric.unit})" if metric.unit else "")
    return _inline(svg, f"{metric.title}: {unit}; the numbers are in the table of effects")


def forest_chart(run: AblationRun, metric: Metric, effects: Sequence[Effect], places: int) -> alt.LayerChart:
    """The description of the forest plot, `WIDTH` pixels wide and `ROW` high for each effect."""
    rows = [_row(run, effect, place, places) for place, effect in enumerate(effects)]
    layers = [*_marks(rows), *_sides(metric)]
    chart = alt.layer(*layers).properties(width=WIDTH, height=ROW * len(rows), background="transparent", padding=2)
    return _configure(chart)


def _row(run: AblationRun, effect: Effect, place: int, places: int) -> dict[str, Any]:
    shown = look(effect, run.metrics[effect.metric])
    missing = effect.difference is None
    return {
        "place": place,
        "arm": plain(run.arm(effect.arm).title),
        "difference": effect.difference,
        "low": effect.low,
        "high": effect.high,
        "style": shown.style,
        "text": "no score" if missing else number(effect.difference, places, signed=True),
        "sure": effect.verdict in CERTAIN,
    }


def _domain(rows: list[dict[str, Any]]) -> list[float]:
    """All numbers and zero, with a little room; one unit to each side when there is nothing but zero."""
    ends = [0.0, *(row[key] for row in rows for key in ("low", "high", "difference") if row[key] is not None)]
    room = 0.06 * (max(ends) - min(ends)) or 1.0
    return [min(ends) - room, max(ends) + room]


def _marks(rows: list[dict[str, Any]]) -> list[alt.Chart]:
    used = sorted({row["style"] for row in rows})
    colours = alt.Scale(domain=used, range=[STYLES[style][0] for style in used])
    shapes = alt.Scale(domain=used, range=[STYLES[style][1] for style in used])
    colour = alt.Color("style:N", legend=None, scale=colours)
    y = alt.Y("place:O", axis=None, scale=alt.Scale(domain=[row["place"] for row in rows]))
    signed = "datum.value == 0 ? '0' : format(datum.value, '+.2~r')"
    axis = alt.Axis(tickCount=4, labelExpr=signed, labelOverlap=True)
    x = alt.X("difference:Q", title=None, axis=axis, scale=alt.Scale(domain=_domain(rows)))
    titles = _layer(rows).mark_text(align="left", fontSize=12.5, color=INK, yOffset=-9, limit=WIDTH - 70)
    values = _layer(rows).mark_text(align="right", fontSize=12.5, fontWeight=600, yOffset=-9)
    zero = _layer(rows).mark_tick(orient="vertical", size=14, thickness=1.5, color=MUTED, yOffset=8)
    marks = [
        zero.encode(y=y, x=alt.datum(0)),
        titles.encode(y=y, x=alt.value(0), text="arm:N"),
        values.encode(y=y, x=alt.value(WIDTH), text="text:N", color=colour),
    ]
    if ranged := [row for row in rows if row["low"] is not None]:
        bars = _layer(ranged).mark_rule(strokeWidth=2.5, strokeCap="round", yOffset=8)
        marks.append(bars.encode(y=y, x=alt.X("low:Q", title=None), x2="high:Q", color=colour))
    for sure in (True, False):
        if pointed := [row for row in rows if row["difference"] is not None and row["sure"] is sure]:
            hollow = {} if sure else {"fill": PAPER}
            points = _layer(pointed).mark_point(size=70, opacity=1, strokeWidth=2, yOffset=8, **hollow)
            fill = {"fill": alt.Fill("style:N", legend=None, scale=colours)} if sure else {}
            shape = alt.Shape("style:N", legend=None, scale=shapes)
            marks.append(points.encode(y=y, x=x, color=colour, shape=shape, **fill))
    return marks


def _layer(rows: list[dict[str, Any]]) -> alt.Chart:
    return alt.Chart(alt.Data(values=rows))


def _sides(metric: Metric) -> list[alt.Chart]:
    """What each side of zero means, above the plot."""
    sides = {True: ("worse", "better"), False: ("better", "worse"), None: ("less", "more")}
    left, right = sides[metric.higher_is_better]
    texts = [("left", 0, f"← {left}"), ("right", WIDTH, f"{right} →")]
    return [
        alt.Chart(alt.Data(values=[{}]))
        .mark_text(align=align, fontSize=11, color=MUTED, text=text)
        .encode(x=alt.value(at), y=alt.value(-8))
        for align, at, text in texts
    ]


def _configure(chart: alt.LayerChart) -> alt.LayerChart:
    return (
        chart.configure(aria=False, font="sans-serif")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK, labelFontSize=12, gridColor=LINE, domainColor=LINE, tickColor=LINE, labelFontWeight="normal"
        )
        .configure_axisX(labelColor=MUTED, labelFontSize=11, grid=False)
    )


def _inline(svg: str, label: str) -> str:
    """The drawing as an element of an HTML page: page fonts and colours, no namespaces, a label for screen readers."""
    start = svg.index("<svg")
    svg = re.sub(r' (xmlns(:\w+)?|font-family|version|class|role|aria-[\w]+)="[^"]*"', "", svg[start:])
    for colour, variable in VARIABLES.items():
        svg = svg.replace(f'"{colour}"', f'"var({variable})"')
    svg = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d{2})\d+", r"\1", tag[0]), svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)
