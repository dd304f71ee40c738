"""What a table of ratings should make its reader stop at: conventions that disagree, and counts that do not add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from math import isclose

from annotation.ratings import ORDERING, Rating

WORDS = {"gsb_ratio": "(G+S)/(B+S)", "net": "net win", "half_tie": "half-tie", "decisive": "decisive win rate"}
MOST = 8
"""Flips that are written out; the rest is counted."""
SAME = 1e-9
"""Values this near to each other differ by rounding, and put nobody above."""


def flips(ratings: Mapping[str, Rating]) -> list[str]:
    """One sentence for each pair of systems that two conventions put in different orders."""
    found = [text for pair in combinations(ratings, 2) if (text := _flip(pair, ratings)) is not None]
    more = [f"and {len(found) - MOST} more pairs of systems change places"] if len(found) > MOST else []
    return [*found[:MOST], *more]


def unequal(ratings: Mapping[str, Rating]) -> list[str]:
    """A sentence where some systems have another number of votes than most."""
    sizes = Counter(rating.n for rating in ratings.values())
    usual, times = sizes.most_common(1)[0]
    if len(sizes) == 1 or times == 1:
        return [] if len(sizes) == 1 else [f"every system has another number of votes: {_sizes(ratings)}"]
    odd = {name: rating.n for name, rating in ratings.items() if rating.n != usual}
    total = sum(rating.n for rating in ratings.values())
    names = ", ".join(f"{name} has {n:,} votes" for name, n in odd.items())
    return [
        f"{names}, the other {times} systems {usual:,} each: {total:,} in all, where equal numbers would make "
        f"{usual * len(ratings):,}"
    ]


def _flip(pair: tuple[str, str], ratings: Mapping[str, Rating]) -> str | None:
    above = dict[bool, list[str]]()
    for convention in ORDERING:
        first, second = (ratings[name].estimate(convention).value for name in pair)
        if first is not None and second is not None and not isclose(first, second, abs_tol=SAME):
            above.setdefault(first > second, []).append(convention)
    if len(above) < 2:
        return None
    return "the order depends on the convention: " + "; ".join(
        _says(*(pair if first else pair[::-1]), conventions, ratings) for first, conventions in above.items()
    )


def _says(higher: str, lower: str, conventions: list[str], ratings: Mapping[str, Rating]) -> str:
    shown = [f"{WORDS[c]} ({_value(higher, c, ratings)} to {_value(lower, c, ratings)})" for c in conventions]
    return f"{higher} is above {lower} by {' and '.join(shown)}"


def _value(name: str, convention: str, ratings: Mapping[str, Rating]) -> str:
    value = ratings[name].estimate(convention).value
    return f"{value:+.3f}" if convention == "net" else f"{value:.2f}" if convention == "gsb_ratio" else f"{value:.3f}"


def _sizes(ratings: Mapping[str, Rating]) -> str:
    return ", ".join(f"{name} {rating.n:,}" for name, rating in ratings.items())
