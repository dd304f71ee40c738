"""The tidy frame of votes: one row a vote and criterion, with systems' names in the place of sides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from annotation.study import Side, Study
from annotation.votes import Votes

COLUMNS = (
    "annotator",
    "prompt",
    "left",
    "right",
    "choice",
    "criterion",
    "stratum",
    "seconds",
    "watched_left",
    "watched_right",
    "repeat_of",
    "gold",
    "flagged",
    "task",
    "item",
    "expected",
    "reasons",
    "mark",
    "at",
)
"""`prompt` is the prompt's id, `item` tells its takes apart. `repeat_of` is the `task` that is asked again. `gold` is
"identical" or "degraded", and `expected` its right answer; empty for ordinary pairs. `reasons` and `mark` are JSON."""


def frame(study: Study, votes: Votes, flagged: Iterable[str] = ()) -> pd.DataFrame:
    """All votes, in the order of tasks. `flagged` are the annotators to mark."""
    found = pd.DataFrame(_rows(study, votes.cast()), columns=list(COLUMNS))
    found["flagged"] = found["annotator"].isin(list(flagged))
    return found


def _rows(study: Study, cast: list[Any]) -> Iterator[dict[str, Any]]:
    first = {(row.block, row.unit, row.annotator): row.code for row in cast if row.kind == "main"}
    for row in cast:
        item, left, right = study.sides(row.kind, row.unit, bool(row.swapped))
        repeated = first.get((row.block, row.unit, row.annotator), "") if row.kind == "repeat" else ""
        yield {
            "annotator": row.annotator,
            "prompt": item.prompt_id,
            "left": _name(left),
            "right": _name(right),
            "choice": row.choice,
            "criterion": row.criterion,
            "stratum": item.stratum,
            "seconds": row.seconds,
            "watched_left": row.watched_left,
            "watched_right": row.watched_right,
            "repeat_of": repeated,
            "gold": row.kind if row.kind in ("identical", "degraded") else "",
            "flagged": False,
            "task": row.code,
            "item": item.key,
            "expected": study.expected(row.kind, bool(row.swapped)) or "",
            "reasons": row.reasons,
            "mark": row.mark or "",
            "at": row.at,
        }


def _name(side: Side) -> str:
    """A system's name; of a gold pair's second video with what was done to it."""
    return f"{side.system} ({side.use})" if side.use in ("copy", "degraded") else side.system
