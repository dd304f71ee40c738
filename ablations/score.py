"""Scoring an ablation's videos: every metric of the suite over the clips of a stage, then one number an arm for FVD.

Features are kept under RUN/cache, so that a killed scoring goes on and equal clips of two arms are looked at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import evals
from ablations.grid import Grid
from evals import suites
from magicvideo.runs import Store
from magicvideo.world import render_clip, scene_for

Row = dict[str, Any]
A_WORKER = 16
"""Fewer videos for each are scored before others have loaded their libraries."""


def describe_metrics(grid: Grid) -> dict[str, Row]:
    """Metric -> title, unit, direction and how to read it, in the suite's order; loads nothing."""
    suite = suites.find(grid.suite).only(grid.metrics)
    return {metric.name: metric.describe() for metric in suite.metrics}


def score(
    grid: Grid,
    rows: Sequence[Row],
    store: Store,
    cache: Path,
    progress: bool,
    workers: int = 1,
    threads: int | None = None,
) -> tuple[list[Row], dict[str, Row]]:
    """Lines of `scores.jsonl`, and for each metric its protocol id and what to print beside it.

    A metric of one clip gives a line a video and scored stage, a metric of a set (`fvd_pocket`) a line an arm and
    stage. The reference of a video is its own T2I image; its truth, if the grid asks for one, the exact render of its
    prompt and seed. A video that could not be made has its reason in the place of values. Up to so many `workers` share
    the videos if they are worth it; with the same number of `threads` the lines are the same to the last bit.
    """
    truths = Truths(store) if grid.truth else None
    lines, about = list[Row](), dict[str, Row]()
    for stage in grid.score_stages:
        made = [row for row in rows if stage in row["stages"]]
        items = [_item(row, stage, store, truths) for row in made]
        some = max(1, min(workers, len(items) // A_WORKER))
        whole = evals.evaluate(items, grid.suite, grid.metrics, cache, progress, workers=some, threads=threads)
        lines += _lines(grid, stage, made, items, whole, cache)
        lines += _not_made(grid, stage, (row for row in rows if stage not in row["stages"]))
        about = {name: _about(name, whole) for name in whole.scores}
    return lines, about


def _lines(
    grid: Grid, stage: str, rows: Sequence[Row], items: Sequence[evals.Item], whole: evals.Evaluation, cache: Path
) -> Iterator[Row]:
    """One stage's lines: those of the videos, then those of the arms."""
    suite = suites.find(grid.suite).only(grid.metrics)
    sets = [metric.name for metric in suite.metrics if metric.total is not None]
    places = {row_name(row): {k: row[k] for k in ("arm", "prompt_id", "seed")} for row in rows}
    for r in whole.rows:
        if r.metric not in sets:
            yield {**places[r.item], "stage": stage, "metric": r.metric, "value": r.value, "reason": r.reason}
    for arm in grid.arms if sets else ():
        mine = [item for row, item in zip(rows, items, strict=True) if row["arm"] == arm.name]
        for line in set_lines(arm.name, evals.evaluate(mine, grid.suite, sets, cache, progress=False)):
            yield {**line, "stage": stage}


def _not_made(grid: Grid, stage: str, rows: Iterable[Row]) -> Iterator[Row]:
    """Lines of videos that have no clip of the stage."""
    suite = suites.find(grid.suite).only(grid.metrics)
    for row in rows:
        place = {k: row[k] for k in ("arm", "prompt_id", "seed")}
        for metric in suite.metrics:
            if metric.total is None:
                reason = f"not made: {row.get('reason')}"
                yield {**place, "stage": stage, "metric": metric.name, "value": None, "reason": reason}


class Truths:
    """Exact renders of prompts' scenes, kept in the store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._paths = dict[tuple[Any, ...], Path]()

    def path(self, row: Mapping[str, Any], made: Mapping[str, Any]) -> Path:
        """The truth of a stage's clip: the same number of frames, size and rate."""
        key = (row["prompt"], row["seed"], made["frames"], made["width"], made["fps"])
        if key not in self._paths:
            prompt, seed, *shape = key
            self._paths[key] = self.store.clip_path(self.store.put_clip(render_clip(scene_for(prompt, seed), *shape)))
        return self._paths[key]


def row_name(row: Mapping[str, Any]) -> str:
    return f"{row['arm']}/{row['prompt_id']}/{row['seed']}"


def _item(row: Row, stage: str, store: Store, truths: Truths | None) -> evals.Item:
    stages = row["stages"]
    keys, made = stages.get("v2v", {}).get("frames"), stages[stage]["frames"]
    return evals.Item(
        name=row_name(row),
        clip=Path(row["video"]) if "video" in row else store.clip_path(stages[stage]["digest"]),
        prompt=row["prompt"],
        prompt_id=row["prompt_id"],
        reference=store.clip_path(stages["t2i"]["digest"]) if "t2i" in stages else None,
        trusted="video" not in row,
        truth=truths.path(row, stages[stage]) if truths else None,
        key_every=(made - 1) // (keys - 1) if stage == "vfi" and keys and keys > 1 else None,
    )


def set_lines(arm: str, found: evals.Evaluation) -> Iterator[Row]:
    """One line a metric: the arm's number, or why there is none."""
    for name, total in found.scores.items():
        reason = next((r.reason for r in found.rows if r.metric == name), None) if total.value is None else None
        yield {
            "arm": arm,
            "prompt_id": None,
            "seed": None,
            "metric": name,
            "value": total.value,
            "low": total.low,
            "high": total.high,
            "n": total.n,
            "reason": reason,
        }


def _about(name: str, found: evals.Evaluation) -> Row:
    figures = found.figures.get(name)
    return {"protocol": found.scores[name].protocol, **({"figures": figures} if figures else {})}
