"""The owner's pages: how the study goes, how its annotators do, invitations, export. Each asks who is there."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import streamlit as st

from annotation.access import INVITE
from annotation.pages.common import heading, literal, need_owner
from annotation.report import Options, from_votes
from annotation.session import Session
from annotation.table import tidy
from annotation.terms import AnnotatorQuality, Live
from magicvideo.errors import InputError

REFRESH = 5.0
"""Seconds."""
DRAWS = 200
UNCOUNTED = "repeats and pairs with a known answer are not counted"


def live() -> None:
    need_owner()
    _live()


@st.fragment(run_every=REFRESH)
def _live() -> None:
    session = need_owner()
    found = session.live()
    heading(session.title)
    st.progress(
        min(1.0, found.votes / max(1, found.wanted)), text=f"{found.votes} of {found.wanted} votes; {UNCOUNTED}"
    )
    people = sum(person.votes > 0 for person in found.annotators)
    with st.container(horizontal=True):
        st.metric("Have voted", people)
        st.metric("Invited", found.invited)
        st.metric("Looking at a pair now", found.leased)
    _advice(found)
    _results(session, found)
    if found.skips:
        skipped = ", ".join(f"{reason} ({count})" for reason, count in found.skips.items())
        st.caption(literal(f"Skipped: {skipped}"))


def _advice(found: Live) -> None:
    """The first line says whether to stop; the others why, pair by pair."""
    first, *others = found.advice.text.splitlines() or [""]
    (st.success if found.advice.stop else st.info)(literal(first))
    if others:
        with st.expander("Pair by pair"):
            for line in others:
                st.caption(literal(line))


def _results(session: Session, found: Live) -> None:
    heading("Result so far", 2)
    if not found.votes:
        st.caption("No votes yet. Results appear here by themselves.")
        return
    result = _rated(session.study_id, found.votes, session)
    st.dataframe(pd.DataFrame(_rows(result["systems"])), hide_index=True, column_config=_columns())
    for warning in result["warnings"]:
        st.caption(f":material/info: {literal(warning)}")
    st.caption(
        "Win rate: share of votes won, a tie counting half. Intervals (95 %) allow for annotators and prompts. "
        "The command magicvideo study report gives every convention, the ranking and agreement."
    )


@st.cache_data(ttl=60, max_entries=8, show_spinner="Computing …")
def _rated(study: str, votes: int, _session: Session) -> dict[str, Any]:
    """Kept for as long as no vote is added, a minute at most."""
    return from_votes(tidy(_session.export()), Options(draws=DRAWS))


def _rows(systems: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for name, found in sorted(systems.items(), key=lambda pair: -pair[1]["half_tie"]):
        span = found["intervals"]["half_tie"]
        rows.append(
            {
                "System": name,
                "Win rate": 100 * found["half_tie"],
                "95 % interval": "-" if span is None else f"{100 * span[0]:.0f} to {100 * span[1]:.0f} %",
                "Won / same / lost": f"{found['good']} / {found['same']} / {found['bad']}",
            }
        )
    return rows


def _columns() -> dict[str, Any]:
    return {"Win rate": st.column_config.ProgressColumn(format="%.0f %%", min_value=0, max_value=100, width=110)}


def annotators() -> None:
    found = need_owner().live()
    heading("Annotators")
    if not found.annotators:
        st.caption("Nobody has voted yet.")
        return
    st.dataframe(pd.DataFrame([_quality(person) for person in found.annotators]), hide_index=True)
    st.caption(
        "Flags are something to look at, with their evidence; nobody is left out by them. Videos that did not play and "
        "pages that broke are counted as faults and never against a person."
    )
    for person in found.annotators:
        for flag in person.flags:
            st.warning(literal(f"{person.annotator}: {flag.rule}. {flag.evidence}"), icon=":material/flag:")


def _quality(person: AnnotatorQuality) -> dict[str, Any]:
    return {
        "Annotator": person.annotator,
        "Votes": person.votes,
        "Flags": len(person.flags),
        "Known answers": _share(person.gold_accuracy, person.golds),
        "Repeats alike": _share(person.consistency, person.repeats),
        "Agrees with others": _share(person.agreement),
        "Watched (median)": _share(person.watched),
        "Very fast votes": _share(person.fast),
        "Chose left": _share(person.left_share),
        "Skips": person.skips,
        "Faults": person.faults,
    }


def _share(value: float | None, n: int | None = None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.0f} %" + (f" of {n}" if n is not None else "")


def invite() -> None:
    session = need_owner()
    heading("Invite people")
    st.caption("A link is personal: who has it votes as this person, on any device.")
    with st.form("invite", border=False, width=640):
        who = st.text_input("Name or address (optional; only a keyed hash of it is kept)", max_chars=200)
        days = st.number_input("Valid for days", 1, 365, 30)
        made = st.form_submit_button("Make a link", type="primary")
    if made:
        try:
            st.code(link(session.invite(who or None, "annotator", float(days))), language=None, wrap_lines=True)
        except InputError as refused:
            st.error(literal(str(refused)))
    heading("Export", 2)
    st.caption("All votes, with the systems' names: one line a vote and question.")
    st.download_button("Download votes (CSV)", lambda: _csv(session), "votes.csv", "text/csv", on_click="ignore")


def link(token: str) -> str:
    """The address of this server with an invitation."""
    here = urlsplit(st.context.url or "")
    return f"{here.scheme}://{here.netloc}/?{INVITE}={token}"


def _csv(session: Session) -> bytes:
    return session.export().to_csv(index=False).encode()
