"""Alpha against the package krippendorff; reliability finds who guesses; stopping and planning keep their promises."""

from __future__ import annotations

from dataclasses import replace

import krippendorff
import numpy as np
import pytest
from simulate import study

from annotation.agreement import agreement, coincidences, ordinal_alpha, units
from annotation.planning import detectable_net, icc, plan, votes_needed
from annotation.reliability import one_coin, reliability, wawa
from annotation.stopping import advise, e_values, settled
from annotation.table import Outcomes, Votes, by_pair


@pytest.mark.parametrize("seed", range(3))
def test_alpha_equals_krippendorff(seed: int) -> None:
    """On units with none, one and many votes."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, size=(40, 3)).astype(float)
    counts[:5] = 0
    counts[5:10] = [[1, 0, 0]] * 5
    counts[10:20] += [[4, 0, 0]] * 10
    wanted = krippendorff.alpha(value_counts=counts.astype(int), level_of_measurement="ordinal", value_domain=[1, 2, 3])
    shared = counts[counts.sum(axis=1) >= 2]
    assert float(ordinal_alpha(coincidences(shared).sum(axis=0))) == pytest.approx(wanted)


def test_alpha_of_votes_turns_pairs_the_same_way_round() -> None:
    votes = study(np.random.default_rng(4), annotators=12, prompts=10, prompt_sd=2.0, annotator_sd=0.0)
    unit, outcome = units(votes)
    ratings = np.full((len(votes), int(unit.max()) + 1), np.nan)
    ratings[np.arange(len(votes)), unit] = outcome
    found = agreement(votes)
    assert found.alpha.value == pytest.approx(
        krippendorff.alpha(reliability_data=ratings, level_of_measurement="ordinal")
    )
    assert found.alpha.low is not None
    assert found.alpha.high is not None
    assert 0 < found.alpha.low < (found.alpha.value or 0) < found.alpha.high < 1


def test_alpha_is_one_for_equal_votes_and_none_without_shared_pairs() -> None:
    votes = study(np.random.default_rng(5), annotators=5, prompts=8)
    outcome = np.where(votes.prompt % 2 == 0, 1, -1)
    alike = replace(votes, choice=np.where(votes.left == 0, outcome, -outcome))
    assert agreement(alike).alpha.value == pytest.approx(1)
    lonely = alike.take(np.unique(alike.prompt, return_index=True)[1])
    assert agreement(lonely).alpha.value is None
    assert agreement(alike.take(alike.prompt == 0)).alpha.value is None, "all votes alike: nothing to disagree about"


def test_who_guesses_is_found() -> None:
    votes = study(np.random.default_rng(6), annotators=12, prompts=60, votes=2400, prompt_sd=3.0, annotator_sd=0.0)
    choice = votes.choice.copy()
    guesses = votes.annotator == 3
    choice[guesses] = np.random.default_rng(7).integers(-1, 2, size=int(guesses.sum()))
    guessed = replace(votes, choice=choice)
    found = {person.annotator: person for person in reliability(guessed)}
    guesser = found.pop("a0003")
    assert guesser.accuracy < 0.45
    assert guesser.agreement.high is not None
    assert min(person.accuracy for person in found.values()) > 0.55
    assert all((person.agreement.low or 0) > guesser.agreement.high for person in found.values())


def test_agreement_with_others_by_hand() -> None:
    """Three people on one pair, shown both ways: two for x, one for y."""
    votes = Votes(
        ("a", "b", "c"), ("p",), ("x", "y"), np.arange(3), np.zeros(3, dtype=np.int64), np.array([0, 1, 0]),
        np.array([1, 0, 1]), np.array([1, -1, -1]),
    )  # fmt: skip
    agrees, judged = wawa(votes, own=True)
    assert (agrees.tolist(), judged.tolist()) == ([1, 1, 0], [True, True, True])
    agrees, judged = wawa(votes)
    assert (agrees.tolist(), judged.tolist()) == ([0, 0, 0], [False, False, True])


def test_one_coin_does_not_depend_on_the_order_of_rows() -> None:
    votes = study(np.random.default_rng(8))
    turned = votes.take(np.random.default_rng(9).permutation(len(votes)))
    assert one_coin(turned) == pytest.approx(one_coin(votes))


def test_e_values_by_hand() -> None:
    """B(3/2, 1/2) / (B(1/2, 1/2) * 1/2) = 1 after one prompt, B(5/2, 1/2) / B(1/2, 1/2) * 4 = 3/2 after two alike."""
    found = e_values(np.array([0, 1, 2, 1]), np.array([0, 1, 2, 2]))
    assert found == pytest.approx([1, 1, 1.5, 0.5])


def test_the_mean_e_value_of_fair_prompts_is_one() -> None:
    """Exactly, whatever the number of prompts: the sum over all w of P(w) e(w)."""
    for n in (1, 5, 20):
        w = np.arange(n + 1)
        chances = np.array([float(np.prod([(n - i) / (i + 1) for i in range(k)])) for k in w]) / 2**n
        assert (chances * e_values(w, np.full(n + 1, n))).sum() == pytest.approx(1)


def test_outcomes_are_settled_by_the_first_votes_in_order_of_arrival() -> None:
    cluster = np.array([1, 0, 1, 0, 2, 1, 0])
    outcome = np.array([1, -1, 1, -1, 1, -1, 1])
    signs, unsettled = settled(cluster, outcome, 2)
    assert (signs.tolist(), unsettled) == ([1, -1], 1)
    signs, unsettled = settled(cluster, outcome, 3)
    assert (signs.tolist(), unsettled) == ([1, -1], 1), "net of three votes each; cluster 1 was full first"


def test_looking_often_raises_few_false_alarms_and_real_differences_are_found() -> None:
    """200 studies each; the long form is tests/benchmarks/study_statistics.py."""
    rates = {}
    for advantage in (0.0, 1.2):
        stopped = 0
        for number in range(200):
            votes = study(
                np.random.default_rng([10, number]), strengths=(advantage, 0.0), annotators=40, prompts=100, votes=300
            )
            ((_, outcomes),) = by_pair(votes)
            looks = (
                Outcomes(outcomes.annotator[:n], outcomes.prompt[:n], outcomes.outcome[:n]) for n in range(60, 301, 60)
            )
            stopped += any(advise(look, raters=1).stop for look in looks)
        rates[advantage] = stopped / 200
    assert rates[0.0] <= 0.05
    assert rates[1.2] >= 0.8


def test_few_annotators_cannot_stop_a_study() -> None:
    """Six people who all prefer one system, on any number of prompts."""
    n = 6 * 200
    outcomes = Outcomes(np.arange(n) % 6, np.arange(n), np.ones(n, dtype=np.int64))
    found = advise(outcomes, raters=1)
    assert found.e_prompts > 1e9
    assert not found.stop
    assert advise(Outcomes(np.arange(n) % 12, np.arange(n), np.ones(n, dtype=np.int64)), raters=1).stop


def test_sample_sizes_by_hand_and_back() -> None:
    assert votes_needed(0.2, 0.3) == pytest.approx(7.85 * (1 - 0.3 - 0.04) / 0.04, rel=1e-3)
    assert detectable_net(votes_needed(0.2, 0.3), 0.3) == pytest.approx(0.2)
    one, three = plan(0.2, 0.3), plan(0.2, 0.3, raters=3, prompt_icc=0.5)
    assert three.prompts == pytest.approx(one.prompts * (1 + 2 * 0.5) / 3, abs=1)
    assert three.votes > one.votes
    assert three.prompts < one.prompts
    with pytest.raises(ValueError, match="cannot show it"):
        plan(0.1, annotators=5, annotator_icc=0.05)
    with pytest.raises(ValueError, match="net win"):
        votes_needed(0.0)


def test_a_planned_study_finds_its_effect_in_80_of_100() -> None:
    """Planned with the true shares and no leanings, judged by the usual test."""
    rng, net, tie = np.random.default_rng(11), 0.25, 0.3
    n = round(votes_needed(net, tie))
    votes = rng.choice([1, 0, -1], p=[(1 - tie + net) / 2, tie, (1 - tie - net) / 2], size=(2000, n))
    ratio = votes.mean(axis=1) / (votes.std(axis=1) / np.sqrt(n))
    assert 0.76 <= (np.abs(ratio) > 1.96).mean() <= 0.84


def test_intra_class_correlation_is_found_again() -> None:
    rng = np.random.default_rng(12)
    cluster = np.repeat(np.arange(400), rng.integers(2, 7, size=400))
    values = rng.normal(size=400)[cluster] * np.sqrt(0.3) + rng.normal(size=len(cluster)) * np.sqrt(0.7)
    assert icc(cluster, values) == pytest.approx(0.3, abs=0.06)  # type: ignore[arg-type]
    assert icc(np.arange(5), np.ones(5, dtype=np.int64)) is None
