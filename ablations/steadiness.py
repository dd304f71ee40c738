"""Whether the seconds of a run's arms can be compared: work that was the same must have taken the same time in each.

A machine with other work, or arms that ran beside each other, make an arm look slow that is not. Arithmetic only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ablations.cells import Run
from magicvideo.stage_config import STAGES

SWITCHED: dict[str, tuple[str, ...]] = {"t2i": (), "vfi": ("vfi",)}
"""The mechanisms that change a stage's work; all of them where none are listed, lest unlike work be called the same."""
SAME = 1.25
"""How many times as long the same work may take before a difference of seconds says nothing."""
MOMENT = 0.05
"""Seconds below which a clip's time is nothing to compare."""
ENOUGH = 3
"""Clips that an arm must have computed for its median to count."""


@dataclass(frozen=True)
class Unsteady:
    """A stage that did the same work in two arms, in unlike times: median seconds a clip, the extremes of all arms."""

    stage: str
    quick_arm: str
    quick: float
    slow_arm: str
    slow: float


def unsteady(items: Sequence[Mapping[str, Any]], run: Run) -> list[Unsteady]:
    """The worst case of each stage, those that took more than `SAME` times as long in one arm as in another."""
    configs = {str(arm["name"]): arm.get("config") or {} for arm in run["arms"]}
    return [found for stage in STAGES if (found := _worst(stage, items, configs)) is not None]


def _worst(stage: str, items: Sequence[Mapping[str, Any]], configs: Mapping[str, Any]) -> Unsteady | None:
    groups = dict[str, dict[str, dict[str, float]]]()
    for item in items:
        record, arm = (item.get("stages") or {}).get(stage), str(item["arm"])
        if record and record.get("seconds") and record.get("key"):
            group = groups.setdefault(_work(stage, configs.get(arm, {}), record), {})
            group.setdefault(arm, {})[str(record["key"])] = float(record["seconds"])
    found = [pair for group in groups.values() if (pair := _extremes(stage, group)) is not None]
    return max(found, key=lambda pair: pair.slow / pair.quick, default=None)


def _extremes(stage: str, arms: Mapping[str, Mapping[str, float]]) -> Unsteady | None:
    middle = {arm: median(took.values()) for arm, took in arms.items() if len(took) >= ENOUGH}
    if len(middle) < 2:
        return None
    quick, slow = min(middle, key=lambda arm: middle[arm]), max(middle, key=lambda arm: middle[arm])
    pair = Unsteady(stage, quick, middle[quick], slow, middle[slow])
    return pair if pair.slow > max(MOMENT, SAME * pair.quick) else None


def _work(stage: str, config: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """What makes two computations of a stage the same amount of work, as text."""
    mechanisms = config.get("mechanisms") or {}
    switched = {name: mechanisms.get(name) for name in SWITCHED.get(stage, mechanisms)}
    own = [config.get(name) for name in ("preset", "compute", "device", stage)]
    size = [record.get(name) for name in ("frames", "height", "width")]
    return json.dumps([switched, own, size], sort_keys=True)
