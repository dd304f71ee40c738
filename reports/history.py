"""Runs over time, named by commit and branch, and since when a metric is where it is.

`read_history` and `read_values` read the folders of a store of runs (STORE/NAME/run.json). The rest is data in, data
out. `reports.baselines` keeps which run a branch is measured against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from evals.compare import Values, read_scores
from evals.metric import Score
from evals.stats.changes import LEAST, change_points
from magicvideo.errors import InputError
from magicvideo.files import read_json
from reports.sides import read_side

Z = 1.96
SHARED = 0.5
"""Runs are compared on common videos if those are at least this share of the smallest run's."""


@dataclass(frozen=True)
class Entry:
    """One finished run."""

    run: str
    """Its folder relative to the store; RUN:ARM for the base arm of an ablation."""
    name: str
    """What people call it: the first 8 of the commit and the branch, or the folder where neither is known."""
    created: str
    """UTC, ISO 8601; runs are ordered by it."""
    commit: str
    branch: str
    dirty: bool
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class History:
    """Finished runs, oldest first, and what could not be read: folder -> why."""

    entries: tuple[Entry, ...]
    broken: Mapping[str, str]

    def on(self, branch: str) -> tuple[Entry, ...]:
        """The runs of a branch."""
        return tuple(entry for entry in self.entries if entry.branch == branch)


@dataclass(frozen=True)
class Point:
    """One run's value of one metric. `error` is its standard error, 0 where nothing is known of it."""

    entry: Entry
    value: float
    low: float | None
    high: float | None
    n: int
    error: float


@dataclass(frozen=True)
class Series:
    """One metric over time under one protocol, oldest first."""

    metric: str
    protocol: str
    higher_is_better: bool | None
    points: tuple[Point, ...]
    left_out: tuple[Entry, ...]
    """Runs that measured the metric by another protocol. Their numbers mean something else."""
    paired: bool
    """Whether values and errors are of the videos common to all runs: what prompts share then cancels, and levels are
    told apart that single intervals would not tell."""


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
    direction: Literal["better", "worse", "different"]


def read_history(store: Path) -> History:
    """Finished runs right under `store`: evaluations, and ablations by their base arm. Others are named in `broken`,
    or, while they are being written, left out. Raises `InputError` if there is no such folder."""
    if not store.is_dir():
        raise InputError(f"{store}: no such folder. Give the folder that holds the runs")
    entries, broken = list[Entry](), dict[str, str]()
    for folder in sorted(path.parent for path in store.glob("*/run.json")):
        try:
            entry = _entry(folder)
        except (InputError, TypeError, AttributeError, ValueError, KeyError) as error:
            broken[folder.name] = str(error)
            continue
        if entry is not None:
            entries.append(entry)
    return History(tuple(sorted(entries, key=lambda e: (e.created, e.run))), broken)


def _entry(folder: Path) -> Entry | None:
    """None for a run that is not finished, or no run of scores."""
    record = read_json(folder / "run.json")
    if record.get("kind") not in ("evaluation", "ablation") or record.get("status") != "complete":
        return None
    run = folder.name
    if record["kind"] == "ablation":
        run = f"{folder.name}:{record['base']}"
        scores = read_side(folder.parent / run).scored.scores
    else:
        scores = read_scores(folder)
    made = record.get("environment") or {}
    commit, branch = str(made.get("commit") or ""), str(made.get("branch") or "")
    name = " ".join(part for part in (commit[:8], branch) if part) or folder.name
    return Entry(run, name, str(record.get("created") or ""), commit, branch, bool(made.get("dirty")), scores)


def read_values(store: Path, entries: Sequence[Entry]) -> dict[str, Mapping[str, Values]]:
    """Run -> metric -> item -> (prompt id, value), for `series`. Reads each run once."""
    return {entry.run: read_side(store / entry.run).scored.values for entry in entries}


