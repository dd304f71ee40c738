"""One metric over time, branch by branch, and since when it is what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import streamlit as st

from evals.metric import Score
from evals.stats.changes import LEAST
from magicvideo.errors import InputError
from reports.attention import lines, looks_worse
from reports.baselines import read_baselines
from reports.charts import Level, history
from reports.charts.runs import Named
from reports.dashboard import load, navigation, state
from reports.dashboard.common import ARROWS, chart, entries, heading, metrics_of, nothing, pick, say, switch, table
from reports.folder import Metric
from reports.history import Change, Series, changes, series
from reports.history import Entry as Point
from reports.store import Entry
from reports.tables import decimals, interval, number

FEW = 12
"""So many runs are compared prompt by prompt without being asked: each has to be read."""
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
    runs = {e.id: e for e in line}
    paired = switch("Compare prompt by prompt, on the videos that all runs share", "paired", len(line) <= FEW)
    written = " ".join(state.index().signature(e.id) for e in line)
    of, shifts = _found(list(reversed(line)), metric.name, written, paired)
    if len(of.points) < len(line):
        say(f"{len(line) - len(of.points)} runs have another protocol or no value, and are left out.", "caption")
    if paired and len(of.points) > 1 and not of.paired:
        say("Too few videos are common to these runs: each is shown by its own interval.", "caption")
    pinned = _pinned(line)
    for shift in reversed(shifts.values()):
        say(_since(shift, metric, runs[shift.entry.run]))
    if not shifts:
        few = f" One is looked for from {LEAST} runs on." if len(of.points) < LEAST else ""
        say(f"No change of level is shown.{few}", "caption")
    for id, when in pinned.items():
        say(_against(line[0], runs.get(id), id, when, metric))
    levels = [
        Level(
            n, runs[p.entry.run].commit[:7] or p.entry.name, p.value, p.low, p.high, n in shifts, p.entry.run in pinned
        )
        for n, p in enumerate(of.points)
    ]
    chart(history(levels, Named(metric.title, metric.unit, metric.higher_is_better)), "history", wide=True)
    _table(of, shifts, pinned, runs)
    ids = [p.entry.run for p in of.points]
    if len(ids) > 1:
        navigation.link("compare", "Compare the newest with the one before", base=ids[-2], candidate=ids[-1])
    for id in pinned:
        if id in ids[:-1]:
            navigation.link("compare", "Compare the newest with the baseline", base=id, candidate=ids[-1])


def _table(of: Series, shifts: Mapping[int, Change], pinned: Mapping[str, str], runs: Mapping[str, Entry]) -> None:
    """Newest first, changes and the baseline marked."""
    places = decimals([p.high - p.low for p in of.points if p.low is not None and p.high is not None],
                      [p.value for p in of.points])  # fmt: skip
    rows = []
    for n, p in reversed(list(enumerate(of.points))):
        entry = runs[p.entry.run]
        marks = [f"{MARKS[shifts[n].direction]} {shifts[n].direction} from here on"] if n in shifts else []
        marks += ["baseline"] if entry.id in pinned else []
        rows.append(
            {
                "run": entry.id,
                "when": entry.when,
                "commit": entry.commit[:7] or "–",
                "value": number(p.value, places),
                "95 % interval": interval(p.low, p.high, places),
                "n": p.n,
                "unscored": entry.metrics[of.metric].get("unscored"),
                "mark": ", ".join(marks),
            }
        )
    table(rows, "history-table")


def _pinned(line: Sequence[Entry]) -> dict[str, str]:
    """Run -> when it was pinned as this branch's baseline, in the folders that hold these runs."""
    found = {}
    for folder in dict.fromkeys(e.id.rpartition("/")[0] for e in line):
        try:
            told = read_baselines(state.index().store / folder).get(line[0].branch)
        except InputError as error:
            say(str(error), "warning")
            continue
        if told is not None:
            found[f"{folder}/{told.run}" if folder else told.run] = told.pinned
    return found


def _against(newest: Entry, base: Entry | None, id: str, when: str, metric: Metric) -> str:
    """The baseline, and how the newest run stands to it; a distance of two means, no verdict."""
    named = f"Baseline of {newest.branch}: {id}, pinned {when[:10]}"
    if base is None:
        return f"{named}; it is not among these runs."
    old, new = (e.metrics.get(metric.name, {}) for e in (base, newest))
    if base == newest or old.get("value") is None or new.get("value") is None:
        return f"{named}."
    ends = [score[key] for score in (old, new) for key in ("low", "high") if score.get(key) is not None]
    places = decimals([max(ends) - min(ends)] if ends else [], [old["value"]])
    told = f"{named}: {number(old['value'], places)}, the newest run {number(new['value'], places)}"
    return f"{MARKS['worse']}  {told}, which looks worse." if looks_worse(old, new) else f"{told}."


@st.cache_data(max_entries=64, show_spinner=False)
def _found(_line: Sequence[Entry], metric: str, written: str, paired: bool) -> tuple[Series, dict[int, Change]]:
    """The metric over these runs, oldest first, and its changes by their place; 5 % chance of a false alarm in all.

    Kept while `written`, when the runs' records were, stays the same.
    """
    del written
    told = [
        Point(e.id, e.name, e.created, e.commit, e.branch, e.dirty, {metric: _score(e.metrics[metric])})
        for e in _line
        if metric in e.metrics
    ]
    values = {point.run: {metric: load.values(point.run, metric)} for point in told} if paired else None
    of = series(told, metric, values)
    return of, {shift.index: shift for shift in changes(of)}


def _score(about: Mapping[str, Any]) -> Score:
    told: dict[str, Any] = {field.name: about.get(field.name) for field in fields(Score)}
    return Score(**told)


def _since(shift: Change, metric: Metric, entry: Entry) -> str:
    places = decimals([(shift.high - shift.low) / 2], [shift.after])
    change = f"{number(shift.before, places)} → {number(shift.after, places)}"
    span = interval(shift.low, shift.high, places, signed=True)
    which = ", ".join(part for part in (entry.commit[:7], entry.created[:10]) if part)
    told = f"{metric.title} {change} (difference {span})"
    return f"{MARKS[shift.direction]}  {shift.direction.capitalize()} since {entry.id} ({which}): {told}"
