"""Where a series of estimates changes its level, when every estimate has its own standard error.

    x_i = level + e_i,   Var e_i = s_i^2 + tau^2

s_i is what is known of each estimate (prompts are a sample), tau what comes on top from run to run (another training,
another machine). tau is estimated robustly from successive differences, which a few jumps of level hardly touch (von
Neumann 1941's idea, with the median in the place of the mean). Levels before and after each possible place are compared
by the weighted difference of means over its standard error, and the largest is tested against the same statistic of
series without any change, drawn with these errors, whose own tau is estimated anew. How often such series reach a size
depends on the true tau, which nobody knows: p is the largest over a grid of it. Segments are then searched in the same
way (binary segmentation), each at its share of alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from evals.stats.clusters import LEVEL, Floats, finite
from evals.stats.corrections import ALPHA

DRAWS = 2000
LEAST = 4
"""Fewer estimates have no history."""
TAUS = (0.0, 0.5, 1.0, 2.0, 8.0)
"""tau over the typical known error, as far as p is concerned."""
ROWS = 32
"""So many series at a time, which a processor's cache holds: half the time."""
MEDIAN_CHI = 0.4549364231
"""Median of chi-square with one degree of freedom."""


@dataclass(frozen=True)
class Shift:
    """From `index` on (0-based) the level is `after`."""

    index: int
    before: float
    after: float
    low: float
    high: float
    """Interval of after - before between the neighbouring changes. The place was chosen by looking, so that the
    interval of a change that is barely found leans away from 0."""
    p: float
    """Of the segment it was found in, divided by the segment's share of alpha."""


def change_points(
    values: ArrayLike, errors: ArrayLike, *, alpha: float = ALPHA, seed: int = 0, draws: int = DRAWS
) -> list[Shift]:
    """Changes of level in `values` [N] with standard errors `errors` [N] (0: nothing is known), in order.

    Without any change the chance of finding one is alpha. Raises ValueError for NaN or unequal lengths.
    """
    x, s = finite(values), finite(errors)
    if len(x) != len(s) or (s < 0).any():
        raise ValueError("needs one standard error of at least 0 for each value")
    if len(x) < LEAST:
        return []
    known = s**2 + (1e-9 * float(np.abs(x).max()) + 1e-150) ** 2  # equal numbers have no spread to divide by
    spread = known + _tau(x[None], known)
    unchanged = _unchanged(known, spread - known, draws, seed)
    found = dict[int, float]()
    pending = [(0, len(x))]
    while pending:
        low, high = pending.pop()
        share = (high - low) / len(x)
        part = slice(low, high)
        size, place = _largest(x[None, part], spread[:, part])
        p = 0.0
        for y, v in unchanged:
            reached = int((_largest(y[:, part], v[:, part])[0] >= size[0]).sum())
            p = max(p, (1 + reached) / (1 + draws) / share)
            if p > alpha:
                break
        else:
            cut = low + int(place[0])
            found[cut] = p
            pending += [(a, b) for a, b in ((low, cut), (cut, high)) if b - a >= 2]
    return _shifts(x, spread[0], found)


def _unchanged(known: Floats, tau: Floats, draws: int, seed: int) -> list[tuple[Floats, Floats]]:
    """Series without a change [draws,N] and the variances that would be estimated from each, for every tau^2 of the
    grid: multiples of the typical known variance, and the one that was estimated."""
    z = np.random.default_rng(seed).normal(size=(draws, len(known)))
    typical, found = float(np.median(known)), list[tuple[Floats, Floats]]()
    for tried in [*(m * m * typical for m in TAUS), float(tau[0, 0])]:
        y = z * np.sqrt(known + tried)
        found.append((y, known + _tau(y, known)))
    return found


def _tau(x: Floats, known: Floats) -> Floats:
    """tau^2 of each row of x [R,N], as [R,1]: what the median squared step has beyond the known variances."""
    steps = np.median(np.diff(x, axis=1) ** 2 / (known[1:] + known[:-1]), axis=1, keepdims=True) / MEDIAN_CHI
    excess: Floats = np.maximum(0.0, steps - 1) * float(np.median(known[1:] + known[:-1])) / 2
    return excess


def _largest(x: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Of each row of x [R,n]: the largest |mean after - mean before| over its error, and where the new level begins."""
    found = [_largest_of(x[k : k + ROWS], variance[k : k + ROWS]) for k in range(0, len(x), ROWS)]
    return np.concatenate([size for size, _ in found]), np.concatenate([place for _, place in found])


def _largest_of(x: Floats, variance: Floats) -> tuple[Floats, Floats]:
    weight = 1 / variance
    w, wx = np.cumsum(weight, axis=1), np.cumsum(weight * x, axis=1)
    before, after = w[:, :-1], w[:, -1:] - w[:, :-1]
    gap = (wx[:, -1:] - wx[:, :-1]) / after - wx[:, :-1] / before
    size = np.abs(gap) / np.sqrt(1 / before + 1 / after)
    place = size.argmax(axis=1)
    return size[np.arange(len(size)), place], place + 1


def _shifts(x: Floats, variance: Floats, found: dict[int, float]) -> list[Shift]:
    edges = [0, *sorted(found), len(x)]
    z = float(ndtri((1 + LEVEL) / 2))
    levels = []
    for low, high in pairwise(edges):
        weight = 1 / variance[low:high]
        levels.append((float((weight * x[low:high]).sum() / weight.sum()), float(1 / weight.sum())))
    shifts = []
    for cut, (before, v), (after, w) in zip(edges[1:-1], levels, levels[1:], strict=False):
        half = z * float(np.sqrt(v + w))
        shifts.append(Shift(cut, before, after, after - before - half, after - before + half, min(1.0, found[cut])))
    return shifts
