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
    heading("Try it: an example with a known answer", 2)
    example = examples[0]
    question = main_question(session.questions)
    player()(key=KEY, data=pair("example", example, question, 0.0), on_answer_change=_answered)
    given = st.session_state.get("example_answer")
    if given is not None:
        _tell(example, str(given))


def _answered() -> None:
    said = event(KEY, "answer")
    if said is not None:
        st.session_state["example_answer"] = said.get("value")


def _tell(example: Example, given: str) -> None:
    if given == example.answer:
        st.success(f"Yes. {literal(example.explanation)}")
    else:
        st.warning(f"Look again. {literal(example.explanation)} You may change your answer here.")
