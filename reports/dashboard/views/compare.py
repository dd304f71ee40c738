"""Two runs, or two arms: verdicts, then one metric prompt by prompt, then the two videos in step."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from reports.charts import distribution
from reports.charts.runs import Named
from reports.compare import Compared, Line, PromptChange, compare
from reports.dashboard import load, state
from reports.dashboard.common import (
    ARROWS,
    chart,
    choose,
    entries,
    heading,
    nothing,
    pick,
    say,
    table,
    watch,
    words_for,
)
from reports.sides import Side, read_side
from reports.store import Entry
from reports.tables import decimals, interval, number, p_value

MARKS = {"regressed": "▼", "improved": "▲", "equivalent": "=", "inconclusive": "○", "changed": "◆"}
CLICKED = {"verdicts": "metric", "prompts": "prompt"}
"""Table -> the picker that a click in it sets."""


def page() -> None:
    heading("Compare two runs")
    options = _options()
    if len(options) < 2:
        nothing("two runs to compare", "magicvideo evaluate FOLDER --prompts prompts.jsonl --out runs/second")
        return
    base, candidate = _pair(options)
    if base == candidate:
        say("Choose two different runs.", "info")
        return
    compared = _compare(*_place(base), *_place(candidate))
    line = _verdicts(compared)
    if line is not None:
        _prompts(compared, line)


def _options() -> dict[str, str]:
    """What may be compared and its words: whole evaluations, and the arms of whole ablations as RUN:ARM."""
    whole = [e for e in entries("evaluation", "ablation") if e.status == "complete"]
    words = words_for(whole)
    found: dict[str, str] = {}
    for entry in whole:
        if entry.kind == "evaluation":
            found[entry.id] = words[entry.id]
        else:
            found |= {f"{entry.id}:{arm}": f"{entry.id} · {title}" for arm, title in _arms(entry).items()}
    return found


def _arms(entry: Entry) -> dict[str, str]:
    return dict(zip(entry.arm_names, entry.arms, strict=True))


def _pair(options: dict[str, str]) -> tuple[str, str]:
    """By default the newest evaluation and the newest before it of the same suite and branch."""
    ids, whole = list(options), [e for e in entries("evaluation") if e.status == "complete"]
    new, old = ids[0], ids[1]
    if len(whole) > 1:
        mates = [e for e in whole[1:] if (e.suite, e.branch) == (whole[0].suite, whole[0].branch)]
        new, old = whole[0].id, (mates or whole[1:])[0].id
    left, right = st.columns(2)
    with left:
        base = pick("Base", ids, "base", options, ids.index(old))
    with right:
        candidate = pick("Candidate", ids, "candidate", options, ids.index(new))
    return base, candidate


def _place(option: str) -> tuple[str, str]:
    """Where a side lies, as `read_side` takes it, and what changes when its records do."""
    id, _, arm = option.rpartition(":") if state.index().entry(option) is None else (option, "", "")
    path = state.index().path(id)
    return f"{path}:{arm}" if arm else str(path), state.index().signature(id)


@lru_cache(maxsize=load.KEPT)
def _side(place: str, _: str) -> Side:
    return read_side(place if ":" in place else Path(place))


@lru_cache(maxsize=load.KEPT)
def _compare(base: str, old: str, candidate: str, new: str) -> Compared:
    return compare(_side(base, old), _side(candidate, new))


def _verdicts(compared: Compared) -> Line | None:
    """The table of all metrics; the line that is looked at."""
    heading("Verdicts", 2)
    say(
        "Candidate minus base, paired by video, prompts resampled; p adjusted (Holm). Regressed: surely worse, and by "
        "at least the margin. Click a row to see it prompt by prompt.",
        "caption",
    )
    for note in compared.notes:
        say(note, "info")
    lines = list(compared.lines)
    clicked = table([_row(line) for line in lines], "verdicts", select=True)
    names = [line.name for line in lines]
    _click("verdicts", None if clicked is None else names[clicked])
    heading("Prompt by prompt", 2)
    name = pick("Metric", names, "metric", {line.name: line.about.title for line in lines})
    return next((line for line in lines if line.name == name), None)


def _click(which: str, value: str | None) -> None:
    """A click in a table sets a picker once; what is picked by hand afterwards stays."""
    seen = f"clicked-{which}"
    if value is not None and st.session_state.get(seen) != value:
        choose(CLICKED[which], value)
    st.session_state[seen] = value


def _row(line: Line) -> dict[str, Any]:
    n = line.numbers
    places = decimals([None if n.low is None or n.high is None else (n.high - n.low) / 2], [n.difference])
    open_ = line.verdict == "inconclusive" and line.detectable is not None
    return {
        "metric": f"{line.about.title} {ARROWS[line.about.higher_is_better]}",
        "verdict": f"{MARKS[line.verdict]} {line.verdict}",
        "difference": number(n.difference, places, signed=True),
        "95 % interval": interval(n.low, n.high, places, signed=True),
        "margin": f"± {number(line.margin, places)}",
        "adjusted p": p_value(n.p_adjusted),
        "would have seen": f"± {number(line.detectable, places)}" if open_ else "–",
        "standardised": number(n.standardised, 2, signed=True),
        "n": n.n,
        "unit": line.about.unit,
        "note": line.note,
    }


def _prompts(compared: Compared, line: Line) -> None:
    if not line.changes:
        say("No video has a value on both sides: this is a number of the whole set, or nothing was scored.")
        return
    metric = line.about
    left, right = st.columns(2)
    with left:
        sides = {"base": [c.base for c in line.changes], "candidate": [c.candidate for c in line.changes]}
        chart(distribution(sides, Named(metric.title, metric.unit, metric.higher_is_better)), "values")
    with right:
        told = Named(f"difference in {metric.title}", metric.unit, metric.higher_is_better)
        chart(distribution({"candidate minus base": [c.difference for c in line.changes]}, told), "differences")
    say("The largest loss first. Click a row to watch both videos.", "caption")
    clicked = table([_change(c) for c in line.changes], "prompts", select=True, height=300)
    ids = [c.prompt_id for c in line.changes]
    _click("prompts", None if clicked is None else ids[clicked])
    prompt = pick("Prompt", ids, "prompt", {c.prompt_id: c.prompt for c in line.changes})
    _watch(compared, next(c for c in line.changes if c.prompt_id == prompt))


def _change(c: PromptChange) -> dict[str, Any]:
    told = {"difference": c.difference, "prompt": c.prompt, "base": c.base, "candidate": c.candidate}
    return told if c.prompt_id == c.prompt else {**told, "id": c.prompt_id}


def _watch(compared: Compared, change: PromptChange) -> None:
    item = change.items[0]
    if len(change.items) > 1:
        item = pick("Video", list(change.items), "video")
    sides = (compared.base, compared.candidate)
    if not all(item in side.clips for side in sides):
        say("The runs do not say where these videos lie.", "info")
        return
    paths = [state.videos().locate(side.clips[item], side.path) or side.clips[item] for side in sides]
    labels = (f"base: {change.base:.4g}", f"candidate: {change.candidate:.4g}")
    watch("watch", paths[0], paths[1], labels, change.prompt)
