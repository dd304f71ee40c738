"""What pages share: text that stays text, tables and charts that can be taken away, pickers that the address holds."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from annotation.pages.common import heading, literal, paragraphs
from annotation.pages.show import player
from annotation.player import pair_data
from magicvideo.errors import InputError
from reports.charts import drawing, themed
from reports.charts.theme import Ground
from reports.dashboard import state
from reports.folder import Metric
from reports.store import Entry
from reports.tables import harmless, plain

__all__ = ["heading", "literal", "paragraphs"]

STYLE = """<style>
.stMainBlockContainer { padding: 3.9rem 1.2rem 2rem; max-width: 1300px; }
[data-testid="stText"] { white-space: pre-wrap; overflow-wrap: anywhere; font-family: inherit; }
[data-testid="stMarkdownContainer"] table { display: block; overflow-x: auto; }
[data-testid="stPageLink"] p { text-decoration: underline; text-underline-offset: 0.2em; }
[data-testid="stDownloadButton"] button { min-height: 1.6rem; opacity: 0.75; }
</style>"""
ARROWS = {True: "↑", False: "↓", None: "↕"}
"""Beside a metric's name: which way is better."""
LONGEST = 90
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x1f]")
PAGE = "page"
"""Where the session keeps the name of the page that is shown."""


def guarded(show: Callable[[], None]) -> None:
    """Run a page; what is wrong with somebody's files is told, not thrown."""
    try:
        show()
    except InputError as error:
        say(str(error), "error")


def say(text: str, kind: str = "text") -> None:
    """A sentence as it is; `kind` is text, caption, info, warning or error."""
    getattr(st, kind)(text if kind == "text" else literal(text))


def short(text: str, most: int = LONGEST) -> str:
    """One line, not too long for a label."""
    text = plain(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def ground() -> Ground:
    return "dark" if st.context.theme.type == "dark" else "light"


def pick(label: str, options: Sequence[str], key: str, told: Mapping[str, str] | None = None, first: int = 0) -> str:
    """One of `options`, held by the address as `key`; `told` gives the words for each.

    Streamlit's own binding to the address would put the words there, which change, instead of the option.
    """
    words, place = told or {}, _place(key)
    if place not in st.session_state:
        st.session_state[place] = st.query_params.get(key)
    if st.session_state[place] not in options:
        st.session_state[place] = options[first]

    def text(option: str) -> str:
        return short(words.get(option, option))  # options are shown as text; labels are read as Markdown

    found = str(st.selectbox(label, options, format_func=text, key=place))
    if st.query_params.get(key) != found:
        st.query_params[key] = found
    return found


def switch(label: str, key: str, first: bool) -> bool:
    """A switch, held by the address as `key`; `first` is how it stands until somebody turns it."""
    place, told = _place(key), st.query_params.get(key)
    if place not in st.session_state:
        st.session_state[place] = told == "on" if told in ("on", "off") else first
    found = bool(st.toggle(label, key=place))
    if told or found != first:
        st.query_params[key] = "on" if found else "off"
    return found


def choose(key: str, value: str) -> None:
    """Set the picker of that key, before it is drawn."""
    st.session_state[_place(key)] = value


def _place(key: str) -> str:
    """Pages may have pickers of one name, and each keeps its own choice."""
    return f"{key} on {st.session_state.get(PAGE, '')}"


def table(
    rows: Sequence[Mapping[str, Any]],
    key: str,
    *,
    select: bool = False,
    columns: Mapping[str, Any] | None = None,
    height: int | None = None,
) -> int | None:
    """Rows as a table with its CSV beside it; with `select` the number of the row that was clicked."""
    frame = pd.DataFrame(list(rows))
    shown = frame.map(_harmless)
    shape: dict[str, Any] = {} if height is None else {"height": height}
    config = {name: st.column_config.TextColumn(width="large") for name in ("prompt", "problem")}
    options: dict[str, Any] = {"hide_index": True, "column_config": {**config, **(columns or {})}, "key": key, **shape}
    chosen = None
    if select:
        event = st.dataframe(shown, on_select="rerun", selection_mode="single-row", **options)
        picked = event["selection"]["rows"]
        chosen = int(picked[0]) if picked else None
    else:
        st.dataframe(shown, **options)
    st.download_button(
        "CSV", lambda: as_csv(frame), f"{key}.csv", "text/csv", key=f"{key}-csv", icon=":material/download:"
    )
    return chosen


def _harmless(cell: Any) -> Any:
    """A cell without signs that would turn the reading direction of what stands beside it."""
    return plain(cell) if isinstance(cell, str) and TURNING.search(cell) else cell


def as_csv(frame: pd.DataFrame) -> str:
    """Full precision; text that a spreadsheet would run as a formula is made harmless."""
    buffer = io.StringIO()
    out = csv.writer(buffer, lineterminator="\n")
    out.writerow(frame.columns)
    out.writerows(harmless(list(row)) for row in frame.itertuples(index=False))
    return buffer.getvalue()


def chart(drawn: alt.LayerChart, key: str, wide: bool = False) -> None:
    """A chart in the page's colours, and its SVG to take away."""
    spec = themed(drawn, ground())
    if not wide:
        spec["autosize"] = {"type": "pad"}  # else Streamlit fits axes into the height, and rows lie over each other
    st.vega_lite_chart(spec=spec, theme=None, width="stretch" if wide else "content", key=key)
    export("SVG", lambda: drawing(drawn), key)


def export(kind: str, made: Callable[[], str], key: str) -> None:
    """A button that makes the file when it is pressed."""
    mime = {"CSV": "text/csv", "SVG": "image/svg+xml"}[kind]
    name = f"{key}.{kind.lower()}"
    st.download_button(kind, made, name, mime, key=f"{key}-{kind}", icon=":material/download:", type="tertiary")


def watch(key: str, left: Path, right: Path, labels: tuple[str, str], prompt: str) -> None:
    """Two videos side by side, in step; or why they cannot be shown."""
    try:
        addresses, shape = state.videos().pair(left, right)
    except InputError as error:
        say(str(error), "info")
        return
    player()(key=key, data=pair_data(addresses[0], addresses, shape, labels=labels, prompt=prompt))


def entries(*kinds: str) -> list[Entry]:
    """Runs and studies of these kinds (all, if none is named) that can be read, newest first."""
    found = state.index().entries()
    return [e for e in found if e.status != "broken" and (not kinds or e.kind in kinds)]


def nothing(what: str, command: str) -> None:
    """What an empty page says instead."""
    say(f"This store has no {what} yet. This makes one:")
    st.code(command, language="sh")


def metric_of(name: str, about: Mapping[str, Any]) -> Metric:
    """An entry's metric."""
    better = about.get("higher_is_better")
    return Metric(
        name,
        str(about.get("title") or name),
        str(about.get("unit") or ""),
        better if isinstance(better, bool) else None,
        str(about.get("reads") or ""),
        str(about.get("protocol") or ""),
    )


def metrics_of(found: Sequence[Entry]) -> dict[str, Metric]:
    """All metrics that these entries have, in the order they come."""
    metrics: dict[str, Metric] = {}
    for entry in found:
        for name, about in entry.metrics.items():
            if name not in metrics:
                metrics[name] = metric_of(name, about)
    return metrics


def words_for(found: Sequence[Entry]) -> dict[str, str]:
    """What a picker shows for each entry."""
    return {e.id: f"{e.id} · {e.when}" + (f" · {e.branch}" if e.branch else "") for e in found}
