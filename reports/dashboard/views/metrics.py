"""What each metric is: its page of the documentation, and how it was read in this store's runs."""

from __future__ import annotations

import streamlit as st

from reports import guide
from reports.dashboard.common import ARROWS, entries, heading, metrics_of, pick, say
from reports.folder import Metric


def page() -> None:
    heading("Metrics")
    found = entries("evaluation", "ablation")
    known = metrics_of(found)
    names = sorted(dict.fromkeys([*known, *guide.names()]))
    if not names:
        say("No run of this store has a metric, and the documentation is not at hand.", "info")
        return
    name = pick("Metric", names, "metric", {n: m.title for n, m in known.items()})
    if name in known:
        _read(known[name])
    text = guide.page(name)
    if text is None:
        say("There is no page of documentation for this metric.", "info")
    else:
        st.markdown(text)  # ours, from the repository: not what a user wrote
    runs = [e for e in found if name in e.metrics]
    if runs:
        heading("In this store", 2)
        say(f"{len(runs)} of {len(found)} runs have it.")
        protocols = sorted({str(p) for e in runs if (p := e.metrics[name].get("protocol"))})
        for protocol in protocols:
            st.code(protocol, language=None, wrap_lines=True)


def _read(metric: Metric) -> None:
    say(f"{metric.title} {ARROWS[metric.higher_is_better]}" + (f", in {metric.unit}" if metric.unit else ""))
    if metric.reads:
        say(metric.reads)
