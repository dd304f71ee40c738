"""Seconds of each stage, stacked to what a video costs."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt

from magicvideo.stage_config import STAGES
from reports.charts.theme import INK, MUTED, ROW, SERIES, WIDTH, configure, layer, unchecked
from reports.tables import plain


@unchecked
def stage_bars(costs: Mapping[str, Mapping[str, float]]) -> alt.LayerChart:
    """Arm -> stage -> seconds; each bar is one video, stages in their order."""
    rows, heads = [], []
    for place, (arm, stages) in enumerate(costs.items()):
        start = 0.0
        for stage in STAGES:
            if stage in stages:
                rows.append({"place": place, "stage": stage.upper(), "from": start, "to": start + stages[stage]})
                start += stages[stage]
        heads.append({"place": place, "arm": plain(arm), "text": f"{start:.3g} s"})
    y = alt.Y("place:O", axis=None, scale=alt.Scale(domain=[row["place"] for row in heads]))
    names = [stage.upper() for stage in STAGES]
    scale = alt.Scale(domain=names, range=[SERIES[0], SERIES[4], SERIES[2], SERIES[3]])
    colour = alt.Color("stage:N", scale=scale, legend=alt.Legend(title=None, columns=4))
    x = alt.X("from:Q", title="seconds per video, less is better", axis=alt.Axis(tickCount=5, domain=False))
    bars = layer(rows).mark_bar(size=14, yOffset=8, stroke=MUTED, strokeWidth=0.5)
    marks = [
        bars.encode(y=y, x=x, x2="to:Q", color=colour, order=alt.Order("from:Q")),
        layer(heads)
        .mark_text(align="left", fontSize=12.5, color=INK, yOffset=-9, limit=WIDTH - 70)
        .encode(y=y, x=alt.value(0), text="arm:N"),
        layer(heads)
        .mark_text(align="right", fontSize=12.5, fontWeight=600, color=INK, yOffset=-9)
        .encode(y=y, x=alt.value("width"), text="text:N"),
    ]
    return configure(alt.layer(*marks), ROW * len(heads))
