"""All runs: find, tag, and set any number of them beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from reports import tags
from reports.charts import Bar
from reports.charts.runs import Named
from reports.charts.values import values
from reports.dashboard import navigation, state
from reports.dashboard.common import ARROWS, as_csv, chart, export, heading, metrics_of, nothing, pick, say, table
from reports.dashboard.views.overview import row
from reports.folder import Metric
from reports.store import Entry
from reports.tables import decimals, interval, number

KINDS = ("all", "evaluation", "ablation", "study")
MOST_COMPARED = 40


def page() -> None:
    heading("Runs")
    found = state.index().entries()
    if not found:
        nothing("runs", "magicvideo evaluate FOLDER --prompts prompts.jsonl --out runs/first")
        return
    tagged = tags.read(state.index().store)
    shown = _filtered(found, tagged)
    say(f"{len(shown)} of {len(found)}. Tick rows to set them beside each other.", "caption")
    chosen = _choose(shown, tagged)
    if not chosen:
        return
    _tag(chosen, tagged)
    compared = [e for e in chosen if e.kind == "evaluation"][:MOST_COMPARED]
    if compared:
        _compare(compared)


def _filtered(found: Sequence[Entry], tagged: dict[str, list[str]]) -> list[Entry]:
    with st.container(horizontal=True):
        text = st.text_input("Find", key="find", bind="query-params", placeholder="name, branch, commit, tag")
        kind = st.selectbox("Kind", KINDS, key="kind", bind="query-params", width=160)
        branches = ["all", *sorted({e.branch for e in found if e.branch})]
        branch = st.selectbox("Branch", branches, key="branch", bind="query-params", width=200)
    words = (text or "").lower().split()
    kept = [e for e in found if kind in ("all", e.kind) and branch in ("all", e.branch)]
    return [e for e in kept if all(word in _searched(e, tagged) for word in words)]


def _searched(entry: Entry, tagged: dict[str, list[str]]) -> str:
    known = (entry.id, entry.title, entry.branch, entry.commit, entry.suite, entry.status, *tagged.get(entry.id, ()))
    return " ".join(known).lower()


def _choose(shown: Sequence[Entry], tagged: dict[str, list[str]]) -> list[Entry]:
    """The ticked rows; those that the address names are ticked at first."""
    ids = [e.id for e in shown]
    named = st.query_params.get_all("run")
    first = [ids.index(id) for id in named if id in ids]
    frame = pd.DataFrame([row(e) | {"tags": ", ".join(tagged.get(e.id, ()))} for e in shown])
    event = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": first, "columns": [], "cells": []}},
        key="runs-table",
        column_config={"name": st.column_config.TextColumn(width="medium", pinned=True)},
    )
    export("CSV", lambda: as_csv(frame), "runs")
    chosen = [shown[at] for at in event["selection"]["rows"] if at < len(shown)]
    st.query_params["run"] = [e.id for e in chosen]
    return chosen


def _tag(chosen: Sequence[Entry], tagged: dict[str, list[str]]) -> None:
    """Tags are the one thing that is written, into one small file, where the store may be written."""
    if not tags.writable(state.index().store):
        return
    with st.popover("Tags", icon=":material/label:"):
        every = sorted({tag for found in tagged.values() for tag in found})
        common = [tag for tag in every if all(tag in tagged.get(e.id, ()) for e in chosen)]
        wanted = st.multiselect(f"Tags of the {len(chosen)} ticked", every, default=common, accept_new_options=True)
        if st.button("Save"):
            tags.change(state.index().store, [e.id for e in chosen], set(wanted), set(common) - set(wanted))
            st.rerun()


def _compare(compared: Sequence[Entry]) -> None:
    heading("Beside each other", 2)
    metrics = metrics_of(compared)
    rows = [_compared(metric, compared) for metric in metrics.values()]
    table(rows, "beside")
    if any(len({e.metrics.get(name, {}).get("protocol") for e in compared} - {None, ""}) > 1 for name in metrics):
        say("Some of these numbers are of unlike protocols, marked ≠: they cannot be compared.", "warning")
    name = pick("Draw", list(metrics), "metric", {n: m.title for n, m in metrics.items()})
    bars = _bars(compared, name, metrics[name])
    if bars:
        chart(values(bars, Named(metrics[name].title, metrics[name].unit, metrics[name].higher_is_better)), "runs")
    if len(compared) == 2:
        new, old = sorted(compared, key=lambda e: (e.created, e.id), reverse=True)
        navigation.link("compare", "Compare the two, prompt by prompt", base=old.id, candidate=new.id)


def _compared(metric: Metric, compared: Sequence[Entry]) -> dict[str, Any]:
    told = [e.metrics.get(metric.name, {}) for e in compared]
    spreads = [about["high"] - about["low"] for about in told if about.get("low") is not None]
    places = decimals(spreads, [about.get("value") for about in told])
    cells: dict[str, Any] = {"metric": f"{metric.title} {ARROWS[metric.higher_is_better]}", "unit": metric.unit}
    for entry, about in zip(compared, told, strict=True):
        unlike = "≠ " if about.get("protocol") and about["protocol"] != metric.protocol else ""
        span = "" if about.get("low") is None else f"  [{interval(about['low'], about['high'], places)}]"
        cells[entry.id] = f"{unlike}{number(about.get('value'), places)}{span}"
    return cells


def _bars(compared: Sequence[Entry], name: str, metric: Metric) -> list[Bar]:
    told = [(e, e.metrics.get(name, {})) for e in compared]
    places = decimals(
        [a["high"] - a["low"] for _, a in told if a.get("low") is not None], [a.get("value") for _, a in told]
    )
    return [
        Bar(e.id, a["value"], a.get("low"), a.get("high"), "unclear", True, number(a["value"], places))
        for e, a in told
        if a.get("value") is not None and a.get("protocol") == metric.protocol
    ]
