"""What the clips of earlier stages scored, and what a swept setting did: for the waterfall and the dose-response.

Both read the same lines of `scores.jsonl` as the effects do, and average with the same clustered intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ablations.effects import Effect, effects
from evals.stats import interval
from magicvideo.stage_config import STAGES
from reports.charts import Dose, Stage
from reports.findings import Findings
from reports.folder import AblationRun, read_lines

Line = Mapping[str, Any]


def all_scores(run: AblationRun) -> list[dict[str, Any]]:
    """The run's score lines of every stage."""
    return list(read_lines(run.path / "scores.jsonl", ("arm", "metric", "value")))


def scored_stages(lines: Iterable[Line]) -> list[str]:
    """Stages with scores, in the pipeline's order; the videos' own is the last."""
    there = {str(line.get("stage", STAGES[-1])) for line in lines}
    return [stage for stage in STAGES if stage in there]


def levels(lines: Iterable[Line], arm: str, metric: str) -> list[Stage]:
    """The metric's mean over the clips of each scored stage of one arm, with its interval."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        if line["arm"] == arm and line["metric"] == metric and line["value"] is not None:
            found.setdefault(str(line.get("stage", STAGES[-1])), []).append(line)
    stages = []
    for stage in STAGES:
        mine = found.get(stage, [])
        if not mine:
            continue
        if mine[0].get("prompt_id") is None:
            stages.append(Stage(stage.upper(), float(mine[0]["value"]), mine[0].get("low"), mine[0].get("high")))
            continue
        mean = interval([float(line["value"]) for line in mine], [str(line["prompt_id"]) for line in mine])
        stages.append(Stage(stage.upper(), mean.value, mean.low, mean.high))
    return stages


def earlier_effects(run: AblationRun, lines: list[dict[str, Any]]) -> dict[str, list[Effect]]:
    """Stage before the last -> effects on its clips, corrected stage by stage."""
    return {
        stage: [e for e in effects(lines, run.record, stage) if e.metric in run.metrics]
        for stage in scored_stages(lines)
        if stage != STAGES[-1]
    }


def swept(run: AblationRun) -> dict[str, dict[str, float]]:
    """Setting -> arm -> its number there, for settings that alone set several arms apart from the base."""
    found: dict[str, dict[str, float]] = {}
    base = _flat(run.base.config)
    for arm in run.arms:
        if arm == run.base:
            continue
        other = _flat(arm.config)
        changed = [key for key in dict.fromkeys([*base, *other]) if base.get(key) != other.get(key)]
        if len(changed) == 1 and _is_number(other.get(changed[0])) and _is_number(base.get(changed[0])):
            found.setdefault(changed[0], {run.base.name: float(base[changed[0]])})[arm.name] = float(other[changed[0]])
    return {setting: arms for setting, arms in found.items() if len(arms) > 2}


def doses(found: Findings, arms: Mapping[str, float], metric: str) -> list[Dose]:
    """The metric at each value of a swept setting."""
    scores = {score.arm: score for score in found.scores if score.metric == metric}
    return [
        Dose(dose, scores[arm].value, scores[arm].low, scores[arm].high, arm == found.run.base.name)  # type: ignore[arg-type]
        for arm, dose in arms.items()
        if arm in scores and scores[arm].value is not None
    ]


def _flat(config: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return flat


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
