"""Runs over time: named by commit and branch, the baseline pinned for each branch, and since when a metric changed.

Reads the folders of a store of runs (STORE/NAME/run.json); everything else is data in, data out.
STORE/baselines.json keeps what is pinned: branch -> run, commit, when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from evals.metric import Score

BASELINES = "baselines.json"


@dataclass(frozen=True)
class Baseline:
    """What is pinned for a branch."""

    branch: str
    run: str
    """The run's folder, relative to the store; RUN:ARM for an arm."""
    commit: str
    pinned: str
    """When, UTC, ISO 8601."""


@dataclass(frozen=True)
class Entry:
    """One finished run of the history. `name` is what people call it: commit (first 8) and branch, or the folder."""

    run: str
    name: str
    created: str
    commit: str
    branch: str
    dirty: bool
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Point:
    """One run's value of one metric. `error` is its standard error, None where nothing is known of it."""

    entry: Entry
    value: float
    low: float | None
    high: float | None
    n: int
    error: float | None


@dataclass(frozen=True)
class Series:
    """One metric over time under one protocol, oldest first. `left_out`: entries of other protocols, or without it."""

    metric: str
    protocol: str
    higher_is_better: bool | None
    points: tuple[Point, ...]
    left_out: tuple[Entry, ...]
    paired: bool
    """Whether errors are those of differences on common prompts, not of each run's own mean."""


@dataclass(frozen=True)
class Change:
    """From `points[index]` on the level is another one."""

    index: int
    entry: Entry
    """The first run of the new level: the answer to "since when"."""
    before: float
    after: float
    low: float
    high: float
    """95 % interval of after - before."""
    p: float
    direction: str
    """"better", "worse" or "different"."""


def read_history(store: Path, branch: str | None = None) -> list[Entry]:
    """Finished evaluations under `store` (and arms of ablations' base), oldest first. Broken folders are passed over."""
    raise NotImplementedError


def series(entries: Sequence[Entry], metric: str, store: Path | None = None) -> Series:
    """The metric over time, by the newest run's protocol. With `store` differences are taken on common prompts."""
    raise NotImplementedError


def changes(of: Series, *, alpha: float = 0.05, seed: int = 0) -> tuple[Change, ...]:
    """Change points, oldest first."""
    raise NotImplementedError


def since_when(of: Series, *, alpha: float = 0.05) -> Change | None:
    """The latest change: since when the metric is where it is now."""
    raise NotImplementedError


def read_baselines(store: Path) -> dict[str, Baseline]:
    """Branch -> what is pinned; {} where nothing is."""
    raise NotImplementedError


def pin(store: Path, branch: str, run: str) -> Baseline:
    """Pin a run of the store as the branch's baseline, in the place of an earlier one. Written atomically."""
    raise NotImplementedError
