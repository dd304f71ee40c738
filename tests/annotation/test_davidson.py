"""Davidson's model against evalica, its own equations, and studies with a known truth."""

from __future__ import annotations

from dataclasses import replace

import evalica
import numpy as np
import pytest
from simulate import study

from annotation.davidson import NoFit, fit
from annotation.ranks import ranking
from annotation.scores import Scores
from annotation.style import control
from annotation.table import Votes

STRENGTHS = (0.6, 0.2, 0.0, -0.5)
NO_LEANINGS = {"annotator_sd": 0.0, "prompt_sd": 0.0}


def by_evalica(votes: Votes) -> np.ndarray:
    winner = {1: evalica.Winner.X, 0: evalica.Winner.Draw, -1: evalica.Winner.Y}
    left, right = ([votes.systems[i] for i in codes] for codes in (votes.left, votes.right))
    winners = [winner[int(choice)] for choice in votes.choice]
    found = evalica.bradley_terry(left, right, winners, tolerance=1e-12, limit=10_000)
    logs = np.log(found.scores.loc[list(votes.systems)].to_numpy())
    return logs - logs.mean()


@pytest.mark.parametrize("tie", [0.0, 0.6])
def test_bradley_terry_equals_evalica(tie: float) -> None:
    """Without ties; and with each counted as half a win for both."""
    votes = study(np.random.default_rng(0), strengths=STRENGTHS, tie=tie)
    found = fit(votes, side=False, ties="half")
    assert found.strengths == pytest.approx(by_evalica(votes), abs=1e-5)
    if tie == 0:
        assert fit(votes, side=False).strengths == pytest.approx(found.strengths)


def test_the_likelihood_equations_hold() -> None:
    """At the maximum, expected and observed wins, ties and left choices are equal, whatever the code that found it."""
    votes = study(np.random.default_rng(1), strengths=STRENGTHS, side=0.4)
    found = fit(votes)
    assert found.tie is not None
    assert found.side.value is not None
    d = found.strengths[votes.left] - found.strengths[votes.right] + found.side.value
    weights = np.stack([np.exp(d / 2), np.full_like(d, found.tie), np.exp(-d / 2)])
    left, same, right = weights / weights.sum(axis=0)
    assert same.sum() == pytest.approx((votes.choice == 0).sum())
    assert (left - right).sum() == pytest.approx(votes.choice.sum(), abs=1e-4)
    for system in range(4):
        sign = (votes.left == system) * 1 - (votes.right == system) * 1
        assert (sign * (left - right)).sum() == pytest.approx((sign * votes.choice).sum(), abs=1e-4)
    likelihood = np.log(np.where(votes.choice == 1, left, np.where(votes.choice == 0, same, right))).sum()
    assert found.log_likelihood == pytest.approx(likelihood)


def test_strengths_and_side_are_found_again() -> None:
    votes = study(np.random.default_rng(2), strengths=STRENGTHS, side=0.5, tie=0.0, votes=40_000, **NO_LEANINGS)
    found = fit(votes)
    assert found.strengths == pytest.approx(np.array(STRENGTHS) - np.mean(STRENGTHS), abs=0.06)
    assert found.side.value == pytest.approx(0.5, abs=0.06)
    assert found.tie is None
    assert (found.side_p or 0) < 1e-6


def test_independent_votes_have_the_information_matrix_as_error() -> None:
    """Without leanings the sandwich agrees with the inverse information of two systems, n P(1-P)."""
    votes = study(
        np.random.default_rng(3),
        strengths=(0.4, 0.0),
        tie=0.0,
        votes=20_000,
        annotators=2000,
        prompts=2000,
        **NO_LEANINGS,
    )
    found = fit(votes, side=False)
    p = found.probability(*found.systems)
    assert found.error(np.array([1.0, -1.0])) == pytest.approx(1 / np.sqrt(len(votes) * p * (1 - p)), rel=0.1)


def test_true_ranks_lie_in_their_intervals_together() -> None:
    hits = 0
    for number in range(100):
        votes = study(np.random.default_rng([6, number]), strengths=STRENGTHS, votes=800)
        places = {place.system: place for place in ranking(fit(votes), draws=1000)}
        hits += all(places[name].best <= true <= places[name].worst for true, name in enumerate(votes.systems, 1))  # type: ignore[operator]
    assert hits >= 92


def test_a_clear_order_has_sharp_ranks_and_equals_share_theirs() -> None:
    votes = study(np.random.default_rng(7), strengths=(2.0, 0.0, 0.0, -2.0), votes=6000)
    places = {place.system: (place.best, place.worst) for place in ranking(fit(votes))}
    assert places == {"s00": (1, 1), "s01": (2, 3), "s02": (2, 3), "s03": (4, 4)}


def test_what_cannot_be_ranked_says_why() -> None:
    names = (("a", "b"), ("p", "q"))
    codes = [np.array(c) for c in ([0, 1, 0, 1], [0, 0, 1, 1])]

    def votes(left: list[int], right: list[int], choice: list[int], systems: tuple[str, ...]) -> Votes:
        return Votes(*names, systems, *codes, np.array(left), np.array(right), np.array(choice))

    with pytest.raises(NoFit, match=r"never met.*x, y \| z, w"):
        fit(votes([0, 0, 2, 2], [1, 1, 3, 3], [1, -1, 1, -1], ("x", "y", "z", "w")))
    with pytest.raises(NoFit, match="won or lost every vote"):
        fit(votes([0, 0, 1, 0], [1, 1, 0, 1], [1, 1, -1, 1], ("x", "y")))
    assert np.isfinite(fit(votes([0, 0, 1, 0], [1, 1, 0, 1], [1, 0, -1, 1], ("x", "y")), side=False).strengths).all()


def test_style_held_equal_takes_away_a_lead_that_is_style() -> None:
    """Two equal systems; one's videos move more, and people like motion."""
    rng = np.random.default_rng(8)
    votes = study(rng, strengths=(0.0, 0.0, 0.0), votes=6000, prompts=200, **NO_LEANINGS)
    motion = rng.normal(size=(3, 200)) + np.array([[1.5], [0.0], [0.0]])
    d = 0.7 * (motion[votes.left, votes.prompt] - motion[votes.right, votes.prompt]) + rng.logistic(size=6000)
    choice = np.where(np.abs(d) < 0.4, 0, np.sign(d)).astype(np.int64)
    moved = replace(votes, choice=choice)
    cells = {(s, p): motion[i, j] for i, s in enumerate(votes.systems) for j, p in enumerate(votes.prompts[:150])}
    found = control(moved, Scores({"motion": cells}, {"motion": None}), ["motion"])
    assert found.plain.strengths[0] > 0.5
    assert abs(found.controlled.strengths[0]) < 0.15
    effect = found.controlled.covariates["motion"]
    assert effect.low is not None
    assert effect.low > 0.5
    assert found.votes + found.left_out == 6000
    assert found.left_out == (votes.prompt >= 150).sum()


def test_a_constant_style_is_refused() -> None:
    votes = study(np.random.default_rng(9))
    cells = {(s, p): 1.0 for s in votes.systems for p in votes.prompts}
    with pytest.raises(NoFit, match="same for every video"):
        control(votes, Scores({"duration": cells}, {"duration": None}), ["duration"])
