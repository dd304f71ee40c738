"""Two evaluations against each other: verdicts, then one metric prompt by prompt, then the two videos in step."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

from evals.compare import Comparison, compare, read_run
from reports.charts import distribution
from reports.charts.runs import Named
from reports.dashboard import load, state
from reports.dashboard.common import (
    ARROWS,
    chart,
    entries,
    heading,
    metrics_of,
    nothing,
    pick,
    say,
    table,
    watch,
    words_for,
)
from reports.evaluation import EvaluationRun
from reports.folder import Metric
from reports.store import Entry
from reports.tables import decimals, interval, number, p_value, shown


def page() -> None:
    heading("Compare two runs")
    found = [e for e in entries("evaluation") if e.status == "complete"]
    if len(found) < 2:
        nothing("two whole evaluations", "magicvideo evaluate FOLDER --prompts prompts.jsonl --out runs/second")
        return
    base, candidate = _pair(found)
    if base.id == candidate.id:
        say("Choose two different runs.", "info")
        return
    compared = _compared(base, candidate)
    metrics = metrics_of([candidate, base])
    _verdicts(compared, metrics)
    name = _metric(compared, metrics)
    _prompts(base, candidate, metrics[name])


def _pair(found: list[Entry]) -> tuple[Entry, Entry]:
    """By default the newest run and the newest before it of the same suite and branch."""
    new = found[0]
    before = next((e for e in found[1:] if (e.suite, e.branch) == (new.suite, new.branch)), found[1])
    ids, words, by_id = [e.id for e in found], words_for(found), {e.id: e for e in found}
    left, right = st.columns(2)
    with left:
        base = pick("Base", ids, "base", words, ids.index(before.id))
    with right:
        candidate = pick("Candidate", ids, "candidate", words)
    return by_id[base], by_id[candidate]


def _compared(base: Entry, candidate: Entry) -> list[Comparison]:
    index = state.index()
    paths = [index.path(e.id) for e in (base, candidate)]
    return _compare(*paths, index.signature(base.id), index.signature(candidate.id))


@lru_cache(maxsize=load.KEPT)
def _compare(base: Path, candidate: Path, *_: str) -> list[Comparison]:
    return list(compare(read_run(base), read_run(candidate)))


def _verdicts(compared: list[Comparison], metrics: dict[str, Metric]) -> None:
    tested = sum(c.p is not None for c in compared)
    heading("Verdicts", 2)
    say(
        f"Candidate minus base, paired by video, prompts resampled; p adjusted (Holm) for {tested} comparisons. "
        "Click a row to see it prompt by prompt.",
        "caption",
    )
    rows = [_row(c, metrics[c.metric]) for c in compared]
    clicked = table(rows, "verdicts", select=True)
    if clicked is not None:
        chosen = compared[clicked].metric
        if st.session_state.get("clicked-metric") != chosen:
            st.session_state["clicked-metric"] = chosen
            st.session_state["metric"] = chosen


def _row(c: Comparison, metric: Metric) -> dict[str, Any]:
    look = shown(c.verdict, c.low, c.high, metric.higher_is_better, tested=c.p is not None)
    places = decimals([None if c.low is None or c.high is None else (c.high - c.low) / 2], [c.difference])
    open_ = c.verdict == "inconclusive" and c.detectable is not None
    return {
        "metric": f"{metric.title} {ARROWS[metric.higher_is_better]}",
        "verdict": f"{look.mark} {look.words}",
        "difference": number(c.difference, places, signed=True),
        "95 % interval": interval(c.low, c.high, places, signed=True),
        "adjusted p": p_value(c.p_adjusted),
        "standardised": number(c.standardised, 2, signed=True),
        "detectable": f"± {number(c.detectable, places)}" if open_ else "–",
        "n": c.n,
        "unit": metric.unit,
    }


def _metric(compared: list[Comparison], metrics: dict[str, Metric]) -> str:
    heading("Prompt by prompt", 2)
    names = [c.metric for c in compared]
    return pick("Metric", names, "metric", {name: metrics[name].title for name in names})


def _prompts(base: Entry, candidate: Entry, metric: Metric) -> None:
    runs = load.evaluation(base.id), load.evaluation(candidate.id)
    rows = differences(*runs, metric)
    if not rows:
        say(
            "No video has a value of this metric on both sides: it is a number of the whole set, or nothing was scored."
        )
        return
    named = Named(metric.title, metric.unit, metric.higher_is_better)
    left, right = st.columns(2)
    with left:
        chart(
            distribution({"base": [r["base"] for r in rows], "candidate": [r["candidate"] for r in rows]}, named),
            "values",
        )
    with right:
        told = Named(f"difference in {metric.title}", metric.unit, metric.higher_is_better)
        chart(distribution({"candidate minus base": [r["difference"] for r in rows]}, told), "differences")
    say("Worst first. Click a row to watch both videos.", "caption")
    clicked = table(rows, "prompts", select=True, height=300)
    items = [str(row["video"]) for row in rows]
    if clicked is not None and st.session_state.get("clicked-video") != items[clicked]:
        st.session_state["clicked-video"] = st.session_state["video"] = items[clicked]
    item = pick("Video", items, "video")
    _watch(base, candidate, runs, item, next(row for row in rows if row["video"] == item))


def differences(base: EvaluationRun, candidate: EvaluationRun, metric: Metric) -> list[dict[str, Any]]:
    """One row a video that both have a value of, the worst for the candidate first."""
    old, new = base.values.get(metric.name, {}), candidate.values.get(metric.name, {})
    rows = []
    for item in old.keys() & new.keys():
        video = candidate.video.get(item) or base.video.get(item)
        prompt = (video.prompt if video else None) or ""
        change = new[item] - old[item]
        rows.append({"prompt": prompt, "difference": change, "base": old[item], "candidate": new[item], "video": item})
    sign = -1 if metric.higher_is_better is False else 1
    return sorted(rows, key=lambda row: (sign * row["difference"], row["video"]))


def _watch(
    base: Entry, candidate: Entry, runs: tuple[EvaluationRun, EvaluationRun], item: str, row: dict[str, Any]
) -> None:
    clips = [run.video[item].clip if item in run.video else "" for run in runs]
    if not all(clips):
        say("The runs do not say where these videos lie.", "info")
        return
    paths = [load.clip_of(entry, clip) for entry, clip in zip((base, candidate), clips, strict=True)]
    labels = (f"base: {row['base']:.4g}", f"candidate: {row['candidate']:.4g}")
    watch("watch", paths[0], paths[1], labels, str(row["prompt"]))
