"""Runs and studies read when a page needs them, and kept while their records stay as they are."""

from __future__ import annotations

import shutil
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from evals.compare import Values
from magicvideo.errors import InputError
from reports.dashboard import state
from reports.findings import Findings
from reports.sides import read_side
from reports.store import cache_folder

KEPT = 8
KEPT_VALUES = 1000
"""One metric of one run: 0.1 MB for 500 videos."""
DRAWS = 400
"""Of the bootstrap of votes: quick to look at; `magicvideo report` takes more."""


def ablation(id: str) -> Findings:
    return _ablation(state.index().path(id), state.index().signature(id))


def study(id: str, base: str | None = None, scores: tuple[str, ...] = ()) -> dict[str, Any]:
    """The results of a study's votes so far. Raises `InputError` where there are none, or the study is not whole."""
    return _study(state.index().path(id), state.index().signature(id), base, scores)


def values(id: str, metric: str) -> Values:
    """Item -> (prompt id, value) of one metric of an evaluation."""
    return _values(state.index().path(id), state.index().signature(id), metric)


@lru_cache(maxsize=KEPT_VALUES)
def _values(path: Path, _: str, metric: str) -> Values:
    return read_side(path).scored.values.get(metric, {})


@lru_cache(maxsize=KEPT)
def _ablation(path: Path, _: str) -> Findings:
    from reports.ablation import derive
    from reports.folder import read_run

    return derive(read_run(path))


@lru_cache(maxsize=KEPT)
def _study(path: Path, _: str, base: str | None, scores: tuple[str, ...]) -> dict[str, Any]:
    from reports.study import results

    return results(path, base=base, scores=scores, draws=DRAWS, database=copied_votes(path))


def copied_votes(study: Path) -> str:
    """The address of a copy of the study's votes: opening a database writes beside it, and a store is only read."""
    source = study / "votes.sqlite"
    if not source.exists():
        raise InputError(f"{study.name}: no votes yet")
    folder = cache_folder() / "votes" / sha256(str(study.resolve()).encode()).hexdigest()[:24]
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("votes.sqlite", "votes.sqlite-wal", "votes.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    for name in ("votes.sqlite-wal", "votes.sqlite"):
        if (study / name).exists():
            shutil.copyfile(study / name, folder / name)
    return f"sqlite:///{folder / 'votes.sqlite'}"
