"""Stage 4, frame interpolation: n frames -> factor * (n - 1) + 1 at factor times the frame rate.

Key frames pass through bit-exactly. So does, in every frame between two of them, a pixel whose whole surroundings are
the same in both: what stands still cannot flicker.

`fused`, the default, is a declared combination: MagicVideo-V2 (arXiv 2401.04468) uses a light interpolator beside its
own for stability and does not say how the two are combined. Ours is, per pixel,

    out = (1 - w) * edsc + w * flow,      w = table(confidence of the flow, disagreement of the two)

After Bates & Granger, "The Combination of Forecasts" (1969): of two forecasts of one thing the best linear combination
leans on each as far as its errors are small and unlike the other's. `confidence` is the flow's forward-backward
consistency (`models/flow.py`), `disagreement` the mean absolute difference of the two frames, both averaged over 5 x 5
pixels. The table (5 x 5 knots, bilinear between them, values in [0,1]) is fitted by least squares on rendered training
scenes, where the truth at t is known, and ships with the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from magicvideo.ahead import ahead
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError
from magicvideo.models.flow import FlowFrame, interpolate_flow, pair_flow
from magicvideo.models.interpolator import Interpolator
from magicvideo.stage_config import VFIKind
from magicvideo.stages.minterpolate import minterpolate
from magicvideo.stages.vfi_script import Script

Array = NDArray[np.float32]
CONFIDENCE_KNOTS = (0.0, 0.25, 0.5, 0.75, 1.0)
DISAGREEMENT_KNOTS = (0.0, 0.01, 0.03, 0.1, 0.3)
PIXELS_AT_ONCE = 2_000_000
"""About how many pixels' fields are held in memory at a time."""
FLOWS_AHEAD, FLOWS_BYTES = 16, 64 << 20
"""Gaps whose flows may wait for the network's frames, and the bytes that these may take."""


def interpolate(clip: VideoClip, factor: int, kind: VFIKind, model: Interpolator | Script | None = None) -> VideoClip:
    """The clip at `factor` times its frame rate, with factor - 1 frames put evenly into each gap.

    `edsc` and `fused` need the model, `script` a `Script`; `flow`, `linear` and `nearest` have no weights;
    `minterpolate` needs the extra `ffmpeg`; `off`, factor 1 and a single frame return the clip itself. The same
    arguments give the same bytes. Raises `InputError` for a factor below 1, an unknown kind, a missing model or a
    missing ffmpeg.
    """
    if factor < 1:
        raise InputError(f"vfi.factor must be 1 or more, got {factor}")
    if kind not in get_args(VFIKind):
        raise InputError(f"unknown kind of interpolation {kind!r}: known: {', '.join(get_args(VFIKind))}")
    if (kind == "script") != isinstance(model, Script):
        raise InputError("vfi kind 'script' and a TorchScript file (vfi.checkpoint) go together")
    if kind == "off" or factor == 1 or len(clip) == 1:
        return clip
    keys = clip.frames
    out = np.repeat(keys[:-1], factor, axis=0)  # each gap starts as its first key frame
    out = np.concatenate([out, keys[-1:]])
    moving = [n for n in range(len(keys) - 1) if not np.array_equal(keys[n], keys[n + 1])]
    times = [i / factor for i in range(1, factor)]
    for gap, between in zip(moving, _made(clip.floats(), moving, times, kind, model), strict=True):
        still = still_pixels(keys[gap], keys[gap + 1])
        made = np.rint(np.clip(between, 0, 1) * 255).astype(np.uint8)
        out[gap * factor + 1 : (gap + 1) * factor] = np.where(still, keys[gap], made)
    return VideoClip(out, clip.fps * factor)


