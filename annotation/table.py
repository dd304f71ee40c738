"""The common form of votes: one row a vote, checked once, then coded as whole numbers.

Everything behind the win rate reads `Votes`. A frame has the columns of `REQUIRED` and may have those of `OPTIONAL`;
other columns are ignored. Nothing here knows where the rows came from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from magicvideo.errors import InputError

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Place = Callable[[int], str]
"""Row number (from 0) -> where it stands, e.g. "votes.csv, line 17"."""

REQUIRED = ("annotator", "prompt", "left", "right", "choice")
OPTIONAL = ("criterion", "stratum", "seconds", "watched_left", "watched_right", "repeat_of", "gold", "flagged")
CHOICES = {"left": 1, "same": 0, "right": -1}
OVERALL = "overall"
"""The criterion of a vote that names none."""
TRUE = ("1", "true", "yes")
FALSE = ("", "0", "false", "no", "nan", "none", "<na>")


@dataclass(frozen=True)
class Votes:
    """N votes as codes into the sorted names. `choice` is +1 for left, 0 for same, -1 for right."""

    annotators: tuple[str, ...]
    prompts: tuple[str, ...]
    systems: tuple[str, ...]
    annotator: Ints
    prompt: Ints
    left: Ints
    right: Ints
    choice: Ints

    def __len__(self) -> int:
        return len(self.choice)

    def take(self, rows: Mask | Ints) -> Votes:
        """Some of the rows; the names stay, so codes keep their meaning."""
        return Votes(
            self.annotators,
            self.prompts,
            self.systems,
            self.annotator[rows],
            self.prompt[rows],
            self.left[rows],
            self.right[rows],
            self.choice[rows],
        )


@dataclass(frozen=True)
class Outcomes:
    """N votes seen from one side: +1 where it was preferred, 0 for same, -1 where the other was."""

    annotator: Ints
    prompt: Ints
    outcome: Ints

    def __len__(self) -> int:
        return len(self.outcome)


def tidy(frame: pd.DataFrame, place: Place = lambda row: f"vote {row + 1}", where: str = "votes") -> pd.DataFrame:
    """The frame with names as categories, `criterion` filled in, and `gold` and `flagged` as booleans.

    Raises `InputError` for a missing column, an empty name, a choice other than left, same or right, and a pair of a
    system with itself that is not gold, naming the first such row.
    """
    missing = [name for name in REQUIRED if name not in frame.columns]
    if missing:
        raise InputError(
            f"{where}: no column {missing[0]!r}; needed: {', '.join(REQUIRED)}, and optionally {', '.join(OPTIONAL)}"
        )
    if frame.empty:
        raise InputError(f"{where}: no votes; add one row a vote")
    found = pd.DataFrame({name: _names(frame[name], name, place) for name in REQUIRED})
    _check_choices(found["choice"], place)
    found["criterion"] = _filled(frame, "criterion", OVERALL)
    found["stratum"] = _filled(frame, "stratum", "")
    for name in ("gold", "flagged"):
        found[name] = _flags(frame[name], name, place) if name in frame.columns else False
    _check_pairs(found, place)
    found["repeat"] = _filled(frame, "repeat_of", "") != "" if "repeat_of" in frame.columns else False
    return found


def counted(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that speak about systems: gold pairs and repeats speak about annotators instead."""
    return frame[~(frame["gold"] | frame["repeat"])]


def coded(frame: pd.DataFrame) -> Votes:
    """A tidy frame as codes."""
    annotators, annotator = _codes(frame["annotator"])
    prompts, prompt = _codes(frame["prompt"])
    lefts, rights = _shared(frame)
    codes = np.concatenate([lefts.cat.codes.to_numpy(), rights.cat.codes.to_numpy()])
    systems, system = _codes(pd.Series(pd.Categorical.from_codes(codes, categories=lefts.cat.categories)))
    choices, choice = _codes(frame["choice"])
    signs = np.array([CHOICES[name] for name in choices], dtype=np.int64)
    n = len(frame)
    return Votes(annotators, prompts, systems, annotator, prompt, system[:n], system[n:], signs[choice])


def by_system(votes: Votes) -> Iterator[tuple[str, Outcomes]]:
    """Each system against all others it met."""
    for code, name in enumerate(votes.systems):
        left, right = np.flatnonzero(votes.left == code), np.flatnonzero(votes.right == code)
        rows = np.concatenate([left, right])
        if len(rows):
            sign = np.repeat([1, -1], [len(left), len(right)])
            yield name, Outcomes(votes.annotator[rows], votes.prompt[rows], votes.choice[rows] * sign)


