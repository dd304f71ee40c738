"""Distances between two sets of feature rows: Frechet's and the kernel distance (MMD). Arithmetic only, float64.

    d^2 = |m1 - m2|^2 + Tr S1 + Tr S2 - 2 Tr (S1 S2)^(1/2)           (Dowson & Landau 1982)

Covariances are divided by N-1. With S1 = A A^T and S2 = B B^T the last trace is the sum of the singular values of
A^T B, so no matrix root is taken and nothing turns complex. Rows give A exactly (Xc^T / sqrt(N-1)), also when there are
fewer of them than dimensions: the trace is then the nuclear norm |Xc Yc^T|_* / sqrt((N-1)(M-1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import svdvals
from scipy.linalg.lapack import dpstrf

from evals.states import Moments

Floats = NDArray[np.float64]

BLOCK = 1000
"""Rows whose kernels are held at once."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Mean [D] and a root [D,K] of the covariance: root root^T = cov, K its rank at most."""

    mean: Floats
    root: Floats

    @classmethod
    def of(cls, mean: ArrayLike, cov: ArrayLike) -> Self:
        """From mean [D] and covariance [D,D], symmetric and positive semi-definite up to rounding."""
        return cls(np.asarray(mean, dtype=np.float64), factor(np.asarray(cov, dtype=np.float64)))

    @classmethod
    def of_rows(cls, rows: ArrayLike) -> Self:
        """From rows [N,D]. Raises ValueError for fewer than 2: one row has no covariance, and 0 would pass for one."""
        x = np.asarray(rows, dtype=np.float64)
        if len(x) < 2:
            raise ValueError(f"a covariance needs at least 2 rows, got {len(x)}")
        if len(x) > x.shape[1]:
            moments = Moments.of(x)
            return cls.of(moments.mean, moments.cov)
        mean = x.mean(axis=0)
        return cls(mean, (x - mean).T / np.sqrt(len(x) - 1))

    def distance(self, other: Gaussian) -> float:
        """Squared Frechet distance, >= 0."""
        apart = ((self.mean - other.mean) ** 2).sum()
        spread = (self.root**2).sum() + (other.root**2).sum()
        return max(0.0, float(apart + spread - 2 * nuclear_norm(self.root.T @ other.root)))


def frechet(mean1: ArrayLike, cov1: ArrayLike, mean2: ArrayLike, cov2: ArrayLike) -> float:
    """Squared distance of two Gaussians by their moments: mean [D], cov [D,D]."""
    return Gaussian.of(mean1, cov1).distance(Gaussian.of(mean2, cov2))


def frechet_rows(rows: ArrayLike, mean: ArrayLike, cov: ArrayLike) -> float:
    """Squared distance of rows [N,D], N >= 2, to a Gaussian."""
    return Gaussian.of_rows(rows).distance(Gaussian.of(mean, cov))


def frechet_sets(rows1: ArrayLike, rows2: ArrayLike) -> float:
    """Squared distance of rows [N,D] to rows [M,D]; N, M >= 2, either of them below D or not."""
    return Gaussian.of_rows(rows1).distance(Gaussian.of_rows(rows2))


def factor(cov: Floats) -> Floats:
    """A [D,K] with A A^T = cov, by Cholesky's decomposition with pivots: K is the rank up to rounding, at least 0."""
    lower, pivots, rank, _ = dpstrf((cov + cov.T) / 2, lower=1)
    root = np.zeros((len(cov), int(rank)))
    root[pivots - 1] = np.tril(lower)[:, :rank]
    return root


def nuclear_norm(matrix: Floats) -> float:
    """The sum of singular values."""
    return float(svdvals(matrix, check_finite=False).sum()) if matrix.size else 0.0


@dataclass(frozen=True)
class Kernel:
    """(gamma x.y + coef0)^degree; gamma 1/D where it is None."""

    degree: int
    coef0: float
    gamma: float | None = None

    def __call__(self, x: Floats, y: Floats) -> Floats:
        """[N,D], [M,D] -> [N,M]."""
        gamma = 1 / x.shape[1] if self.gamma is None else self.gamma
        return np.asarray((gamma * (x @ y.T) + self.coef0) ** self.degree)


