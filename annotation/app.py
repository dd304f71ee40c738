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
    st.navigation(pages(here), position="top").run()


def pages(here: Present) -> list[Page]:
    """All pages exist for everybody, so that whoever opens one by its address is told how to get in, or why not."""
    votes, owns = here.voter is not None, here.owner is not None
    known = votes or owns
    shown = [
        _page(vote.page if known else door.page, "Vote", "vote", votes),
        _page(instructions.page if known else door.page, "Instructions", "instructions", votes),
        _page(owner.live if known else door.page, "Live results", "live", owns),
        _page(owner.annotators if known else door.page, "Annotators", "annotators", owns),
        _page(owner.invite if known else door.page, "Invite and export", "invite", owns),
    ]

    def start() -> None:
        """The address without a name: on to one's first page."""
        if known:
            st.switch_page(shown[0] if votes else shown[2])
        door.page()

    return [st.Page(start, title="Video comparison", url_path="start", default=True, visibility="hidden"), *shown]


def _page(show: Callable[[], None], title: str, path: str, visible: bool) -> Page:
    return st.Page(show, title=title, url_path=path, visibility="visible" if visible else "hidden")


main()
