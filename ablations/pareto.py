"""Quality against cost: which arms nobody beats at their price. Arithmetic only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablations.cells import Cell, Rows, Run, Values, by_cell, compare, direction
from evals import stats
from evals.stats import Interval
from magicvideo.stage_config import STAGES


@dataclass(frozen=True)
class Point:
    """One arm's cost and quality. `front`: no other arm is at least as cheap and better on the mean.

    `beaten_by`: arms at least as cheap whose paired difference is better with its 95 % interval clear of 0. An arm off
    the front that nobody surely beats may belong on it.
    """

    arm: str
    metric: str
    seconds: float
    """Mean seconds a video, all stages, those found in the store with what they first took."""
    quality: Interval
    front: bool
    beaten_by: tuple[str, ...]


def fronts(scores: Rows, items: Sequence[Mapping[str, Any]], run: Run) -> list[Point]:
    """A point for every arm and metric that has a better direction, arms in the order of their cost."""
    costs, values = seconds(items), by_cell(scores, STAGES[-1])
    found = list[Point]()
    for metric in run["metrics"]:
        better = direction(run, metric)
        if better is not None:
            arms = sorted((arm for arm in costs if values.get((arm, metric))), key=lambda arm: costs[arm])
            found += _points(metric, arms, costs, values, better)
    return found


def seconds(items: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Arm -> mean seconds a video over its items' stages; arms of videos that others made have none."""
    spent = dict[str, list[float]]()
    for item in items:
        stages = item.get("stages") or {}
        if "video" in item or not stages:
            continue
        spent.setdefault(str(item["arm"]), []).append(sum(float(s.get("seconds") or 0) for s in stages.values()))
    return {arm: sum(some) / len(some) for arm, some in spent.items()}


def _points(
    metric: str, arms: Sequence[str], costs: Mapping[str, float], values: Mapping[Cell, Values], better: bool
) -> list[Point]:
    cells = {arm: values[arm, metric] for arm in arms}
    means = {arm: sum(cell.values()) / len(cell) for arm, cell in cells.items()}
    sign = 1 if better else -1
    found = list[Point]()
    for arm in arms:
        rivals = [a for a in arms if a != arm and costs[a] <= costs[arm]]
        above = [a for a in rivals if sign * (means[a] - means[arm]) > 0]
        quality = stats.interval(list(cells[arm].values()), [prompt for prompt, _ in cells[arm]])
        sure = tuple(a for a in above if _clear(metric, cells[arm], cells[a]))
        found.append(Point(arm, metric, costs[arm], quality, not above, sure))
    return found


def _clear(metric: str, one: Values, other: Values) -> bool:
    found = compare(metric, one, other)
    return found.low is not None and found.high is not None and not found.low <= 0 <= found.high
