"""What a difference says: one form for every comparison, whoever makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evals.stats.corrections import ALPHA

Verdict = Literal["better", "worse", "different", "equivalent", "inconclusive"]
CLAIMS: tuple[Verdict, ...] = ("better", "worse", "different")
"""The verdicts that say there is a difference."""


@dataclass(frozen=True)
class Comparison:
    """One metric's difference, candidate minus base. Missing numbers are None, never 0.

    A metric of the whole set (one number a run) has a difference but no pairs: no interval, no p, "inconclusive".
    """

    metric: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    standardised: float | None = None
    """Cohen's d_z over prompts, with Hedges' correction."""
    n: int = 0
    """Pairs with a value on both sides (for a metric of the set: videos a side)."""
    verdict: Verdict = "inconclusive"
    clusters: int = 0
    base: float | None = None
    """The base's mean over the same pairs."""
    value: float | None = None
    """The candidate's mean over the same pairs."""
    detectable: float | None = None
    """The difference that this many prompts would show with probability .8."""
    error: float | None = None
    """Standard error of the difference, clustered by prompt."""
    set_level: bool = False


def verdict(low: float | None, high: float | None, margin: float, higher_is_better: bool | None) -> Verdict:
    """What an interval of a difference (candidate minus base) says.

    Wholly within (-margin, margin): "equivalent", also when it excludes 0. Excluding 0: "better" or "worse", or
    "different" for a metric without direction. Anything else, and a missing interval: "inconclusive".
    """
    if margin < 0:
        raise ValueError(f"a margin is not negative, got {margin}")
    if low is None or high is None:
        return "inconclusive"
    if -margin < low and high < margin:
        return "equivalent"
    if low <= 0 <= high:
        return "inconclusive"
    if higher_is_better is None:
        return "different"
    return "better" if (low > 0) == higher_is_better else "worse"


def judged(
    low: float | None,
    high: float | None,
    p_adjusted: float | None,
    margin: float,
    higher_is_better: bool | None,
    alpha: float = ALPHA,
) -> Verdict:
    """`verdict`, where a difference is claimed only if its adjusted p allows it too."""
    found = verdict(low, high, margin, higher_is_better)
    if found in CLAIMS and (p_adjusted is None or p_adjusted > alpha):
        return "inconclusive"
    return found
