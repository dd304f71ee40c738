"""Leaving prompts out: closed forms, the limit at 1/N = 0, and how often its interval holds the truth."""

from __future__ import annotations

import numpy as np
import pytest

from evals.distances import Gaussian, frechet_rows
from evals.jackknife import FrechetWithout, extrapolate, jackknife, prompt_groups


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_whole_prompts_stay_together_whatever_their_order() -> None:
    prompts = ["b", "a", "c", "a", "d", "b"]
    assert prompt_groups(prompts, most=2).tolist() == [1, 0, 0, 0, 1, 1]


def test_of_a_mean_it_is_the_textbooks_error(rng: np.random.Generator) -> None:
    x = rng.normal(size=20)
    found = jackknife(lambda out: float(np.delete(x, out).mean()), np.arange(20))
    assert found.value == pytest.approx(x.mean())
    assert found.corrected == pytest.approx(x.mean())
    assert found.error == pytest.approx(x.std(ddof=1) / np.sqrt(20), rel=1e-6)


def test_groups_of_unequal_size_leave_a_mean_where_it_is(rng: np.random.Generator) -> None:
    x, labels = rng.normal(size=30), np.repeat(np.arange(9), [1, 2, 3, 4, 5, 6, 4, 3, 2])
    found = jackknife(lambda out: float(np.delete(x, out).mean()), labels)
    assert found.corrected == pytest.approx(x.mean(), rel=1e-9)


def test_a_variance_by_n_is_put_right_exactly(rng: np.random.Generator) -> None:
    """Its bias is c/N and nothing else: the jackknife gives the unbiased variance, and so does the limit."""
    x = rng.normal(size=24)

    def by_n(out: np.ndarray) -> float:
        return float(np.delete(x, out).var())

    assert jackknife(by_n, np.arange(24)).corrected == pytest.approx(x.var(ddof=1), rel=1e-9)
    assert extrapolate(by_n, np.arange(24)).value == pytest.approx(x.var(ddof=1), rel=0.1)


def test_what_is_quadratic_is_not_counted_twice() -> None:
    """(mean)^2 around 0: its standard deviation is known, and the plain jackknife gives 1.4 times as much."""
    rng = np.random.default_rng(1)
    errors, values = [], []
    for _ in range(200):
        x = rng.normal(size=(30, 20))
        found = jackknife(lambda out, x=x: float((np.delete(x, out, 0).mean(0) ** 2).sum()), np.arange(30))
        errors.append(found.error)
        values.append(found.corrected)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.15)


@pytest.mark.parametrize("n", [12, 50])
def test_leaving_rows_out_of_a_frechet_distance_is_computing_it_anew(rng: np.random.Generator, n: int) -> None:
    x, root, mean = rng.normal(size=(n, 20)) + 3, rng.normal(size=(20, 20)), rng.normal(size=20)
    without = FrechetWithout(x, Gaussian(mean, root))
    for out in (np.zeros(0, np.intp), np.array([0]), np.array([2, 7, 9])):
        assert without(out) == pytest.approx(frechet_rows(np.delete(x, out, 0), mean, root @ root.T), rel=1e-6)


def test_one_prompt_has_no_error(rng: np.random.Generator) -> None:
    found = jackknife(lambda out: float(len(out)), np.zeros(5, np.intp))
    assert (found.error, found.reach, found.groups) == (None, None, 1)


def test_clips_needed_follow_from_the_bias_and_the_width() -> None:
    found = extrapolate(lambda out: 2 + 30 / (100 - len(out)), np.arange(100))
    assert found.value == pytest.approx(2, abs=1e-6)
    assert found.bias == pytest.approx(0.3, abs=1e-6)
    assert found.clips_for_bias(0.1) == pytest.approx(300, abs=1)


def test_the_limits_interval_holds_the_truth_and_the_plain_one_does_not() -> None:
    """A short form of tests/benchmarks/frechet_bias.py: 60 sets of 64 clips in 12 dimensions, true distance known."""
    rng, d, truth = np.random.default_rng(0), 12, 0.3
    spectrum = 1 / np.arange(1, d + 1)
    to, shift = Gaussian(np.zeros(d), np.diag(np.sqrt(spectrum))), np.sqrt(truth) * np.eye(d)[0]
    labels, held, plain, values = np.arange(64) % 16, 0, 0, []
    for _ in range(60):
        without = FrechetWithout(rng.normal(size=(64, d)) * np.sqrt(spectrum) + shift, to)
        limit, around = extrapolate(without, labels), jackknife(without, labels)
        held += abs(limit.value - truth) <= limit.reach
        plain += abs(around.value - truth) <= around.reach
        values.append(limit.value)
    assert held >= 53
    assert plain < held
    assert np.mean(values) == pytest.approx(truth, abs=3 * np.std(values) / np.sqrt(60) + 0.01)
