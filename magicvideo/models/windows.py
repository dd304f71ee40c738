"""Clips longer than the motion modules were trained on, denoised in overlapping windows.

    v(f) = sum_k w(f - s_k) v_k(f) / sum_k w(f - s_k),    w(i) = min(i + 1, W - i),   i = 0 .. W - 1

`v_k` is what the denoiser says of the W frames from s_k on; windows start half a window apart and the last one ends
with the clip. Predictions are averaged in every step, not videos afterwards: MultiDiffusion (arXiv 2302.08113) in
space, Gen-L-Video (arXiv 2305.18264) in time. The weights fall toward a window's ends, so that a frame is led by the
window in whose middle it lies.

`shared_noise` is FreeNoise's rescheduling (arXiv 2310.15169): the first W frames' noise returns later, shuffled
locally, so that distant windows start alike. FreeNoise fuses windows inside the temporal attention, not their outcome.

What no window sees at once is not held together by attention: only the reference, the text and the shared noise reach
from one end to the other. Does not know stages.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from magicvideo.models.generator import Condition

Denoise = Callable[[Tensor, Tensor, Condition], Tensor]


def starts(frames: int, window: int) -> list[int]:
    """First frames of the windows over a clip, half a window apart; the last ends with the clip."""
    if frames <= window:
        return [0]
    last = frames - window
    return [*range(0, last, stride(window)), last]


def stride(window: int) -> int:
    return max(1, window // 2)


def weights(window: int) -> Tensor:
    """w(i), float32 [window]: 1 at the ends, most in the middle."""
    i = torch.arange(window, dtype=torch.float32)
    return torch.minimum(i + 1, window - i)


def windowed(denoise: Denoise, window: int) -> Denoise:
    """A denoiser of clips [N,C,T,h,w] of any length, by windows of `window` frames; shorter clips pass whole."""

    def every_window(x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        frames = x.shape[2]
        if frames <= window:
            return denoise(x, t, condition)
        total, w = torch.zeros_like(x), weights(window).to(x)[:, None, None]
        cover = x.new_zeros(frames, 1, 1)
        for start in starts(frames, window):
            part = slice(start, start + window)
            total[:, :, part] += w * denoise(x[:, :, part], t, of_frames(condition, part, frames))
            cover[part] += w
        return total / cover

    return every_window


def of_frames(condition: Condition, part: slice, frames: int) -> Condition:
    """What a clip's frames `part` are told. Control of N*T pictures is cut; control of N pictures holds for all."""
    clips = condition.text.shape[0]
    if condition.control is None or condition.control[1].shape[0] == clips:
        return condition
    down = [_cut(r, part, clips, frames) for r in condition.control[0]]
    return Condition(condition.text, condition.appearance, (down, _cut(condition.control[1], part, clips, frames)))


def _cut(residual: Tensor, part: slice, clips: int, frames: int) -> Tensor:
    return residual.unflatten(0, (clips, frames))[:, part].flatten(0, 1)


def shared_noise(eps: Tensor, window: int, generator: torch.Generator) -> Tensor:
    """FreeNoise: frames after the first window take, unit by unit, the noise one window earlier in a new order.

    A unit is half a window. No window of `starts` holds the same noise twice, since a unit and its source lie a whole
    window apart. Every frame's noise stays standard Gaussian; frames a window or more apart are no longer independent.

    Args:
        eps: standard Gaussian noise [N,C,T,h,w]; only its first `window` frames are used.
        generator: draws the order within each unit.
    """
    frames, unit = eps.shape[2], stride(window)
    source = list(range(min(window, frames)))
    while len(source) < frames:
        n = len(source)
        size = min(unit, frames - n)
        order = torch.randperm(size, generator=generator).tolist()
        source += [source[n - window + i] for i in order]
    return eps[:, :, source]