def by_pair(votes: Votes) -> Iterator[tuple[tuple[str, str], Outcomes]]:
    """Each pair of systems that met, seen from the first; names of a pair are in sorted order."""
    first, second = np.minimum(votes.left, votes.right), np.maximum(votes.left, votes.right)
    outcome = np.where(votes.left == first, votes.choice, -votes.choice)
    pair = first * len(votes.systems) + second
    order = np.argsort(pair, kind="stable")
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    for rows in np.split(order, starts[1:]):
        names = (votes.systems[first[rows[0]]], votes.systems[second[rows[0]]])
        yield names, Outcomes(votes.annotator[rows], votes.prompt[rows], outcome[rows])


def against(votes: Votes, base: str) -> Iterator[tuple[str, Outcomes]]:
    """Each other system that met `base`, seen from the base: +1 where the base was preferred (the paper's Good)."""
    for (first, second), found in by_pair(votes):
        if first == base:
            yield second, found
        elif second == base:
            yield first, Outcomes(found.annotator, found.prompt, -found.outcome)


def _names(column: pd.Series, name: str, place: Place) -> pd.Series:
    """A column as categories of stripped text; an empty one is an error."""
    column = column.astype("category")
    empty = column.isna().to_numpy()
    labels = [str(label).strip() for label in column.cat.categories]
    if "" in labels:
        empty = empty | np.array([label == "" for label in labels])[column.cat.codes.to_numpy()]
    if empty.any():
        raise InputError(f"{place(int(empty.argmax()))}: {name!r} is empty; fill it in or remove the row")
    return _relabelled(column, labels)


def _relabelled(column: pd.Series, labels: list[str]) -> pd.Series:
    """The same codes under other labels, where equal labels become one category."""
    names, merged = np.unique(np.array(labels, dtype=object), return_inverse=True)
    return pd.Series(pd.Categorical.from_codes(merged[column.cat.codes.to_numpy()], categories=pd.Index(names)))


def _check_choices(column: pd.Series, place: Place) -> None:
    labels = column.cat.categories
    wrong = ~labels.isin(list(CHOICES))
    if wrong.any():
        row = int(wrong[column.cat.codes.to_numpy()].argmax())
        raise InputError(f"{place(row)}: choice {column.iloc[row]!r} is none of left, same, right; write one of them")


def _check_pairs(frame: pd.DataFrame, place: Place) -> None:
    """A gold pair may show the same video twice."""
    left, right = _shared(frame)
    same = ((left.cat.codes == right.cat.codes) & ~frame["gold"]).to_numpy()
    if same.any():
        row = int(same.argmax())
        raise InputError(f"{place(row)}: left and right are both {left.iloc[row]!r}; a vote compares two systems")


def _shared(frame: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """The columns left and right over one list of categories."""
    names = frame["left"].cat.categories.union(frame["right"].cat.categories)
    return frame["left"].cat.set_categories(names), frame["right"].cat.set_categories(names)


def _filled(frame: pd.DataFrame, name: str, default: str) -> pd.Series:
    """An optional column as categories; what is missing or blank is the default."""
    if name not in frame.columns:
        return pd.Series(pd.Categorical.from_codes(np.zeros(len(frame), dtype=np.int8), categories=pd.Index([default])))
    column = frame[name].astype("category")
    labels = [str(label).strip() or default for label in column.cat.categories]
    return _relabelled(column, [*labels, default])  # a missing value has the code -1, which is the last label


def _flags(column: pd.Series, name: str, place: Place) -> NDArray[np.bool_]:
    """True for 1, true, yes; for `gold` also any other text (the kind of gold pair, e.g. "identical")."""
    column = column.astype("category")
    labels = np.array([str(label).strip().lower() for label in column.cat.categories], dtype=object)
    true = np.array([label not in FALSE if name == "gold" else label in TRUE for label in labels], dtype=bool)
    known = np.array([name == "gold" or label in TRUE + FALSE for label in labels], dtype=bool)
    codes = column.cat.codes.to_numpy()
    present = codes >= 0
    if (present & ~np.append(known, True)[codes]).any():
        row = int((present & ~np.append(known, True)[codes]).argmax())
        raise InputError(f"{place(row)}: {name} {column.iloc[row]!r} is neither true nor false; write one of them")
    return np.append(true, False)[codes]


def _codes(column: pd.Series) -> tuple[tuple[str, ...], Ints]:
    """Names in sorted order, those that occur, and each row's place among them."""
    codes = column.cat.codes.to_numpy().astype(np.int64)
    names = np.array([str(label) for label in column.cat.categories], dtype=object)
    present = np.flatnonzero(np.bincount(codes, minlength=len(names)))
    order = present[np.argsort(names[present])]
    place = np.zeros(len(names), dtype=np.int64)
    place[order] = np.arange(len(order))
    return tuple(names[order]), place[codes]
