"""The Frechet distance of two Gaussians, from moments or from rows. Arithmetic only, float64, no matrix square root.

    d^2 = |m1 - m2|^2 + Tr S1 + Tr S2 - 2 Tr (S1 S2)^(1/2)           (Dowson & Landau 1982)

Covariances are normalised by N-1. The last trace is the sum of the square roots of the eigenvalues of S1 S2, which for
S1 = A A^T are those of the symmetric A^T S2 A; for S2 = B B^T also it is the nuclear norm of A^T B.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evals.states import Moments

Floats = NDArray[np.float64]


def frechet(mean1: ArrayLike, cov1: ArrayLike, mean2: ArrayLike, cov2: ArrayLike) -> float:
    """Squared distance, >= 0. mean [D], cov [D,D] symmetric, positive semi-definite up to rounding."""
    m1, s1, m2, s2 = (np.asarray(x, dtype=np.float64) for x in (mean1, cov1, mean2, cov2))
    return _distance(m1 - m2, float(np.trace(s1)), float(np.trace(s2)), trace_root(factor(s1), s2))


def frechet_rows(rows: ArrayLike, mean: ArrayLike, cov: ArrayLike) -> float:
    """The distance of rows [N,D], N >= 2, to a Gaussian. With N < D it works on an N x N matrix: O(N^2 D)."""
    x = np.asarray(rows, dtype=np.float64)
    m, s = np.asarray(mean, dtype=np.float64), np.asarray(cov, dtype=np.float64)
    if len(x) >= x.shape[1]:
        moments = Moments.of(x)
        return frechet(moments.mean, moments.cov, m, s)
    a = (x - x.mean(axis=0)).T / np.sqrt(len(x) - 1)  # [D,N], so that a @ a.T is the covariance
    return _distance(x.mean(axis=0) - m, float((a**2).sum()), float(np.trace(s)), trace_root(a, s))


def trace_root(a: Floats, cov: Floats) -> float:
    """Tr (A A^T S)^(1/2) for A [D,K] and S [D,D]: eigenvalues of the symmetric A^T S A [K,K]."""
    product = a.T @ cov @ a
    return float(np.sqrt(np.clip(np.linalg.eigvalsh((product + product.T) / 2), 0, None)).sum())


def factor(cov: Floats) -> Floats:
    """A [D,D] with A A^T = cov, by eigenvectors; eigenvalues below 0 count as 0."""
    values, vectors = np.linalg.eigh((cov + cov.T) / 2)
    return vectors * np.sqrt(np.clip(values, 0, None))


def _distance(delta: Floats, trace1: float, trace2: float, root: float) -> float:
    return max(0.0, float(delta @ delta) + trace1 + trace2 - 2 * root)
