"""One metric over time, branch by branch, and since when it is what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import streamlit as st

from evals.metric import Score
from reports.attention import lines
from reports.charts import Level, history
from reports.charts.runs import Named
from reports.dashboard import navigation, state
from reports.dashboard.common import ARROWS, chart, entries, heading, metrics_of, nothing, pick, say, table
from reports.folder import Metric
from reports.history import Change, changes, series
from reports.history import Entry as Point
from reports.store import Entry
from reports.tables import decimals, interval, number

MARKS = {"better": "▲", "worse": "▼", "different": "◆"}


def page() -> None:
    heading("History")
    grouped = {_label(line[0]): line for line in lines(entries("evaluation"))}
    if not grouped:
        nothing("whole evaluations", "magicvideo evaluate FOLDER --prompts prompts.jsonl --out runs/first")
        return
    left, right = st.columns(2)
    with left:
        label = pick("Branch and suite", list(grouped), "line")
    line = grouped[label]
    metrics = {
        n: m for n, m in metrics_of(line).items() if any(e.metrics.get(n, {}).get("value") is not None for e in line)
    }
    if not metrics:
        say("None of these runs has a value.", "info")
        return
    with right:
        titles = {n: f"{m.title} {ARROWS[m.higher_is_better]}" for n, m in metrics.items()}
        name = pick("Metric", list(metrics), "metric", titles)
    _shown(line, metrics[name])


def _label(entry: Entry) -> str:
    return f"{entry.branch or 'no branch'} · {entry.suite or 'no suite'}"


def _shown(line: Sequence[Entry], metric: Metric) -> None:
    """Runs of the newest run's protocol, oldest first."""
    told = [(e, e.metrics.get(metric.name, {})) for e in reversed(line)]
    same = [(e, a) for e, a in told if a.get("value") is not None and a.get("protocol") == metric.protocol]
    if len(same) < len(told):
        say(f"{len(told) - len(same)} runs have another protocol or no value, and are left out.", "caption")
    written = " ".join(state.index().signature(e.id) for e, _ in same)
    shifts = _shifts([e for e, _ in same], metric.name, written)
    levels = [
        Level(n, e.commit[:7] or e.name, a["value"], a.get("low"), a.get("high"), n in shifts)
        for n, (e, a) in enumerate(same)
    ]
    for shift in reversed(shifts.values()):
        say(_since(shift, metric))
    if not shifts:
        say("No change of level is shown.", "caption")
    chart(history(levels, Named(metric.title, metric.unit, metric.higher_is_better)), "history", wide=True)
    places = decimals(
        [a["high"] - a["low"] for _, a in same if a.get("low") is not None], [a["value"] for _, a in same]
    )
    rows = [
        {
            "run": e.id,
            "when": e.when,
            "commit": e.commit[:7] or "–",
            "value": number(a["value"], places),
            "95 % interval": interval(a.get("low"), a.get("high"), places),
            "n": a.get("n"),
            "unscored": a.get("unscored"),
        }
        for e, a in reversed(same)
    ]
    table(rows, "history-table")
    if len(same) > 1:
        old, new = same[-2][0].id, same[-1][0].id
        navigation.link("compare", "Compare the newest with the one before", base=old, candidate=new)


@st.cache_data(max_entries=64, show_spinner=False)
def _shifts(_line: Sequence[Entry], metric: str, written: str) -> dict[int, Change]:
    """Change points by their place in the line; 5 % chance of a false alarm in the whole line.

    Kept while `written`, when the runs' records were, stays the same.
    """
    del written
    told = [
        Point(e.id, e.name, e.created, e.commit, e.branch, e.dirty, {metric: _score(e.metrics[metric])}) for e in _line
    ]
    return {shift.index: shift for shift in changes(series(told, metric))}


def _score(about: Mapping[str, Any]) -> Score:
    told: dict[str, Any] = {field.name: about.get(field.name) for field in fields(Score)}
    return Score(**told)


def _since(shift: Change, metric: Metric) -> str:
    places = decimals([(shift.high - shift.low) / 2], [shift.after])
    change = f"{number(shift.before, places)} → {number(shift.after, places)}"
    span = interval(shift.low, shift.high, places, signed=True)
    return f"{MARKS[shift.direction]}  Since {shift.entry.name}: {metric.title} {change} (difference {span})"
