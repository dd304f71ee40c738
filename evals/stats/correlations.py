"""Rank correlations with intervals, clustered: does one measure order things as another does?"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import kendalltau, rankdata

from evals.stats.clusters import LEVEL, Floats, codes, finite, resamples, stretch

DRAWS = 1000
LEAST = 4
"""Fewer clusters give a value and no interval."""


@dataclass(frozen=True)
class Correlation:
    """In [-1,1]. `value` is None where one side is constant; the interval also where ranks agree without exception,
    since resamples of perfect agreement have no spread to judge by."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int


def spearman(
    x: ArrayLike,
    y: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Correlation:
    """Spearman's rho of paired values [N] (ties get mean ranks), with a bootstrap interval over `clusters`; without
    them each pair is one. Raises ValueError for NaN, no pairs or unequal lengths.

    Percentiles are taken on Fisher's scale, atanh, and stretched for few clusters as in `interval`.
    """
    return _correlation(_rho, x, y, clusters, seed, draws, level)


def kendall(
    x: ArrayLike,
    y: ArrayLike,
    clusters: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Correlation:
    """Kendall's tau-b, as `spearman`."""
    return _correlation(_tau, x, y, clusters, seed, draws, level)


def _correlation(
    measure: Callable[[Floats, Floats], float],
    x: ArrayLike,
    y: ArrayLike,
    clusters: Sequence[Hashable] | None,
    seed: int,
    draws: int,
    level: float,
) -> Correlation:
    a, b = finite(x), finite(y)
    if len(a) != len(b):
        raise ValueError(f"pairs need equal lengths, got {len(a)} and {len(b)}")
    index = codes(range(len(a)) if clusters is None else clusters, len(a))
    groups = int(index.max()) + 1
    value = measure(a, b)
    if not np.isfinite(value):
        return Correlation(None, None, None, len(a), groups)
    if groups < LEAST or abs(value) > 1 - 1e-12:
        return Correlation(value, None, None, len(a), groups)
    drawn = np.array([_of_draw(measure, a, b, weights[index]) for weights in resamples(groups, draws, seed)])
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < draws / 2:
        return Correlation(value, None, None, len(a), groups)
    centre = np.arctanh(value)
    scale = np.arctanh(np.clip(drawn, -1 + 1e-6, 1 - 1e-6))
    tail = (1 - level) / 2
    low, high = np.tanh(centre + stretch(groups, level) * (np.quantile(scale, [tail, 1 - tail]) - centre))
    return Correlation(value, min(float(low), value), max(float(high), value), len(a), groups)


def _of_draw(measure: Callable[[Floats, Floats], float], a: Floats, b: Floats, times: Floats) -> float:
    rows = np.repeat(np.arange(len(a)), times.astype(np.intp))
    return measure(a[rows], b[rows])


def _rho(a: Floats, b: Floats) -> float:
    """NaN where one side is constant."""
    u, v = rankdata(a) - (len(a) + 1) / 2, rankdata(b) - (len(b) + 1) / 2
    size = np.sqrt((u @ u) * (v @ v))
    return float(u @ v / size) if size > 0 else float("nan")


def _tau(a: Floats, b: Floats) -> float:
    if (a == a[0]).all() or (b == b[0]).all():
        return float("nan")
    return float(kendalltau(a, b).statistic)
