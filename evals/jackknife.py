"""What a set's number would be for infinitely many clips, and how sure it is: by leaving prompts out. Arithmetic only.

A Frechet distance is too high by about c/N, with a spread far smaller than that, so an interval around it excludes the
truth. Extrapolating in 1/N takes the bias off (Chong & Forsyth 2020, arXiv 1911.07023). Here the smaller sets are those
that lack one group of prompts, or half of them, and the same values give the standard error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from evals.distances import Gaussian
from evals.stats import LEVEL

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Without = Callable[[Rows], float]
"""The statistic of all rows but those whose numbers are given."""

GROUPS = 40
GROUPS_WIDE = 12
"""Of features that have more than `WIDE` dimensions, where each distance takes a second."""
WIDE = 1000
LEAST_FOR_PAIRS = 6
SPLITS = 8
SEED = 0
TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True)
class Estimate:
    """A statistic of n rows, the same without its bias of first order, and their standard error over `groups` groups
    of prompts (None: one group)."""

    value: float
    corrected: float
    error: float | None
    groups: int
    n: int

    @property
    def reach(self) -> float | None:
        """Half the width of the 95 % interval: Student's t with groups-1 degrees."""
        return None if self.error is None else float(stdtrit(self.groups - 1, (1 + LEVEL) / 2)) * self.error


@dataclass(frozen=True)
class Limit:
    """The value for infinitely many clips, and half its interval's width; `bias` is what n clips add."""

    value: float
    reach: float | None
    bias: float
    n: int

    def clips_for_bias(self, most: float) -> int:
        """How many clips bring the plain value's bias below `most`: bias n / N."""
        return int(np.ceil(max(0.0, self.bias) * self.n / most))

    def clips_for_reach(self, most: float) -> int | None:
        """How many clips bring the interval's half width below `most`: it shrinks with the root of N."""
        return None if self.reach is None else int(np.ceil(self.n * (self.reach / most) ** 2))


def prompt_groups(prompts: Sequence[str], most: int = GROUPS) -> Rows:
    """Group numbers [N], at most `most`: whole prompts, dealt out in the order of their names."""
    place = {prompt: i % most for i, prompt in enumerate(sorted(set(prompts)))}
    return np.array([place[prompt] for prompt in prompts], dtype=np.intp)


def jackknife(without: Without, labels: Rows) -> Estimate:
    """Delete-a-group jackknife for groups of unequal size (Busing, Meijer & van der Leeden 1999).

    The plain jackknife's variance counts what is quadratic in the rows twice (Efron & Stein 1981), and near equal
    distributions a Frechet or kernel distance is nothing but that: the interval would be 1.4 times too wide. Leaving
    out pairs of groups measures that part, and half of it is taken off.
    """
    members = _members(labels)
    n, k = len(labels), len(members)
    value = without(np.zeros(0, np.intp))
    if k < 2:
        return Estimate(value, value, None, k, n)
    sizes = np.array([len(m) for m in members], dtype=np.float64)
    singles = np.array([without(m) for m in members])
    corrected = k * value - float(((1 - sizes / n) * singles).sum())
    pseudo = n / sizes * value - (n / sizes - 1) * singles
    variance = float(((pseudo - corrected) ** 2 / (n / sizes - 1)).mean())
    quadratic = 0.0
    if k >= LEAST_FOR_PAIRS:
        other = np.roll(np.arange(k), -1)
        pairs = np.array([without(np.concatenate([members[i], members[j]])) for i, j in enumerate(other)])
        left, both = n - sizes, n - sizes - sizes[other]
        joint = n * value - left * singles - left[other] * singles[other] + both * pairs
        quadratic = float(((joint * k / n) ** 2).mean()) / 2
    return Estimate(value, corrected, float(np.sqrt(max(variance - quadratic, variance / 2))), k, n)


def extrapolate(without: Without, labels: Rows) -> Limit:
    """The statistic at 1/N = 0, by a second-degree polynomial in 1/N.

    One line passes through N and N less a group, another through N and N/2 (halves of the groups, `SPLITS` times); the
    bias c2/N^2 that remains is twice as large in the second, so their difference takes it off. It also says how far
    from straight the curve is, and goes into the interval beside the standard error.
    """
    found = jackknife(without, labels)
    if found.reach is None or found.error is None:
        return Limit(found.corrected, None, 0.0, found.n)
    lines = _through_halves(without, labels, found.value)
    curved = found.corrected - float(lines.mean())
    value = found.corrected + curved
    drawn = float(lines.std(ddof=1)) / np.sqrt(SPLITS)
    reach = float(np.hypot(found.reach * np.hypot(1, drawn / max(found.error, TINY)), curved))
    return Limit(value, reach, found.value - value, found.n)


def _through_halves(without: Without, labels: Rows, value: float) -> Floats:
    """[SPLITS]: where the line through N and N/2 meets 1/N = 0, for each division of the groups into halves."""
    members, n = _members(labels), len(labels)
    rng = np.random.default_rng(SEED)
    lines = list[float]()
    for _ in range(SPLITS):
        order = rng.permutation(len(members))
        parts = [np.concatenate([members[g] for g in half]) for half in np.array_split(order, 2)]
        share = float(np.mean([n / len(part) for part in parts]))  # 2 for equal halves
        lines.append((share * value - float(np.mean([without(part) for part in parts]))) / (share - 1))
    return np.array(lines)


class FrechetWithout:
    """The Frechet distance of rows [N,D] to a Gaussian with some rows left out, for the price of a small eigenproblem.

    Works on the smaller of Y^T Y [K,K] and Y Y^T [N,N], where Y = Xc root. Eigenvalues below 0 are rounding.
    """

    def __init__(self, rows: Floats, to: Gaussian) -> None:
        x = np.asarray(rows, dtype=np.float64)
        self.apart = x.mean(axis=0) - to.mean
        self.x = x - x.mean(axis=0)
        self.squares = (self.x**2).sum(axis=1)
        self.y = self.x @ to.root
        self.trace = float((to.root**2).sum())
        self.by_row = len(self.y) <= self.y.shape[1]
        self.gram = self.y @ self.y.T if self.by_row else self.y.T @ self.y

    def __call__(self, left_out: Rows) -> float:
        n = len(self.x) - len(left_out)
        gone = self.x[left_out].sum(axis=0)
        apart = self.apart - gone / n
        spread = (self.squares.sum() - self.squares[left_out].sum() - (gone @ gone) / n) / (n - 1)
        roots = np.sqrt(np.clip(np.linalg.eigvalsh(self._gram(left_out, n)), 0, None)).sum() / np.sqrt(n - 1)
        return float(apart @ apart + spread + self.trace - 2 * roots)

    def _gram(self, left_out: Rows, n: int) -> Floats:
        """Of the rows that are left, centred."""
        if self.by_row:
            keep = np.delete(np.arange(len(self.x)), left_out)
            gram = self.gram[np.ix_(keep, keep)]
            means = gram.mean(axis=0)
            return np.asarray(gram - means - means[:, None] + means.mean())
        gone = self.y[left_out]
        shift = gone.sum(axis=0)
        return np.asarray(self.gram - gone.T @ gone - np.outer(shift, shift) / n)


def _members(labels: Rows) -> list[Rows]:
    return [np.flatnonzero(labels == g) for g in range(int(labels.max()) + 1)]
