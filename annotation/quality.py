"""How carefully each annotator worked: flags with their evidence, for the owner to look at. Never a ban.

What the infrastructure did (a video that did not play, a lease that was lost) is shown and never counted against a
person. A flag needs evidence that chance does not explain: an interval, or a share of many votes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from annotation.reliability import wawa
from annotation.study import FAULTS, OVERALL, Rules
from annotation.table import coded, counted, tidy
from annotation.terms import AnnotatorQuality, Flag
from evals.stats import wilson

LEAST_CONSISTENT, LEAST_GOLD, LEAST_AGREEING = 0.6, 0.8, 0.4
"""Flagged when the upper end of the 95 % interval is below. Three ways to answer agree by chance in a third."""
MOST_FAST, LEAST_VOTES = 0.2, 5
SIDE_P = 0.01
LEASE_LOST = "lease lost"


def assess(
    frame: pd.DataFrame, rules: Rules, happened: Mapping[str, Mapping[str, int]] | None = None
) -> tuple[AnnotatorQuality, ...]:
    """Every annotator with votes or skips, in order of id.

    `frame` is the frame of votes (`annotation.export`), `happened` annotator -> skip reason or "lease lost" -> count.
    """
    happened = happened or {}
    votes = frame[frame["criterion"] == OVERALL]
    agreeing = _agreement(votes)
    names = sorted(set(votes["annotator"]) | set(happened))
    by_name = {str(name): of for name, of in votes.groupby("annotator", observed=True)}
    empty = votes.iloc[:0]
    return tuple(_one(n, by_name.get(n, empty), rules, agreeing.get(n, (0, 0)), happened.get(n, {})) for n in names)


def _one(
    name: str, votes: pd.DataFrame, rules: Rules, agreeing: tuple[int, int], happened: Mapping[str, int]
) -> AnnotatorQuality:
    repeats, golds = _repeats(votes), _golds(votes)
    main = votes[(votes["gold"] == "") & (votes["repeat_of"] == "")]
    lefts, decided = int((main["choice"] == "left").sum()), int((main["choice"] != "same").sum())
    watched = votes[["watched_left", "watched_right"]].min(axis=1)
    fast = int((votes["seconds"] < rules.fast_seconds).sum())
    flags = [
        *_low("repeats", repeats, LEAST_CONSISTENT, "repeats answered alike with sides swapped"),
        *_low("gold", golds, LEAST_GOLD, "pairs with a known answer got it"),
        *_low("agreement", agreeing, LEAST_AGREEING, "votes agree with the others' majority"),
        *_watched(watched, rules.min_watched),
        *_fast(fast, len(votes), rules.fast_seconds),
        *_side(lefts, decided),
    ]
    faults = sum(count for what, count in happened.items() if what in FAULTS or what == LEASE_LOST)
    return AnnotatorQuality(
        annotator=name,
        votes=len(votes),
        consistency=_share(*repeats),
        repeats=repeats[1],
        gold_accuracy=_share(*golds),
        golds=golds[1],
        watched=float(watched.median()) if len(votes) else None,
        fast=_share(fast, len(votes)),
        left_share=_share(lefts, decided),
        agreement=_share(*agreeing),
        skips=sum(happened.values()) - faults,
        faults=faults,
        flags=tuple(flags),
    )


def _repeats(votes: pd.DataFrame) -> tuple[int, int]:
    """(repeats answered alike, repeats) of one annotator: the same system chosen, or same both times."""
    first = {row.task: _winner(row) for row in votes.itertuples()}
    again = [(first[r.repeat_of], _winner(r)) for r in votes.itertuples() if r.repeat_of in first]
    return sum(a == b for a, b in again), len(again)


def _winner(row: object) -> object:
    """The chosen system's name, or None for same."""
    choice = row.choice  # type: ignore[attr-defined]
    return None if choice == "same" else getattr(row, str(choice))


def _golds(votes: pd.DataFrame) -> tuple[int, int]:
    golds = votes[votes["gold"] != ""]
    return int((golds["choice"] == golds["expected"]).sum()), len(golds)


def _agreement(votes: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Annotator -> (votes that agree with the majority of the others on the same pair, votes that could).

    Where the others have no majority, or are not there, nothing is counted.
    """
    main = votes[(votes["gold"] == "") & (votes["repeat_of"] == "")]
    if main.empty:
        return {}
    found = coded(counted(tidy(main.reset_index(drop=True))))
    agrees, judged = wawa(found)
    people = len(found.annotators)
    hits = np.bincount(found.annotator, weights=agrees, minlength=people).astype(int)
    tries = np.bincount(found.annotator[judged], minlength=people)
    return {name: (int(hits[n]), int(tries[n])) for n, name in enumerate(found.annotators)}


def _low(rule: str, found: tuple[int, int], least: float, words: str) -> Iterator[Flag]:
    k, n = found
    if n and wilson(k, n)[1] < least:
        low, high = wilson(k, n)
        yield Flag(rule, f"{k} of {n} {words} (95 % interval {low:.0%} to {high:.0%}; expected {least:.0%} or more)")


def _watched(watched: pd.Series, least: float) -> Iterator[Flag]:
    below = int((watched < least).sum())
    if len(watched) >= LEAST_VOTES and below > len(watched) / 2:
        yield Flag("watched", f"{below} of {len(watched)} votes with less than {least:.0%} of a video watched")


def _fast(fast: int, votes: int, seconds: float) -> Iterator[Flag]:
    if votes >= LEAST_VOTES and fast > MOST_FAST * votes:
        yield Flag("fast", f"{fast} of {votes} votes within {seconds:g} s")


def _side(lefts: int, decided: int) -> Iterator[Flag]:
    if decided >= LEAST_VOTES:
        p = float(binomtest(lefts, decided).pvalue)
        if p < SIDE_P:
            yield Flag("side", f"{lefts} of {decided} decided votes for the left video; by chance p = {p:.2g}")


def _share(k: int, n: int) -> float | None:
    return k / n if n else None
