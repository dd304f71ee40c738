"""Instructions, with one trained example."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from annotation.pages.common import heading, literal, paragraphs, present
from annotation.pages.show import event, main_question, pair, player
from annotation.session import Session
from annotation.terms import Example

KEY = "example"


def page() -> None:
    session = present().voter
    if session is None:
        st.error("You need an invitation to vote.")
        st.stop()
    show(session)


def show(session: Session, button: Callable[[], object] = lambda: None) -> None:
    """The text with its button beside the example, so that a small screen shows both."""
    left, right = st.columns([2, 3], gap="medium")
    with left:
        heading(session.title)
        paragraphs(session.instructions)
        button()
    with right:
        trained(session)


@st.fragment
def trained(session: Session) -> None:
    """The first example with its right answer, told after the person's own."""
    examples = session.examples()
    if not examples:
        return
    example = examples[0]
    question = main_question(session.questions)
    said = st.session_state.get("example_answer") or {}
    data = pair("example", example, question, received=said.get("request"))
    if said:
        _tell(example, str(said.get("value")))
    else:
        heading("Try it: an example with a known answer", 2)
    player()(key=KEY, data=data, on_answer_change=_answered)


def _answered() -> None:
    said = event(KEY, "answer")
    if said is not None:
        st.session_state["example_answer"] = said


def _tell(example: Example, given: str) -> None:
    if given == example.answer:
        st.success(f"Yes. {literal(example.explanation)}")
    else:
        st.warning(f"Look again. {literal(example.explanation)} You may change your answer here.")
