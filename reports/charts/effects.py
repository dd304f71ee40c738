"""Forest plots: differences with their 95 % intervals, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from ablations.effects import Effect
from reports.charts.theme import INK, MUTED, PAPER, ROW, STYLES, WIDTH, configure, inline, layer, unchecked
from reports.folder import AblationRun, Metric
from reports.tables import CERTAIN, look, number, plain


@dataclass(frozen=True)
class Bar:
    """One row: a difference and its interval. `style` is one of the verdicts', `sure` fills the point."""

    name: str
    difference: float | None
    low: float | None
    high: float | None
    style: str
    sure: bool
    text: str
    """The difference as it is printed."""


def forest(run: AblationRun, metric: Metric, effects: Sequence[Effect], places: int) -> str:
    """Forest plot of one metric as an SVG element: each arm's difference to the base with its 95 % interval.

    An arm has two lines: its title with the difference, and below it the interval. Filled points are certain, hollow
    ones are not. An arm without a difference says "no score". Empty for no effects.
    """
    if not effects:
        return ""
    unit = f"difference to {plain(run.base.title)}" + (f" ({metric.unit})" if metric.unit else "")
    chart = forest_chart(run, metric, effects, places)
    return inline(chart, f"{metric.title}: {unit}; the numbers are in the table of effects")


def forest_chart(run: AblationRun, metric: Metric, effects: Sequence[Effect], places: int) -> alt.LayerChart:
    """The description of the forest plot of an ablation's effects on one metric."""
    return forest_of([_bar(run, effect, places) for effect in effects], metric.higher_is_better)


@unchecked
def forest_of(bars: Sequence[Bar], higher_is_better: bool | None, width: int = WIDTH) -> alt.LayerChart:
    """The description of a forest plot, `ROW` pixels high for each bar."""
    rows = [{"place": place, **vars(bar), "name": plain(bar.name)} for place, bar in enumerate(bars)]
    return configure(alt.layer(*_marks(rows, width), *_sides(higher_is_better)), ROW * len(rows), width)


def _bar(run: AblationRun, effect: Effect, places: int) -> Bar:
    return Bar(
        name=run.arm(effect.arm).title,
        difference=effect.difference,
        low=effect.low,
        high=effect.high,
        style=look(effect, run.metrics[effect.metric]).style,
        sure=effect.verdict in CERTAIN,
        text="no score" if effect.difference is None else number(effect.difference, places, signed=True),
    )


def _domain(rows: list[dict[str, Any]]) -> list[float]:
    """All numbers and zero, with a little room; one unit to each side when there is nothing but zero."""
    ends = [0.0, *(row[key] for row in rows for key in ("low", "high", "difference") if row[key] is not None)]
    room = 0.06 * (max(ends) - min(ends)) or 1.0
    return [min(ends) - room, max(ends) + room]


def _marks(rows: list[dict[str, Any]], width: int) -> list[alt.Chart]:
    used = sorted({row["style"] for row in rows})
    colours = alt.Scale(domain=used, range=[STYLES[style][0] for style in used])
    shapes = alt.Scale(domain=used, range=[STYLES[style][1] for style in used])
    colour = alt.Color("style:N", legend=None, scale=colours)
    y = alt.Y("place:O", axis=None, scale=alt.Scale(domain=[row["place"] for row in rows]))
    signed = "datum.value == 0 ? '0' : format(datum.value, '+.2~r')"
    axis = alt.Axis(tickCount=4, labelExpr=signed, labelOverlap=True)
    x = alt.X("difference:Q", title=None, axis=axis, scale=alt.Scale(domain=_domain(rows)))
    titles = layer(rows).mark_text(align="left", fontSize=12.5, color=INK, yOffset=-9, limit=width - 70)
    values = layer(rows).mark_text(align="right", fontSize=12.5, fontWeight=600, yOffset=-9)
    zero = layer(rows).mark_tick(orient="vertical", size=14, thickness=1.5, color=MUTED, yOffset=8)
    marks = [
        zero.encode(y=y, x=alt.datum(0)),
        titles.encode(y=y, x=alt.value(0), text="name:N"),
        values.encode(y=y, x=alt.value("width"), text="text:N", color=colour),
    ]
    if ranged := [row for row in rows if row["low"] is not None]:
        bars = layer(ranged).mark_rule(strokeWidth=2.5, strokeCap="round", yOffset=8)
        marks.append(bars.encode(y=y, x=alt.X("low:Q", title=None), x2="high:Q", color=colour))
    for sure in (True, False):
        if pointed := [row for row in rows if row["difference"] is not None and row["sure"] is sure]:
            hollow = {} if sure else {"fill": PAPER}
            points = layer(pointed).mark_point(size=70, opacity=1, strokeWidth=2, yOffset=8, **hollow)
            fill = {"fill": alt.Fill("style:N", legend=None, scale=colours)} if sure else {}
            shape = alt.Shape("style:N", legend=None, scale=shapes)
            marks.append(points.encode(y=y, x=x, color=colour, shape=shape, **fill))
    return marks


def _sides(higher_is_better: bool | None) -> list[alt.Chart]:
    """What each side of zero means, above the plot."""
    sides = {True: ("worse", "better"), False: ("better", "worse"), None: ("less", "more")}
    left, right = sides[higher_is_better]
    texts = [("left", 0, f"← {left}"), ("right", "width", f"{right} →")]
    return [
        layer([{}]).mark_text(align=align, fontSize=11, color=MUTED, text=text).encode(x=alt.value(at), y=alt.value(-8))
        for align, at, text in texts
    ]
