"""Distances between sets against closed forms, high precision and direct loops, and their forms against each other."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import matrix, mp, mpf
from scipy.linalg import sqrtm

from evals.distances import JEDI, KVD, Gaussian, Kernel, KernelSums, frechet, frechet_rows, frechet_sets, mmd
from evals.states import Moments


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


def test_equal_covariances_leave_the_means(rng: np.random.Generator) -> None:
    s, m = covariance(rng, 30), rng.normal(size=30)
    assert frechet(m, s, 0 * m, s) == pytest.approx(m @ m, rel=1e-10)


@pytest.mark.parametrize(("d", "n"), [(3, 20), (6, 40), (8, 5)])
def test_it_holds_to_eigenvalues_in_fifty_digits(rng: np.random.Generator, d: int, n: int) -> None:
    """Of S1 S2, whose roots sum to the trace; with n <= d the covariance of the rows has no full rank."""
    x, s2 = rng.normal(size=(n, d)) * rng.uniform(0.1, 10, size=d), covariance(rng, d)
    with mp.workdps(50):
        rows = matrix(x.tolist())
        mean = [sum(rows[i, j] for i in range(n)) / n for j in range(d)]
        for i in range(n):
            for j in range(d):
                rows[i, j] -= mean[j]
        s1, other = rows.T * rows / (n - 1), matrix(s2.tolist())
        values, _ = mp.eig(s1 * other)
        root = sum(mp.sqrt(max(mp.re(v), mpf(0))) for v in values)
        exact = float(sum(m**2 for m in mean) + sum(s1[i, i] + other[i, i] for i in range(d)) - 2 * root)
    assert frechet_rows(x, np.zeros(d), s2) == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize(("n", "m"), [(5, 7), (5, 60), (60, 7), (60, 50)])
def test_rows_on_both_sides_agree_with_the_nuclear_norm(rng: np.random.Generator, n: int, m: int) -> None:
    """|Xc Yc^T|_*, exact with fewer rows than dimensions, where the product of covariances loses half the digits."""
    x, y = rng.normal(size=(n, 20)), rng.normal(1, 2, size=(m, 20))
    a, b = ((z - z.mean(axis=0)) / np.sqrt(len(z) - 1) for z in (x, y))
    closed = ((x.mean(0) - y.mean(0)) ** 2).sum() + (a**2).sum() + (b**2).sum()
    closed -= 2 * np.linalg.svd(a @ b.T, compute_uv=False).sum()
    assert frechet_sets(x, y) == pytest.approx(closed, rel=1e-8)


def test_a_single_pair_has_no_covariance_and_gets_no_zero(rng: np.random.Generator) -> None:
    """Elsewhere a single clip's covariance counts as 0, and a "FVD" of single pairs is |m1-m2|^2."""
    with pytest.raises(ValueError, match="at least 2 rows"):
        frechet_sets(rng.normal(size=(1, 4)), rng.normal(size=(1, 4)))


def test_covariances_are_divided_by_n_less_one(rng: np.random.Generator) -> None:
    """The other convention is told apart, as it would not be if a tolerance hid it."""
    x, m, s = rng.normal(size=(12, 4)), np.zeros(4), np.eye(4)
    by_n = frechet(x.mean(0), np.cov(x, rowvar=False, ddof=0), m, s)
    assert frechet_rows(x, m, s) == pytest.approx(frechet(x.mean(0), np.cov(x, rowvar=False), m, s), rel=1e-10)
    assert abs(frechet_rows(x, m, s) - by_n) > 1e-3


def test_shards_merge_to_the_same_distance_far_from_the_origin(rng: np.random.Generator) -> None:
    """Mean 1e4 times sigma: sums of squares lose seven digits here."""
    x, s = 1e4 + rng.normal(size=(70, 5)), np.eye(5)
    merged = Moments.of(x[:0])
    for part in np.array_split(x, 7):
        merged = merged.merge(Moments.of(part))
    shifted = frechet(merged.mean - 1e4, merged.cov, np.zeros(5), s)
    assert shifted == pytest.approx(frechet_rows(x - 1e4, np.zeros(5), s), rel=1e-8)


@pytest.mark.parametrize(("n", "apart", "to_truth"), [(64, 0.74, 0.61), (256, 0.32, 0.218)])
def test_the_bias_of_small_sets_has_its_known_size(
    rng: np.random.Generator, n: int, apart: float, to_truth: float
) -> None:
    """400 dimensions, spectrum 1/k, one distribution: shares of the trace."""
    spectrum = 1 / np.arange(1, 401)
    x, y = (rng.normal(size=(n, 400)) * np.sqrt(spectrum) for _ in range(2))
    assert frechet_sets(x, y) / spectrum.sum() == pytest.approx(apart, abs=0.015)
    truth = Gaussian(np.zeros(400), np.diag(np.sqrt(spectrum)))
    assert Gaussian.of_rows(x).distance(truth) / spectrum.sum() == pytest.approx(to_truth, abs=0.015)


