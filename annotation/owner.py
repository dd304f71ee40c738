"""What the study's owner sees: progress, each annotator's quality, whether to stop, and all votes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from annotation.export import frame
from annotation.quality import LEASE_LOST, assess
from annotation.stopping import Stopping, advise
from annotation.study import OVERALL, Study
from annotation.table import by_pair, coded, counted, tidy
from annotation.terms import Advice, AnnotatorQuality, Live
from annotation.votes import Votes


@dataclass(frozen=True)
class Look:
    """One look at the store: all votes, and who did how well."""

    frame: pd.DataFrame
    quality: tuple[AnnotatorQuality, ...]
    happened: dict[str, dict[str, int]]


def look(study: Study, votes: Votes) -> Look:
    found, happened = frame(study, votes), votes.faults()
    quality = assess(found, study.bundle.rules, happened)
    found["flagged"] = found["annotator"].isin([q.annotator for q in quality if q.flags])
    return Look(found, quality, happened)


def export(study: Study, votes: Votes) -> pd.DataFrame:
    """All votes, with those of flagged annotators marked."""
    return look(study, votes).frame


def live(study: Study, votes: Votes) -> Live:
    seen, counts = look(study, votes), votes.counts()
    skips = Counter[str]()
    for of in seen.happened.values():
        skips.update({reason: n for reason, n in of.items() if reason != LEASE_LOST})
    return Live(
        votes=counts["done"],
        wanted=counts["wanted"],
        leased=counts["leased"],
        invited=counts["invited"],
        annotators=seen.quality,
        advice=advice(study, seen.frame),
        skips=dict(skips),
    )


def advice(study: Study, votes: pd.DataFrame) -> Advice:
    """The study's own rule: stop when every pair of systems has its answer, or when all votes are cast.

    Votes of flagged annotators count; the report shows the results with and without them.
    """
    main = votes[(votes["criterion"] == OVERALL) & (votes["gold"] == "") & (votes["repeat_of"] == "")]
    if main.empty:
        return Advice(False, "No votes yet.")
    pairs = len({(a, b) for _, a, b in study.bundle.units})
    raters, alpha = int(study.bundle.design["raters"]), study.bundle.rules.alpha
    arrived = counted(tidy(main.sort_values("at", kind="stable").reset_index(drop=True)))
    found = {
        names: advise(outcomes, raters=raters, alpha=alpha, pairs=pairs) for names, outcomes in by_pair(coded(arrived))
    }
    decided = [names for names, state in found.items() if state.stop]
    lines = [_line(names, state) for names, state in found.items()]
    if len(decided) == pairs:
        return Advice(True, "\n".join(["You may stop: every pair of systems is decided.", *lines]))
    if len(main) >= len(study.bundle.units) * raters:
        return Advice(True, "\n".join(["All planned votes are cast.", *lines]))
    return Advice(False, "\n".join([f"Go on: {len(decided)} of {pairs} pairs of systems are decided.", *lines]))


def _line(names: tuple[str, str], state: Stopping) -> str:
    a, b = names
    done = "may stop" if state.stop else "go on"
    counts = f"{state.won} prompts to {state.lost}, {state.tied} even, {state.unsettled} without all their votes"
    evidence = f"e-value {state.e_prompts:.3g} over prompts, {state.e_annotators:.3g} over annotators"
    return f"{a} and {b}: {counts}; {evidence}; {state.bar:.3g} is enough ({done})"
