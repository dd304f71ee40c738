"""What an ablation showed: paired differences between each arm and the full model. Arithmetic only, no torch.

Pairs are videos of the same prompt and seed (their noise is common too), clusters are prompts. A difference is claimed
when its 95 % interval excludes 0 *and* its p stays at or below 5 % after Holm's correction over the whole family, every
metric times every arm. Effects are never stored: they follow from `scores.jsonl` and `run.json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from evals import stats
from magicvideo.config import STAGES

ALPHA, CLAIMS = stats.ALPHA, stats.CLAIMS
prompts_needed = stats.fewest_clusters
"""The fewest prompts with which one of so many comparisons can be claimed."""

Rows = Sequence[Mapping[str, Any]]
Run = Mapping[str, Any]
Place = tuple[str, int]
"""(prompt id, seed): what pairs two arms' values."""


@dataclass(frozen=True)
class Effect(stats.Comparison):
    """Arm minus the arm it is compared with (`base`, usually the full model), of one metric.

    `verdict` speaks of the arm: "worse" means that leaving the mechanism out makes the metric worse. "different" stands
    for a metric without a good direction (motion magnitude).
    """

    arm: str = ""
    switch: str | None = None
    arms: int = 1
    """Arms on each side: more than one for a main effect of a full factorial."""


def effects(scores: Rows, run: Run, stage: str = STAGES[-1]) -> list[Effect]:
    """Every metric of every arm against the full model, arm by arm in the grid's order, on the clips of `stage`.

    An arm may name another arm it is compared with (`against`). Of a full factorial each arm with one switch off stands
    for that switch's main effect: the mean over all arms without it minus the mean over all arms with it, pair by pair.
    Arms with several switches off enter those means, and have no effect of their own.
    """
    values, totals = _by_cell([row for row in scores if row.get("stage", stage) == stage])
    base = str(run["base"])
    found = list[Effect]()
    for arm in run["arms"]:
        off = arm.get("off")
        if arm["name"] == base or (off and len(off) > 1):
            continue
        for metric in run["metrics"]:
            if any(m == metric for _, m in totals):
                found.append(_set_effect(metric, arm, str(arm.get("against") or base), totals))
            elif off:
                found.append(_main_effect(metric, arm, run, values))
            else:
                found.append(_paired_effect(metric, arm, str(arm.get("against") or base), values))
    adjusted = stats.holm([e.p for e in found])
    return [_judged(e, p, run) for e, p in zip(found, adjusted, strict=True)]


def by_stratum(scores: Rows, run: Run) -> dict[str, list[Effect]]:
    """The effects within each group of prompts that the grid names, corrected group by group; {} without groups.

    Groups hold other prompts, so two groups' effects are independent: the intervals may be set beside each other.
    """
    groups = dict[str, set[str]]()
    for prompt in run["prompts"]:
        if prompt.get("stratum"):
            groups.setdefault(str(prompt["stratum"]), set()).add(str(prompt["id"]))
    return {
        name: effects([row for row in scores if str(row.get("prompt_id")) in ids], run) for name, ids in groups.items()
    }


def _by_cell(scores: Rows) -> tuple[dict[tuple[str, str], dict[Place, float]], dict[tuple[str, str], tuple[Any, int]]]:
    """(arm, metric) -> values by place, and (arm, metric) -> (value, n) of the set-level metrics."""
    values: dict[tuple[str, str], dict[Place, float]] = {}
    totals: dict[tuple[str, str], tuple[Any, int]] = {}
    for row in scores:
        cell = (str(row["arm"]), str(row["metric"]))
        if row.get("prompt_id") is None:
            totals[cell] = (row["value"], int(row.get("n") or 0))
        elif row["value"] is not None and isfinite(row["value"]):
            values.setdefault(cell, {})[str(row["prompt_id"]), int(row["seed"])] = float(row["value"])
    return values, totals


def _paired_effect(
    metric: str, arm: Mapping[str, Any], base: str, values: Mapping[tuple[str, str], Mapping[Place, float]]
) -> Effect:
    full, other = values.get((base, metric), {}), values.get((arm["name"], metric), {})
    places = sorted(full.keys() & other.keys())
    if not places:
        return _missing(metric, arm)
    a, b = [full[p] for p in places], [other[p] for p in places]
    d = stats.paired(a, b, [prompt for prompt, _ in places])
    return Effect(
        metric=metric,
        arm=arm["name"],
        switch=arm["switch"],
        difference=d.value,
        low=d.low,
        high=d.high,
        p=d.p,
        standardised=d.standardised,
        n=d.n,
        clusters=d.clusters,
        base=sum(a) / len(a),
        value=sum(b) / len(b),
        detectable=d.detectable,
        error=d.error,
    )


def _main_effect(
    metric: str, arm: Mapping[str, Any], run: Run, values: Mapping[tuple[str, str], Mapping[Place, float]]
) -> Effect:
    """The arm's one switch off against on, each averaged over the factorial's arms; places that miss an arm are out."""
    (switch,) = arm["off"]
    cells = [a for a in run["arms"] if a.get("off") is not None]
    sides = {
        name: _average([values.get((a["name"], metric), {}) for a in cells if (switch in a["off"]) == is_off])
        for name, is_off in (("with", False), (arm["name"], True))
    }
    found = _paired_effect(metric, arm, "with", {(name, metric): side for name, side in sides.items()})
    return replace(found, arms=len(cells) // 2)


def _average(arms: Sequence[Mapping[Place, float]]) -> dict[Place, float]:
    """Place -> mean over the arms, where every one of them has a value."""
    places = set(arms[0]).intersection(*arms[1:]) if arms else set()
    return {place: sum(arm[place] for arm in arms) / len(arms) for place in places}


def _set_effect(
    metric: str, arm: Mapping[str, Any], base: str, totals: Mapping[tuple[str, str], tuple[Any, int]]
) -> Effect:
    (full, n_full), (value, n) = totals.get((base, metric), (None, 0)), totals.get((arm["name"], metric), (None, 0))
    difference = None if full is None or value is None else value - full
    empty = _missing(metric, arm)
    return replace(empty, difference=difference, n=min(n, n_full), base=full, value=value, set_level=True)


def _missing(metric: str, arm: Mapping[str, Any]) -> Effect:
    return Effect(metric=metric, arm=arm["name"], switch=arm["switch"])


def _judged(effect: Effect, p_adjusted: float | None, run: Run) -> Effect:
    margin = float(run.get("grid", {}).get("margins", {}).get(effect.metric, 0.0))
    better = run["metrics"][effect.metric].get("higher_is_better")
    verdict = stats.judged(effect.low, effect.high, p_adjusted, margin, better)
    return replace(effect, p_adjusted=p_adjusted, verdict=verdict)
