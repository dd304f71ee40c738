"""Voting: one pair after the other.

Everything is in the study's store; the page keeps only what it would be no loss to forget. A vote is on disk before the
next pair is shown, and sending it again changes nothing.
"""

from __future__ import annotations

import streamlit as st

from annotation.ballot import read_ballot
from annotation.pages import instructions
from annotation.pages.common import heading, literal, paragraphs, present
from annotation.pages.show import event, main_question, pair, player
from annotation.session import Session
from annotation.study import DID_NOT_PLAY
from annotation.terms import Answer, Choice, Progress, Question, Refused, Task

KEY = "player"
LABELS: dict[Choice, str] = {"left": "Left", "same": "Same", "right": "Right"}


def page() -> None:
    session = present().voter
    if session is None:
        st.info("You are signed in as the owner. To vote too, make yourself a link under Invite and export.")
        st.stop()
    progress = session.progress()
    if progress.done == 0 and not st.session_state.get("begun"):
        instructions.show(session, _start)
        return
    ballot()


def _start() -> None:
    st.button("Start voting", on_click=_set, args=("begun", True), type="primary", shortcut="Enter")


@st.fragment
def ballot() -> None:
    """Runs alone at each vote, so that the rest of the page stays where it is."""
    session = present().voter
    if session is None:
        st.error("Your invitation has ended. Nothing that you did is lost.")
        return
    task = st.session_state.pop("next", None) or session.next_task()
    progress = session.progress()
    if task is None:
        _thanks(session, progress)
    elif _break_due(progress):
        _pause(progress)
    else:
        _pair(session, task, progress)


def _pair(session: Session, task: Task, progress: Progress) -> None:
    _bar(session, task, progress)
    notice = st.session_state.pop("notice", None)
    if notice:
        st.warning(literal(notice))
    question = main_question(session.questions)
    name = f"{task.id}.{st.session_state.get('attempt', 0)}"
    refused = st.session_state.get("refused")
    data = pair(name, task, question, session.min_watched, refused, session.upcoming())
    player()(key=KEY, data=data, on_answer_change=_answered, on_failed_change=_failed)
    if st.session_state.get("failed") == name:
        _broken(task)
    _details(task, [q for q in session.questions if q.id != question.id])


def _bar(session: Session, task: Task, progress: Progress) -> None:
    """How far, and the way back or past this pair: one line above the videos."""
    with st.container(horizontal=True, vertical_alignment="center"):
        share = progress.round_done / max(1, progress.round_size)
        done = f"{progress.round_done} of {progress.round_size} pairs in round {progress.round_number}"
        text = done if progress.round_number <= 1 else f"{done}, {progress.done} in all"
        st.progress(min(1.0, share), text=text)
        st.button(
            "Undo", key="undo", on_click=_undo, disabled=not progress.may_undo, shortcut="U", help="The last vote"
        )
        with st.popover("Skip"):
            st.caption("Why? The pair goes to somebody else.")
            for reason in session.skip_reasons:
                st.button(
                    literal(reason), key=f"skip {reason}", on_click=_skip, args=(task.id, reason), width="stretch"
                )


def _details(task: Task, questions: list[Question]) -> None:
    """The questions beside the main one; their answers go with the vote."""
    if not questions:
        return
    with st.expander("More about this pair, before you vote (optional)"):
        for column, question in zip(st.columns(len(questions)), questions, strict=True):
            with column:
                st.segmented_control(
                    literal(question.text),
                    list(LABELS),
                    format_func=lambda choice: LABELS[choice],
                    key=f"choice {task.id} {question.id}",
                    required=False,
                )
                if question.reasons:
                    st.pills(
                        "Because",
                        question.reasons,
                        selection_mode="multi",
                        format_func=literal,
                        key=f"reasons {task.id} {question.id}",
                    )


def _answered() -> None:
    session, said = present().voter, event(KEY, "answer")
    if session is None or said is None:
        return
    try:
        vote = read_ballot(said)
        answers = {main_question(session.questions).id: vote.answer, **_more(vote.task, session.questions)}
        receipt = session.vote(vote.task, vote.request, answers, vote.watched, vote.seconds)
    except Refused as refused:
        st.session_state.update(notice=str(refused), refused=said.get("request"))
    else:
        _forget(receipt.next)


def _more(task: str, questions: tuple[Question, ...]) -> dict[str, Answer]:
    found = {}
    for question in questions:
        choice = st.session_state.get(f"choice {task} {question.id}")
        if choice is not None:
            reasons = st.session_state.get(f"reasons {task} {question.id}") or ()
            found[question.id] = Answer(choice, tuple(reasons))
    return found


def _undo() -> None:
    session = present().voter
    if session is not None:
        _forget(session.undo())


def _skip(task_id: str, reason: str) -> None:
    session = present().voter
    if session is None:
        return
    try:
        _forget(session.skip(task_id, reason))
    except Refused as refused:
        st.session_state["notice"] = str(refused)


def _failed() -> None:
    said = event(KEY, "failed")
    if said is not None:
        st.session_state["failed"] = said.get("id")


def _broken(task: Task) -> None:
    st.warning("A video did not load. Nothing of this counts against you.")
    with st.container(horizontal=True):
        st.button("Try again", on_click=_set, args=("attempt", st.session_state.get("attempt", 0) + 1))
        st.button("Next pair", on_click=_skip, args=(task.id, DID_NOT_PLAY))


def _break_due(progress: Progress) -> bool:
    """After a whole round, once."""
    ended = progress.done > 0 and progress.round_done in (0, progress.round_size)
    return ended and st.session_state.get("rested") != progress.done


def _pause(progress: Progress) -> None:
    heading("A round is done: a good moment for a break")
    paragraphs(
        f"{progress.done} pairs done, all saved. You may close the page now and come back by your link, or go on."
    )
    with st.container(horizontal=True):
        st.button("Go on", on_click=_set, args=("rested", progress.done), type="primary", shortcut="Enter")
        st.button("Undo the last vote", on_click=_undo, disabled=not progress.may_undo, shortcut="U")


def _thanks(session: Session, progress: Progress) -> None:
    heading("Thank you!")
    if progress.finished:
        paragraphs(f"You are done: {progress.done} pairs, all saved. You may close this page.")
    else:
        paragraphs(
            f"{progress.done} pairs, all saved. The rest is with other people at the moment: "
            "look in again later by your link."
        )
        st.button("Look again")
    st.button("Undo the last vote", on_click=_undo, disabled=not progress.may_undo, shortcut="U")


def _set(name: str, value: object) -> None:
    st.session_state[name] = value


def _forget(following: Task | None) -> None:
    """Another pair: what belonged to the last one goes."""
    for name in ("failed", "attempt", "notice", "refused"):
        st.session_state.pop(name, None)
    if following is not None:
        st.session_state["next"] = following
