"""A clip against its truth, pixel by pixel: mean squared error and SSIM of each frame. SSIM's arithmetic is
torchmetrics'; there are no weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from evals.features import Arrays, aligned
from magicvideo.clip import VideoClip
from magicvideo.errors import InputError

LEAST_SIDE = 11
"""SSIM's window (Wang 2004): 11 x 11, Gaussian of 1.5 pixels."""
CHUNK = 16


class Fidelity:
    """{"mse": [T] on [0,1], "ssim": [T] on RGB}: each frame against the truth's frame of its number."""

    id = "fidelity-v1:ssim11,1.5,rgb"

    def observe_pairs(self, pairs: Sequence[tuple[VideoClip, VideoClip]]) -> list[Arrays]:
        """Raises `InputError` for a truth with another number of frames, and for frames smaller than the window."""
        return [self._compare(clip, aligned(clip, truth)) for clip, truth in pairs]

    def _compare(self, clip: VideoClip, truth: VideoClip) -> Arrays:
        if min(clip.size) < LEAST_SIDE:
            raise InputError(f"{clip.size[1]} x {clip.size[0]} pixels: SSIM needs {LEAST_SIDE} a side at least")
        a, b = clip.floats(), truth.floats()
        mse = ((a.astype(np.float64) - b) ** 2).mean(axis=(1, 2, 3))
        parts = zip(torch.from_numpy(a).split(CHUNK), torch.from_numpy(b).split(CHUNK), strict=True)
        ssim = torch.cat([_ssim(x, y) for x, y in parts])
        return {"mse": mse.astype(np.float32), "ssim": ssim.numpy().astype(np.float32)}


def _ssim(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """[N,3,H,W] twice -> [N]."""
    found = structural_similarity_index_measure(a, b, data_range=1.0, reduction="none")
    return found.reshape(-1) if isinstance(found, torch.Tensor) else found[0].reshape(-1)
