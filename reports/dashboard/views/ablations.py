"""One ablation: what it showed, effect by effect, stage by stage, and the videos behind it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import streamlit as st

from ablations.effects import Effect, interactions
from ablations.readings import sections
from magicvideo.stage_config import STAGES
from reports.charts import dose_response, forest_chart, pareto, waterfall
from reports.charts.runs import Named
from reports.dashboard import load
from reports.dashboard.common import ARROWS, chart, entries, heading, nothing, pick, say, table, watch, words_for
from reports.dashboard.views.costs import places
from reports.findings import Findings
from reports.stages import all_scores, doses, earlier_effects, levels, scored_stages, swept
from reports.tables import interval, look, number, p_value

VIDEO = "the videos"
MOST_REASONS = 200


def page() -> None:
    heading("Ablations")
    found = entries("ablation")
    if not found:
        nothing("ablations", "magicvideo ablate smoke --out runs/smoke")
        return
    id = pick("Run", [e.id for e in found], "run", words_for(found))
    findings = load.ablation(id)
    _summary(findings)
    names = list(findings.run.metrics)
    if any(effect.difference is not None for effect in findings.effects):
        _matrix(findings)
        heading("One metric", 2)
        name = pick("Metric", names, "metric", {n: metric.title for n, metric in findings.run.metrics.items()})
        _metric(findings, name)
        _effects(findings, name)
        _readings(findings)
    _missing(findings)
    if names:
        _videos(findings)


def _summary(found: Findings) -> None:
    words = found.summary
    say(found.run.record.get("question") or found.run.name)
    for banner in words.banners:
        say(banner.text, "warning" if banner.loud else "info")
    heading(words.headline, 2)
    say(words.basis, "caption")
    for point in words.points:
        say(f"{point.mark}  {point.arm} {point.text}")
    say(words.certainty, "caption")


def _matrix(found: Findings) -> None:
    """Metrics by arms, each cell its mark and difference."""
    heading("All effects", 2)
    rows = []
    for name, metric in found.run.metrics.items():
        cells = {"metric": f"{metric.title} {ARROWS[metric.higher_is_better]}"}
        for e in found.effects:
            if e.metric == name:
                mark = look(e, metric).mark
                cells[found.run.arm(e.arm).title] = f"{mark} {number(e.difference, found.places[name], signed=True)}"
        rows.append(cells)
    table(rows, "effects-matrix")
    say("▲▼◆ certain · △▽◇ a hint · ○ inconclusive · = equal within the margin · – not tested", "caption")


def _metric(found: Findings, name: str) -> None:
    run, metric = found.run, found.run.metrics[name]
    mine = [e for e in found.effects if e.metric == name]
    left, right = st.columns(2)
    with left:
        if any(e.difference is not None for e in mine):
            say(f"Difference to {run.base.title}, 95 % intervals", "caption")
            chart(forest_chart(run, metric, mine, found.places[name]), f"effects-{name}")
        for setting, arms in swept(run).items():
            if len(points := doses(found, arms, name)) > 2:
                say(f"{metric.title} against {setting}; the filled point is {run.base.title}", "caption")
                drawn = dose_response(points, setting, metric.title, metric.unit, metric.higher_is_better)
                chart(drawn, f"dose-{setting}-{name}")
    with right:
        if found.costs:
            say("Quality and cost of each arm", "caption")
            named = Named(metric.title, metric.unit, metric.higher_is_better)
            if shown := places(found, name):
                chart(pareto(shown, named, Named("cost", "seconds per video", False)), f"pareto-{name}")
        _waterfall(found, name)


def _waterfall(found: Findings, name: str) -> None:
    lines = all_scores(found.run)
    if len(scored_stages(lines)) < 2:
        return
    titles = {arm.name: arm.title for arm in found.run.arms}
    arm = pick("Stage by stage, for", list(titles), "arm", titles)
    stages = levels(lines, arm, name)
    metric = found.run.metrics[name]
    if stages:
        drawn = waterfall(stages, metric.title, metric.unit, metric.higher_is_better, found.places[name])
        chart(drawn, f"stages-{name}")


def _effects(found: Findings, name: str) -> None:
    """The table, for the clips of the stage that is chosen."""
    lines = all_scores(found.run)
    earlier = earlier_effects(found.run, lines)
    stage = VIDEO
    if earlier:
        stage = pick("Effects on the clips of", [VIDEO, *earlier], "stage", {s: s.upper() for s in STAGES})
    shown = found.effects if stage == VIDEO else earlier[stage]
    table([_row(found, e) for e in shown if e.metric == name], "effects")
    if any(e.arms > 1 for e in shown):
        say("Main effects of a full factorial: each is a mean over all arms without the switch against all with it.")
    pairs = [e for e in interactions(lines, found.run.record) if e.metric == name]
    if pairs:
        say("Interactions: leaving out both, beyond what leaving out each alone adds up to.", "caption")
        table([_row(found, e) for e in pairs], "interactions")


def _row(found: Findings, e: Effect) -> dict[str, Any]:
    metric, digits = found.run.metrics[e.metric], found.places[e.metric]
    seen = look(e, metric)
    return {
        "arm": found.run.arm(e.arm).title,
        "verdict": f"{seen.mark} {seen.words}",
        "difference": number(e.difference, digits, signed=True),
        "95 % interval": interval(e.low, e.high, digits, signed=True),
        "adjusted p": p_value(e.p_adjusted),
        "full": number(e.base, digits),
        "arm's": number(e.value, digits),
        "detectable": number(e.detectable, digits),
        "n": e.n,
    }


def _readings(found: Findings) -> None:
    """What the run's design lets one read beyond single effects: doses, stages, signs of failure, cost."""
    for title, lines in sections(all_scores(found.run), found.run.items, found.run.record):
        heading(title, 2)
        for line in lines:
            say(line)


def _missing(found: Findings) -> None:
    """Values that are missing, by reason."""
    counted = Counter((u.metric, u.arm, u.reason) for u in found.unscored)
    if not counted:
        return
    heading("What could not be scored", 2)
    titles = {name: metric.title for name, metric in found.run.metrics.items()}
    rows = [
        {"metric": titles.get(metric, metric), "arm": found.run.arm(arm).title, "values": n, "reason": reason}
        for (metric, arm, reason), n in counted.most_common(MOST_REASONS)
    ]
    table(rows, "missing")


def _videos(found: Findings) -> None:
    run = found.run
    made = [(arm, prompt, seed) for arm, prompt, seed in run.by_place]
    others = [arm for arm in run.arms if arm != run.base and any(arm.name == name for name, _, _ in made)]
    prompts = {p: run.prompts[p] for _, p, _ in made if p in run.prompts}
    if not others or not prompts:
        return
    heading("See for yourself", 2)
    left, middle, right = st.columns(3)
    with left:
        prompt = pick("Prompt", list(prompts), "prompt", prompts)
    with middle:
        titles = {arm.name: arm.title for arm in others}
        against = pick(f"{run.base.title} against", list(titles), "against", titles)
    with right:
        stage = pick("Stage", list(reversed(STAGES[1:])), "clip", {s: s.upper() for s in STAGES})
    seed = run.seeds[0]
    items = [run.by_place.get((name, prompt, seed)) for name in (run.base.name, against)]
    digests = [((item or {}).get("stages") or {}).get(stage, {}).get("digest") for item in items]
    if not all(digests):
        say("One of the two videos is not made yet.", "info")
        return
    paths = [run.store.clip_path(str(digest)) for digest in digests]
    watch("watch", paths[0], paths[1], (run.base.title, run.arm(against).title), prompts[prompt])
