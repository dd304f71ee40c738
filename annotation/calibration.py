"""Do automatic metrics agree with people? Vote by vote, and system by system.

agreement    share of decided votes whose choice has the better metric; a metric that says equal counts half. Intervals
             clustered by annotator and prompt, 1/2 is a coin.
correlation  Spearman's and Pearson's, over systems, of the mean metric with the net win against all others, with
             intervals by resampling prompts. They speak of these systems; few systems leave them wide.
A metric without a good direction is read as "higher is better", and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from annotation import bootstrap, clustering
from annotation.clustering import Floats
from annotation.ratings import LEVEL, Estimate, rate
from annotation.scores import Scores
from annotation.table import Outcomes, Votes


@dataclass(frozen=True)
class Calibration:
    metric: str
    higher_is_better: bool | None
    agreement: Estimate
    votes: int
    """Decided votes with a metric on both sides."""
    spearman: Estimate
    pearson: Estimate
    systems: int


def calibrate(
    votes: Votes, scores: Scores, *, draws: int = bootstrap.DRAWS, seed: int = 0, level: float = LEVEL
) -> list[Calibration]:
    """Every metric of `scores`, in their order. Votes on prompts without scores are left out and show in `votes`."""
    net = _net_by_prompt(votes)
    return [_one(metric, votes, scores, net, draws, seed, level) for metric in scores.values]


def _one(
    metric: str, votes: Votes, scores: Scores, net: tuple[Floats, Floats], draws: int, seed: int, level: float
) -> Calibration:
    direction = scores.higher_is_better[metric]
    values = scores.matrix(metric, votes.systems, votes.prompts) * (-1 if direction is False else 1)
    agreement, n = _agreement(votes, values, level)
    spearman, pearson, systems = _correlations(values, net, draws, seed, level)
    return Calibration(metric, direction, agreement, n, spearman, pearson, systems)


def _agreement(votes: Votes, values: Floats, level: float) -> tuple[Estimate, int]:
    difference = values[votes.left, votes.prompt] - values[votes.right, votes.prompt]
    rows = np.isfinite(difference) & (votes.choice != 0)
    if not rows.any():
        return Estimate(None), 0
    outcome = (np.sign(difference[rows]) * votes.choice[rows]).astype(np.int64)
    shares = clustering.of_votes(Outcomes(votes.annotator[rows], votes.prompt[rows], outcome))
    return rate(shares, level).half_tie, int(rows.sum())


def _net_by_prompt(votes: Votes) -> tuple[Floats, Floats]:
    """Each system's wins minus losses, and its votes, by prompt: [K,P] each."""
    k, prompts = len(votes.systems), len(votes.prompts)
    shape, total = (k, prompts), k * prompts
    won = np.zeros(total)
    n = np.zeros(total)
    for codes, sign in ((votes.left, 1), (votes.right, -1)):
        cell = codes * prompts + votes.prompt
        won += np.bincount(cell, weights=sign * votes.choice, minlength=total)
        n += np.bincount(cell, minlength=total)
    return won.reshape(shape), n.reshape(shape)


def _correlations(
    values: Floats, net: tuple[Floats, Floats], draws: int, seed: int, level: float
) -> tuple[Estimate, Estimate, int]:
    """Over systems that have both; fewer than three say nothing."""
    there = np.isfinite(values) & (net[1] > 0)
    kept = np.flatnonzero(there.any(axis=1))
    prompts = np.flatnonzero(there.any(axis=0))
    if len(kept) < 3 or len(prompts) < 2:
        return Estimate(None), Estimate(None), len(kept)
    part = np.ix_(kept, prompts)
    mask = there[part].astype(np.float64)
    sums = [np.where(there[part], values[part], 0.0), mask, net[0][part] * mask, net[1][part] * mask]
    groups = len(prompts)
    drawn = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=draws)
    weights = np.vstack([np.ones(groups), drawn])
    with np.errstate(invalid="ignore", divide="ignore"):
        metric, win = (weights @ sums[0].T) / (weights @ sums[1].T), (weights @ sums[2].T) / (weights @ sums[3].T)
    return (
        _percentiles(_correlation(rankdata(metric, axis=1), rankdata(win, axis=1)), level),
        _percentiles(_correlation(metric, win), level),
        len(kept),
    )


def _correlation(a: Floats, b: Floats) -> Floats:
    """Of each row; NaN where one side is constant."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return found


def _percentiles(found: Floats, level: float) -> Estimate:
    """The first is the observed one."""
    value, drawn = found[0], found[1:][np.isfinite(found[1:])]
    if not np.isfinite(value):
        return Estimate(None)
    if len(drawn) < len(found) / 2:
        return Estimate(float(value))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(value), min(float(low), float(value)), max(float(high), float(value)))
