"""How far each annotator can be relied on: agreement with the others, and accuracy in the one-coin model.

These figures are evidence to look at, never a reason to drop somebody: a person with an unusual taste disagrees too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annotation.agreement import units
from annotation.clustering import Floats, quantile
from annotation.ratings import LEVEL, Estimate
from annotation.table import Mask, Votes
from evals.stats import score_interval

ROUNDS = 100
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Reliability:
    annotator: str
    votes: int
    agreement: Estimate
    """Share of votes that agree with the majority of the others on the same pair (Wawa, one's own vote left out)."""
    judged: int
    """Votes on which the others have a majority."""
    accuracy: float
    """One-coin: probability to give the answer that the model takes as true; 1/3 is guessing."""


def reliability(votes: Votes, level: float = LEVEL) -> list[Reliability]:
    """Every annotator, in the order of names. Wilson's interval treats a person's votes as independent."""
    agrees, judged = wawa(votes)
    people = len(votes.annotators)
    n = np.bincount(votes.annotator, minlength=people)
    hits = np.bincount(votes.annotator, weights=agrees, minlength=people)
    tries = np.bincount(votes.annotator[judged], minlength=people)
    accuracy = one_coin(votes)
    return [
        Reliability(name, int(n[i]), _share(hits[i], tries[i], level), int(tries[i]), float(accuracy[i]))
        for i, name in enumerate(votes.annotators)
        if n[i]
    ]


def wawa(votes: Votes, *, own: bool = False) -> tuple[Floats, Mask]:
    """Of each vote [N]: does it agree with the majority of its unit, and is there one.

    `own` counts the vote itself among the majority, which is "worker agreement with aggregate" as first defined; the
    default leaves it out, since with few votes a unit everyone agrees with oneself.
    """
    unit, outcome = units(votes)
    counts = np.bincount(unit * 3 + 1 - outcome, minlength=3 * (int(unit.max()) + 1)).reshape(-1, 3)
    others = counts[unit].copy()
    if not own:
        others[np.arange(len(unit)), 1 - outcome] -= 1
    best = others.max(axis=1)
    judged = ((others == best[:, None]).sum(axis=1) == 1) & (best > 0)
    agrees = judged & (others.argmax(axis=1) == 1 - outcome)
    return agrees.astype(np.float64), judged


def one_coin(votes: Votes, smoothing: float = 1.0) -> Floats:
    """Accuracy of each annotator by expectation maximisation: a wrong answer falls on the two others alike.

    Dawid & Skene 1979 with one parameter a person (Zhang et al. 2014). Accuracies start at .7; they and the shares of
    answers are smoothed by one answer of each kind (`smoothing`), so that nobody is infallible.
    """
    unit, outcome = units(votes)
    people, labels = len(votes.annotators), 3 * (int(unit.max()) + 1)
    said = unit * 3 + 1 - outcome
    n = np.bincount(votes.annotator, minlength=people)
    accuracy = np.full(people, 0.7)
    prior = np.full(3, 1 / 3)
    for _ in range(ROUNDS):
        weight = np.log(accuracy) - np.log((1 - accuracy) / 2)
        logits = np.bincount(said, weights=weight[votes.annotator], minlength=labels).reshape(-1, 3) + np.log(prior)
        truth = np.exp(logits - logits.max(axis=1, keepdims=True))
        truth /= truth.sum(axis=1, keepdims=True)
        prior = (truth.sum(axis=0) + smoothing) / (len(truth) + 3 * smoothing)
        right = np.bincount(votes.annotator, weights=truth.ravel()[said], minlength=people)
        updated = (right + smoothing) / (n + 2 * smoothing)
        if np.abs(updated - accuracy).max() < TOLERANCE:
            return updated
        accuracy = updated
    return accuracy


def _share(hits: float, tries: int, level: float) -> Estimate:
    if not tries:
        return Estimate(None)
    share = float(hits / tries)
    return Estimate(share, *score_interval(min(1.0, share), float(tries), quantile(None, level)))
