"""States merge: any split into shards gives the same total."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.states import Moments, Rows, Unscored


@pytest.mark.parametrize("shards", [1, 2, 8])
def test_moments_of_shards_are_those_of_the_whole(shards: int) -> None:
    x = np.random.default_rng(0).normal(size=(41, 5)) @ np.random.default_rng(1).normal(size=(5, 5))
    merged = Moments.of(np.zeros((0, 5)))
    for part in np.array_split(x, shards):
        merged = merged.merge(Moments.of(part))
    assert merged.n == 41
    np.testing.assert_allclose(merged.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(merged.cov, np.cov(x, rowvar=False), rtol=1e-11)


def test_chans_merge_is_exact_where_sums_of_squares_are_not() -> None:
    x = np.random.default_rng(0).normal(1e4, 1, size=(7000, 1))
    merged = Moments.of(x[:0])
    for part in np.array_split(x, 7):
        merged = merged.merge(Moments.of(part))
    truth = float(np.var(x - 1e4, ddof=1))
    naive = float(((x**2).sum() - len(x) * x.mean() ** 2) / (len(x) - 1))
    assert abs(merged.cov[0, 0] / truth - 1) < 1e-11
    assert abs(naive / truth - 1) > 1e-9, "the bug that the merge avoids"


@given(st.lists(st.integers(0, 6), min_size=1, max_size=6))
def test_moments_merge_in_any_grouping(sizes: list[int]) -> None:
    rng = np.random.default_rng(len(sizes))
    parts = [Moments.of(rng.normal(size=(n, 3))) for n in sizes]
    left = parts[0]
    for part in parts[1:]:
        left = left.merge(part)
    right = parts[-1]
    for part in reversed(parts[:-1]):
        right = part.merge(right)
    assert left.n == right.n == sum(sizes)
    np.testing.assert_allclose(left.m2, right.m2, atol=1e-12)


def test_moments_refuse_what_they_cannot_hold() -> None:
    with pytest.raises(ValueError, match="at least 2"):
        _ = Moments.of(np.ones((1, 2))).cov
    with pytest.raises(ValueError, match="dimensions"):
        Moments.of(np.ones((2, 2))).merge(Moments.of(np.ones((2, 3))))
    with pytest.raises(ValueError, match="finite"):
        Moments.of([[np.nan]])


def test_rows_merge_and_keep_reasons() -> None:
    rows = Rows.of("b", "p", 2.0).merge(Rows.of("a", "p", 1.0), Rows.of("c", "q", Unscored("no prompt")))
    assert [name for name, _ in rows] == ["a", "b", "c"]
    assert rows.scored() == (["p", "p"], [1.0, 2.0])
    assert rows.unscored() == {"c": "no prompt"}
    assert len(rows.merge(rows)) == 3, "the same row twice is one row"


def test_rows_refuse_two_values_under_one_name() -> None:
    with pytest.raises(ValueError, match="'a'"):
        Rows.of("a", "p", 1.0).merge(Rows.of("a", "p", 2.0))
    with pytest.raises(ValueError, match="'a'"):
        Rows.of("a", "p", 1.0).merge(Rows.of("a", "p", Unscored("x")))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.array([1.0, np.nan])])
def test_a_value_that_is_not_finite_is_unscored_not_a_number(value: float) -> None:
    assert Rows.of("a", "p", value).unscored() == {"a": "the value is not a finite number"}


def test_rows_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Rows.of("a", "p", 1.0).entries["b"] = None  # type: ignore[index]


@given(st.dictionaries(st.text(max_size=4), st.one_of(st.floats(-9, 9), st.just(None)), max_size=12), st.integers(1, 8))
def test_rows_sent_by_workers_add_up(values: dict[str, float | None], workers: int) -> None:
    """Any split over processes, in any order of coming, is the whole."""
    rows = [Rows.of(n, n[:1], Unscored("none") if v is None else v) for n, v in values.items()]
    whole = Rows().merge(*rows)
    shares = [pickle.loads(pickle.dumps(Rows().merge(*rows[w::workers]))) for w in range(workers)]
    merged = Rows().merge(*reversed(shares))
    assert merged.scored() == whole.scored()
    assert merged.unscored() == whole.unscored()
