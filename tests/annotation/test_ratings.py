"""The conventions: the published table to the printed digit, closed forms, coverage, and clusters that matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulate import study, truth

from annotation import bootstrap, clustering, order
from annotation.exchange import read_counts
from annotation.ratings import CONVENTIONS, rate, values
from annotation.report import from_counts
from annotation.table import Outcomes, by_pair
from evals import stats

PAPER = Path(__file__).with_name("paper.csv")
PRINTED = {
    "MoonValley": ("2.67", "67.20", "20.36", "12.44"),
    "Pika 1.0": ("2.68", "68.76", "14.95", "16.29"),
    "Morph": ("2.72", "67.69", "20.16", "12.15"),
    "Gen-2": ("1.78", "56.52", "20.97", "22.51"),
    "SVD-XT": ("1.62", "51.95", "26.08", "21.97"),
}
"""MagicVideo-V2 (arXiv 2401.04468), Table 1 and figure 2."""


def test_the_papers_table_and_figure_come_out_to_the_printed_digit() -> None:
    systems = from_counts(read_counts(PAPER))["systems"]
    found = {
        name: (f"{s['gsb_ratio']:.2f}", *(f"{100 * s['shares'][kind]:.2f}" for kind in ("good", "same", "bad")))
        for name, s in systems.items()
    }
    assert found == PRINTED


def test_the_papers_odd_total_and_its_change_of_places_are_noticed() -> None:
    warnings = " / ".join(from_counts(read_counts(PAPER))["warnings"])
    assert "Pika 1.0 has 6,200 votes, the other 4 systems 6,100 each: 30,600 in all" in warnings
    assert "30,500" in warnings
    assert "Pika 1.0 is above MoonValley by (G+S)/(B+S) (2.68 to 2.67)" in warnings
    assert "MoonValley is above Pika 1.0 by net win (+0.548 to +0.525)" in warnings
    assert warnings.count("the order depends") == 1


def test_a_table_without_faults_has_no_such_warnings() -> None:
    ratings = {name: rate(clustering.of_counts(*found)) for name, found in (("a", (6, 2, 2)), ("b", (5, 2, 3)))}
    assert order.flips(ratings) == []
    assert order.unequal(ratings) == []


def test_systems_that_are_equal_by_a_convention_are_not_put_in_an_order_by_rounding() -> None:
    """Net win is -2/36 for both, though 11/36 - 13/36 and 12/36 - 14/36 differ in their last bits."""
    counts = {"a": (12, 10, 14), "b": (11, 12, 13)}
    (warning,) = order.flips({name: rate(clustering.of_counts(*found)) for name, found in counts.items()})
    assert "b is above a by (G+S)/(B+S)" in warning
    assert "net win" not in warning


@given(st.tuples(*[st.integers(1, 500)] * 3))
def test_conventions_agree_with_their_formulas_and_mirror(counts: tuple[int, int, int]) -> None:
    good, same, bad = counts
    one, other = rate(clustering.of_counts(*counts)), rate(clustering.of_counts(bad, same, good))
    assert one.gsb_ratio.value == pytest.approx((good + same) / (bad + same))
    assert one.half_tie.value == pytest.approx((good + same / 2) / sum(counts))
    assert one.net.value == pytest.approx(-(other.net.value or 0), abs=1e-12)
    assert (one.gsb_ratio.value or 0) * (other.gsb_ratio.value or 0) == pytest.approx(1)
    assert (one.gsb_ratio.low or 0) * (other.gsb_ratio.high or 0) == pytest.approx(1)
    assert (one.decisive.low, one.decisive.high) == pytest.approx(stats.wilson(good, good + bad))
    assert (one.tie_rate.low, one.tie_rate.high) == pytest.approx(stats.wilson(same, sum(counts)))
    assert {name: one.estimate(name).value for name in CONVENTIONS} == pytest.approx(values(np.array(counts)))


@pytest.mark.parametrize("counts", [(9, 0, 0), (0, 9, 0), (0, 0, 9), (1, 0, 0)])
def test_unanimous_votes_have_finite_intervals_or_none(counts: tuple[int, int, int]) -> None:
    found = rate(clustering.of_counts(*counts))
    assert found.net.low is not None
    assert found.net.high is not None
    assert -1 <= found.net.low <= found.net.high <= 1
    assert found.net.high - found.net.low > 0.3
    assert found.gsb_ratio.value is None or np.isfinite(found.gsb_ratio.value)


def test_copies_of_votes_add_nothing_when_people_are_known() -> None:
    """Each vote copied nine times for the same annotator and prompt: the interval stays, effective n stays."""
    rng = np.random.default_rng(4)
    single = Outcomes(np.arange(60) % 20, np.arange(60), rng.integers(-1, 2, size=60))
    copied = Outcomes(*(np.repeat(codes, 9) for codes in (single.annotator, single.prompt, single.outcome)))
    a, b = rate(clustering.of_votes(single)), rate(clustering.of_votes(copied))
    assert (a.net.low, a.net.high) == pytest.approx((b.net.low, b.net.high))
    assert a.effective_n == pytest.approx(b.effective_n)
    assert b.design_effect == pytest.approx(9 * (a.design_effect or 0))


def test_two_way_variance_is_that_of_its_parts() -> None:
    """Against sums written out vote by vote."""
    ((_, outcomes),) = by_pair(study(np.random.default_rng(2), votes=200, annotators=9, prompts=14))
    y = outcomes.outcome - outcomes.outcome.mean()
    variance = {}
    for name, codes in (
        ("annotator", outcomes.annotator),
        ("prompt", outcomes.prompt),
        ("both", outcomes.annotator * 100 + outcomes.prompt),
    ):
        sums = np.array([y[codes == c].sum() for c in np.unique(codes)])
        variance[name] = len(sums) / (len(sums) - 1) * (sums**2).sum() / len(y) ** 2
    wanted = variance["annotator"] + variance["prompt"] - variance["both"]
    shares = clustering.of_votes(outcomes)
    parts = [float(clustering.NET @ part @ clustering.NET) for part in shares.parts]
    assert parts == pytest.approx([variance["annotator"], variance["prompt"], wanted])
    assert shares.variance(clustering.NET) == pytest.approx(max(parts))
    assert shares.df == 8


def test_intervals_cover_the_truth_and_independent_ones_do_not() -> None:
    """Over 300 studies of 30 annotators and 40 prompts; the long form is tests/benchmarks/study_statistics.py."""
    true = {name: float(value) for name, value in values(np.array(truth(0.5))).items()}
    hits = dict.fromkeys((f"{way} {name}" for way in ("clustered", "drawn", "naive") for name in CONVENTIONS), 0)
    for number in range(300):
        ((_, outcomes),) = by_pair(study(np.random.default_rng([5, number]), strengths=(0.5, 0.0)))
        shares = clustering.of_votes(outcomes)
        drawn = bootstrap.intervals(outcomes, shares=shares, draws=200, seed=number)
        naive = rate(clustering.of_counts(*shares.counts))
        for name in CONVENTIONS:
            for way, found in (("clustered", rate(shares).estimate), ("drawn", drawn.get), ("naive", naive.estimate)):
                estimate = found(name)
                assert estimate is not None
                assert estimate.low is not None
                assert estimate.high is not None
                hits[f"{way} {name}"] += estimate.low <= true[name] <= estimate.high
    for name in CONVENTIONS:
        assert 0.92 <= hits[f"clustered {name}"] / 300 <= 0.98
    for name in ("gsb_ratio", "net", "half_tie", "decisive"):
        assert 0.91 <= hits[f"drawn {name}"] / 300 <= 0.98
        assert hits[f"naive {name}"] / 300 < 0.87


def test_degrees_of_freedom_follow_what_leans() -> None:
    """By hand: people 4, prompts 1, both 4 give cells 1, so 9 / (9/4 of people + 0 of prompts + 1/(n-1))."""
    unit = np.zeros((3, 3))
    unit[1, 1] = 1.0
    shares = clustering.Shares(np.array([40.0, 40.0, 20.0]), (4 * unit, unit, 4 * unit), 5, 30, 4)
    assert shares.satterthwaite(np.array([0.0, 1.0, 0.0])) == pytest.approx(16 / (9 / 4 + 1 / 99))
    alike = clustering.Shares(np.array([40.0, 40.0, 20.0]), (unit, unit, unit), 5, 30, 4)
    assert alike.satterthwaite(np.array([0.0, 1.0, 0.0])) == pytest.approx(99)
    assert clustering.of_counts(3, 4, 5).satterthwaite(np.array([0.0, 1.0, 0.0])) is None


def test_one_cluster_says_nothing_about_others() -> None:
    outcomes = Outcomes(np.zeros(6, dtype=np.int64), np.zeros(6, dtype=np.int64), np.array([1, 1, 0, -1, 1, 0]))
    found = rate(clustering.of_votes(outcomes))
    assert found.net.value == pytest.approx(2 / 6)
    assert (found.net.low, found.p, found.design_effect) == (None, None, None)
    assert bootstrap.intervals(outcomes)["net"].low is None
