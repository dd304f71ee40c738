"""How small a difference a planned grid can show, from the spread that an earlier run found. Arithmetic only.

The earlier run may be another grid with other arms: what carries over is how much paired differences vary from prompt
to prompt, metric by metric.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ablations.effects import Effect
from evals.stats import ALPHA, LEVEL, clusters_needed, detectable


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
