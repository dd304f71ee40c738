"""A study's results, read from its folder: what `annotation.report` derives, with what the study itself says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from annotation.owner import export
from annotation.report import Options, from_votes
from annotation.scores import read_scores
from annotation.session import opened
from annotation.table import tidy
from magicvideo.errors import InputError

DRAWS = 1000


def results(
    path: Path,
    *,
    base: str | None = None,
    scores: Sequence[str] = (),
    draws: int = DRAWS,
    database: str | None = None,
) -> dict[str, Any]:
    """`from_votes` of the study's votes in the order they came, and under "study" its title, systems, size and rules.

    `scores` as in `magicvideo study report --scores`. Raises `InputError` for a study that is not whole, has no votes,
    or does not know `base`.
    """
    study, votes = opened(Path(path), database)
    found = export(study, votes)
    if found.empty:
        raise InputError(f"{path}: no votes yet; `magicvideo study status` shows how far it is")
    frame = tidy(found.sort_values("at", kind="stable").reset_index(drop=True), where=str(path))
    bundle = study.bundle
    options = Options(base, int(bundle.design["raters"]), draws, scores=read_scores(list(scores)) if scores else None)
    about = {
        "id": study.id,
        "title": bundle.title,
        "systems": list(bundle.systems),
        "items": len(bundle.items),
        "prompts": len({item.prompt_id for item in bundle.items}),
        "questions": [question.text for question in bundle.questions],
        "design": dict(bundle.design),
        "rules": bundle.rules.model_dump(),
        "first": _day(found["at"].min()),
        "last": _day(found["at"].max()),
        "gold_and_repeats": len(found),
    }
    return {"study": about, **from_votes(frame, options)}


def _day(at: float) -> str:
    """The day (UTC) of a vote, whose time is in seconds since 1970."""
    return datetime.fromtimestamp(float(at), UTC).date().isoformat()