def series(entries: Sequence[Entry], metric: str, values: Mapping[str, Mapping[str, Values]] | None = None) -> Series:
    """The metric over time, by the newest run's protocol. With `values` (of `read_values`), runs are compared on the
    videos that all of them scored. Raises `InputError` for a metric that no run has a value of."""
    scored = [e for e in entries if metric in e.scores and e.scores[metric].value is not None]
    if not scored:
        raise InputError(f"no run of this history has a value of {metric!r}")
    last = scored[-1].scores[metric]
    same = [e for e in scored if e.scores[metric].protocol == last.protocol]
    points = tuple(_point(entry, entry.scores[metric]) for entry in same)
    common = _on_common(points, [(values or {}).get(point.entry.run, {}).get(metric, {}) for point in points])
    return Series(
        metric=metric,
        protocol=last.protocol,
        higher_is_better=last.higher_is_better,
        points=common or points,
        left_out=tuple(e for e in scored if e not in same),
        paired=common is not None,
    )


def _point(entry: Entry, score: Score) -> Point:
    known = score.low is not None and score.high is not None
    error = ((score.high or 0.0) - (score.low or 0.0)) / (2 * Z) if known else 0.0
    return Point(entry, float(score.value or 0.0), score.low, score.high, score.n, error)


def _on_common(points: Sequence[Point], mine: Sequence[Values]) -> tuple[Point, ...] | None:
    """The points on videos that all runs scored: means of prompts' means, errors of the prompts' own ups and downs.

    With v[i,p] run i's mean for prompt p, e[i,p] is what remains of it without run's and prompt's means, and the error
    of run i's mean is sqrt(sum_p e^2 / (P (P-1)) * R/(R-1)). None where too few videos are common.
    """
    if len(mine) < 2 or not all(mine):
        return None
    items = sorted(set(mine[0]).intersection(*mine[1:]))
    prompts = sorted({mine[0][item][0] for item in items})
    if len(prompts) < 2 or len(items) < SHARED * min(len(m) for m in mine):
        return None
    place = {prompt: i for i, prompt in enumerate(prompts)}
    index = np.array([place[mine[0][item][0]] for item in items])
    counts = np.bincount(index)
    v = np.array([np.bincount(index, weights=[m[item][1] for item in items]) / counts for m in mine])
    means, (runs, groups) = v.mean(axis=1), v.shape
    e = v - v.mean(axis=0) - (means - means.mean())[:, None]
    errors = np.sqrt((e**2).sum(axis=1) / (groups * (groups - 1)) * runs / (runs - 1))
    return tuple(
        replace(point, value=float(m), low=float(m - Z * s), high=float(m + Z * s), n=len(items), error=float(s))
        for point, m, s in zip(points, means, errors, strict=True)
    )


def changes(of: Series, *, alpha: float = 0.05, seed: int = 0) -> tuple[Change, ...]:
    """Where the level changes, oldest first; () for fewer than four runs. Found at this chance of a false alarm in the
    whole series (see `evals.stats.changes`)."""
    if len(of.points) < LEAST:
        return ()
    found = change_points([p.value for p in of.points], [p.error for p in of.points], alpha=alpha, seed=seed)
    return tuple(
        Change(
            index=shift.index,
            entry=of.points[shift.index].entry,
            before=shift.before,
            after=shift.after,
            low=shift.low,
            high=shift.high,
            p=shift.p,
            direction=_direction(shift.after - shift.before, of.higher_is_better),
        )
        for shift in found
    )


def since_when(of: Series, *, alpha: float = 0.05) -> Change | None:
    """The latest change: since when the metric is where it is. None: no change is seen."""
    found = changes(of, alpha=alpha)
    return found[-1] if found else None


def in_words(of: Series, change: Change | None) -> str:
    """`flicker is worse since 0123abcd main (2025-11-22): 2.1 to 2.6 (+0.5; 95 % interval +0.3 to +0.7)`."""
    if change is None:
        few = f"; a history starts at {LEAST} runs" if len(of.points) < LEAST else ""
        return f"{of.metric}: no change is seen in {len(of.points)} run(s){few}"
    difference = change.after - change.before
    return (
        f"{of.metric} is {change.direction} since {change.entry.name} ({change.entry.created[:10]}): "
        f"{change.before:.4g} to {change.after:.4g} ({difference:+.2g}; 95 % interval {change.low:+.2g} to "
        f"{change.high:+.2g})"
    )


def _direction(difference: float, higher_is_better: bool | None) -> Literal["better", "worse", "different"]:
    if higher_is_better is None:
        return "different"
    return "better" if (difference > 0) == higher_is_better else "worse"
