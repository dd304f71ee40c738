"""Runs against each other: quality and cost, over time, and prompt by prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from reports.charts.theme import (
    DASHES,
    INK,
    LINE,
    MUTED,
    PAPER,
    SERIES,
    SHAPES,
    STYLES,
    WIDTH,
    configure,
    layer,
    named,
    unchecked,
)
from reports.tables import plain

MOST_LABELLED = 14
"""Points with names beside them; with more, names would lie over each other."""
MOST_SHOWN = 2000


@dataclass(frozen=True)
class Named:
    """What a number on an axis is: title, unit, and which way is better (None: neither)."""

    title: str
    unit: str = ""
    higher_is_better: bool | None = None

    @property
    def axis(self) -> str:
        return named(self.title, self.unit, self.higher_is_better)


@dataclass(frozen=True)
class Place:
    """A run or arm by quality and cost."""

    name: str
    cost: float
    quality: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Level:
    """One run in time. `changed` marks the first run after a change point, `pinned` the baseline."""

    order: int
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    changed: bool = False
    pinned: bool = False


def front(places: Sequence[Place], higher_is_better: bool) -> list[Place]:
    """Those that no other beats in both: cheapest first, each dearer one better than all before it."""
    found: list[Place] = []
    for place in sorted(places, key=lambda p: (p.cost, -p.quality if higher_is_better else p.quality)):
        if not found or (
            (place.quality > found[-1].quality) == higher_is_better and place.quality != found[-1].quality
        ):
            found.append(place)
    return found


@unchecked
def pareto(places: Sequence[Place], quality: Named, cost: Named, width: int = WIDTH) -> alt.LayerChart:
    """Quality against cost with 95 % intervals. Filled: nothing is both cheaper and better; the line joins those.

    A metric without a good direction has no such front, and every point is hollow.
    """
    better = quality.higher_is_better
    best = [] if better is None else front(places, better)
    rows = [{**vars(place), "name": plain(place.name), "best": place in best} for place in places]
    x = alt.X("cost:Q", title=cost.axis, scale=alt.Scale(zero=False, padding=16), axis=alt.Axis(tickCount=4))
    y = alt.Y("quality:Q", scale=domain(rows, "quality"), axis=alt.Axis(title=quality.axis, tickCount=4))
    marks = []
    if line := [row for row in rows if row["best"]]:
        step = layer(line).mark_line(interpolate="step-after", color=STYLES["better"][0], strokeDash=[5, 3])
        marks.append(step.encode(x=x, y=y))
    if ranged := [row for row in rows if row["low"] is not None]:
        marks.append(layer(ranged).mark_rule(color=MUTED).encode(x=x, y=alt.Y("low:Q"), y2="high:Q"))
    tips = [alt.Tooltip("name:N"), alt.Tooltip("quality:Q", format=".4~g"), alt.Tooltip("cost:Q", format=".3~g")]
    for is_best in (False, True):
        if mine := [row for row in rows if row["best"] is is_best]:
            stroke = STYLES["better" if is_best else "unclear"][0]
            points = layer(mine).mark_point(
                size=80, opacity=1, strokeWidth=2, stroke=stroke, fill=stroke if is_best else PAPER,
                shape="square" if is_best else "circle",
            )  # fmt: skip
            marks.append(points.encode(x=x, y=y, tooltip=tips))
    marks += _labels([row for row in rows if row["best"] or len(rows) <= MOST_LABELLED], x, y, width)
    return configure(alt.layer(*marks), 240, width)


@unchecked
def history(levels: Sequence[Level], metric: Named, width: int = WIDTH) -> alt.LayerChart:
    """The metric over runs in their order, with 95 % intervals; a dashed line before each change, a dotted one at the
    baseline's level."""
    rows = [{**vars(level), "name": plain(level.name)} for level in levels[-MOST_SHOWN:]]
    ends = [rows[0]["order"], rows[-1]["order"]]
    x = alt.X(
        "order:Q",
        title="runs, oldest first",
        scale=alt.Scale(domain=[ends[0] - 0.5, ends[1] + 0.5], nice=False),
        axis=alt.Axis(tickMinStep=1, tickCount=6, format="d"),
    )
    y = alt.Y("value:Q", scale=domain(rows, "value"), axis=alt.Axis(title=metric.axis, tickCount=4))
    marks = []
    if changed := [row for row in rows if row["changed"]]:
        at = [{**row, "at": row["order"] - 0.5} for row in changed]
        rule = layer(at).mark_rule(color=STYLES["worse"][0], strokeDash=[4, 3], strokeWidth=1.5)
        marks.append(rule.encode(x=alt.X("at:Q")))
        text = layer(at).mark_text(align="left", dx=3, fontSize=10.5, color=STYLES["worse"][0], limit=110)
        marks.append(text.encode(x=alt.X("at:Q"), y=alt.value(-6), text="name:N"))
    if pinned := [row for row in rows if row["pinned"]]:
        marks.append(layer(pinned).mark_rule(color=INK, strokeDash=[1, 3], strokeWidth=1.5).encode(y=y))
        text = layer(pinned).mark_text(align="right", dy=-7, fontSize=10.5, color=INK)
        marks.append(text.encode(x=alt.value("width"), y=y, text=alt.value("baseline")))
    if len(ranged := [row for row in rows if row["low"] is not None]) > 1:
        band = layer(ranged).mark_area(color=SERIES[0], opacity=0.18)
        marks.append(band.encode(x=x, y=alt.Y("low:Q", scale=domain(rows, "value")), y2="high:Q"))
    marks.append(layer(rows).mark_line(color=SERIES[0], strokeWidth=1.5).encode(x=x, y=y))
    tips = [alt.Tooltip("name:N"), *(alt.Tooltip(f"{key}:Q", format=".4~g") for key in ("value", "low", "high"))]
    size = 40 if len(rows) <= 60 else 12
    marks.append(layer(rows).mark_point(size=size, filled=True, color=SERIES[0]).encode(x=x, y=y, tooltip=tips))
    return configure(alt.layer(*marks), 230, width)


