"""NIMA on AVA (Talebi & Milanfar 2017, arXiv 1709.05424): VGG16, its features averaged, one layer to ten ratings.

The checkpoint is `pyiqa`'s, trained by its authors; of the paper's three trunks it is the VGG16. What is built here has
its layers' names, on `timm`'s trunk as theirs is, so the package itself is not needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import timm
import torch
from torch import Tensor, nn
from torchvision.transforms import functional as T

from evals.backbones.checkpoint import filled, tensors
from evals.backbones.frames import floats, over_frames
from evals.features import Arrays
from evals.fetch import Found
from magicvideo.clip import Frames, VideoClip

SIDE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CHANNELS, RATINGS = 512, 10


class NimaNet(nn.Module):
    """Pictures [N,3,224,224], standardised by ImageNet's mean and deviation -> shares of the ratings 1..10, [N,10]."""

    def __init__(self) -> None:
        super().__init__()
        self.base_model = timm.create_model("vgg16", pretrained=False, features_only=True)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.0), nn.Linear(CHANNELS, RATINGS), nn.Softmax(-1))

    def forward(self, pictures: Tensor) -> Tensor:
        shares: Tensor = self.classifier(self.base_model(pictures)[-1].mean((2, 3)))
        return shares


class Nima:
    """Looks at each frame: the shorter side brought to 224 (bilinear, antialiased), the centred square of it."""

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self, found: Found) -> None:
        self.network = filled(NimaNet(), tensors(found), found)
        self.id = f"nima-vgg16-ava:{found.short}:short224-bilinear-antialias,centre224,all-frames"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"ratings": [T,10]} a clip: each frame's predicted shares of the ratings 1 to 10."""
        return [{"ratings": over_frames(self._ratings, clip.frames)} for clip in clips]

    def _ratings(self, frames: Frames) -> Tensor:
        shares: Tensor = self.network(prepare(frames))
        return shares


def prepare(frames: Frames) -> Tensor:
    """uint8 [N,3,H,W] -> standardised float32 [N,3,224,224]."""
    square = T.center_crop(T.resize(floats(frames), [SIDE], antialias=True), [SIDE])
    mean, std = (torch.tensor(values, device=square.device).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (square - mean) / std
