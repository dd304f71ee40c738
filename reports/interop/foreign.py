"""Results of other evaluators, read into one form.

VBench writes NAME_eval_results.json: dimension -> [score, [{"video_path", "video_results"}, ...]] (Vchitect/VBench,
vbench/__init__.py, `evaluate`, and its modules' `compute_...`). Its own score need not be the mean of its videos:
`subject_consistency` weighs them by frames. `fastvideo eval run` (hao-ai-lab/FastVideo,
fastvideo/entrypoints/cli/eval.py) writes [{"video", "scores": {metric: {"name", "score", "details"}}}, ...], and with
--output-format full {"samples": [...], "corpus": {metric: ...}}; a skipped metric has the score null and says why in
details["skipped"].
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

from magicvideo.errors import InputError
from magicvideo.files import read_json

FORMATS = ("vbench", "fastvideo")
NUMBERED = re.compile(r"-\d+$")
"""VBench's videos are called PROMPT-N.mp4."""
LOWER = ("lpips", "fvd", "frechet", "kl_divergence", "wer", "desync", "mse", "epe", "niqe", "fid")
HIGHER = ("ssim", "psnr", "clip", "clap", "imagebind", "iou", "vbench", "aesthetic", "videoscore", "separation")


@dataclass(frozen=True)
class Value:
    """One video's value of one metric, or why there is none."""

    item: str
    value: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Foreign:
    """A file of results. `sets` are scores of a whole set; `own` what the tool itself gives beside its videos."""

    tool: str
    prompts: Mapping[str, str | None]
    """Item -> prompt, where the file tells it."""
    clips: Mapping[str, str]
    values: Mapping[str, tuple[Value, ...]]
    sets: Mapping[str, float] = field(default_factory=dict)
    own: Mapping[str, float] = field(default_factory=dict)
    directions: Mapping[str, bool | None] = field(default_factory=dict)


def read(path: Path, form: str) -> Foreign:
    """Read a file of one of `FORMATS`. Raises `InputError` naming the field that is not as it should be."""
    found = read_json(path)
    return _vbench(path, found) if form == "vbench" else _fastvideo(path, found)


def _vbench(path: Path, found: Any) -> Foreign:
    if not isinstance(found, dict) or not found:
        raise InputError(f"{path}: no object of dimensions. Give VBench's NAME_eval_results.json")
    values: dict[str, tuple[Value, ...]] = {}
    sets, own, clips = dict[str, float](), dict[str, float](), dict[str, str]()
    for dimension, told in found.items():
        score, videos = told if isinstance(told, list) and len(told) == 2 else (told, [])
        total = _number(score, f"{path}: {dimension}")
        mine = [_video(path, dimension, video) for video in _list(videos, f"{path}: {dimension}")]
        if mine:
            clips |= {value.item: clip for value, clip in mine}
            values[dimension], own[dimension] = tuple(value for value, _ in mine), total
        else:
            sets[dimension] = total
    prompts: dict[str, str | None] = {item: NUMBERED.sub("", item) for item in clips}
    directions: dict[str, bool | None] = dict.fromkeys([*values, *sets], True)
    return Foreign("VBench", prompts, clips, values, sets, own, directions)


def _video(path: Path, dimension: str, told: Any) -> tuple[Value, str]:
    if not isinstance(told, dict) or "video_path" not in told:
        raise InputError(f"{path}: {dimension}: an entry has no 'video_path'. Give VBench's NAME_eval_results.json")
    clip, value = str(told["video_path"]), told.get("video_results")
    item = _item(clip)
    if isinstance(value, bool | int | float) and isfinite(value):
        return Value(item, float(value)), clip
    return Value(item, None, f"VBench gives {value!r}, which is no number"), clip


def _fastvideo(path: Path, found: Any) -> Foreign:
    samples, corpus = (found.get("samples"), found.get("corpus")) if isinstance(found, dict) else (found, {})
    samples = _list(samples, f"{path}: samples")
    values: dict[str, list[Value]] = {}
    prompts, clips = dict[str, str | None](), dict[str, str]()
    for number, sample in enumerate(samples):
        if not isinstance(sample, dict):
            raise InputError(f"{path}: sample {number} is no object. Give what `fastvideo eval run --output` wrote")
        clip = str(sample.get("video") or sample.get("video_path") or f"sample {number}")
        item = _free(_item(clip), clips)
        clips[item] = clip
        prompts[item] = next((str(sample[key]) for key in ("text_prompt", "prompt") if sample.get(key)), None)
        for metric, result in _results(sample):
            values.setdefault(metric, []).append(_sample(item, result))
    sets = {metric: _number(_score(result), f"{path}: corpus: {metric}") for metric, result in (corpus or {}).items()}
    if not values and not sets:
        raise InputError(f"{path}: holds no scores. Give what `fastvideo eval run --output` wrote")
    directions = {metric: _direction(metric) for metric in [*values, *sets]}
    made = {metric: tuple(found) for metric, found in values.items()}
    return Foreign("FastVideo", prompts, clips, made, sets, {}, directions)


def _results(sample: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The metrics of a sample: under "scores", or beside its other fields as {"name", "score"}."""
    scores = sample.get("scores")
    if isinstance(scores, dict):
        yield from scores.items()
        return
    yield from ((key, told) for key, told in sample.items() if isinstance(told, dict) and "score" in told)


def _score(result: Any) -> Any:
    return result.get("score") if isinstance(result, dict) else result


def _sample(item: str, result: Any) -> Value:
    score = _score(result)
    if isinstance(score, bool | int | float) and isfinite(score):
        return Value(item, float(score))
    details = result.get("details") if isinstance(result, dict) else None
    why = details.get("skipped") if isinstance(details, dict) else None
    return Value(item, None, str(why) if why else "no score and no reason in the file")


def _direction(metric: str) -> bool | None:
    """Which way is better, by the metric's name; None where the name does not tell."""
    name = metric.lower()
    if any(word in name for word in LOWER):
        return False
    return True if any(word in name for word in HIGHER) else None


def _item(clip: str) -> str:
    return PurePosixPath(clip.replace("\\", "/")).stem or clip


def _free(item: str, taken: Mapping[str, str]) -> str:
    """Two folders may hold videos of one name."""
    number, name = 2, item
    while name in taken:
        name, number = f"{item} ({number})", number + 1
    return name


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool | int | float) and isfinite(value):
        return float(value)
    raise InputError(f"{where}: {value!r} is no number")


def _list(value: Any, where: str) -> list[Any]:
    if isinstance(value, list):
        return value
    raise InputError(f"{where}: expected a list, got {type(value).__name__}")