@unchecked
def distribution(groups: Mapping[str, Sequence[float]], metric: Named, width: int = WIDTH) -> alt.LayerChart:
    """Every prompt's value as a thin line, and above it the middle half with the median; one row a group."""
    names = {name: plain(name) for name in groups}
    order = list(names.values())
    values = [{"group": names[name], "value": float(x)} for name, found in groups.items() for x in found]
    y = alt.Y("group:N", title=None, sort=order, axis=None)
    x = alt.X("value:Q", title=metric.axis, scale=alt.Scale(zero=False, padding=8), axis=alt.Axis(tickCount=5))
    boxes = [{"group": names[name], **_quartiles(found)} for name, found in groups.items() if len(found)]
    marks = [
        layer(values).mark_tick(size=14, thickness=1, opacity=0.45, color=SERIES[0], yOffset=12).encode(x=x, y=y),
        layer(boxes).mark_rule(strokeWidth=8, color=LINE, yOffset=-2).encode(x=alt.X("q1:Q"), x2="q3:Q", y=y),
        layer(boxes).mark_tick(size=12, thickness=3, color=INK, yOffset=-2).encode(x=alt.X("median:Q"), y=y),
        layer(boxes)
        .mark_text(align="left", fontSize=11.5, color=INK, yOffset=-16, limit=width - 10)
        .encode(x=alt.value(0), y=y, text="group:N"),
    ]
    return configure(alt.layer(*marks), max(54 * len(groups), 54), width)


@unchecked
def series(groups: Mapping[str, Sequence[Level]], metric: Named, width: int = WIDTH) -> alt.LayerChart:
    """Several branches over time, each with a shape and a dash of its own; at most six."""
    kept = dict(list(groups.items())[: len(SERIES)])
    names = [plain(name) for name in kept]
    rows = [{**vars(level), "name": plain(level.name), "series": plain(g)} for g, ls in kept.items() for level in ls]
    x = alt.X("order:Q", title="runs, oldest first", axis=alt.Axis(tickMinStep=1, tickCount=6, format="d"))
    y = alt.Y("value:Q", scale=domain(rows, "value"), axis=alt.Axis(title=metric.axis, tickCount=4))
    colour = alt.Color("series:N", title=None, scale=alt.Scale(domain=names, range=list(SERIES[: len(names)])))
    dash = alt.StrokeDash("series:N", title=None, scale=alt.Scale(domain=names, range=list(DASHES[: len(names)])))
    shape = alt.Shape("series:N", title=None, scale=alt.Scale(domain=names, range=list(SHAPES[: len(names)])))
    lines = layer(rows).mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour, strokeDash=dash)
    tips = [alt.Tooltip("series:N"), alt.Tooltip("name:N"), alt.Tooltip("value:Q", format=".4~g")]
    points = layer(rows).mark_point(size=36).encode(x=x, y=y, color=colour, shape=shape, tooltip=tips)
    return configure(alt.layer(lines, points), 230, width)


def _labels(rows: list[dict[str, Any]], x: alt.X, y: alt.Y, width: int) -> list[alt.Chart]:
    """Names beside their points, to the left of those in the right half; none where another name would lie over it."""
    if not rows:
        return []
    low, high = min(row["cost"] for row in rows), max(row["cost"] for row in rows)
    bottom, top = min(row["quality"] for row in rows), max(row["quality"] for row in rows)
    kept: list[dict[str, Any]] = []
    for row in sorted(rows, key=lambda row: not row["best"]):
        near = [
            other
            for other in kept
            if abs(row["cost"] - other["cost"]) < 0.5 * (high - low)
            and abs(row["quality"] - other["quality"]) < 0.09 * (top - bottom)
        ]
        kept += [] if near else [row]
    middle = (low + high) / 2
    sides = (("left", 8, lambda cost: cost <= middle), ("right", -8, lambda cost: cost > middle))
    return [
        layer(mine)
        .mark_text(align=align, dx=dx, dy=-9, fontSize=11, color=INK, limit=width // 2 - 12)
        .encode(x=x, y=y, text="name:N")
        for align, dx, fits in sides
        if (mine := [row for row in kept if fits(row["cost"])])
    ]


def domain(rows: list[dict[str, Any]], key: str, low: str = "low", high: str = "high") -> alt.Scale:
    """All values and interval ends with a little room; an axis that need not begin at zero."""
    ends = [row[k] for row in rows for k in (key, low, high) if row.get(k) is not None]
    room = 0.06 * (max(ends) - min(ends)) or abs(ends[0]) * 0.1 or 1.0
    return alt.Scale(domain=[min(ends) - room, max(ends) + room], zero=False, nice=False)


def _quartiles(found: Sequence[float]) -> dict[str, float]:
    import numpy as np

    q1, median, q3 = (float(q) for q in np.quantile(np.asarray(found, dtype=np.float64), [0.25, 0.5, 0.75]))
    return {"q1": q1, "median": median, "q3": q3}
