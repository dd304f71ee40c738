"""What people said: shares of Good, Same and Bad, ranks, and whether a metric says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from reports.charts.runs import Named, domain
from reports.charts.theme import INK, LINE, MUTED, PAPER, ROW, SERIES, STYLES, WIDTH, configure, layer, unchecked
from reports.tables import plain

WORDS = ("Good", "Same", "Bad")
LEAST_WRITTEN = 0.09
"""A smaller share has no room for its number; the table has it."""


@dataclass(frozen=True)
class Share:
    """Shares in [0,1] of the votes on one system: for it, for neither, against it."""

    system: str
    good: float
    same: float
    bad: float
    n: int


@unchecked
def win_bars(shares: Sequence[Share]) -> alt.LayerChart:
    """Good, Same and Bad of each system, side by side to 100 %; the number of votes beside its name."""
    colours = [STYLES["better"][0], LINE, STYLES["worse"][0]]
    rows, heads = [], []
    for place, share in enumerate(shares):
        start = 0.0
        heads.append({"place": place, "name": plain(share.system), "n": f"{share.n:,} votes"})
        for word, part in zip(WORDS, (share.good, share.same, share.bad), strict=True):
            text = f"{word} {part:.0%}" if part >= 2 * LEAST_WRITTEN else f"{part:.0%}" if part >= LEAST_WRITTEN else ""
            middle = start + part / 2
            rows.append({"place": place, "word": word, "from": start, "to": start + part, "at": middle, "text": text})
            start += part
    y = alt.Y("place:O", axis=None, scale=alt.Scale(domain=[row["place"] for row in heads]))
    axis = alt.Axis(format="%", tickCount=5, domain=False)
    x = alt.X("from:Q", title="share of votes", scale=alt.Scale(domain=[0, 1]), axis=axis)
    legend = alt.Legend(title=None)
    colour = alt.Color("word:N", sort=list(WORDS), scale=alt.Scale(domain=list(WORDS), range=colours), legend=legend)
    bars = layer(rows).mark_bar(size=16, yOffset=8, stroke=MUTED, strokeWidth=0.5)
    white = alt.Color("word:N", scale=alt.Scale(domain=list(WORDS), range=[PAPER, INK, PAPER]), legend=None)
    written = [row for row in rows if row["text"]]
    marks = [
        bars.encode(y=y, x=x, x2="to:Q", color=colour),
        layer(heads)
        .mark_text(align="left", fontSize=12.5, color=INK, yOffset=-9, limit=WIDTH - 80)
        .encode(y=y, x=alt.value(0), text="name:N"),
        layer(heads)
        .mark_text(align="right", fontSize=11, color=MUTED, yOffset=-9)
        .encode(y=y, x=alt.value("width"), text="n:N"),
        layer(written)
        .mark_text(fontSize=10.5, fontWeight=600, yOffset=8)
        .encode(y=y, x=alt.X("at:Q"), text="text:N", color=white),
    ]
    return configure(alt.layer(*marks).resolve_scale(color="independent"), ROW * max(len(heads), 1))


@dataclass(frozen=True)
class Rank:
    """A system's rank and the ranks that its simultaneous interval allows; 1 is best."""

    system: str
    rank: int
    best: int | None
    worst: int | None


@unchecked
def rank_intervals(ranks: Sequence[Rank]) -> alt.LayerChart:
    """Each system's rank as a point, and from which to which rank it may stand; overlapping bars are undecided."""
    rows = [{**vars(rank), "system": plain(rank.system), "place": place} for place, rank in enumerate(ranks)]
    y = alt.Y("place:O", axis=None)
    most = max(row["worst"] or row["rank"] for row in rows)
    scale = alt.Scale(domain=[1, max(most, 2)], padding=10, nice=False)
    axis = alt.Axis(tickMinStep=1, format="d", values=list(range(1, max(most, 2) + 1)), labelOverlap=True)
    x = alt.X("rank:Q", title="rank, 1 is best", scale=scale, axis=axis)
    marks = [
        layer(rows)
        .mark_text(align="left", fontSize=12.5, color=INK, yOffset=-9, limit=WIDTH)
        .encode(y=y, x=alt.value(0), text="system:N")
    ]
    if ranged := [row for row in rows if row["best"] is not None and row["worst"] is not None]:
        bars = layer(ranged).mark_rule(strokeWidth=2.5, strokeCap="round", color=SERIES[0], yOffset=8)
        marks.append(bars.encode(y=y, x=alt.X("best:Q"), x2="worst:Q"))
    points = layer(rows).mark_point(size=70, filled=True, opacity=1, color=SERIES[0], yOffset=8)
    return configure(alt.layer(*marks, points.encode(y=y, x=x)), ROW * len(rows))


@dataclass(frozen=True)
class Met:
    """A system's mean of a metric, and its net win (wins minus losses over votes, -1 to 1)."""

    system: str
    metric: float
    net: float
    net_low: float | None = None
    net_high: float | None = None


@unchecked
def scatter(points: Sequence[Met], metric: Named, note: str = "") -> alt.LayerChart:
    """A metric against people's preference, one point a system; the line at 0 is where people see no difference."""
    rows = [{**vars(point), "system": plain(point.system)} for point in points]
    x = alt.X("metric:Q", title=metric.axis, scale=alt.Scale(zero=False, padding=30), axis=alt.Axis(tickCount=4))
    axis = alt.Axis(title="net win (preferred minus not)", format="+.0%", tickCount=5)
    y = alt.Y("net:Q", scale=domain([*rows, {"net": 0.0}], "net", "net_low", "net_high"), axis=axis)
    zero = layer([{"zero": 0}]).mark_rule(color=LINE).encode(y=alt.Y("zero:Q"))
    marks = [zero]
    if ranged := [row for row in rows if row["net_low"] is not None]:
        marks.append(layer(ranged).mark_rule(color=MUTED).encode(x=x, y=alt.Y("net_low:Q"), y2="net_high:Q"))
    marks.append(layer(rows).mark_point(size=70, filled=True, opacity=1, color=SERIES[0]).encode(x=x, y=y))
    labels = layer(rows).mark_text(align="left", dx=8, fontSize=11, color=INK, limit=110)
    marks.append(labels.encode(x=x, y=y, text="system:N"))
    if note:
        marks.append(
            layer([{}])
            .mark_text(align="left", fontSize=11, color=MUTED, text=plain(note))
            .encode(x=alt.value(0), y=alt.value(-8))
        )
    return configure(alt.layer(*marks), 220)
