"""Scores as cells: arm, stage and metric -> the value of each (prompt, seed). What every reading of a run starts from.

Also what arms are to each other: pairs by place, and averages over arms. Arithmetic only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from evals import stats
from evals.stats import Comparison
from magicvideo.stage_config import STAGES

Rows = Sequence[Mapping[str, Any]]
Run = Mapping[str, Any]
Place = tuple[str, int]
"""(prompt id, seed): what pairs two arms' values."""
Values = Mapping[Place, float]
Cell = tuple[str, str]
"""(arm, metric)"""


def by_cell(scores: Rows, stage: str = STAGES[-1]) -> dict[Cell, dict[Place, float]]:
    """Values of one stage's clips by cell; unscored ones and metrics of whole sets are left out."""
    values: dict[Cell, dict[Place, float]] = {}
    for row in of_stage(scores, stage):
        if row.get("prompt_id") is not None and row["value"] is not None and isfinite(row["value"]):
            cell = values.setdefault((str(row["arm"]), str(row["metric"])), {})
            cell[str(row["prompt_id"]), int(row["seed"])] = float(row["value"])
    return values


def of_sets(scores: Rows, stage: str = STAGES[-1]) -> dict[Cell, tuple[float | None, int]]:
    """(value, n) of the metrics of whole sets: one number an arm."""
    return {
        (str(row["arm"]), str(row["metric"])): (row["value"], int(row.get("n") or 0))
        for row in of_stage(scores, stage)
        if row.get("prompt_id") is None
    }


def of_stage(scores: Rows, stage: str) -> list[Mapping[str, Any]]:
    """The rows about one stage's clips; rows that name no stage are about the last one's."""
    return [row for row in scores if row.get("stage", STAGES[-1]) == stage]


def average(arms: Sequence[Values]) -> dict[Place, float]:
    """Place -> mean over the arms, where every one of them has a value."""
    places = set(arms[0]).intersection(*arms[1:]) if arms else set()
    return {place: sum(arm[place] for arm in arms) / len(arms) for place in places}


def compare(metric: str, base: Values, other: Values) -> Comparison:
    """`other` minus `base` over the places that both have, clustered by prompt; not yet judged."""
    places = sorted(base.keys() & other.keys())
    if not places:
        return Comparison(metric)
    a, b = [base[p] for p in places], [other[p] for p in places]
    return stats.compared(metric, a, b, [prompt for prompt, _ in places])


def margin(run: Run, metric: str) -> float:
    """The largest difference that the grid declares to count as equal; 0 where it declares none."""
    return float(run.get("grid", {}).get("margins", {}).get(metric, 0.0))


def direction(run: Run, metric: str) -> bool | None:
    """Whether higher is better; None for a metric without a good direction."""
    found: bool | None = run["metrics"][metric].get("higher_is_better")
    return found
