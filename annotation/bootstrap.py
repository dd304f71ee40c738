"""Bootstrap intervals of every convention, resampling people and prompts.

A draw of annotators is multinomial weights times per-annotator counts, and so is a draw of prompts, so a thousand draws
of a million votes cost two small matrix products. Deviations of both draws are added and scaled so that their variance
is that of two-way clustering, V_annotator + V_prompt - V_intersection: what both ways count is counted once. (The
pigeonhole bootstrap, weights multiplied cell by cell, counts a single vote's noise three times: Owen 2007.)
Percentiles are stretched by t(G-1)/z * sqrt(G/(G-1)) as in `evals.stats.interval`.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from annotation.clustering import Floats, Shares, cluster_counts, of_votes
from annotation.ratings import CONVENTIONS, LEVEL, Estimate, gradients, values
from annotation.table import Outcomes

DRAWS = 1000
LOGARITHMIC = ("gsb_ratio",)
"""Deviations are added on this scale."""


def intervals(
    outcomes: Outcomes, *, draws: int = DRAWS, seed: int = 0, level: float = LEVEL, shares: Shares | None = None
) -> dict[str, Estimate]:
    """Each convention with its bootstrap interval; without one where a draw would be undefined, or clusters are one.

    `shares` saves counting again what `clustering.of_votes` has counted.
    """
    shares = of_votes(outcomes) if shares is None else shares
    observed = values(shares.counts)
    rng = np.random.default_rng(seed)
    ways = [cluster_counts(codes, outcomes.outcome) for codes in (outcomes.annotator, outcomes.prompt)]
    drawn = [values(_weights(rng, draws, len(counts)) @ counts) for counts in ways if len(counts) > 1]
    groups = [len(counts) for counts in ways if len(counts) > 1]
    stretch = {name: _stretch(shares, slope, groups, level) for name, slope in gradients(shares.p).items()}
    return {name: _interval(name, observed, drawn, stretch[name], level) for name in CONVENTIONS}


def _interval(
    name: str, observed: dict[str, Floats], drawn: list[dict[str, Floats]], stretch: float, level: float
) -> Estimate:
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, *found = (np.log(known[name]) if name in LOGARITHMIC else known[name] for known in [observed, *drawn])
        deviations = np.sum([values - centre for values in found], axis=0) * stretch if found else np.array([np.nan])
    value = float(observed[name])
    if not np.isfinite(deviations).all() or not np.isfinite(value):
        return Estimate(value if np.isfinite(value) else None)
    tail = (1 - level) / 2
    low, high = (float(centre + d) for d in np.quantile(deviations, [tail, 1 - tail]))
    if name in LOGARITHMIC:
        return Estimate(value, float(np.exp(low)), float(np.exp(high)))
    least = -1.0 if name == "net" else 0.0
    return Estimate(value, max(least, low), min(1.0, high))


def _stretch(shares: Shares, slope: Floats, groups: list[int], level: float) -> float:
    """The draws' spread to that of the two-way error of a convention with this gradient, then z to t."""
    if not groups or not np.isfinite(slope).all():
        return 1.0
    ways = shares.parts[: len(groups)]
    each = [float(slope @ part @ slope) * (g - 1) / g for part, g in zip(ways, groups, strict=True)]
    wanted = shares.variance(slope)
    if not sum(each) or not wanted:
        return 1.0
    return float(np.sqrt(wanted / sum(each)) * shares.quantile(level) / ndtri((1 + level) / 2))


def _weights(rng: np.random.Generator, draws: int, groups: int) -> Floats:
    """How often each cluster is drawn, [draws, groups]."""
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=draws).astype(np.float64)
