"""Intervals cover, tests keep their level, and closed forms hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, false_discovery_control, nct, permutation_test, t, ttest_1samp
from statistics_simulated import ROWS, Row

from evals import stats


def clustered(rng: np.random.Generator, groups: int, binary: bool = False) -> tuple[np.ndarray, list[int]]:
    """Values with mean 0 (binary: 2/3) in clusters of 2 to 5; half the variance is between clusters."""
    labels = np.repeat(np.arange(groups), rng.integers(2, 6, size=groups))
    if binary:
        return (rng.random(len(labels)) < rng.beta(2, 1, size=groups)[labels]).astype(float), labels.tolist()
    return rng.normal(size=groups)[labels] + rng.normal(size=len(labels)), labels.tolist()


@pytest.mark.parametrize(("groups", "binary"), [(6, False), (12, False), (40, False), (12, True), (40, True)])
def test_an_interval_covers_the_truth_in_95_of_100_sets(groups: int, binary: bool) -> None:
    rng = np.random.default_rng(3)
    truth, sets, hits = (2 / 3 if binary else 0.0), 1000, 0
    for _ in range(sets):
        values, labels = clustered(rng, groups, binary)
        found = stats.interval(values, labels, binary=binary, scale=(0, 1) if binary else (None, None))
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= truth <= found.high
    assert 0.93 <= hits / sets <= 0.97


def test_ignoring_clusters_covers_far_too_seldom() -> None:
    """Keeps the usual mistake as a test: each video its own cluster."""
    rng = np.random.default_rng(3)
    hits = 0
    for _ in range(300):
        values = rng.normal(size=12).repeat(4) + 0.3 * rng.normal(size=48)
        found = stats.interval(values, list(range(48)))
        hits += found.low <= 0 <= found.high  # type: ignore[operator]
    assert hits / 300 < 0.8


@pytest.mark.parametrize("groups", [6, 20])
def test_false_alarms_stay_at_five_in_a_hundred(groups: int) -> None:
    rng = np.random.default_rng(5)
    alarms = 0
    for _ in range(400):
        a, labels = clustered(rng, groups)
        b = a + 0.5 * rng.normal(size=groups)[labels]
        p = stats.paired(a, b, labels).p
        assert p is not None
        alarms += p <= 0.05
    assert 0.01 <= alarms / 400 <= 0.08


def test_pairing_removes_what_both_arms_share() -> None:
    rng = np.random.default_rng(0)
    base, labels = clustered(rng, 20)
    found = stats.paired(base, base + 0.1, labels)
    assert found.value == pytest.approx(0.1)
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.1)
    assert found.p == pytest.approx(2 / 2**20, abs=2e-4)
    assert found.standardised is None, "no spread, no standardised size"


def test_the_detectable_difference_is_found_in_80_of_100_sets() -> None:
    rng = np.random.default_rng(8)
    error, found, groups = 1 / np.sqrt(15), 0, 15
    difference = stats.detectable(float(error), groups)
    for _ in range(500):
        found += ttest_1samp(rng.normal(difference, 1, size=groups), 0).pvalue < 0.05
    assert 0.74 <= found / 500 <= 0.87


def test_clusters_needed_is_the_least_number_that_detects() -> None:
    for difference in (2.0, 0.5, 0.2):
        groups = stats.clusters_needed(1.0, difference)
        assert stats.detectable(1 / np.sqrt(groups), groups) <= difference
        less = int(groups / 1.03) - 1
        assert less < 2 or stats.detectable(1 / np.sqrt(less), less) > difference


def test_cluster_error_of_single_observations_is_the_textbook_one() -> None:
    x = np.random.default_rng(0).normal(size=30)
    assert stats.cluster_error(x, range(30)) == pytest.approx(x.std(ddof=1) / np.sqrt(30))


def test_the_order_of_rows_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    values, labels = clustered(rng, 9)
    order = rng.permutation(len(values))
    shuffled = stats.interval(values[order], [labels[i] for i in order])
    one = stats.interval(values, labels)
    assert (shuffled.low, shuffled.high) == (pytest.approx(one.low, abs=1e-12), pytest.approx(one.high, abs=1e-12))


def test_one_prompt_has_a_value_and_no_interval() -> None:
    assert stats.interval([1.0, 2.0], ["a", "a"]) == stats.Interval(1.5, None, None, 2, 1)
    found = stats.paired([1.0, 2.0], [2.0, 2.0], ["a", "a"])
    assert (found.low, found.p, found.detectable) == (None, None, None)


def test_a_difference_of_yes_and_no_is_at_most_one() -> None:
    labels = list(range(6))
    lost, measured = [0.0] * 5 + [1.0], [0.001] * 5 + [0.999]
    assert stats.paired([1.0] * 6, lost, labels).low == -1
    low = stats.paired([1.0] * 6, measured, labels).low
    assert low is not None
    assert low < -1, "values of a metric have whatever scale they have"


def test_all_right_is_not_certainty() -> None:
    found = stats.interval([1.0] * 24, list(range(12)) * 2, binary=True, scale=(0, 1))
    assert found.high == 1
    assert found.low == pytest.approx(binomtest(12, 12).proportion_ci(method="wilson").low)
    assert stats.interval([1.0] * 24, list(range(12)) * 2).low == 1, "a constant cosine is constant"


@pytest.mark.parametrize(("k", "n"), [(0, 7), (3, 7), (7, 7), (50, 100)])
def test_wilson_is_scipys(k: int, n: int) -> None:
    theirs = binomtest(k, n).proportion_ci(method="wilson")
    assert stats.wilson(k, n) == (pytest.approx(theirs.low, abs=1e-9), pytest.approx(theirs.high, abs=1e-9))


def test_wilson_knows_nothing_of_no_trials_and_refuses_nonsense() -> None:
    assert stats.wilson(0, 0) == (0, 1)
    with pytest.raises(ValueError, match="3 successes of 2"):
        stats.wilson(3, 2)


def test_exact_sign_flips_are_scipys() -> None:
    x = np.random.default_rng(4).normal(0.4, 1, size=10)
    theirs = permutation_test(
        (x, np.zeros(10)), lambda a, b: (a - b).mean(), permutation_type="samples", n_resamples=2000
    )
    assert stats.sign_flip_p(x) == pytest.approx(theirs.pvalue)


def test_sign_flips_count_ties_and_never_give_zero() -> None:
    assert stats.sign_flip_p(np.zeros(8)) == 1
    assert stats.sign_flip_p(np.ones(6)) == 2 / 64
    assert 0 < stats.sign_flip_p(np.ones(200)) < 1e-3


def test_holm_on_a_worked_example() -> None:
    assert stats.holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    assert stats.holm([0.9, 0.8]) == [1.0, 1.0]
    assert stats.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_order_and_never_lowers(p_values: list[float]) -> None:
    adjusted = stats.holm(p_values)
    assert all(q is not None and p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(adjusted, float)[order]) >= 0)


@pytest.mark.parametrize(
    ("low", "high", "margin", "better", "expected"),
    [
        (0.1, 0.3, 0.0, True, "better"),
        (0.1, 0.3, 0.0, False, "worse"),
        (-0.3, -0.1, 0.0, False, "better"),
        (-0.3, -0.1, 0.0, None, "different"),
        (-0.1, 0.3, 0.0, True, "inconclusive"),
        (-0.1, 0.1, 0.2, True, "equivalent"),
        (0.01, 0.1, 0.2, True, "equivalent"),
        (0.1, 0.3, 0.2, True, "better"),
        (0.0, 0.0, 0.0, True, "inconclusive"),
        (None, None, 1.0, True, "inconclusive"),
    ],
)
def test_verdicts(low: float | None, high: float | None, margin: float, better: bool | None, expected: str) -> None:
    assert stats.verdict(low, high, margin, better) == expected


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0]]])
def test_values_that_cannot_be_averaged_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        stats.interval(values, list(range(len(values))))


def test_hedges_correction() -> None:
    d = np.array([1.0, 2.0, 3.0, 4.0])
    assert stats.standardised(d) == pytest.approx(2.5 / d.std(ddof=1) * (1 - 3 / 11))
    assert stats.standardised([1.0]) is None


def test_benjamini_hochberg_is_scipys() -> None:
    p = np.random.default_rng(0).beta(0.5, 2, size=30)
    found = stats.benjamini_hochberg([None, *p.tolist()])
    assert found[0] is None
    assert found[1:] == pytest.approx(false_discovery_control(p))
    assert stats.benjamini_hochberg([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_benjamini_hochberg_lies_between_p_and_holm(p_values: list[float]) -> None:
    found, strict = stats.benjamini_hochberg(p_values), stats.holm(p_values)
    for p, q, h in zip(p_values, found, strict, strict=True):
        assert q is not None
        assert h is not None
        assert p - 1e-12 <= q <= h + 1e-12


def test_fewest_clusters_is_where_the_least_p_can_pass() -> None:
    for comparisons in (1, 12, 100):
        g = stats.fewest_clusters(comparisons)
        assert 2 / 2**g * comparisons <= 0.05 < 2 / 2 ** (g - 1) * comparisons
    assert stats.fewest_clusters(0) == 2


def test_tost_of_single_observations_is_two_one_sided_t_tests() -> None:
    d = np.random.default_rng(1).normal(0.1, 1, size=25)
    found = stats.equivalence(np.zeros(25), d, range(25), 0.6)
    theirs = max(ttest_1samp(d, -0.6, alternative="greater").pvalue, ttest_1samp(d, 0.6, alternative="less").pvalue)
    assert found.p == pytest.approx(theirs)
    ends = ttest_1samp(d, 0).confidence_interval(0.9)
    assert (found.low, found.high) == (pytest.approx(ends.low), pytest.approx(ends.high))


@given(st.floats(0.01, 3), st.integers(0, 50))
def test_tost_agrees_with_its_interval(margin: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    base, labels = clustered(rng, 8)
    found = stats.equivalence(base, base + 0.3 * rng.normal(size=len(base)), labels, margin)
    assert found.p is not None
    assert found.low is not None
    assert found.high is not None
    assert (found.p < 0.05) == (-margin < found.low and found.high < margin)


def test_tost_knows_its_edges() -> None:
    same = stats.equivalence([1.0, 2.0], [1.0, 2.0], ["a", "b"], 0.1)
    assert same.p == 0
    assert stats.equivalence([1.0, 2.0], [2.0, 3.0], ["a", "b"], 0.1).p == 1
    assert stats.equivalence([1.0, 2.0], [2.0, 2.0], ["a", "a"], 0.1).p is None
    with pytest.raises(ValueError, match="above 0"):
        stats.equivalence([1.0], [1.0], ["a"], 0.0)


@pytest.mark.parametrize("groups", [6, 12, 40])
def test_the_detectable_difference_has_the_noncentral_ts_power(groups: int) -> None:
    error = 1 / np.sqrt(groups)
    size = stats.detectable(error, groups) / error
    bar = t.ppf(0.975, groups - 1)
    assert nct.sf(bar, groups - 1, size) == pytest.approx(0.8, abs=0.02)


def test_a_margin_raises_what_can_be_detected() -> None:
    plain = stats.detectable(0.1, 20)
    assert stats.detectable(0.1, 20, margin=0.01) == plain
    beyond = stats.detectable(0.1, 20, margin=0.5)
    assert beyond == pytest.approx(0.5 + 0.1 * t.ppf(0.8, 19))


def test_prompts_that_settle_are_the_least_that_do() -> None:
    for margin in (2.0, 0.5, 0.1):
        g = stats.clusters_to_settle(1.0, margin)

        def half(n: int) -> float:
            return float((t.ppf(0.975, n - 1) + t.ppf(0.9, n - 1)) / np.sqrt(n))

        assert half(g) <= margin
        assert g == 2 or half(g - 1) > margin
    assert stats.clusters_to_settle(0.0, 0.1) == 2
    with pytest.raises(ValueError, match="margin above 0"):
        stats.clusters_to_settle(1.0, 0.0)


def test_a_verdict_needs_its_corrected_p() -> None:
    assert stats.judged(0.1, 0.3, 0.04, 0.0, True) == "better"
    assert stats.judged(0.1, 0.3, 0.06, 0.0, True) == "inconclusive"
    assert stats.judged(0.1, 0.3, None, 0.0, True) == "inconclusive"
    assert stats.judged(-0.1, 0.1, 0.5, 0.2, True) == "equivalent"
    assert stats.judged(0.1, 0.3, 0.04, 0.0, True, alpha=0.01) == "inconclusive"


@pytest.mark.parametrize("row", [row for row in ROWS if "40 prompts" in row[0]], ids=lambda row: row[0])
def test_simulated_rates_keep_their_promise(row: Row) -> None:
    """The short form of `make statistics`, at 40 prompts: bounds that a right procedure misses once in a thousand."""
    what, event, happens = row
    sets = 100 if "20 metrics" in what else 250
    hits = sum(happens(np.random.default_rng([7, n])) for n in range(sets))
    low, high = {
        "covers the truth": (0.93, 0.97),
        "any alarm": (0.0, 0.05),
        "equivalent": (0.0, 0.05),
        "found": (0.78, 0.84),
    }[event]
    assert binom.ppf(0.001, sets, low) <= hits <= binom.ppf(0.999, sets, high)
