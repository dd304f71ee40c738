"""Which pages there are, and how one leads to another."""

from __future__ import annotations

from importlib import import_module
from typing import NoReturn

import streamlit as st
from streamlit.navigation.page import Page

from reports.dashboard.common import PAGE, STYLE, guarded

PAGES = {
    "overview": "Overview",
    "runs": "Runs",
    "compare": "Compare",
    "ablations": "Ablations",
    "studies": "Studies",
    "history": "History",
    "costs": "Costs",
    "metrics": "Metrics",
}
"""Module, which is also the address, and title."""


def navigate() -> Page:
    """Sets up navigation; returns the page that was asked for."""
    st.html(STYLE)
    return st.navigation([page(name) for name in PAGES], position="top")


def page(name: str) -> Page:
    def show() -> None:
        st.session_state[PAGE] = name
        guarded(import_module(f"reports.dashboard.views.{name}").page)

    return st.Page(show, title=PAGES[name], url_path=name, default=name == "overview")


def link(name: str, label: str, **query: str) -> None:
    """A link to another page in a given state; `label` is ours, never a user's text."""
    st.page_link(page(name), label=label, query_params=query)


def go(name: str, **query: str) -> NoReturn:
    st.switch_page(page(name), query_params=query)
