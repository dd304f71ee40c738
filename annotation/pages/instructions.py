"""Instructions, with one trained example."""

from __future__ import annotations

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
    text(session)
    trained(session)


def text(session: Session) -> None:
    heading(session.title)
    paragraphs(session.instructions)


@st.fragment
def trained(session: Session) -> None:
    """The first example with its right answer, told after the person's own."""
    examples = session.examples()
    if not examples:
        return
    heading("Try it: an example whose answer is known", 2)
    example = examples[0]
    question = main_question(session.questions)
    hint = "Keys 1, 2, 3 answer. All other keys are listed under Keys."
    player()(key=KEY, data=pair("example", example, question, 0.0, hint), on_answer_change=_answered)
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
        st.warning(f"Look again. {literal(example.explanation)} Other answers can be given as long as you like.")
