"""The Frechet distance against closed forms, and its forms against each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from evals.distances import frechet, frechet_rows


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def covariance(rng: np.random.Generator, d: int) -> np.ndarray:
    a = rng.normal(size=(d, 2 * d))
    return a @ a.T / (2 * d)


def test_diagonal_gaussians_have_a_closed_form(rng: np.random.Generator) -> None:
    """|m1-m2|^2 + sum (sqrt s1 - sqrt s2)^2"""
    m1, m2, s1, s2 = rng.normal(size=(2, 7)).tolist() + rng.uniform(0, 3, size=(2, 7)).tolist()
    closed = np.sum((np.subtract(m1, m2)) ** 2) + np.sum((np.sqrt(s1) - np.sqrt(s2)) ** 2)
    assert frechet(m1, np.diag(s1), m2, np.diag(s2)) == pytest.approx(closed, rel=1e-12)


def test_it_is_the_matrix_square_roots_on_full_covariances(rng: np.random.Generator) -> None:
    s1, s2, m = covariance(rng, 12), covariance(rng, 12), rng.normal(size=12)
    root = np.trace(sqrtm(s1 @ s2).real)
    assert frechet(m, s1, 0 * m, s2) == pytest.approx(m @ m + np.trace(s1) + np.trace(s2) - 2 * root, rel=1e-9)


def test_only_the_means_count_between_points(rng: np.random.Generator) -> None:
    assert frechet(np.zeros(4), np.zeros((4, 4)), np.ones(4), np.zeros((4, 4))) == 4


def test_equal_gaussians_are_at_zero_and_order_does_not_matter(rng: np.random.Generator) -> None:
    s1, s2, m1, m2 = covariance(rng, 6), covariance(rng, 6), rng.normal(size=6), rng.normal(size=6)
    assert frechet(m1, s1, m1, s1) == pytest.approx(0, abs=1e-10)
    assert frechet(m1, s1, m2, s2) == pytest.approx(frechet(m2, s2, m1, s1), rel=1e-10)


@pytest.mark.parametrize("n", [2, 5, 20, 60])
def test_rows_and_moments_agree_for_few_and_for_many_rows(rng: np.random.Generator, n: int) -> None:
    x, m, s = rng.normal(size=(n, 20)), rng.normal(size=20), covariance(rng, 20)
    direct = frechet(x.mean(axis=0), np.cov(x, rowvar=False), m, s)
    assert frechet_rows(x, m, s) == pytest.approx(direct, rel=1e-7)


@pytest.mark.parametrize(("n", "m"), [(4, 9), (9, 4), (30, 40)])
def test_the_trace_is_the_nuclear_norm_of_the_centred_rows(rng: np.random.Generator, n: int, m: int) -> None:
    x, y = rng.normal(size=(n, 16)), rng.normal(1, 2, size=(m, 16))
    a, b = ((z - z.mean(axis=0)) / np.sqrt(len(z) - 1) for z in (x, y))
    apart = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    expected = apart + (a**2).sum() + (b**2).sum() - 2 * np.linalg.svd(a @ b.T, compute_uv=False).sum()
    assert frechet_rows(x, y.mean(axis=0), np.cov(y, rowvar=False)) == pytest.approx(expected, rel=1e-7)


def test_small_samples_of_one_gaussian_are_far_apart(rng: np.random.Generator) -> None:
    """The bias that the docs warn of: a set of 64 lies far from its own distribution, and farther than one of 1024."""
    spectrum = 1 / np.arange(1, 97)
    few, many = (
        frechet_rows(rng.normal(size=(n, 96)) * np.sqrt(spectrum), np.zeros(96), np.diag(spectrum)) for n in (64, 1024)
    )
    assert few > 5 * many
    assert few > 0.1 * spectrum.sum()
