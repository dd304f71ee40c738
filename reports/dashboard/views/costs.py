"""What a video costs in each ablation, stage by stage, and what quality that buys."""

from __future__ import annotations

from typing import Any

import streamlit as st

from magicvideo.stage_config import STAGES
from reports.charts import Place, pareto
from reports.charts.costs import stage_bars
from reports.charts.runs import Named
from reports.dashboard import load
from reports.dashboard.common import chart, entries, heading, nothing, pick, say, table, words_for
from reports.findings import ArmCost, Findings

COST = Named("cost", "seconds per video", False)


def page() -> None:
    heading("What a video costs")
    found = entries("ablation")
    if not found:
        nothing("ablations, which record what each stage took,", "magicvideo ablate smoke --out runs/smoke")
        return
    id = pick("Run", [e.id for e in found], "run", words_for(found))
    findings = load.ablation(id)
    if not findings.costs:
        say("No videos are made yet, so nothing is known about their cost.", "info")
        return
    say(
        "Seconds per video on the run's machine, models loaded. A stage that a change does not touch is computed once "
        "and counted with what that took.",
        "caption",
    )
    left, right = st.columns(2)
    with left:
        bars = {c.arm.title: {s.stage: s.seconds for s in c.stages} for c in findings.costs}
        chart(stage_bars(bars), "stages")
    with right:
        names = [name for name, m in findings.run.metrics.items() if places(findings, name)]
        if names:
            titles = {name: m.title for name, m in findings.run.metrics.items()}
            name = pick("Against", names, "metric", titles)
            metric = findings.run.metrics[name]
            named = Named(metric.title, metric.unit, metric.higher_is_better)
            chart(pareto(places(findings, name), named, COST), "quality-cost")
    table([_row(cost) for cost in findings.costs], "costs")


def places(found: Findings, metric: str) -> list[Place]:
    """Each arm by seconds and score; arms without either are left out."""
    seconds = {cost.arm.name: cost.seconds for cost in found.costs}
    return [
        Place(found.run.arm(s.arm).title, seconds[s.arm], s.value, s.low, s.high)
        for s in found.scores
        if s.metric == metric and s.arm in seconds and s.value is not None
    ]


def _row(cost: ArmCost) -> dict[str, Any]:
    by_stage = {stage.stage: stage for stage in cost.stages}
    told = {stage.upper(): round(by_stage[stage].seconds, 3) if stage in by_stage else None for stage in STAGES}
    return {
        "arm": cost.arm.title,
        "seconds per video": round(cost.seconds, 3),
        **told,
        "videos": cost.videos,
        "stages computed": sum(stage.computed for stage in cost.stages),
        "reused": sum(stage.reused for stage in cost.stages),
    }
