"""From numbers to stages: signs of failure that users of multi-stage video models look for, and where each points.

A rule reads the waterfall of one arm. It is a pointer with its evidence, not a proof: the ablations say what a part
really contributes. After the reading of failures in MagicVideo-V2's setting: blurry or inconsistent keyframes point to
I2V's conditioning or motion modules, artifacts that survive V2V to its reference conditioning, jitter or flicker that
comes with interpolation to VFI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablations.attribution import Step, waterfall
from ablations.cells import Rows, Run
from evals.stats import CLAIMS

Kind = Literal["worsens", "not mended", "low"]
Answer = Literal["seen", "not seen", "open", "not measured"]


@dataclass(frozen=True)
class Rule:
    """One sign. `worsens`: a metric is worse at `stage` than before it (claimed after correction). `not mended`: a
    fault is left at `stage` above `level` and did not become less. `low`: the mean at `stage` is below `level`."""

    sign: str
    points_to: str
    kind: Kind
    stage: str
    metrics: tuple[str, ...]
    level: float = 0.0


RULES = (
    Rule(
        "keyframes lose what the reference shows",
        "I2V's conditioning: appearance encoder, ControlNet, noise prior",
        "worsens",
        "i2v",
        ("shape_accuracy", "colour_accuracy", "background_accuracy", "clip_reference", "lpips_reference"),
    ),
    Rule(
        "keyframes are blurred or broken",
        "I2V's sampler and spatial layers: steps, guidance, joint training",
        "worsens",
        "i2v",
        ("aesthetic", "aesthetic_laion_linear", "aesthetic_laion_mlp", "musiq", "niqe_pocket", "clip_score"),
    ),
    Rule(
        "keyframes do not move as asked",
        "I2V's motion modules, or a noise prior that is too strong",
        "low",
        "i2v",
        ("motion_accuracy",),
        0.8,
    ),
    Rule(
        "faults survive V2V",
        "V2V's reference conditioning, or too little of the schedule redone (v2v.strength)",
        "not mended",
        "v2v",
        ("fault_remaining",),
        0.2,
    ),
    Rule(
        "V2V adds faults",
        "V2V's ControlNet, or too much of the schedule redone (v2v.strength)",
        "worsens",
        "v2v",
        ("shape_accuracy", "colour_accuracy", "lpips_truth", "aesthetic", "clip_temporal", "subject_consistency"),
    ),
    Rule(
        "jitter or flicker comes with interpolation",
        "VFI: the interpolator, or keyframes too far apart",
        "worsens",
        "vfi",
        ("flicker", "temporal_lpips", "warping_error", "motion_smoothness"),
    ),
)


@dataclass(frozen=True)
class Sign:
    """What a rule found on one arm. `open`: measured, but too little to tell. `evidence` are the steps it rests on."""

    rule: Rule
    arm: str
    answer: Answer
    evidence: tuple[Step, ...]


def diagnose(scores: Rows, run: Run, arm: str | None = None) -> list[Sign]:
    """Every rule on one arm (default: the full model); [] where a single stage is scored."""
    arm = arm or str(run["base"])
    steps = waterfall(scores, run, arm)
    return [judge(rule, arm, steps) for rule in RULES] if steps else []


def judge(rule: Rule, arm: str, steps: Sequence[Step]) -> Sign:
    """One rule against the steps of an arm."""
    at = [s for s in steps if s.stage == rule.stage and s.metric in rule.metrics]
    if rule.kind != "low":
        at = [s for s in at if s.before is not None]
    if not at:
        return Sign(rule, arm, "not measured", ())
    seen = tuple(s for s in at if _seen(rule, s))
    if seen:
        return Sign(rule, arm, "seen", seen)
    clear = all(_cleared(rule, s) for s in at)
    return Sign(rule, arm, "not seen" if clear else "open", tuple(at))


def _seen(rule: Rule, step: Step) -> bool:
    if rule.kind == "worsens":
        return step.verdict == "worse"
    left = step.value is not None and step.value > rule.level
    if rule.kind == "not mended":
        return left and step.verdict != "better"
    return step.value is not None and step.value < rule.level


def _cleared(rule: Rule, step: Step) -> bool:
    """Whether the step speaks against the sign. A difference that is merely not shown does not."""
    return rule.kind != "worsens" or step.verdict in (*CLAIMS, "equivalent")
