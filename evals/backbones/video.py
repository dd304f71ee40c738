"""The pocket video encoder: a small network over space and time, for Frechet distances between sets of clips.

Trained to tell a clip's attributes and planted damage (`evals.train.video`), so that its embedding moves when time is
broken. It is no I3D: a distance in this space is comparable only with another of the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evals.backbones.frames import SIDE, even_indices, square
from evals.backbones.trunk import ConvBlock, with_contrast
from evals.features import Arrays
from magicvideo import weights
from magicvideo.clip import VideoClip

DIM = 96
FRAMES = 16
STAGES = ((32, 1), (64, 2), (128, 2))
"""Channels and stride (in time and space) of each stage."""


class VideoNet(nn.Module):
    """Clips float [N,3,16,64,64] in [0,1] -> embeddings [N,96]."""

    def __init__(self, training_form: bool = False) -> None:
        super().__init__()
        bias = not training_form
        blocks = [ConvBlock(nn.Conv3d(6, 32, (1, 7, 7), (1, 4, 4), (0, 3, 3), bias=bias))]
        channels = 32
        for width, stride in STAGES:
            blocks += [
                ConvBlock(nn.Conv3d(channels, width, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=bias)),
                ConvBlock(nn.Conv3d(width, width, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=bias)),
                ConvBlock(nn.Conv3d(width, width, 3, 1, 1, bias=bias)),
            ]
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.embed = nn.Linear(channels * 4, DIM)

    def forward(self, clips: Tensor) -> Tensor:
        n, _, t = clips.shape[:3]
        frames = with_contrast(clips.transpose(1, 2).flatten(0, 1))
        x = self.blocks(frames.unflatten(0, (n, t)).transpose(1, 2)).mean(2)  # [N,128,4,4]
        return self.embed(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))


class PocketVideo:
    """Looks at a whole clip: 16 frames, evenly from first to last (rounded to the nearest; repeated in shorter clips),
    each cut to the centred square and brought to 64x64 (areas averaged, or enlarged bilinearly), floats in [0,1],
    mapped to [-1,1] beside their local contrast (`trunk.with_contrast`). One forward pass a clip in float32.
    """

    frames: Literal["per_frame", "per_clip"] = "per_clip"

    def __init__(self) -> None:
        state = weights.load("video")
        self._mean, self._cov = (state.pop(f"reference.{name}").double().numpy() for name in ("mean", "cov"))
        self.network = VideoNet().eval().requires_grad_(False)
        self.network.load_state_dict(state)
        self.id = f"pocket-video-v1:{weights.digest('video')[:12]}:even{FRAMES},square{SIDE}"

    @property
    def reference_mean(self) -> NDArray[np.float64]:
        """[96], of the rendered reference clips."""
        return self._mean

    @property
    def reference_cov(self) -> NDArray[np.float64]:
        """[96,96], divided by N-1."""
        return self._cov

    @property
    def reference_n(self) -> int:
        """Clips in the reference set: renders of 22 frames at 128x128, all attribute combinations, in 8 bits."""
        return int(weights.entry("video")["figures"]["reference_n"])

    @torch.inference_mode()
    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"embedding": [96]} a clip, scaled so that the reference set's covariance has trace 96."""
        return [{"embedding": self.network(prepare(clip)[None])[0].numpy()} for clip in clips]


def prepare(clip: VideoClip) -> Tensor:
    """A clip as the network sees it: float32 [3,16,64,64] in [0,1]."""
    return torch.from_numpy(square(clip.frames[even_indices(len(clip), FRAMES)])).transpose(0, 1)
