"""Reliability against crowd-kit's figures and against the same sums as plain loops."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest

from annotation.reliability import one_coin, wawa
from annotation.table import Votes

CROWD_KIT = {
    "one coin": [0.6544, 0.6011, 0.585, 0.6741, 0.5474, 0.3608, 0.6755, 0.9014],
    "wawa": [0.7241, 0.7097, 0.6562, 0.7857, 0.6667, 0.5, 0.8462, 0.8889],
}
"""Of `crowd()`, by crowd-kit 1.4.2: OneCoinDawidSkene(n_iter=400, tol=-1e9) (its own tolerance stops after 6 rounds, up
to .007 away), and Wawa on the pairs with one most frequent answer (it breaks ties by the order of labels).

Written down, not computed here: crowd-kit installs beside our versions, but it brings NLTK, scikit-learn and
transformers for its text methods, takes seconds to import, and calls what pandas 3.1 warns of, which is an error here.
"""


def crowd(people: int = 8, pairs: int = 60, each: int = 5) -> Votes:
    """Answers of three kinds by people of known accuracy, five to a pair."""
    rng = np.random.default_rng(20)
    skill = rng.uniform(0.4, 0.95, people)
    truth = rng.integers(-1, 2, pairs)
    who = np.concatenate([rng.choice(people, each, replace=False) for _ in range(pairs)])
    pair = np.repeat(np.arange(pairs), each)
    right = rng.random(len(who)) < skill[who]
    choice = np.where(right, truth[pair], (truth[pair] + 1 + rng.integers(1, 3, len(who))) % 3 - 1)
    names = tuple(f"a{k}" for k in range(people)), tuple(f"p{k:02d}" for k in range(pairs))
    left = np.zeros(len(who), dtype=np.int64)
    return Votes(*names, ("x", "y"), who, pair, left, left + 1, choice)


@pytest.fixture(scope="module")
def votes() -> Votes:
    return crowd()


def shares(votes: Votes, hits: np.ndarray) -> np.ndarray:
    return np.bincount(votes.annotator, weights=hits) / np.bincount(votes.annotator)


def test_agreement_with_the_aggregate_equals_crowd_kit(votes: Votes) -> None:
    _, judged = wawa(votes, own=True)
    clear = votes.take(judged)
    assert shares(clear, wawa(clear, own=True)[0]) == pytest.approx(CROWD_KIT["wawa"], abs=5e-5)


def test_the_one_coin_model_equals_crowd_kit(votes: Votes) -> None:
    assert one_coin(votes, smoothing=0) == pytest.approx(CROWD_KIT["one coin"], abs=1e-4)


@pytest.mark.parametrize("smoothing", [0, 1])
def test_the_one_coin_model_equals_plain_loops(votes: Votes, smoothing: float) -> None:
    """Expectation and maximisation written out, one pair and one person at a time."""
    said = [[(a, c) for a, p, c in zip(*columns(votes), strict=True) if p == pair] for pair in range(60)]
    accuracy, prior = [0.7] * 8, [1 / 3] * 3
    for _ in range(300):
        truth = []
        for answers in said:
            chances = [
                prior[k] * prod(accuracy[a] if c == kind else (1 - accuracy[a]) / 2 for a, c in answers)
                for k, kind in enumerate((-1, 0, 1))
            ]
            truth.append([chance / sum(chances) for chance in chances])
        prior = [(sum(t[k] for t in truth) + smoothing) / (60 + 3 * smoothing) for k in range(3)]
        right, n = [smoothing] * 8, [2 * smoothing] * 8
        for chances, answers in zip(truth, said, strict=True):
            for a, c in answers:
                right[a] += chances[c + 1]
                n[a] += 1
        accuracy = [r / m for r, m in zip(right, n, strict=True)]
    assert one_coin(votes, smoothing) == pytest.approx(accuracy, abs=1e-4)


def columns(votes: Votes) -> tuple[list[int], list[int], list[int]]:
    return votes.annotator.tolist(), votes.prompt.tolist(), votes.choice.tolist()


def test_agreement_with_the_others_equals_plain_loops(votes: Votes) -> None:
    rows = list(zip(*columns(votes), strict=True))
    expected = []
    for i, (_, pair, choice) in enumerate(rows):
        others = [c for k, (_, p, c) in enumerate(rows) if p == pair and k != i]
        most = max(others.count(c) for c in others)
        best = {c for c in others if others.count(c) == most}
        expected.append((len(best) == 1 and choice in best, len(best) == 1))
    agrees, judged = wawa(votes)
    assert list(zip(agrees.astype(bool).tolist(), judged.tolist(), strict=True)) == expected
