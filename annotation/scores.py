"""Automatic metrics by (system, prompt), to hold against votes: read from evaluation runs, ablation runs or tables.

A run folder brings its metrics' directions along; a table may have a column `higher_is_better`. Several values of one
cell (seeds) are averaged. Reads files, knows nothing of votes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from annotation.clustering import Floats
from magicvideo.errors import InputError, unknown_name
from magicvideo.files import read_json, read_jsonl_lines
from magicvideo.stage_config import STAGES

SYSTEM, PROMPT = ("system", "arm"), ("prompt", "prompt_id")


@dataclass(frozen=True)
class Scores:
    """Metric -> (system, prompt) -> value, and metric -> direction (None: neither side is better)."""

    values: Mapping[str, Mapping[tuple[str, str], float]]
    higher_is_better: Mapping[str, bool | None]

    def matrix(self, metric: str, systems: Sequence[str], prompts: Sequence[str]) -> Floats:
        """[K,P], NaN where there is no value. Raises `InputError` for a metric that is not there."""
        if metric not in self.values:
            raise unknown_name("metric", metric, self.values, "the scores")
        found = np.full((len(systems), len(prompts)), np.nan)
        row = {name: i for i, name in enumerate(systems)}
        column = {name: i for i, name in enumerate(prompts)}
        for (system, prompt), value in self.values[metric].items():
            if system in row and prompt in column:
                found[row[system], column[prompt]] = value
        return found


def read_scores(words: Sequence[str]) -> Scores:
    """Each word a table (.csv, .jsonl), an ablation's run folder, or SYSTEM=FOLDER for an evaluation of one system."""
    sums = dict[str, dict[tuple[str, str], list[float]]]()
    directions = dict[str, bool | None]()
    for word in words:
        name, sign, rest = word.partition("=")
        path = Path(rest if sign else word)
        directions |= _directions(path)
        for where, row in _rows(path):
            if row.get("prompt_id") is None and row.get("prompt") is None and "item" not in row:
                continue  # a figure of a whole set
            _add(sums, directions, row, name if sign else None, where)
    if not sums:
        raise InputError(f"{', '.join(words)}: no scores; name tables or run folders with a value for each prompt")
    values = {m: {cell: float(np.mean(found)) for cell, found in cells.items()} for m, cells in sums.items()}
    return Scores(values, {metric: directions.get(metric) for metric in values})


def _add(
    sums: dict[str, dict[tuple[str, str], list[float]]],
    directions: dict[str, bool | None],
    row: Mapping[str, Any],
    system: str | None,
    where: str,
) -> None:
    metric, system = _field(row, ("metric",), where), system or _field(row, SYSTEM, where)
    prompt = _field(row, ("prompt_id", "prompt"), where)
    if "higher_is_better" in row:
        directions[metric] = _direction(row["higher_is_better"])
    if row.get("value") in (None, "") or row.get("stage") not in (None, "", STAGES[-1]):
        return  # unscored, or not of the final video
    try:
        value = float(row["value"])
    except (TypeError, ValueError):
        raise InputError(f"{where}: value {row['value']!r} is not a number; write one, or leave it empty") from None
    if isfinite(value):
        sums.setdefault(metric, {}).setdefault((system, prompt), []).append(value)


def _field(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> str:
    found = next((str(row[name]) for name in names if row.get(name) not in (None, "")), None)
    if found is None:
        remedy = "; name an evaluation as SYSTEM=FOLDER" if names == SYSTEM else ""
        raise InputError(f"{where}: no {' or '.join(names)}{remedy}; a score has system, prompt, metric, value")
    return found


def _direction(value: Any) -> bool | None:
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


def _directions(path: Path) -> dict[str, bool | None]:
    """What a run folder says of its metrics."""
    for name in ("run.json", "summary.json"):
        record = read_json(path / name) if (path / name).is_file() else {}
        metrics = record.get("metrics") if isinstance(record, dict) else None
        if isinstance(metrics, dict):
            return {str(m): about.get("higher_is_better") for m, about in metrics.items() if isinstance(about, dict)}
    return {}


def _rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    if path.is_dir():
        path = path / "scores.jsonl"
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    if path.suffix == ".jsonl":
        return [(f"{path}, line {line}", row) for line, row in read_jsonl_lines(path)]
    if path.suffix == ".csv":
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        except (ValueError, OSError) as error:
            raise InputError(f"cannot read {path} as CSV: {error}") from None
        return [(f"{path}, line {n + 2}", row) for n, row in enumerate(frame.to_dict("records"))]  # type: ignore[misc]
    raise InputError(f"{path}: scores are read from run folders, .jsonl and .csv files")
