"""Run folders as `magicvideo evaluate --out` writes them, from arrays: for tests and benchmarks of comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from magicvideo.files import write_json, write_jsonl

PROCESSOR = "2 x some processor"


@dataclass
class Evaluation:
    """`values[metric]` is [prompts, seeds], NaN where a video could not be scored; the same for `seconds[stage]`."""

    values: Mapping[str, np.ndarray]
    directions: Mapping[str, bool | None] = field(default_factory=dict)
    """Higher is better, unless said otherwise."""
    protocols: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    """Metric of the whole set -> value, low, high."""
    seconds: Mapping[str, np.ndarray] = field(default_factory=dict)
    processor: str = PROCESSOR
    prompts: Sequence[str] = ()
    commit: str = "0123456789abcdef"
    branch: str = "main"
    created: str = "2025-11-22T12:00:00+00:00"


def write_evaluation(path: Path, run: Evaluation) -> Path:
    """Write the folder and return its path."""
    prompts, seeds = next(iter(run.values.values())).shape
    texts = run.prompts or [f"prompt {p}" for p in range(prompts)]
    places = [(p, s, f"p{p:03d}-seed{s}") for p in range(prompts) for s in range(seeds)]
    write_json(path / "run.json", _record(run, places, texts))
    write_jsonl(
        path / "scores.jsonl", [row for name in run.values for row in _rows(name, run.values[name], places, texts)]
    )
    write_json(path / "summary.json", {"run": str(path), "metrics": _scores(run), "figures": {}, "unscored": []})
    return path


def _record(run: Evaluation, places: Sequence[tuple[int, int, str]], texts: Sequence[str]) -> dict[str, Any]:
    items = [{"item": n, "clip": f"videos/{n}.mkv", "prompt_id": texts[p], "prompt": texts[p]} for p, _, n in places]
    for item, (p, s, _) in zip(items, places, strict=True):
        if run.seconds:
            seconds = {stage: float(took[p, s]) for stage, took in run.seconds.items()}
            item["made"] = {"seconds": seconds, "processor": run.processor}  # type: ignore[assignment]
    return {
        "kind": "evaluation",
        "created": run.created,
        "folder": "videos",
        "suite": "pocket",
        "metrics": {
            name: {"title": name.replace("_", " "), "unit": "", "higher_is_better": _direction(run, name), "reads": ""}
            | {"protocol": _protocol(run, name)}
            for name in [*run.values, *run.sets]
        },
        "items": items,
        "environment": {"commit": run.commit, "branch": run.branch, "dirty": False, "processor": run.processor},
        "status": "complete",
    }


def _rows(
    metric: str, values: np.ndarray, places: Sequence[tuple[int, int, str]], texts: Sequence[str]
) -> list[dict[str, Any]]:
    return [
        {
            "item": name,
            "prompt_id": texts[p],
            "metric": metric,
            "value": float(values[p, s]) if np.isfinite(values[p, s]) else None,
            "reason": None if np.isfinite(values[p, s]) else "too short",
        }
        for p, s, name in places
    ]


def _scores(run: Evaluation) -> dict[str, Any]:
    found = {}
    for name, values in run.values.items():
        scored = values[np.isfinite(values)]
        half = 2 * float(scored.std()) / np.sqrt(len(scored)) if len(scored) else 0.0
        mean = float(scored.mean()) if len(scored) else None
        ends = (None, None) if mean is None else (mean - half, mean + half)
        found[name] = _score(run, name, mean, *ends, len(scored), int(values.size - len(scored)))
    for name, (value, low, high) in run.sets.items():
        found[name] = _score(run, name, value, low, high, next(iter(run.values.values())).size, 0)
    return found


def _score(
    run: Evaluation, name: str, value: float | None, low: float | None, high: float | None, n: int, unscored: int
) -> dict[str, Any]:
    return {
        "value": value,
        "low": low,
        "high": high,
        "n": n,
        "unscored": unscored,
        "unit": "",
        "higher_is_better": _direction(run, name),
        "protocol": _protocol(run, name),
    }


def _direction(run: Evaluation, name: str) -> bool | None:
    return run.directions.get(name, True)


def _protocol(run: Evaluation, name: str) -> str:
    return run.protocols.get(name, f"{name}|v1")
