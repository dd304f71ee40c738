"""One preference study: who wins, how sure that is, how far people agree, and which metric says the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from reports.charts import Met, Rank, rank_intervals, scatter, win_bars
from reports.charts.runs import Named
from reports.dashboard import load, state
from reports.dashboard.common import chart, entries, heading, literal, metrics_of, nothing, pick, say, table, words_for
from reports.votes import calibration_rows, rank_rows, shares_of, win_rows

TALLEST = 220
"""Pixels of the table of people, which scrolls."""
ALL = "each against all others"


def page() -> None:
    heading("Studies")
    found = entries("study")
    if not found:
        nothing(
            "studies", "magicvideo study create ours=outputs theirs=videos --prompts prompts.jsonl --out studies/first"
        )
        return
    id = pick("Study", [e.id for e in found], "study", {e.id: f"{e.id} · {e.title}" for e in found})
    entry = next(e for e in found if e.id == id)
    base = pick("Rate", [ALL, *entry.arms], "base", {arm: f"against {arm}" for arm in entry.arms})
    result = load.study(id, None if base == ALL else base)
    _told(result)
    _wins(result)
    _people(result)
    _calibration(id, result)


def _told(result: Mapping[str, Any]) -> None:
    say(str(result["study"]["title"]))
    say(
        f"{result['votes']:,} votes of {result['annotators']:,} annotators on {result['prompts']:,} prompts, "
        f"criterion {result['criterion']}; gold pairs and repeats left out.",
        "caption",
    )
    for warning in result["warnings"]:
        say(str(warning), "warning")


def _wins(result: Mapping[str, Any]) -> None:
    heading("Win rates", 2)
    systems = result["systems"]
    left, right = st.columns(2)
    with left:
        chart(win_bars(shares_of(systems)), "wins")
    with right:
        if result["ranking"]:
            ranks = [Rank(p["system"], p["rank"], p["best"], p["worst"]) for p in result["ranking"]["systems"]]
            chart(rank_intervals(ranks), "ranks")
    table(win_rows(systems), "win-rates")
    if result["ranking"]:
        say("Ranking (Davidson's model with ties); overlapping rank intervals are undecided.", "caption")
        table(rank_rows(result["ranking"]), "ranking")


def _people(result: Mapping[str, Any]) -> None:
    heading("Agreement", 2)
    alpha = result["agreement"]["alpha"]
    span = "" if alpha["interval"] is None else f" [{alpha['interval'][0]:.2f}, {alpha['interval'][1]:.2f}]"
    value = "not known" if alpha["value"] is None else f"{alpha['value']:.2f}{span}"
    say(
        f"Krippendorff's alpha (ordinal): {value}, from {result['agreement']['units']:,} pairs that several people saw."
    )
    rows = [
        {
            "annotator": person["annotator"],
            "votes": person["votes"],
            "agrees with others": person["agreement"]["value"],
            "one-coin accuracy": person["accuracy"],
        }
        for person in result["annotator_reliability"]
    ]
    table(
        sorted(rows, key=lambda row: row["one-coin accuracy"]), "annotators", height=TALLEST if len(rows) > 5 else None
    )


def _calibration(id: str, result: Mapping[str, Any]) -> None:
    """Which metric predicts these raters: choose the runs whose scores are held against the votes."""
    heading("Which metric predicts your raters", 2)
    runs = entries("ablation", "evaluation")
    systems = list(result["study"]["systems"])
    words = words_for(runs)
    chosen = []
    for system in systems:
        fitting = ["none", *(e.id for e in runs)]
        first = next((at for at, run in enumerate(fitting) if run.rpartition("/")[2] == system), 0)
        run = pick(f"Scores of {literal(system)}", fitting, f"scores-{systems.index(system)}", words, first)
        if run != "none":
            entry = next(e for e in runs if e.id == run)
            path = state.index().path(run)
            chosen.append(str(path) if entry.kind == "ablation" else f"{system}={path}")
    if not chosen:
        say("Choose the run that scored each system's videos.", "caption")
        return
    calibrated = load.study(id, None, tuple(dict.fromkeys(chosen)))
    table(calibration_rows(calibrated), "calibration")
    metrics = metrics_of(runs)
    names = [c["metric"] for c in calibrated["calibration"]]
    name = pick("Metric", names, "metric", {n: metrics[n].title for n in names if n in metrics})
    _scatter(calibrated, name, metrics, chosen)


def _scatter(result: Mapping[str, Any], name: str, metrics: Mapping[str, Any], chosen: list[str]) -> None:
    from annotation.scores import read_scores

    values = read_scores(list(dict.fromkeys(chosen))).values.get(name, {})
    points = []
    for system, told in result["systems"].items():
        mine = [value for (of, _), value in values.items() if of == system]
        if mine:
            low, high = told["intervals"]["net"] or (None, None)
            points.append(Met(system, sum(mine) / len(mine), told["net"], low, high))
    if not points:
        say("None of the study's systems has a value of this metric on the study's prompts.", "info")
        return
    metric = metrics.get(name)
    named = Named(metric.title, metric.unit, metric.higher_is_better) if metric else Named(name)
    chart(scatter(points, named), f"calibration-{name}")
