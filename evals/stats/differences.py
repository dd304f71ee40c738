"""Paired differences between two runs: interval, test by sign flips, standardised size, equivalence.

Pairs are videos of the same prompt and seed; whole prompts are resampled and flipped.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from evals.stats.clusters import DRAWS, LEVEL, Floats, finite, per_cluster
from evals.stats.intervals import cluster_error, interval
from evals.stats.planning import detectable

EXACT_CLUSTERS = 13
"""Up to here all 2^G sign patterns are counted (8192)."""
RANDOM_FLIPS = 10_000


@dataclass(frozen=True)
class Difference:
    """Candidate minus base over paired observations."""

    value: float
    low: float | None
    high: float | None
    p: float | None
    """Two-sided, by sign flips of whole clusters; None with one cluster."""
    n: int
    clusters: int
    standardised: float | None
    """Mean of the clusters' mean differences over their standard deviation (Cohen's d_z, Hedges' correction)."""
    detectable: float | None
    """The difference that a set of this size and spread would show with probability .8."""
    error: float | None = None
    """Standard error of `value`, clustered."""


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests that a difference lies within (-margin, margin). Small `p`: it does."""

    value: float
    low: float | None
    high: float | None
    """The interval at level 1 - 2 alpha: it lies within the margin exactly where p < alpha."""
    p: float | None
    margin: float
    n: int
    clusters: int


def paired(
    base: ArrayLike,
    candidate: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    seed: int = 0,
    draws: int = DRAWS,
    level: float = LEVEL,
) -> Difference:
    """Candidate minus base for paired observations [N], with everything clustered as in `interval`.

    `error` and `detectable` use the linearised standard error (`cluster_error`), which is the bootstrap's own up to
    chance. Differences of yes and no (all values 0 or 1) have an interval within [-1, 1]. Raises ValueError for no
    pairs, NaN or unequal lengths.
    """
    d = _differences(base, candidate)
    yes_or_no = all(np.isin(values, (0.0, 1.0)).all() for values in (base, candidate))
    scale = (-1.0, 1.0) if yes_or_no else (None, None)
    found = interval(d, clusters, seed=seed, draws=draws, level=level, scale=scale)
    sums, counts = per_cluster(d, clusters)
    few = len(sums) < 2
    error = None if few else cluster_error(d, clusters)
    return Difference(
        value=found.value,
        low=found.low,
        high=found.high,
        p=None if few else sign_flip_p(sums, seed=seed),
        n=found.n,
        clusters=found.clusters,
        standardised=None if few else standardised(sums / counts),
        detectable=None if error is None else detectable(error, len(sums), level=level),
        error=error,
    )


def sign_flip_p(sums: ArrayLike, seed: int = 0) -> float:
    """Two-sided p that the mean difference is 0, from per-cluster sums [G] of paired differences.

    Under no effect a cluster's difference is as likely to have either sign (exchangeable arms), so all sign patterns
    are equally likely. Exact up to 13 clusters (the least possible p is 2/2^G: .031 at 6), otherwise 10,000 random
    patterns with the observed one counted (Phipson & Smyth 2010), so p is never 0.
    """
    s = finite(sums)
    observed = abs(s.sum())
    tolerance = 1e-9 * np.abs(s).sum()
    if len(s) <= EXACT_CLUSTERS:
        return float((np.abs(_flipped(_all_signs(len(s)), s)) >= observed - tolerance).mean())
    extreme = int((np.abs(_flipped(_random_signs(len(s), seed), s)) >= observed - tolerance).sum())
    return (1 + extreme) / (1 + RANDOM_FLIPS)


def equivalence(
    base: ArrayLike, candidate: ArrayLike, clusters: Sequence[Hashable], margin: float, *, alpha: float = 0.05
) -> Equivalence:
    """Schuirmann's (1987) two one-sided tests on paired observations [N], clustered.

    p is the larger of P(T > (margin - |d|) / error)'s two sides: T with G-1 degrees of freedom, `error` clustered.
    Raises ValueError for a margin that is not above 0, no pairs, NaN or unequal lengths.
    """
    if not margin > 0:
        raise ValueError(f"an equivalence margin is above 0, got {margin}")
    d = _differences(base, candidate)
    sums, _ = per_cluster(d, clusters)
    value, groups = float(d.mean()), len(sums)
    if groups < 2:
        return Equivalence(value, None, None, None, margin, len(d), groups)
    error = cluster_error(d, clusters)
    half = float(stdtrit(groups - 1, 1 - alpha)) * error
    p = tost_p(value, error, groups, margin)
    return Equivalence(value, value - half, value + half, p, margin, len(d), groups)


def tost_p(value: float, error: float, groups: int, margin: float) -> float:
    """The larger p of both one-sided tests, from a difference and its standard error over so many clusters."""
    room = margin - abs(value)
    if error == 0:
        return 0.0 if room > 0 else 1.0
    return float(stdtr(groups - 1, -room / error))


def standardised(differences: ArrayLike) -> float | None:
    """Mean over standard deviation of per-cluster differences [G], times 1 - 3/(4(G-1)-1) (Hedges 1981).

    None for fewer than two clusters or no spread.
    """
    d = finite(differences)
    spread = float(d.std(ddof=1)) if len(d) > 1 else 0.0
    if spread <= 1e-12 * float(np.abs(d).max()):
        return None
    return float(d.mean()) / spread * (1 - 3 / (4 * (len(d) - 1) - 1))


def _differences(base: ArrayLike, candidate: ArrayLike) -> Floats:
    b, c = finite(base), finite(candidate)
    if len(b) != len(c):
        raise ValueError(f"pairs need equal lengths, got {len(b)} and {len(c)}")
    return c - b


@lru_cache(maxsize=16)
def _all_signs(groups: int) -> NDArray[np.int8]:
    """Every pattern of +1 / -1, [2^G, G]."""
    bits = (np.arange(2**groups)[:, None] >> np.arange(groups)) & 1
    return (bits * 2 - 1).astype(np.int8)


def _flipped(signs: NDArray[np.int8], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """signs [N,G] @ sums [G]. A third of the time of `@`, which first makes floats of all signs; no BLAS threads."""
    return np.asarray(np.einsum("ng,g->n", signs, sums))


@lru_cache(maxsize=4)
def _random_signs(groups: int, seed: int) -> NDArray[np.int8]:
    """Random patterns of +1 / -1, [10000, G]: a function of its arguments, so metrics share their patterns."""
    return np.random.default_rng(seed).integers(0, 2, size=(RANDOM_FLIPS, groups), dtype=np.int8) * 2 - 1
