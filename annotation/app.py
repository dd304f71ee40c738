"""The annotation tool: who is there decides which pages there are. Started by `magicvideo study serve`.

Streamlit runs this file at every visit and change; it holds nothing between runs.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.navigation.page import Page

from annotation.pages import door, instructions, owner, vote
from annotation.pages.common import STYLE, Present, present


def main() -> None:
    st.set_page_config("Video comparison", layout="wide")  # an icon by name would be fetched from another server
    st.html(STYLE)
    here = present()
    if here.voter is None and here.owner is None:
        door.page()
        return
    st.navigation(pages(here), position="top").run()


def pages(here: Present) -> list[Page]:
    """Pages of the owner exist for everybody who was invited, so that one who opens them is told why not."""
    votes, owns = here.voter is not None, here.owner is not None
    return [
        _page(vote.page, "Vote", "vote", votes, default=votes),
        _page(instructions.page, "Instructions", "instructions", votes),
        _page(owner.live, "Live results", "live", owns, default=not votes),
        _page(owner.annotators, "Annotators", "annotators", owns),
        _page(owner.invite, "Invite and export", "invite", owns),
    ]


def _page(show: Callable[[], None], title: str, path: str, visible: bool, default: bool = False) -> Page:
    return st.Page(show, title=title, url_path=path, default=default, visibility="visible" if visible else "hidden")


main()
