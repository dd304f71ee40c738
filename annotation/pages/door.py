"""For somebody who was not invited: says how to get in, and nothing about the study."""

from __future__ import annotations

import streamlit as st

from annotation.access import INVITE
from annotation.pages.common import heading, paragraphs, sign_in_configured


def page() -> None:
    heading("You need an invitation")
    if INVITE in st.query_params:
        st.error("This invitation is not valid: it has expired, was withdrawn, or its link is incomplete.", width=640)
    paragraphs("Open the link that you were sent, in full. If it does not work, ask whoever sent it for a new one.")
    if not sign_in_configured():
        return
    if st.user.is_logged_in:
        st.error("You are signed in, but this account was not invited.", width=640)
        st.button("Sign out", on_click=st.logout)
    else:
        st.button("Sign in", on_click=st.login, type="primary")