def still_pixels(first: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """[H,W]: all of [3,H,W] equal in both frames, in a window of an eighth of the side each way (at least 8 pixels).

    The window is for shapes that jump over a pixel: it differs in neither frame, but what passes it does nearby.
    """
    changed = (first != last).any(axis=0).astype(np.uint8)
    reach = max(8, min(changed.shape) // 8)
    near = cv2.dilate(changed, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    return np.asarray(near == 0)


def fuse(edsc: Array, flow: Array, confidence: Array, table: Array) -> Array:
    """The combination of the module's docstring. Frames [3,H,W] in [0,1], confidence [H,W], table [5,5]."""
    weight = (fusion_basis(edsc, flow, confidence) * table.reshape(-1)).sum(-1)
    return np.asarray(edsc + weight * (flow - edsc), np.float32)


def fusion_basis(edsc: Array, flow: Array, confidence: Array) -> Array:
    """Each pixel's shares of the table's 25 knots (bilinear hats, summing to one): [H,W,25]."""
    difference = np.abs(edsc - flow).mean(axis=0)
    rows = _hats(cv2.blur(np.ascontiguousarray(confidence), (5, 5)), CONFIDENCE_KNOTS)
    columns = _hats(cv2.blur(difference, (5, 5)), DISAGREEMENT_KNOTS)
    return np.asarray(rows[..., :, None] * columns[..., None, :], np.float32).reshape(*confidence.shape, -1)


def _hats(value: Any, knots: tuple[float, ...]) -> Array:
    """[H,W] -> [H,W,len(knots)]: linear interpolation's weights, the ends held."""
    unit = np.eye(len(knots), dtype=np.float32)
    return np.stack([np.interp(value, knots, row) for row in unit], axis=-1).astype(np.float32)


def _made(
    keys: Array, gaps: list[int], times: list[float], kind: str, model: Interpolator | Script | None
) -> Iterator[Array]:
    """For each gap its frames in between, float32 [len(times),3,H,W]."""
    if isinstance(model, Script):
        yield from (model.between(keys[g], keys[g + 1], times) for g in gaps)
        return
    if kind == "linear":
        yield from (np.stack([(1 - t) * keys[g] + t * keys[g + 1] for t in times]) for g in gaps)
        return
    if kind == "nearest":
        yield from (np.stack([keys[g] if t <= 0.5 else keys[g + 1] for t in times]) for g in gaps)
        return
    if kind == "minterpolate":
        yield from _by_ffmpeg(keys, gaps, len(times) + 1)
        return
    if kind == "edsc":
        yield from _edsc(keys, gaps, times, _present(model, kind))
        return
    flows = _flows(keys, gaps, times)
    if kind == "flow":
        yield from (np.stack([f.frame for f in frames]) for frames in flows)
        return
    network = _present(model, kind)
    table = network.flow_weight.cpu().numpy()
    # The flows come first, so that those of later gaps are sought while the network is at work.
    both = zip(ahead(flows, _size, FLOWS_BYTES, FLOWS_AHEAD), _edsc(keys, gaps, times, network), strict=True)
    for moved, frames in both:
        yield np.stack([fuse(e, f.frame, f.confidence, table) for e, f in zip(frames, moved, strict=True)])


def _flows(keys: Array, gaps: list[int], times: list[float]) -> Iterator[list[FlowFrame]]:
    """The flow's frames of each gap."""
    for gap in gaps:
        pair = pair_flow(keys[gap], keys[gap + 1])
        yield [interpolate_flow(pair, t) for t in times]


def _size(flows: list[FlowFrame]) -> int:
    return sum(f.frame.nbytes + f.confidence.nbytes for f in flows)


def _by_ffmpeg(keys: Array, gaps: list[int], factor: int) -> Iterator[Array]:
    """The filter sees all key frames at once, so it runs only if any gap needs it."""
    made = minterpolate(np.rint(keys * 255).astype(np.uint8), factor) if gaps else None
    for gap in gaps:
        assert made is not None
        yield made[gap * factor + 1 : (gap + 1) * factor].astype(np.float32) / np.float32(255)


def _present(model: Interpolator | None, kind: str) -> Interpolator:
    if model is None:
        raise InputError(f"vfi kind {kind!r} needs the interpolator's weights; without them choose flow or linear")
    return model


@torch.inference_mode()
def _edsc(keys: Array, gaps: list[int], times: list[float], model: Interpolator) -> Iterator[Array]:
    """The model's frames of each gap. Features are computed once a key frame; a few gaps' fields are held at a time."""
    device = next(model.parameters()).device
    frames = torch.from_numpy(keys)
    step = max(1, PIXELS_AT_ONCE // (keys.shape[-1] * keys.shape[-2] * len(times) * 8))
    for start in range(0, len(gaps), step):
        some = torch.tensor(gaps[start : start + step])
        used = torch.unique(torch.cat([some, some + 1]))
        chosen = frames[used].to(device)
        features = model.encode(chosen)
        first = torch.searchsorted(used, some).repeat_interleave(len(times)).to(device)
        last = torch.searchsorted(used, some + 1).repeat_interleave(len(times)).to(device)
        t = torch.tensor(times, device=device).repeat(len(some))
        made = model.decode(chosen[first], chosen[last], features.take(first), features.take(last), t).frames
        yield from made.clamp(0, 1).cpu().numpy().reshape(len(some), len(times), *keys.shape[1:])
