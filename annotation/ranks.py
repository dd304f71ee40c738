"""Simultaneous intervals of ranks: with probability `level` all of them hold at once.

Differences of all pairs of strengths get intervals of one common width in standard errors (max-t, simulated from the
strengths' covariance). A system's best rank is one more than the number of systems surely above it; its worst leaves
below it those surely below (Mogstad, Romano, Shaikh & Wilhelm 2024, doi:10.1093/restud/rdad006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.clustering import Floats, quantile
from annotation.davidson import Fit
from annotation.ratings import LEVEL, Estimate
from annotation.table import Ints

DRAWS = 10_000


@dataclass(frozen=True)
class Ranked:
    """One system's place. `strength` is a log strength, centred over systems, with an interval of its own."""

    system: str
    rank: int
    best: int | None
    worst: int | None
    strength: Estimate
    win_probability: float
    """Mean over the others of the probability to be preferred, given that one side is."""


def ranking(fit: Fit, *, level: float = LEVEL, draws: int = DRAWS, seed: int = 0) -> list[Ranked]:
    """Strongest first. Without a covariance (one annotator and one prompt) ranks have no interval."""
    k = len(fit.systems)
    order = np.argsort(-fit.strengths, kind="stable")
    above = _surely_above(fit, level, draws, seed)
    contrasts = np.eye(k) - 1 / k
    reach = quantile(fit.df, level)
    found = []
    for place, i in enumerate(order, start=1):
        error = fit.error(contrasts[i])
        value = float(fit.strengths[i])
        strength = Estimate(value) if error is None else Estimate(value, value - reach * error, value + reach * error)
        best = None if above is None else 1 + int(above[:, i].sum())
        worst = None if above is None else k - int(above[i].sum())
        name = fit.systems[i]
        chance = float(np.mean([fit.probability(name, other) for other in fit.systems if other != name]))
        found.append(Ranked(name, place, best, worst, strength, chance))
    return found


def _surely_above(fit: Fit, level: float, draws: int, seed: int) -> Floats | None:
    """[K,K] of 0 and 1: row above column, all statements together at `level`."""
    if not fit.parts:
        return None
    k = len(fit.systems)
    first, second = np.triu_indices(k, 1)
    difference = fit.strengths[first] - fit.strengths[second]
    error = np.sqrt(np.max([_variances(part, first, second) for part in fit.parts], axis=0))
    ratio = np.divide(np.abs(difference), error, out=np.full(len(error), np.inf), where=error > 0)
    sure = ratio > _critical(fit, first, second, level, draws, seed)
    above = np.zeros((k, k))
    above[first[sure & (difference > 0)], second[sure & (difference > 0)]] = 1
    above[second[sure & (difference < 0)], first[sure & (difference < 0)]] = 1
    return above


def _critical(fit: Fit, first: Ints, second: Ints, level: float, draws: int, seed: int) -> float:
    """Quantile of the largest |difference| / error over all pairs, under the strengths' own covariance, t-scaled."""
    rng = np.random.default_rng(seed)
    covariance = fit.parts[-1]
    eigenvalues, vectors = np.linalg.eigh(covariance)
    noise = rng.standard_normal((draws, len(covariance))) @ (vectors * np.sqrt(np.maximum(eigenvalues, 0))).T
    error = np.sqrt(_variances(covariance, first, second))
    kept = error > 1e-12
    if not kept.any():
        return quantile(fit.df, level)
    largest = np.abs((noise[:, first] - noise[:, second])[:, kept] / error[kept]).max(axis=1)
    if fit.df is not None:
        largest /= np.sqrt(rng.chisquare(fit.df, size=draws) / fit.df)
    return float(np.quantile(largest, level))


def _variances(covariance: Floats, first: Ints, second: Ints) -> Floats:
    """Of all differences first - second."""
    diagonal = np.diag(covariance)
    found: Floats = np.maximum(0.0, diagonal[first] + diagonal[second] - 2 * covariance[first, second])
    return found
