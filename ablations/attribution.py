"""Which stage added or lost what: each metric on each stage's clip of the same prompt and seed, stage after stage.

Needs a grid that scores earlier stages (`score_stages`). A metric that a stage's clip cannot have (motion of a single
picture) starts at the first stage that has it. Arithmetic only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise

from ablations.cells import Rows, Run, Values, by_cell, compare, direction, margin
from evals import stats
from evals.stats import Comparison
from magicvideo.stage_config import STAGES


@dataclass(frozen=True)
class Step(Comparison):
    """A metric from the clip of `before` to that of `stage`, paired by (prompt, seed).

    `base` and `value` are the means before and after. The first stage with a value has no difference.
    """

    arm: str = ""
    stage: str = ""
    before: str | None = None


def waterfall(scores: Rows, run: Run, arm: str | None = None) -> list[Step]:
    """The steps of one arm (default: the full model), metric by metric in the order the stages run.

    Holm's correction is over all steps of the arm. [] where a single stage is scored.
    """
    arm = arm or str(run["base"])
    stages = [s for s in STAGES if s in {row.get("stage", STAGES[-1]) for row in scores}]
    if len(stages) < 2:
        return []
    cells = {stage: by_cell(scores, stage) for stage in stages}
    found = list[Step]()
    for metric in run["metrics"]:
        found += _steps(metric, arm, {stage: cells[stage].get((arm, metric), {}) for stage in stages})
    adjusted = stats.holm([step.p for step in found])
    return [_judged(step, p, run) for step, p in zip(found, adjusted, strict=True)]


def _steps(metric: str, arm: str, values: Mapping[str, Values]) -> list[Step]:
    held = [(stage, value) for stage, value in values.items() if value]
    if not held:
        return []
    first, start = held[0]
    found = [Step(metric, n=len(start), value=sum(start.values()) / len(start), arm=arm, stage=first)]
    for (before, earlier), (stage, later) in pairwise(held):
        found.append(Step(**asdict(compare(metric, earlier, later)), arm=arm, stage=stage, before=before))
    return found


def _judged(step: Step, p: float | None, run: Run) -> Step:
    verdict = stats.judged(step.low, step.high, p, margin(run, step.metric), direction(run, step.metric))
    return replace(step, p_adjusted=p, verdict=verdict)
