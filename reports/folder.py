"""The run folder of an ablation, read into frozen values.

Tolerates a run that is still being written (missing files, a last line cut short, arms without videos); refuses a
folder that is no run. Knows the layout of the folder, not what its numbers mean.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from magicvideo.errors import InputError
from magicvideo.files import read_json
from magicvideo.runs import Store
from magicvideo.stage_config import STAGES

SHOWN_IN_METRIC = ("title", "unit", "higher_is_better", "reads", "protocol")


@dataclass(frozen=True)
class Arm:
    """One configuration of the grid; `switch` is None for the base (usually the full model)."""

    name: str
    title: str
    switch: str | None
    config: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Metric:
    """What a metric is called and how it is read; `higher_is_better` is None when neither side is better."""

    name: str
    title: str
    unit: str
    higher_is_better: bool | None
    reads: str
    protocol: str
    notes: dict[str, Any] = field(default_factory=dict)
    """Anything else the run recorded, such as a reader's own accuracy."""


@dataclass(frozen=True)
class AblationRun:
    """A run folder as it was found. `items` and `scores` are the lines of the two files, in order; scores of the videos
    alone, not of earlier stages' clips."""

    path: Path
    record: dict[str, Any]
    arms: tuple[Arm, ...]
    prompts: dict[str, str]
    seeds: tuple[int, ...]
    metrics: dict[str, Metric]
    items: tuple[dict[str, Any], ...]
    scores: tuple[dict[str, Any], ...]

    @property
    def name(self) -> str:
        return str(self.record.get("name") or self.path.name)

    @property
    def complete(self) -> bool:
        return self.record.get("status") == "complete"

    @property
    def base(self) -> Arm:
        """The arm that the others are compared with."""
        wanted = self.record.get("base", "full")
        return next((arm for arm in self.arms if arm.name == wanted), self.arms[0])

    @property
    def videos_planned(self) -> int:
        return len(self.arms) * len(self.prompts) * len(self.seeds)

    @property
    def store(self) -> Store:
        return Store(self.path / str(self.record.get("store") or "store"))

    @cached_property
    def by_place(self) -> dict[tuple[str, str, int], dict[str, Any]]:
        """(arm, prompt id, seed) -> the item's line; the last one wins."""
        return {(item["arm"], item["prompt_id"], item["seed"]): item for item in self.items}

    def arm(self, name: str) -> Arm:
        return next((arm for arm in self.arms if arm.name == name), Arm(name, name, None))


def read_run(path: Path) -> AblationRun:
    """Read a run folder. Raises `InputError` when `path` is no ablation run or its record lacks a field."""
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"{path}: no such folder. Give the folder that `magicvideo ablate --out` wrote")
    if not (path / "run.json").exists():
        raise InputError(f"{path}: holds no run.json, so it is no run. Give the folder that `magicvideo ablate` wrote")
    record = read_json(path / "run.json")
    if not isinstance(record, dict) or record.get("kind") != "ablation":
        kind = record.get("kind") if isinstance(record, dict) else type(record).__name__
        raise InputError(f"{path / 'run.json'}: kind is {kind!r}, expected 'ablation'. Reports know ablation runs")
    try:
        return AblationRun(
            path=path,
            record=record,
            arms=tuple(_arm(arm) for arm in record["arms"]),
            prompts={str(prompt["id"]): str(prompt["prompt"]) for prompt in record["prompts"]},
            seeds=tuple(record["seeds"]),
            metrics={name: metric_about(name, about) for name, about in record["metrics"].items()},
            items=tuple(read_lines(path / "items.jsonl", ("arm", "prompt_id", "seed"))),
            scores=tuple(
                line
                for line in read_lines(path / "scores.jsonl", ("arm", "metric", "value"))
                if line.get("stage", STAGES[-1]) == STAGES[-1]
            ),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path / 'run.json'}: field {error} is missing or of the wrong kind. Run `magicvideo ablate` again"
        ) from None


def _arm(data: dict[str, Any]) -> Arm:
    name = str(data["name"])
    return Arm(name, str(data.get("title") or name), data.get("switch"), data.get("config") or {})


def metric_about(name: str, about: dict[str, Any]) -> Metric:
    """A metric as a run's record describes it."""
    return Metric(
        name=name,
        title=str(about.get("title") or name),
        unit=str(about.get("unit") or ""),
        higher_is_better=about.get("higher_is_better"),
        reads=str(about.get("reads") or ""),
        protocol=str(about.get("protocol") or ""),
        notes={key: value for key, value in about.items() if key not in SHOWN_IN_METRIC},
    )


def read_lines(path: Path, needed: tuple[str, ...]) -> list[dict[str, Any]]:
    """One JSON object a line; none when the file is not there yet. A last line cut short by its writer is left out."""
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise InputError(f"{path}, line {number}: not JSON ({error.msg})") from None
        if not isinstance(row, dict) or any(key not in row for key in needed):
            raise InputError(f"{path}, line {number}: needs the fields {', '.join(needed)}")
        rows.append(row)
    return rows
