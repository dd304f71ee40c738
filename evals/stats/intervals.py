"""Intervals of means, clustered by prompt, and of shares."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from evals.stats.clusters import DRAWS, LEVEL, finite, per_cluster, resamples, stretch


@dataclass(frozen=True)
class Interval:
    """A mean with its interval. `low` and `high` are None where one cluster (or none) leaves nothing to judge by."""

    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int


def interval(
    values: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = LEVEL,
    scale: tuple[float | None, float | None] = (None, None),
    binary: bool = False,
) -> Interval:
    """The mean of `values` [N] with a bootstrap interval over `clusters` (N labels, e.g. prompt ids).

    Whole clusters are drawn with replacement; a draw is multinomial weights times per-cluster sums, divided by the same
    weights times per-cluster counts. Plain percentiles are too narrow for few clusters (86 % instead of 95 % at 6), so
    their distances from the mean are stretched by sqrt(G/(G-1)) * t(G-1) / z: the first factor undoes the bootstrap's
    division by G, the second pays for an estimated spread. The stretch is 1.44 at 6 clusters, 1.05 at 40. Simulated
    coverage is 93-96 % from 6 clusters on for symmetric and 0/1 values; strongly skewed (exponential) ones stay near
    90 % at 6 clusters and 92 % at 12.

    `scale` clips the interval to the values' possible range. `binary` values that are all equal have no spread to
    resample: they get Wilson's interval, each cluster counted once. Raises ValueError for no values or NaN.
    """
    x = finite(values)
    sums, counts = per_cluster(x, clusters)
    mean, groups = float(x.mean()), len(sums)
    if binary and (x == x[0]).all():
        low, high = wilson(round(mean * groups), groups, level)
        return Interval(mean, low, high, len(x), groups)
    if groups < 2:
        return Interval(mean, None, None, len(x), groups)
    weights = resamples(groups, draws, seed)
    means = (weights @ sums) / (weights @ counts)
    tail = (1 - level) / 2
    low, high = mean + stretch(groups, level) * (np.quantile(means, [tail, 1 - tail]) - mean)
    least, most = scale
    low = low if least is None else max(low, least)
    high = high if most is None else min(high, most)
    return Interval(mean, min(float(low), mean), max(float(high), mean), len(x), groups)


def wilson(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a proportion of independent trials; (0, 1) for none."""
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials")
    if n == 0:
        return 0.0, 1.0
    return score_interval(successes / n, n, float(ndtri((1 + level) / 2)))


def score_interval(p: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's score interval of a share p in [0,1] of n trials, which need not be whole, `z` standard errors wide."""
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (0.0 if p == 0 else max(0.0, float(centre - half))), (1.0 if p == 1 else min(1.0, float(centre + half)))


def cluster_error(values: ArrayLike, clusters: Sequence[Hashable]) -> float:
    """Standard error of the mean of `values`, clusters independent: sqrt(G/(G-1) sum_g (S_g - m n_g)^2) / N."""
    x = finite(values)
    sums, counts = per_cluster(x, clusters)
    groups = len(sums)
    if groups < 2:
        raise ValueError("a standard error needs at least two clusters")
    residual = sums - x.mean() * counts
    return float(np.sqrt(groups / (groups - 1) * (residual**2).sum()) / len(x))
