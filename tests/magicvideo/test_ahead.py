"""Values made ahead: in order, within their budget, and nothing goes on when nobody asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magicvideo.ahead import ahead


@given(st.lists(st.integers(0, 50), max_size=40), st.integers(0, 100), st.integers(1, 4))
def test_order_and_budget(weights: list[int], most: int, depth: int) -> None:
    alive, peak = set[int](), 0

    def source() -> Iterator[int]:
        nonlocal peak
        for n, _ in enumerate(weights):
            held = sum(weights[i] for i in alive)
            peak = max(peak, held)
            alive.add(n)
            yield n

    found = []
    for n in ahead(source(), lambda n: weights[n], most, depth):
        found.append(n)
        alive.discard(n)  # given back by asking for the next
    assert found == list(range(len(weights)))
    assert peak <= most


def test_it_is_ahead() -> None:
    made = []

    def source() -> Iterator[int]:
        for n in range(5):
            made.append(n)
            yield n

    values = ahead(source(), lambda _: 1, most=100, depth=2)
    assert next(values) == 0
    deadline = time.monotonic() + 10
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2]
    values.close()  # type: ignore[attr-defined]
    time.sleep(0.1)
    assert made[:3] == [0, 1, 2]
    assert len(made) <= 4
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_errors_come_where_their_value_would_have() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    values = ahead(source(), lambda _: 1, most=10)
    assert next(values) == 1
    with pytest.raises(OSError, match="gone"):
        next(values)