KVD = Kernel(3, 1.0)
"""Of KID (Binkowski 2018), and so of KVD (Unterthiner 2018)."""
JEDI = Kernel(2, 0.0)
"""Of JEDi (Luo 2024, "Beyond FVD")."""


@dataclass(frozen=True, eq=False)
class KernelSums:
    """Kernels of rows with each other and with a reference, summed by K groups, so that leaving groups out is
    arithmetic on K x K numbers."""

    within: Floats
    """[K,K]: sums over the pairs that count."""
    pairs: Floats
    """[K,K]: how many those are."""
    across: Floats
    """[K]: sums of each row's mean kernel with the reference."""
    counts: Floats
    reference: float
    """The reference's own mean kernel."""

    @classmethod
    def of(
        cls,
        rows: ArrayLike,
        reference: ArrayLike,
        kernel: Kernel,
        *,
        ids: ArrayLike,
        groups: NDArray[np.intp],
        biased: bool = False,
    ) -> Self:
        """Rows [N,D], reference [M,D] with M >= 2; of each row an id [N] (its prompt) and a group number [N].

        Unbiased: rows of one id make no pair, for two videos of one prompt are not independent. The reference's rows
        count as independent. Biased: all pairs, each row with itself among them.
        """
        x, y, names = np.asarray(rows, dtype=np.float64), np.asarray(reference, dtype=np.float64), np.asarray(ids)
        member = np.eye(int(groups.max()) + 1)[groups]  # [N,K]
        k = member.shape[1]
        within, pairs, across = np.zeros((k, k)), np.zeros((k, k)), np.zeros(k)
        for start in range(0, len(x), BLOCK):
            block = slice(start, start + BLOCK)
            counted = np.ones((len(x[block]), len(x))) if biased else (names[block, None] != names).astype(float)
            within += member[block].T @ ((kernel(x[block], x) * counted) @ member)
            pairs += member[block].T @ (counted @ member)
            across += member[block].T @ (_row_sums(x[block], y, kernel) / len(y))
        return cls(within, pairs, across, member.sum(axis=0), _mean_kernel(y, kernel, biased))

    def mmd(self, left_out: ArrayLike = ()) -> float:
        """MMD^2 of the rows, but for those of some groups; NaN where no pair is left."""
        keep = np.delete(np.arange(len(self.counts)), np.asarray(left_out, dtype=np.intp))
        square = np.ix_(keep, keep)
        pairs = self.pairs[square].sum()
        same = self.within[square].sum() / pairs if pairs else np.nan
        return float(same + self.reference - 2 * self.across[keep].sum() / self.counts[keep].sum())


def mmd(rows: ArrayLike, reference: ArrayLike, kernel: Kernel, biased: bool = False) -> float:
    """MMD^2 of two sets of independent rows [N,D] and [M,D], N, M >= 2.

    Unbiased (Gretton 2012, eq. 3): over all pairs, so it is what the mean over clean-fid's random subsets of at most
    1000 rows estimates, without their noise; it may be below 0. Biased: with the diagonal, >= 0.
    """
    every = np.arange(len(np.asarray(rows)))
    return KernelSums.of(rows, reference, kernel, ids=every, groups=0 * every, biased=biased).mmd()


def _mean_kernel(y: Floats, kernel: Kernel, biased: bool) -> float:
    m = len(y)
    total = sum(float(_row_sums(y[s : s + BLOCK], y, kernel).sum()) for s in range(0, m, BLOCK))
    return total / m**2 if biased else (total - float(_own(y, kernel).sum())) / (m * (m - 1))


def _row_sums(x: Floats, y: Floats, kernel: Kernel) -> Floats:
    """[N]: each row's kernels with all of y, in blocks."""
    parts = [kernel(x, y[s : s + BLOCK]).sum(axis=1) for s in range(0, len(y), BLOCK)]
    return np.asarray(np.sum(parts, axis=0))


def _own(x: Floats, kernel: Kernel) -> Floats:
    """[N]: each row's kernel with itself."""
    gamma = 1 / x.shape[1] if kernel.gamma is None else kernel.gamma
    return np.asarray((gamma * (x**2).sum(axis=1) + kernel.coef0) ** kernel.degree)
