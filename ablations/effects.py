"""What an ablation showed: paired differences between each arm and the full model. Arithmetic only, no torch.

Pairs are videos of the same prompt and seed (their noise is common too), clusters are prompts. A difference is claimed
when its 95 % interval excludes 0 *and* its p stays at or below 5 % after Holm's correction over the whole family, every
metric times every arm. Effects are never stored: they follow from `scores.jsonl` and `run.json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from ablations.cells import Cell, Place, Rows, Run, Values, average, by_cell, compare, direction, margin, of_sets
from ablations.fractions import fraction
from evals import stats
from magicvideo.stage_config import STAGES

ALPHA, CLAIMS = stats.ALPHA, stats.CLAIMS
prompts_needed = stats.fewest_clusters
"""The fewest prompts with which one of so many comparisons can be claimed."""


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

    An arm may name another arm it is compared with (`against`). A factorial's arms have no effects of their own: they
    enter the main effect of each switch, the mean over all arms without it minus the mean over all arms with it, pair
    by pair. It goes by the name that an arm with this one switch off would have.
    """
    values, totals = by_cell(scores, stage), of_sets(scores, stage)
    sets, base = {metric for _, metric in totals}, str(run["base"])
    found = list[Effect]()
    for switch in factors(run):
        found += [_main_effect(metric, switch, run, values) for metric in run["metrics"] if metric not in sets]
    for arm in run["arms"]:
        off, against = arm.get("off"), str(arm.get("against") or base)
        if arm["name"] == base or (off and len(off) > 1):
            continue
        for metric in run["metrics"]:
            if metric in sets:
                found.append(_set_effect(metric, arm, against, totals))
            elif not off:
                found.append(_paired_effect(metric, arm, against, values))
    return _adjusted(found, run)


def interactions(scores: Rows, run: Run, stage: str = STAGES[-1]) -> list[Effect]:
    """Of a factorial, each pair of switches: does leaving out both differ from the sum of leaving out either?

    (off,off) - (off,on) - (on,off) + (on,on), each cell the mean over the other switches' arms, pair by pair of
    (prompt, seed). `difference` is that contrast; above 0 where a metric is higher without both than the two main
    effects add up to. A family of its own for Holm. [] without a factorial. In a fraction of one, pairs that cannot be
    told from a main effect are left out, and pairs that cannot be told from each other are named together.
    """
    values = by_cell(scores, stage)
    sets = {metric for _, metric in of_sets(scores, stage)}
    found = [
        _interaction(metric, pairs, run, values)
        for pairs in _told_apart(run)
        for metric in run["metrics"]
        if metric not in sets
    ]
    return _adjusted(found, run)


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


def _paired_effect(metric: str, arm: Mapping[str, Any], against: str, values: Mapping[Cell, Values]) -> Effect:
    found = compare(metric, values.get((against, metric), {}), values.get((arm["name"], metric), {}))
    return Effect(**asdict(found), arm=arm["name"], switch=arm["switch"])


def _main_effect(metric: str, switch: str, run: Run, values: Mapping[Cell, Values]) -> Effect:
    """The switch off against on, each averaged over the factorial's arms; places that miss an arm are left out."""
    cells = _factorial(run)
    on, off = (
        average([values.get((arm["name"], metric), {}) for arm in cells if (switch in arm["off"]) == is_off])
        for is_off in (False, True)
    )
    found = compare(metric, on, off)
    return Effect(**asdict(found), arm=f"without {switch}", switch=switch, arms=len(cells) // 2)


def _told_apart(run: Run) -> list[list[tuple[str, ...]]]:
    """Pairs of switches, those together that the run's arms cannot tell from each other."""
    switches = factors(run)
    part = (run.get("grid") or {}).get("fraction")
    if part is None:
        return [[pair] for pair in combinations(switches, 2)]
    design = fraction(switches, int(str(part).removeprefix("1/")))
    groups = [[pair, *design.aliases(*pair)] for pair in combinations(switches, 2)]
    return [
        group for group in groups if all(len(e) == 2 for e in group) and group[0] == min(group, key=_order(switches))
    ]


def _order(switches: list[str]) -> Callable[[tuple[str, ...]], list[int]]:
    return lambda pair: [switches.index(switch) for switch in pair]


def _interaction(metric: str, pairs: list[tuple[str, ...]], run: Run, values: Mapping[Cell, Values]) -> Effect:
    """Half of the arms have both switches alike, half have them unlike: twice their difference is the contrast."""
    (one, other), cells = pairs[0], _factorial(run)
    alike, unlike = (
        _doubled(
            average(
                [
                    values.get((arm["name"], metric), {})
                    for arm in cells
                    if ((one in arm["off"]) == (other in arm["off"])) == same
                ]
            )
        )
        for same in (True, False)
    )
    found = compare(metric, unlike, alike)
    return Effect(**asdict(found), arm=" = ".join(" x ".join(pair) for pair in pairs), arms=len(cells) // 2)


def _doubled(values: Values) -> dict[Place, float]:
    return {place: 2 * value for place, value in values.items()}


def factors(run: Run) -> list[str]:
    """The switches of the run's factorial, in the grid's order; [] without one."""
    return list(run.get("factors") or dict.fromkeys(switch for arm in run["arms"] for switch in arm.get("off") or ()))


def _factorial(run: Run) -> list[Mapping[str, Any]]:
    """The arms of the factorial, the full model among them."""
    return [arm for arm in run["arms"] if arm.get("off") is not None]


def _set_effect(
    metric: str, arm: Mapping[str, Any], against: str, totals: Mapping[Cell, tuple[float | None, int]]
) -> Effect:
    (full, n_full), (value, n) = totals.get((against, metric), (None, 0)), totals.get((arm["name"], metric), (None, 0))
    difference = None if full is None or value is None else value - full
    return Effect(
        metric=metric,
        difference=difference,
        n=min(n, n_full),
        base=full,
        value=value,
        set_level=True,
        arm=arm["name"],
        switch=arm["switch"],
    )


def _adjusted(found: list[Effect], run: Run) -> list[Effect]:
    """With Holm's p over the whole family, and the verdict that follows."""
    adjusted = stats.holm([e.p for e in found])
    return [
        replace(
            e, p_adjusted=p, verdict=stats.judged(e.low, e.high, p, margin(run, e.metric), direction(run, e.metric))
        )
        for e, p in zip(found, adjusted, strict=True)
    ]