def test_it_is_torchmetrics_fid_on_the_same_features(rng: np.random.Generator) -> None:
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Flat(torch.nn.Module):
        num_features = 12

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures.flatten(1).double()

    x, y = rng.normal(size=(40, 3, 2, 2)), rng.normal(0.3, 1.5, size=(50, 3, 2, 2))
    theirs = FrechetInceptionDistance(Flat())
    theirs.update(torch.from_numpy(y), real=True)
    theirs.update(torch.from_numpy(x), real=False)
    ours = frechet_sets(x.reshape(40, 12), y.reshape(50, 12))
    assert ours == pytest.approx(float(theirs.compute()), rel=1e-8)


# ---- kernel distances


def direct(x: np.ndarray, y: np.ndarray, kernel: Kernel, biased: bool) -> float:
    """MMD^2 pair by pair."""
    gamma = kernel.gamma or 1 / x.shape[1]

    def mean(a: np.ndarray, b: np.ndarray, same: bool) -> float:
        pairs = [(i, j) for i in range(len(a)) for j in range(len(b)) if not same or biased or i != j]
        return sum((gamma * float(a[i] @ b[j]) + kernel.coef0) ** kernel.degree for i, j in pairs) / len(pairs)

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


@pytest.mark.parametrize("kernel", [KVD, JEDI, Kernel(2, 0.5, 0.3)], ids=str)
@pytest.mark.parametrize("biased", [True, False])
def test_mmd_is_the_double_loops(
    rng: np.random.Generator, kernel: Kernel, biased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evals.distances.BLOCK", 7)
    x, y = rng.normal(size=(17, 5)), rng.normal(0.5, 1, size=(23, 5))
    assert mmd(x, y, kernel, biased) == pytest.approx(direct(x, y, kernel, biased), rel=1e-10)


def test_mmd_is_the_mean_of_random_subsets(rng: np.random.Generator) -> None:
    """The usual estimator's mean over subsets has this value as its expectation."""
    x, y = rng.normal(size=(40, 4)), rng.normal(0.7, 1, size=(30, 4))
    draws = [
        direct(x[rng.choice(40, 10, replace=False)], y[rng.choice(30, 10, replace=False)], KVD, False)
        for _ in range(300)
    ]
    assert mmd(x, y, KVD) == pytest.approx(np.mean(draws), abs=4 * np.std(draws) / np.sqrt(300))


def test_mmd_of_upstreams_toy() -> None:
    """JEDi's example, with gamma 1/d as its code runs, and with gamma 1 as its first comment was computed."""
    a, b = np.arange(1, 10).reshape(3, 3), [[7, 6, 5], [4, 3, 2], [1, 1, 8], [0, 2, 5]]
    assert mmd(a, b, JEDI, biased=True) == pytest.approx(270.7222222)
    assert mmd(a, b, Kernel(2, 0, 1.0), biased=True) == pytest.approx(2436.5)
    assert mmd(a, b, KVD, biased=True) == pytest.approx(23088.0833333)


def test_jedis_distance_is_that_of_second_moments(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(30, 6)), rng.normal(0.2, 2, size=(20, 6))
    closed = ((x.T @ x / 30 - y.T @ y / 20) ** 2).sum() / 36
    assert mmd(x, y, JEDI, biased=True) == pytest.approx(closed, rel=1e-10)


def test_two_clips_of_one_prompt_are_no_pair(rng: np.random.Generator) -> None:
    """Twice the same rows: counting their pairs would look like a distance; leaving them out changes nothing."""
    x, y = rng.normal(size=(25, 4)), rng.normal(size=(25, 4))
    twice, ids = np.concatenate([x, x]), np.tile(np.arange(25), 2)
    sums = KernelSums.of(twice, y, KVD, ids=ids, groups=np.zeros(50, np.intp))
    assert sums.mmd() == pytest.approx(mmd(x, y, KVD), rel=1e-10)
    assert mmd(twice, y, KVD) > mmd(x, y, KVD) + 0.01


def test_leaving_groups_out_is_computing_anew(rng: np.random.Generator) -> None:
    x, y, groups = rng.normal(size=(24, 3)), rng.normal(size=(20, 3)), np.arange(24) % 6
    sums = KernelSums.of(x, y, KVD, ids=np.arange(24), groups=groups)
    assert sums.mmd([2, 5]) == pytest.approx(mmd(x[~np.isin(groups, [2, 5])], y, KVD), rel=1e-10)
