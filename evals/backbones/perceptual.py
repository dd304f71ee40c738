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

from evals.backbones.frames import CHUNK
from evals.backbones.reader import ReaderNet
from evals.features import Array
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
        total = a.new_zeros(len(a))
        for one, two in zip(self.trunk(a), self.trunk(b), strict=True):
            apart = (_unit(one) - _unit(two)) ** 2
            total = total + lpips.spatial_average(apart.sum(1, keepdim=True)).flatten()
        return total


def _unit(features: Tensor) -> Tensor:
    """Unit length over channels. The tiny addend keeps the gradient finite where every channel is 0."""
    return lpips.normalize_tensor(features.float() + 1e-12)


class PocketPerceptual:
    """`PerceptualDistance` for uint8 pictures: as floats in [0,1] at their own size; if the longer side is above 256,
    scaled down to 256 (bilinear, antialiased, both sides by the same factor)."""

    def __init__(self) -> None:
        self.network = PerceptualDistance().eval()
        self.id = f"pocket-perceptual-v1:{weights.digest('reader')[:12]}:baseline,sum4,max{LONGEST}"

    @torch.inference_mode()
    def distance(self, a: Frames, b: Frames) -> Array:
        """a, b: uint8 [N,3,H,W], the same shape -> float32 [N] >= 0; 0 for equal pictures, symmetric."""
        if a.shape != b.shape or a.dtype != np.uint8 or b.dtype != np.uint8:
            raise ValueError(f"needs two uint8 arrays of one shape, got {a.dtype} {a.shape} and {b.dtype} {b.shape}")
        starts = range(0, len(a), CHUNK)
        parts = [self.network(_floats(a[i : i + CHUNK]), _floats(b[i : i + CHUNK])) for i in starts]
        return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)


def _floats(frames: Frames) -> Tensor:
    pictures = torch.from_numpy(frames.astype(np.float32) / np.float32(255))
    longer = max(pictures.shape[2:])
    if longer <= LONGEST:
        return pictures
    size = [max(1, round(side * LONGEST / longer)) for side in pictures.shape[2:]]
    return F.interpolate(pictures, size=size, mode="bilinear", antialias=True, align_corners=False)
