"""The report of an ablation run: derive everything from the run folder, then write it in the form asked for."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ablations.effects import Effect, effects
from evals.stats import interval
from magicvideo.files import write_text
from magicvideo.stage_config import STAGES
from reports.document import SUFFIX, Form
from reports.findings import ArmCost, ArmScore, Findings, StageCost, Unscored
from reports.folder import AblationRun, Arm, read_run
from reports.tables import decimals, effects_csv, markdown
from reports.words import summarise


def write_report(run: Path, form: Form = "html", out: Path | None = None) -> Path:
    """Write the report of the run folder `run` (to `run/report.<form>` unless `out` is given) and return its path.

    The file is written atomically. Raises `InputError` for a folder that is no ablation run or cannot be written. A run
    that is not complete gives a report that says so.
    """
    path = Path(out) if out else Path(run) / f"report.{SUFFIX[form]}"
    write_text(path, text(Path(run), form))
    return path


def text(run: Path, form: Form) -> str:
    """The report in one of its forms."""
    found = derive(read_run(run))
    if form == "html":
        from reports.page import render  # takes 0.6 s: Altair, Jinja

        return render(found)
    if form == "latex":
        from reports.ablation_latex import latex

        return latex(found)
    return markdown(found) if form == "md" else effects_csv(found)


def derive(run: AblationRun) -> Findings:
    """All numbers and sentences of the report."""
    shown = tuple(e for e in effects(list(run.scores), run.record) if e.metric in run.metrics)
    scores = tuple(arm_scores(run))
    costs = tuple(cost for arm in run.arms if (cost := arm_cost(run, arm)))
    places = {name: _places(name, shown, scores) for name in run.metrics}
    return Findings(
        run=run,
        effects=shown,
        scores=scores,
        costs=costs,
        unscored=tuple(unscored(run)),
        places=places,
        command=f"magicvideo report {shlex.quote(as_typed(run.path))}",
        summary=summarise(run, shown, scores, costs, places),
    )


def arm_scores(run: AblationRun) -> list[ArmScore]:
    """The mean of each metric for each arm, with a 95 % bootstrap interval over prompts.

    A metric of the whole set (one line for an arm, no prompt) brings its own value and interval.
    """
    lines: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in run.scores:
        lines[line["metric"], line["arm"]].append(line)
    return [_arm_score(arm.name, metric, lines[metric, arm.name]) for metric in run.metrics for arm in run.arms]


def _arm_score(arm: str, metric: str, lines: list[dict[str, Any]]) -> ArmScore:
    scored = [line for line in lines if line["value"] is not None]
    if not scored:
        return ArmScore(arm, metric, None, None, None, 0, len(lines))
    if len(lines) == 1 and lines[0].get("prompt_id") is None:
        only = lines[0]
        return ArmScore(arm, metric, only["value"], only.get("low"), only.get("high"), int(only.get("n") or 0), 0)
    values = [float(line["value"]) for line in scored]
    yes_or_no = set(values) <= {0.0, 1.0}
    found = interval(
        values,
        [line["prompt_id"] for line in scored],
        scale=(0.0, 1.0) if yes_or_no else (None, None),
        binary=yes_or_no,
    )
    return ArmScore(arm, metric, found.value, found.low, found.high, found.n, len(lines) - len(scored))


def arm_cost(run: AblationRun, arm: Arm) -> ArmCost | None:
    """Mean seconds per video and stage; None for an arm without videos.

    A reused stage counts with the seconds its first computation took, so arms can be compared.
    """
    items = [item for (name, _, _), item in run.by_place.items() if name == arm.name]
    if not items:
        return None
    stages = []
    for stage in STAGES:
        made = [item["stages"][stage] for item in items if stage in (item.get("stages") or {})]
        if made:
            reused = sum(bool(record.get("reused")) for record in made)
            seconds = sum(float(record.get("seconds") or 0) for record in made) / len(items)
            stages.append(StageCost(stage, seconds, len(made) - reused, reused))
    return ArmCost(arm, len(items), sum(stage.seconds for stage in stages), tuple(stages))


def unscored(run: AblationRun) -> Iterable[Unscored]:
    """Every line of the scores without a value, with its reason."""
    for line in run.scores:
        if line["value"] is None:
            prompt, seed = line.get("prompt_id"), line.get("seed")
            yield Unscored(
                run.arm(line["arm"]).title,
                run.metrics[line["metric"]].title if line["metric"] in run.metrics else line["metric"],
                "whole set" if prompt is None else str(prompt),
                "" if seed is None else str(seed),
                str(line.get("reason") or "no reason recorded"),
            )


def _places(metric: str, found: Iterable[Effect], scores: Iterable[ArmScore]) -> int:
    spans = [(e.low, e.high) for e in found if e.metric == metric]
    spreads = [(high - low) / 2 for low, high in spans if low is not None and high is not None]
    return decimals(spreads, [score.value for score in scores if score.metric == metric])


def as_typed(path: Path) -> str:
    """The path relative to the working directory where that is shorter to read."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
