"""Sensitivity cards as charts: one SVG a metric, one HTML page for all. Drawn by altair and vl-convert, offline."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from evals.cards import table
from magicvideo.files import write_text

INK, MUTED, GRID, MARK = "#26303b", "#66707c", "#dfe3e8", "#1f6fb2"
PANEL = (96, 90)
"""Width and height in pixels of one damage's panel."""
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;color:#26303b;max-width:1080px;margin:2rem auto;padding:0 1rem}"
    "pre{font-size:12px;overflow-x:auto;background:#f5f6f8;padding:1rem}"
    "svg{max-width:100%;height:auto}h2{margin:2rem 0 0}"
)


def write(folder: Path, kept: Mapping[str, Any]) -> Path:
    """sensitivity/METRIC.svg for each metric with a card, and sensitivity.html with all; the page's path."""
    drawn = {name: svg(kept, name) for name in kept["cards"]}
    for name, drawing in drawn.items():
        write_text(folder / "sensitivity" / f"{name}.svg", drawing)
    path = folder / "sensitivity.html"
    write_text(path, page(kept, drawn))
    return path


def svg(kept: Mapping[str, Any], metric: str) -> str:
    """A panel for each damage: the difference to the undamaged clips against strength, with its 95 % interval."""
    return vl_convert.vegalite_to_svg(
        chart(kept, metric).to_dict(), vl_version="_".join(alt.SCHEMA_VERSION.split(".")[:2])
    )


def chart(kept: Mapping[str, Any], metric: str) -> alt.FacetChart:
    card, titles = kept["cards"][metric], {name: d["title"] for name, d in kept["damages"].items()}
    rows = [row for damage, answer in card["answers"].items() for row in _rows(titles[damage], answer)]
    x = alt.X("strength:Q", title=None, axis=alt.Axis(values=[0, 5], labelExpr="datum.value ? 'most' : 'none'"))
    y = alt.Y("difference:Q", title=f"difference ({card['unit']})", axis=alt.Axis(tickCount=4, format="~g"))
    base = alt.Chart(alt.Data(values=rows))
    band = base.mark_area(opacity=0.22, color=MARK).encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    line = base.mark_line(color=MARK, point=alt.OverlayMarkDef(color=MARK, size=22)).encode(x=x, y=y)
    zero = base.mark_rule(color=MUTED, strokeDash=[3, 3]).encode(y=alt.datum(0))
    panels = alt.layer(band, zero, line).properties(width=PANEL[0], height=PANEL[1])
    header = alt.Header(title=None, labelColor=INK, labelFontSize=11)
    order = [titles[name] for name in card["answers"]]
    return (
        panels.facet(column=alt.Column("damage:N", sort=order, header=header), spacing=8)
        .properties(background="white")
        .configure(font="sans-serif")
        .configure_view(stroke=GRID)
        .configure_axis(labelColor=MUTED, titleColor=INK, gridColor=GRID, domainColor=GRID, tickColor=GRID)
    )


def _rows(damage: str, answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One for each scored strength, and one for none, where the difference is 0 by definition."""
    rows: list[dict[str, Any]] = [{"damage": damage, "strength": 0, "difference": 0.0, "low": 0.0, "high": 0.0}]
    steps = zip(answer["difference"], answer["low"], answer["high"], strict=True)
    for strength, (difference, low, high) in enumerate(steps, 1):
        if difference is not None:
            ends = (difference, difference) if low is None else (low, high)
            rows.append(
                {"damage": damage, "strength": strength, "difference": difference, "low": ends[0], "high": ends[1]}
            )
    return rows


def page(kept: Mapping[str, Any], drawn: Mapping[str, str]) -> str:
    """One HTML page that opens offline."""
    parts = [
        f"<h2>{html.escape(kept['cards'][name]['title'])}</h2>\n<p><code>{name}</code></p>\n{drawing}"
        for name, drawing in drawn.items()
    ]
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Sensitivity</title>'
        f"<style>{STYLE}</style>\n<h1>What each metric answers to known damage</h1>\n"
        f"<pre>{html.escape(table(kept))}</pre>\n" + "\n".join(parts) + "\n</html>\n"
    )
