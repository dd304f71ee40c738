"""A perceptual distance of LPIPS's form on the pocket reader's trunk.

LPIPS (Zhang 2018, arXiv 1801.03924, equation 1) without learned channel weights, its 'baseline' form: features of four
layers, scaled to unit length over channels, squared difference summed over channels, mean over space, sum over layers.
The arithmetic is the `lpips` package's. The network is ours, so values are not those of AlexNet's LPIPS.
"""

from __future__ import annotations

import lpips
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evals.backbones.feature_distance import FeatureDistance, Features, baseline
from evals.backbones.reader import ReaderNet
from magicvideo import weights
from magicvideo.clip import Frames

LONGEST = 256
"""Pictures with a longer side are scaled down to this one."""


class PerceptualDistance(nn.Module):
    """Float pictures a, b [N,3,H,W] in [0,1] -> [N] >= 0, differentiable in both; its own weights are frozen.

    At the pictures' own size, without resizing (16 pixels a side at least make sense). Usable as a training loss.
    """

    def __init__(self) -> None:
        super().__init__()
        reader = ReaderNet()
        reader.load_state_dict(weights.load("reader"))
        self.trunk = reader.trunk.requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return baseline(self.features(a), self.features(b))

    def features(self, pictures: Tensor) -> Features:
        """Four layers, of unit length over channels. The tiny addend keeps the gradient finite where all are 0."""
        return [lpips.normalize_tensor(layer.float() + 1e-12) for layer in self.trunk(pictures)]


class PocketPerceptual(FeatureDistance):
    """`PerceptualDistance` for uint8 pictures: as floats in [0,1] at their own size; if the longer side is above 256,
    scaled down to 256 (bilinear, antialiased, both sides by the same factor)."""

    def __init__(self) -> None:
        self.network = PerceptualDistance().eval()
        self.id = f"pocket-perceptual-v1:{weights.digest('reader')[:12]}:baseline,sum4,max{LONGEST}"

    def features(self, frames: Frames) -> Features:
        return self.network.features(_floats(frames))

    def between(self, a: Features, b: Features) -> Tensor:
        return baseline(a, b)


def _floats(frames: Frames) -> Tensor:
    pictures = torch.from_numpy(frames.astype(np.float32) / np.float32(255))
    longer = max(pictures.shape[2:])
    if longer <= LONGEST:
        return pictures
    size = [max(1, round(side * LONGEST / longer)) for side in pictures.shape[2:]]
    return F.interpolate(pictures, size=size, mode="bilinear", antialias=True, align_corners=False)
