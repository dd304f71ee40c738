"""Rank correlations are SciPy's with honest intervals; changes of level are found where they were planted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, spearmanr

from evals.stats import wilson
from evals.stats.changes import change_points
from evals.stats.correlations import kendall, spearman


def pairs(rng: np.random.Generator, n: int, rho: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    x, y = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=n).T
    return x, y


def test_values_are_scipys_with_ties() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 6, size=40).astype(float), rng.integers(0, 6, size=40).astype(float)
    assert spearman(x, y, draws=20).value == pytest.approx(spearmanr(x, y).statistic)
    assert kendall(x, y, draws=20).value == pytest.approx(kendalltau(x, y).statistic)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_ranks_alone_count_and_sides_are_alike(seed: int) -> None:
    x, y = pairs(np.random.default_rng(seed), 12)
    one = spearman(x, y, draws=40)
    assert spearman(np.exp(x), y**3, draws=40) == one
    assert spearman(y, x, draws=40).value == pytest.approx(one.value)
    turned = spearman(-x, y, draws=40)
    assert turned.value == pytest.approx(-one.value)  # type: ignore[operator]
    assert one.low is None or -1 <= one.low <= one.value <= one.high <= 1  # type: ignore[operator]


def test_repeating_every_pair_in_its_cluster_narrows_nothing() -> None:
    x, y = pairs(np.random.default_rng(1), 30)
    once, labels = spearman(x, y), np.repeat(np.arange(30), 4).tolist()
    often = spearman(np.repeat(x, 4), np.repeat(y, 4), labels)
    assert often.value == pytest.approx(once.value, abs=0.01)
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.1)  # type: ignore[operator]
    fooled = spearman(np.repeat(x, 4), np.repeat(y, 4))
    assert fooled.high - fooled.low < 0.7 * (once.high - once.low)  # type: ignore[operator]


@pytest.mark.parametrize("measure", [spearman, kendall])
def test_what_cannot_be_judged_has_no_interval(measure: object) -> None:
    assert callable(measure)
    assert measure([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]).value is None
    perfect = measure([1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 9.0])
    assert (perfect.value, perfect.low) == (pytest.approx(1.0), None)
    assert measure([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]).low is None
    with pytest.raises(ValueError, match="equal lengths"):
        measure([1.0, 2.0], [1.0])


@pytest.mark.parametrize("tau", [0.0, 2.0])
def test_alarms_in_quiet_histories_are_rare(tau: float) -> None:
    alarms = 0
    for n in range(120):
        rng = np.random.default_rng(n)
        errors = rng.uniform(0.5, 2, 12)
        values = rng.normal(size=12) * np.sqrt(errors**2 + tau**2)
        alarms += bool(change_points(values, errors, draws=400, seed=n))
    assert wilson(alarms, 120)[0] <= 0.05


def test_two_planted_changes_are_found_in_their_places() -> None:
    rng = np.random.default_rng(3)
    levels = np.repeat([0.0, 3.0, 1.0], [12, 10, 14])
    first, second = change_points(levels + 0.3 * rng.normal(size=36), np.full(36, 0.3))
    assert (first.index, second.index) == (12, 22)
    assert first.low <= 3 <= first.high
    assert second.low <= -2 <= second.high
    assert first.after == second.before


def test_an_interval_that_is_wide_hides_a_jump() -> None:
    values = [0.0, 0.1, 0.0, 0.1, 0.0, 3.0]
    noisy = [0.1] * 5 + [5.0]
    assert change_points(values, noisy) == []
    longer = [0.0, 0.1] * 6 + [3.0, 3.1]
    assert [shift.index for shift in change_points(longer, [0.1] * 14)] == [12]


def test_numbers_without_errors_and_without_noise() -> None:
    assert [shift.index for shift in change_points([1.0] * 6 + [2.0] * 6, [0.0] * 12)] == [6]
    assert change_points([1.0] * 12, [0.0] * 12) == []
    assert change_points([0.0] * 12, [0.0] * 12) == []


def test_shifting_and_scaling_move_nothing() -> None:
    x = np.repeat([0.0, 2.0], 8) + 0.3 * np.random.default_rng(0).normal(size=16)
    one = change_points(x, np.full(16, 0.3))
    other = change_points(1000 * x + 7, np.full(16, 300.0))
    assert [s.index for s in one] == [s.index for s in other] == [8]
    assert other[0].p == one[0].p


def test_short_histories_and_wrong_errors() -> None:
    assert change_points([0.0, 0.0, 9.0], [0.1] * 3) == []
    for errors in ([0.1], [-0.1] * 4):
        with pytest.raises(ValueError, match="standard error"):
            change_points([1.0, 2.0, 3.0, 4.0], errors)
