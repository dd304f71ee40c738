"""The first page: what needs attention, then what is new."""

from __future__ import annotations

import time
from collections import Counter

import streamlit as st

from reports.attention import Notice, notices
from reports.dashboard import navigation, state
from reports.dashboard.common import heading, nothing, say, short, table
from reports.store import Entry
from reports.words import plural

MOST_NOTICES, NEWEST = 12, 12
STATUS = {"complete": "✓ complete", "running": "◷ being written", "broken": "✕ cannot be read"}
LABELS = {"compare": "Compare them", "runs": "Show it"}


def page() -> None:
    found = state.index().entries()
    heading("What needs attention")
    if not found:
        nothing("runs", "magicvideo evaluate FOLDER --prompts prompts.jsonl --out runs/first")
        return
    say(_counted(found), "caption")
    told = notices(found, time.time())
    if not told:
        say("Nothing: every run can be read and is complete, and no newest run looks worse than the one before it.")
    for place, notice in enumerate(told[:MOST_NOTICES]):
        _notice(place, notice)
    if len(told) > MOST_NOTICES:
        say(f"and {len(told) - MOST_NOTICES} more of less weight", "caption")
    heading("Newest", 2)
    table([row(entry) for entry in found[:NEWEST]], "newest")


def row(entry: Entry) -> dict[str, str | int]:
    """An entry in a table."""
    return {
        "name": entry.id,
        "kind": entry.kind,
        "when": entry.when,
        "status": STATUS[entry.status],
        "branch": entry.branch or "–",
        "commit": (entry.commit[:7] or "–") + (" + changes" if entry.dirty else ""),
        "suite": entry.suite or "–",
        "videos or pairs": entry.items,
        "about": short(entry.title or entry.problem, 200),
    }


def _notice(place: int, notice: Notice) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"notice{place}"):
        st.text(f"{notice.mark}  {short(notice.text, 400)}")
        navigation.link(notice.page, LABELS[notice.page], **notice.query)


def _counted(found: tuple[Entry, ...]) -> str:
    kinds = Counter(entry.kind for entry in found)
    parts = [plural(kinds[kind], kind) for kind in ("evaluation", "ablation") if kinds[kind]]
    parts += [f"{kinds['study']} {'study' if kinds['study'] == 1 else 'studies'}"] if kinds["study"] else []
    parts += [f"{kinds['unknown']} that cannot be read"] if kinds["unknown"] else []
    return f"{state.index().store}: {', '.join(parts)}"
