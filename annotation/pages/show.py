"""A pair of videos on a page: what the player is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from annotation.player import Choice, Shape, declare, pair_data
from annotation.terms import Example, Question, Task
from annotation.web import CLIPS

CHOICES = (
    Choice("1", "left", "Left is better"),
    Choice("2", "same", "Both the same"),
    Choice("3", "right", "Right is better"),
)


@st.cache_resource
def player() -> Any:
    """The component, declared once a process."""
    return declare()


def pair(
    id: str,
    shown: Task | Example,
    question: Question,
    min_watched: float = 0.0,
    received: str | None = None,
    upcoming: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Data of the player for a task or an example; `received` as in `pair_data`, `upcoming` names of videos."""
    left = shown.left
    return pair_data(
        id,
        (f"{CLIPS}/{left.name}", f"{CLIPS}/{shown.right.name}"),
        Shape(left.frames, left.fps, left.width, left.height),
        prompt=shown.prompt,
        question=question.text,
        answers=CHOICES,
        min_watched=min_watched,
        received=received,
        upcoming=[f"{CLIPS}/{name}" for name in upcoming or ()],
    )


def event(key: str, name: str) -> dict[str, Any] | None:
    """What the player just said, in a callback."""
    found = st.session_state.get(key, {}).get(name)
    return found if isinstance(found, dict) else None


def main_question(questions: tuple[Question, ...]) -> Question:
    """The question that the player's answers are for: the first required one."""
    return next((q for q in questions if q.required), questions[0])
