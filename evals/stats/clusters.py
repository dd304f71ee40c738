"""Clusters and their resamples: what every interval and test of this package stands on.

Two videos of one prompt are not two independent observations, so prompts are resampled, not videos (Miller 2024,
"Adding error bars to evals", arXiv 2411.00640; Cameron & Miller 2015 for the few-cluster problem).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

DRAWS = 2000
LEVEL = 0.95


def finite(values: ArrayLike) -> Floats:
    """The values [N] as float64. Raises ValueError if there are none, or one is not finite."""
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError("needs a non-empty list of finite numbers")
    return x


def codes(clusters: Sequence[Hashable], n: int) -> Ints:
    """Each of `n` observations' cluster as 0..G-1, in sorted order of the labels, so that the order of rows changes
    nothing."""
    if len(clusters) != n:
        raise ValueError(f"{n} values but {len(clusters)} cluster labels")
    return _codes(tuple(clusters))


@lru_cache(maxsize=8)
def _codes(clusters: tuple[Hashable, ...]) -> Ints:
    """Metrics of one run have the same clusters."""
    rank = {label: i for i, label in enumerate(sorted(set(clusters), key=lambda c: (str(type(c)), str(c))))}
    index = np.fromiter((rank[label] for label in clusters), dtype=np.intp, count=len(clusters))
    index.flags.writeable = False
    return index


def per_cluster(x: Floats, clusters: Sequence[Hashable]) -> tuple[Floats, Floats]:
    """Sums and counts [G]."""
    index = codes(clusters, len(x))
    sums: Floats = np.bincount(index, weights=x).astype(np.float64)
    return sums, np.bincount(index).astype(np.float64)


def stretch(groups: int, level: float) -> float:
    """sqrt(G/(G-1)) * t(G-1) / z: what percentiles of a bootstrap over few clusters lack (see `interval`)."""
    tail = (1 + level) / 2
    return float(np.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, tail) / ndtri(tail))


@lru_cache(maxsize=32)
def resamples(groups: int, draws: int, seed: int) -> Floats:
    """How often each cluster is drawn, [draws, G]: a function of its arguments, so metrics share their resamples."""
    counts = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=draws)
    weights = counts.astype(np.float64)
    weights.flags.writeable = False
    return weights
