"""How far annotators agree: Krippendorff's alpha for ordered choices (left < same < right), with an interval.

A unit is a pair of systems on a prompt, turned so that the same side is always first. From counts of values by unit:
o_ck = sum over units of n_c (n_k - [c = k]) / (m - 1), alpha = 1 - D_o / D_e with the ordinal distance (Krippendorff
2011, "Computing Krippendorff's alpha-reliability"). Coincidences add up, so a bootstrap over prompts draws weights and
multiplies them with per-prompt coincidences. The interval speaks of other prompts with the same annotators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from annotation.clustering import Floats, compact
from annotation.ratings import LEVEL, Estimate
from annotation.table import Ints, Votes

DRAWS = 1000


@dataclass(frozen=True)
class Agreement:
    alpha: Estimate
    """1: perfect, 0: as by chance, below: worse. None where no unit has two votes, or all votes are alike."""
    units: int
    """Pairs on a prompt with two votes or more."""
    votes: int
    """Votes on these."""


def units(votes: Votes) -> tuple[Ints, Ints]:
    """Each vote's unit (a number from 0) and its outcome seen from the pair's first system: +1, 0, -1."""
    first, second = np.minimum(votes.left, votes.right), np.maximum(votes.left, votes.right)
    key = (votes.prompt * len(votes.systems) + first) * len(votes.systems) + second
    return compact(key), np.where(votes.left == first, votes.choice, -votes.choice)


def agreement(votes: Votes, *, draws: int = DRAWS, seed: int = 0, level: float = LEVEL) -> Agreement:
    """Alpha over all units with two votes or more."""
    unit, outcome = units(votes)
    counts = np.bincount(unit * 3 + 1 - outcome, minlength=3 * (int(unit.max()) + 1)).reshape(-1, 3).astype(float)
    prompt = np.zeros(len(counts), dtype=np.int64)
    prompt[unit] = votes.prompt
    size = counts.sum(axis=1)
    shared = size >= 2
    if not shared.any():
        return Agreement(Estimate(None), 0, 0)
    per_unit = coincidences(counts[shared])
    groups = compact(prompt[shared])
    sums = [np.bincount(groups, weights=column) for column in per_unit.reshape(-1, 9).T]
    per_prompt = np.stack(sums, axis=1).astype(np.float64)
    alpha = _interval(per_prompt, draws, seed, level)
    return Agreement(alpha, int(shared.sum()), int(size[shared].sum()))


def coincidences(counts: Floats) -> Floats:
    """Of each unit's value counts [U,V]: [U,V,V]."""
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs -= np.einsum("uv,vw->uvw", counts, np.eye(counts.shape[1]))
    found: Floats = pairs / (counts.sum(axis=1) - 1)[:, None, None]
    return found


def ordinal_alpha(coincidence: Floats) -> Floats:
    """Alpha of coincidence matrices [..., V,V]; NaN where only one value occurs."""
    n = coincidence.sum(axis=-1)
    below = np.cumsum(n, axis=-1) - n / 2  # distance of c and k: votes between their middles
    distance = (below[..., :, None] - below[..., None, :]) ** 2
    observed = (coincidence * distance).sum(axis=(-2, -1))
    expected = (n[..., :, None] * n[..., None, :] * distance).sum(axis=(-2, -1)) / (n.sum(axis=-1) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = 1 - observed / np.where(expected > 0, expected, np.nan)
    return found


def _interval(per_prompt: Floats, draws: int, seed: int, level: float) -> Estimate:
    value = float(ordinal_alpha(per_prompt.sum(axis=0).reshape(3, 3)))
    groups = len(per_prompt)
    if not np.isfinite(value):
        return Estimate(None)
    if groups < 2:
        return Estimate(value)
    weights = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=draws)
    drawn = ordinal_alpha((weights @ per_prompt).reshape(-1, 3, 3))
    drawn = drawn[np.isfinite(drawn)]
    tail = (1 - level) / 2
    stretch = np.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, 1 - tail) / ndtri(1 - tail)
    low, high = value + stretch * (np.quantile(drawn, [tail, 1 - tail]) - value)
    return Estimate(value, float(low), min(1.0, float(high)))
