"""Scores beside each other: a mean with its interval for each run, not a difference."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from reports.charts.effects import Bar
from reports.charts.runs import Named
from reports.charts.theme import INK, ROW, SERIES, WIDTH, configure, layer, unchecked
from reports.tables import plain


@unchecked
def values(bars: Sequence[Bar], metric: Named, width: int = WIDTH) -> alt.LayerChart:
    """Each run's mean with its 95 % interval, on one axis that need not begin at zero."""
    rows = [{"place": place, **vars(bar), "name": plain(bar.name)} for place, bar in enumerate(bars)]
    y = alt.Y("place:O", axis=None, scale=alt.Scale(domain=[row["place"] for row in rows]))
    axis = alt.Axis(tickCount=4, labelOverlap=True)
    x = alt.X("difference:Q", title=metric.axis, axis=axis, scale=alt.Scale(zero=False, padding=10))
    marks = [
        layer(rows)
        .mark_text(align="left", fontSize=12.5, color=INK, yOffset=-9, limit=width - 80)
        .encode(y=y, x=alt.value(0), text="name:N"),
        layer(rows)
        .mark_text(align="right", fontSize=12.5, fontWeight=600, color=INK, yOffset=-9)
        .encode(y=y, x=alt.value("width"), text="text:N"),
    ]
    if ranged := [row for row in rows if row["low"] is not None]:
        rule = layer(ranged).mark_rule(strokeWidth=2.5, strokeCap="round", color=SERIES[0], yOffset=8)
        marks.append(rule.encode(y=y, x=alt.X("low:Q", title=metric.axis), x2="high:Q"))
    points = layer(rows).mark_point(size=70, filled=True, opacity=1, color=SERIES[0], yOffset=8)
    marks.append(points.encode(y=y, x=x))
    return configure(alt.layer(*marks), ROW * len(rows), width)
