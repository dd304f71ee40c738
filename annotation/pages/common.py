"""What pages share: who is there, and text that stays text."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from annotation.access import INVITE, ROLES, cookie_name, identify, identify_claims, study
from annotation.session import Session
from annotation.terms import Role

STYLE = """<style>
.stMainBlockContainer { padding: 3.9rem 1rem 1rem; }
</style>"""
WIDE_TEXT = "70ch"


@dataclass(frozen=True)
class Present:
    """Who sits at this page. An owner may vote beside, with an invitation of the other kind."""

    voter: Session | None
    owner: Session | None


def present() -> Present:
    """Read anew at every run, so that an invitation that was withdrawn ends at once."""
    signed_in = _signed_in()
    found = {role: _invited(role) for role in ROLES}
    if signed_in is not None:
        found[signed_in.role] = signed_in
    return Present(found["annotator"], found["owner"])


def _invited(role: Role) -> Session | None:
    """By the cookie that the server made of an invitation, else by the invitation in the address."""
    folder, database = study()
    for token in (st.context.cookies.get(cookie_name(folder, role)), st.query_params.get(INVITE)):
        session = identify(folder, database, token)
        if session is not None and session.role == role:
            return session
    return None


def sign_in_configured() -> bool:
    """Whether secrets.toml has an [auth] section for `st.login`."""
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


def _signed_in() -> Session | None:
    if not sign_in_configured() or not st.user.is_logged_in:
        return None
    claims: Mapping[str, object] = st.user.to_dict()
    return identify_claims(*study(), claims)


def need_owner() -> Session:
    """The owner's session; anybody else is refused and the page ends."""
    owner = present().owner
    if owner is None:
        st.error("This page is for the owner of the study.", icon=":material/lock:")
        st.stop()
    return owner


def heading(text: str, level: int = 1) -> None:
    """A heading that shows any text as it is."""
    size = 1.6 if level == 1 else 1.2
    st.html(f"<h{level} style='margin:0;padding:0;font-size:{size}rem'>{html.escape(text)}</h{level}>")


def paragraphs(text: str) -> None:
    """Plain text; blank lines separate paragraphs."""
    body = "".join(f"<p>{html.escape(part)}</p>" for part in re.split(r"\n\s*\n", text.strip()))
    st.html(f"<div style='max-width:{WIDE_TEXT}'>{body}</div>")


def literal(text: str) -> str:
    """For labels, which Streamlit reads as Markdown: the same text with its signs switched off."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)
