"""What each stage adds, and what a setting's size does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from reports.charts.theme import INK, MUTED, SERIES, STYLES, configure, layer, named, unchecked
from reports.tables import number, plain

HEIGHT = 190


@dataclass(frozen=True)
class Stage:
    """A metric's mean over the clips of one stage."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Dose:
    """A metric's mean at one value of a setting; `base` marks the full model's own value."""

    dose: float
    value: float
    low: float | None = None
    high: float | None = None
    base: bool = False


@unchecked
def waterfall(
    stages: Sequence[Stage], title: str, unit: str, higher_is_better: bool | None, places: int
) -> alt.LayerChart:
    """Where each stage lifts or lowers the metric: a bar from the level before it to its own.

    The first stage has a line only: there is nothing before it. The axis does not begin at zero.
    """
    rows = _steps(stages, higher_is_better, places)
    order = [row["name"] for row in rows]
    x = alt.X("name:N", title=None, sort=order, axis=alt.Axis(labelAngle=0, domain=False, ticks=False))
    axis = alt.Axis(title=named(title, unit, higher_is_better), tickCount=4)
    y = alt.Y("value:Q", scale=_scale(rows), axis=axis)
    level = layer(rows).mark_tick(thickness=2.5, size=44, color=INK).encode(x=x, y=y)
    marks = [level]
    if changes := [row for row in rows if row["before"] is not None]:
        colours = {style: STYLES[style][0] for style in dict.fromkeys(row["style"] for row in changes)}
        scale = alt.Scale(domain=list(colours), range=list(colours.values()))
        colour = alt.Color("style:N", legend=None, scale=scale)
        bars = (
            layer(changes).mark_bar(size=44, opacity=0.35).encode(x=x, y=alt.Y("before:Q"), y2="value:Q", color=colour)
        )
        marks = [bars, level]
    if ranged := [row for row in rows if row["low"] is not None]:
        marks.append(layer(ranged).mark_rule(color=MUTED, strokeWidth=1.5).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"))
    text = layer(rows).mark_text(fontSize=11.5, fontWeight=600, color=INK).encode(x=x, y=alt.value(-10), text="text:N")
    return configure(alt.layer(*marks, text), HEIGHT)


@unchecked
def dose_response(
    points: Sequence[Dose], setting: str, title: str, unit: str, higher_is_better: bool | None
) -> alt.LayerChart:
    """The metric against the size of one setting, with 95 % intervals; the full model's own value is filled."""
    rows = [vars(point) for point in sorted(points, key=lambda p: p.dose)]
    ends = [p.dose for p in points]
    x = alt.X(
        "dose:Q",
        title=plain(setting),
        scale=alt.Scale(domain=[min(ends), max(ends)], nice=False, padding=12),
        axis=alt.Axis(values=sorted(set(ends)), labelOverlap=True, format="~g"),
    )
    y = alt.Y("value:Q", scale=_scale(rows), axis=alt.Axis(title=named(title, unit, higher_is_better), tickCount=4))
    marks = [layer(rows).mark_line(color=SERIES[0], strokeWidth=2).encode(x=x, y=y)]
    if ranged := [row for row in rows if row["low"] is not None]:
        marks.append(layer(ranged).mark_rule(color=SERIES[0], strokeWidth=2).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"))
    for base in (False, True):
        if mine := [row for row in rows if row["base"] is base]:
            fill = SERIES[0] if base else "#0a0a0a"
            point = layer(mine).mark_point(size=70, opacity=1, stroke=SERIES[0], strokeWidth=2, fill=fill)
            marks.append(point.encode(x=x, y=y))
    return configure(alt.layer(*marks), HEIGHT)


def _steps(stages: Sequence[Stage], higher_is_better: bool | None, places: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    before: float | None = None
    for stage in stages:
        change = None if before is None else stage.value - before
        better = None if not change or higher_is_better is None else (change > 0) == higher_is_better
        style = {True: "better", False: "worse", None: "different"}[better]
        text = number(stage.value, places) if change is None else number(change, places, signed=True)
        rows.append({**vars(stage), "name": plain(stage.name), "before": before, "style": style, "text": text})
        before = stage.value
    return rows


def _scale(rows: list[dict[str, Any]]) -> alt.Scale:
    ends = [row[key] for row in rows for key in ("value", "low", "high") if row[key] is not None]
    room = 0.06 * (max(ends) - min(ends)) or abs(ends[0]) * 0.1 or 1.0
    return alt.Scale(domain=[min(ends) - room, max(ends) + room], zero=False, nice=False)
