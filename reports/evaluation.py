"""The run folder of an evaluation, read into frozen values. Tolerates a run that is still being written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from magicvideo.errors import InputError
from magicvideo.files import read_json
from reports.folder import Metric, metric_about, read_lines


@dataclass(frozen=True)
class Video:
    """One scored video: `prompt_id` is the cluster of the statistics, `clip` where it lay when it was scored."""

    item: str
    prompt_id: str
    prompt: str | None
    clip: str


@dataclass(frozen=True)
class Total:
    """One metric over all videos, as `summary.json` has it. `low` and `high` are the 95 % interval."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int


@dataclass(frozen=True)
class EvaluationRun:
    """A run folder as it was found; `totals` is empty until the run is whole."""

    path: Path
    record: dict[str, Any]
    metrics: dict[str, Metric]
    totals: dict[str, Total]
    videos: tuple[Video, ...]
    scores: tuple[dict[str, Any], ...]
    """The lines of scores.jsonl: item, prompt_id, metric, value, reason."""

    @property
    def name(self) -> str:
        return str(self.record.get("name") or self.path.resolve().name)

    @property
    def complete(self) -> bool:
        return bool(self.totals)

    @cached_property
    def values(self) -> Mapping[str, Mapping[str, float]]:
        """Metric -> item -> value, unscored ones left out."""
        found: dict[str, dict[str, float]] = {}
        for line in self.scores:
            if line["value"] is not None:
                found.setdefault(line["metric"], {})[str(line["item"])] = float(line["value"])
        return found

    @cached_property
    def video(self) -> Mapping[str, Video]:
        return {video.item: video for video in self.videos}


def read_evaluation(path: Path) -> EvaluationRun:
    """Read what `magicvideo evaluate --out` wrote. Raises `InputError` where that is not what lies there."""
    path = Path(path)
    record = read_json(path / "run.json")
    if not isinstance(record, dict) or record.get("kind") != "evaluation":
        kind = record.get("kind") if isinstance(record, dict) else type(record).__name__
        raise InputError(f"{path / 'run.json'}: kind is {kind!r}, expected 'evaluation'")
    summary = read_json(path / "summary.json") if (path / "summary.json").exists() else {}
    try:
        return EvaluationRun(
            path=path,
            record=record,
            metrics={name: metric_about(name, about) for name, about in (record.get("metrics") or {}).items()},
            totals={name: _total(score) for name, score in (summary.get("metrics") or {}).items()},
            videos=tuple(_video(item) for item in record.get("items") or ()),
            scores=tuple(read_lines(path / "scores.jsonl", ("item", "metric", "value"))),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path}: field {error} is missing or of the wrong kind. Run `magicvideo evaluate` again"
        ) from None


def _total(score: Mapping[str, Any]) -> Total:
    return Total(score["value"], score["low"], score["high"], int(score["n"]), int(score["unscored"]))


def _video(item: Mapping[str, Any]) -> Video:
    prompt = item.get("prompt")
    words = None if prompt is None else str(prompt)
    return Video(str(item["item"]), str(item["prompt_id"]), words, str(item.get("clip") or ""))
