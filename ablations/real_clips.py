"""Interpolation on real clips: every other frame is left out, made again by each kind, and compared.

    python -m ablations.real_clips FOLDER [--frames 33] [--side 256] [--kinds fused,flow,linear] [--perceptual]

The frames that were left out are the truth. Prints a table of means with 95 % bootstrap intervals over clips, and of
paired differences to linear blending. `--perceptual` adds a distance of LPIPS's form on an ImageNet network, tLP and
flicker, over all frames (suite `packaged`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import evals
from evals import stats
from magicvideo.clip import VIDEO_SUFFIXES, Limits, VideoClip, read_clip, resize
from magicvideo.errors import InputError
from magicvideo.stage_config import VFIKind

KINDS: tuple[VFIKind, ...] = tuple(kind for kind in get_args(VFIKind) if kind not in ("off", "script"))
METRICS = {"truth": ("psnr_between", "ssim_between")}
PERCEPTUAL = {"packaged": ("lpips_truth", "tlp", "flicker")}
"""Suite -> its metrics that are asked for."""
BASE: VFIKind = "linear"
FACTOR = 2
PIXELS = Limits(frames=100_000, pixels=8_000_000_000)

Make = Callable[[VideoClip, VFIKind], VideoClip]
Values = dict[str, dict[str, dict[str, float]]]
"""Metric -> kind -> clip -> value."""


def held_out(clip: VideoClip, frames: int, side: int) -> VideoClip:
    """The first frames, an odd number of them, the longer side at most `side` pixels."""
    most = min(frames, len(clip))
    most -= (most + 1) % FACTOR
    if most < FACTOR + 1:
        raise InputError(f"{len(clip)} frame(s); needs {FACTOR + 1} at least")
    cut = VideoClip(clip.frames[:most], clip.fps)
    scale = min(1.0, side / max(cut.size))
    return resize(cut, *(max(1, round(s * scale)) for s in cut.size))


def compare(
    clips: dict[str, VideoClip],
    kinds: Sequence[VFIKind],
    make: Make,
    say: Callable[[str], object],
    metrics: Mapping[str, Sequence[str]] = METRICS,
) -> Values:
    """Every kind's values on every clip. A clip that a kind or metric cannot take is told and left out there."""
    found: Values = {metric: {kind: {} for kind in kinds} for some in metrics.values() for metric in some}
    for name, truth in clips.items():
        keys = VideoClip(truth.frames[::FACTOR], truth.fps / FACTOR)
        items = [evals.Item(k, make(keys, k), None, name, truth=truth, key_every=FACTOR) for k in kinds]
        evaluations = [evals.evaluate(items, suite, some, progress=False) for suite, some in metrics.items()]
        for row in (row for evaluation in evaluations for row in evaluation.rows):
            if row.value is None:
                say(f"{name}, {row.item}, {row.metric}: {row.reason}")
            else:
                found[row.metric][row.item][name] = row.value
        say(f"{name}: {len(truth)} frames of {truth.size[1]} x {truth.size[0]}")
    return found


def table(found: Values, base: str = BASE) -> Iterator[str]:
    """Lines: metric, kind, mean with interval over clips, paired difference to the base with interval, n."""
    yield f"| metric | kind | mean | 95 % interval | to {base} | 95 % interval | clips |"
    yield "|---|---|---|---|---|---|---|"
    for metric, kinds in found.items():
        for kind, values in kinds.items():
            if not values:
                yield f"| {metric} | {kind} | - | - | - | - | 0 |"
                continue
            names = list(values)
            mean = stats.interval(list(values.values()), names)
            shared = [name for name in names if name in kinds.get(base, {})]
            difference, span = "", ""
            if shared and kind != base:
                d = stats.paired([kinds[base][n] for n in shared], [values[n] for n in shared], shared)
                difference, span = f"{d.value:+.4g}", _span(d.low, d.high, "+.4g")
            interval = _span(mean.low, mean.high, ".4g")
            yield f"| {metric} | {kind} | {mean.value:.4g} | {interval} | {difference} | {span} | {mean.n} |"


def _span(low: float | None, high: float | None, form: str) -> str:
    return "one clip" if low is None or high is None else f"{low:{form}} to {high:{form}}"


def find(folder: Path, frames: int, side: int) -> dict[str, VideoClip]:
    """The folder's videos, also in folders within it. Raises `InputError` if there is none."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEO_SUFFIXES)
    clips = dict[str, VideoClip]()
    for path in paths:
        try:
            clips[str(path.relative_to(folder))] = held_out(read_clip(path, PIXELS), frames, side)
        except InputError as error:
            print(f"left out: {path.name}: {error}", file=sys.stderr)
    if not clips:
        raise InputError(f"{folder}: holds no videos that can be read ({', '.join(VIDEO_SUFFIXES)})")
    return clips


def _pocket(kinds: Sequence[str]) -> Make:
    from magicvideo.models import pocket
    from magicvideo.stages.vfi import interpolate

    model = pocket.interpolator() if {"fused", "edsc"} & set(kinds) else None
    return lambda keys, kind: interpolate(keys, FACTOR, kind, model)


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m ablations.real_clips", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=33, help="at most so many frames of a clip (default: 33)")
    parser.add_argument("--side", type=int, default=256, help="longer side in pixels at most (default: 256)")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of interpolation, separated by commas")
    parser.add_argument("--perceptual", action="store_true", help="LPIPS's form, tLP and flicker too (extra packaged)")
    asked = parser.parse_args(words)
    try:
        kinds = [_kind(name.strip()) for name in asked.kinds.split(",")]
        clips = find(asked.folder, asked.frames, asked.side)
        metrics = {**METRICS, **PERCEPTUAL} if asked.perceptual else METRICS
        found = compare(clips, kinds, _pocket(kinds), lambda line: print(line, file=sys.stderr), metrics)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(found)))
    return 0


def _kind(name: str) -> VFIKind:
    found = next((kind for kind in KINDS if kind == name), None)
    if found is None:
        raise InputError(f"unknown kind of interpolation {name!r}; known: {', '.join(KINDS)}")
    return found


if __name__ == "__main__":
    sys.exit(main())
