"""A browser may send anything as a vote."""

from __future__ import annotations

from typing import Any

import pytest

from annotation.ballot import read_ballot
from annotation.terms import Answer, Mark, Refused, Watched

GOOD: dict[str, Any] = {
    "id": "0123456789abcdef01234567.0",
    "request": "ab12",
    "value": "left",
    "watched": [1.0, 0.5],
    "seconds": 12.5,
    "mark": {"side": 1, "second": 0.5, "x": 0.25, "y": 1.0},
    "drift": {"worst": 0.4, "mean": 0.1, "stalls": 0},
}


def test_a_vote_as_the_player_sends_it() -> None:
    said = read_ballot(GOOD)
    assert (said.task, said.request, said.seconds) == ("0123456789abcdef01234567", "ab12", 12.5)
    assert said.answer == Answer("left", (), Mark("right", 0.5, 0.25, 1.0))
    assert said.watched == Watched(1.0, 0.5)


def test_a_vote_without_a_mark() -> None:
    assert read_ballot({**GOOD, "mark": None}).answer == Answer("left")


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": "both"},
        {"value": ["left"]},
        {"id": "x" * 1_000_000},
        {"request": "x" * 65},
        {"watched": [1.0]},
        {"watched": [1.5, 0.5]},
        {"watched": [float("nan"), 0.5]},
        {"seconds": -1},
        {"seconds": float("inf")},
        {"seconds": "soon"},
        {"mark": {"side": 2, "second": 0, "x": 0, "y": 0}},
        {"mark": "<script>"},
        {"watched": None},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_anything_else_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        read_ballot({**GOOD, **wrong})
    assert refused.value.code == "answers"


@pytest.mark.parametrize("name", ["id", "request", "value", "watched", "seconds"])
def test_a_field_that_is_missing_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        read_ballot({key: value for key, value in GOOD.items() if key != name})
