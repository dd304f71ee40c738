"""How small a difference a planned grid can show, from the spread that an earlier run found. Arithmetic only.

The earlier run may be another grid with other arms: what carries over is how much paired differences vary from prompt
to prompt, metric by metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ablations.effects import Effect, effects
from ablations.grid import Grid
from evals.stats import ALPHA, LEVEL, clusters_needed, detectable
from evals.suites import find
from magicvideo.errors import InputError
from magicvideo.files import read_json, read_jsonl


@dataclass(frozen=True)
class Precision:
    """One metric: the difference that the planned prompts show with probability .8."""

    metric: str
    spread: float
    """Standard deviation of per-prompt paired differences: the median over the earlier run's arms."""
    alone: float
    """For one comparison at 5 %."""
    corrected: float
    """At the level that the first of all planned comparisons has to reach (Holm)."""
    comparisons: int
    """How many are planned: metrics times comparisons of arms."""
    prompts_for_half: int
    """Prompts that would show half of `corrected`, at the same level."""


def of_grid(grid: Grid, pilot: Path, needed: bool = True) -> list[Precision]:
    """What a grid can show by the spread of the run in the folder `pilot`.

    Raises `InputError` if that is no finished ablation; with `needed` False it is then [].
    """
    if not (pilot / "scores.jsonl").is_file():
        if needed:
            raise InputError(
                f"{pilot}: no finished ablation to take the spread from; give the folder of one to --pilot"
            )
        return []
    run = read_json(pilot / "run.json")
    metrics = [m for m in find(grid.suite).only(grid.metrics).metrics if m.total is None]
    arms = len(grid.factors) or len(grid.arms) - 1
    arms += sum(1 for arm in grid.arms[1:] if arm.off is None) if grid.factors else 0
    earlier = effects(read_jsonl(pilot / "scores.jsonl"), run)
    return precision(earlier, [m.name for m in metrics], len(grid.prompts), arms * len(metrics))


def precision(earlier: Sequence[Effect], metrics: Sequence[str], prompts: int, comparisons: int) -> list[Precision]:
    """Of each metric that the earlier run measured with a spread. Needs two planned prompts or more, else []."""
    if prompts < 2:
        return []
    level = 1 - ALPHA / max(1, comparisons)
    found = list[Precision]()
    for metric in metrics:
        spreads = [
            e.error * e.clusters**0.5
            for e in earlier
            if e.metric == metric and e.error is not None and e.error > 0 and e.clusters > 1
        ]
        if spreads:
            spread = median(spreads)
            error = spread / prompts**0.5
            corrected = detectable(error, prompts, level=level)
            needed = clusters_needed(spread, corrected / 2, level=level)
            found.append(
                Precision(metric, spread, detectable(error, prompts, level=LEVEL), corrected, comparisons, needed)
            )
    return found
