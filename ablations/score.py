"""Scoring an ablation's videos: every metric of the suite, one pass over all clips, then one number an arm for FVD.

Features are kept under RUN/cache, so that a killed scoring goes on and equal clips of two arms are looked at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import evals
from ablations.grid import Grid
from evals import suites
from magicvideo.runs import Store

Row = dict[str, Any]


def describe_metrics(grid: Grid) -> dict[str, Row]:
    """Metric -> title, unit, direction and how to read it, in the suite's order; loads nothing."""
    suite = suites.find(grid.suite).only(grid.metrics)
    return {metric.name: metric.describe() for metric in suite.metrics}


def score(
    grid: Grid, rows: Sequence[Row], store: Store, cache: Path, progress: bool
) -> tuple[list[Row], dict[str, Row]]:
    """Lines of `scores.jsonl`, and for each metric its protocol id and what to print beside it.

    A metric of one clip gives a line a video, a metric of a set (`fvd_pocket`) a line an arm. The reference of a video
    is its own T2I image.
    """
    items = {row_name(row): _item(row, store) for row in rows}
    whole = evals.evaluate(list(items.values()), grid.suite, grid.metrics, cache, progress)
    suite = suites.find(grid.suite).only(grid.metrics)
    sets = [metric.name for metric in suite.metrics if metric.total is not None]
    places = {row_name(row): {k: row[k] for k in ("arm", "prompt_id", "seed")} for row in rows}
    lines = [
        {**places[r.item], "metric": r.metric, "value": r.value, "reason": r.reason}
        for r in whole.rows
        if r.metric not in sets
    ]
    if sets:
        for arm in grid.arms:
            mine = [item for row, item in zip(rows, items.values(), strict=True) if row["arm"] == arm.name]
            lines += set_lines(arm.name, evals.evaluate(mine, grid.suite, sets, cache, progress=False))
    return lines, {name: _about(name, whole) for name in whole.scores}


def row_name(row: Mapping[str, Any]) -> str:
    return f"{row['arm']}/{row['prompt_id']}/{row['seed']}"


def _item(row: Mapping[str, Any], store: Store) -> evals.Item:
    return evals.Item(
        name=row_name(row),
        clip=store.clip_path(row["clip"]),
        prompt=row["prompt"],
        prompt_id=row["prompt_id"],
        reference=store.clip_path(row["stages"]["t2i"]["digest"]),
        trusted=True,
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
