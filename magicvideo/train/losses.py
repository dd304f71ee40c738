"""Differences between what a network makes and the truth, that several trainers share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def laplacian(made: Tensor, truth: Tensor, levels: int = 4, coarser: float = 2.0) -> Tensor:
    """Mean absolute difference over the bands of a Laplacian pyramid, of pictures [N,3,H,W].

    Each band weighs `coarser` times as much as the finer one before it.
    """
    rest, total = made - truth, made.new_zeros(())  # the pyramid is linear: that of the difference is enough
    for level in range(levels):
        small = F.avg_pool2d(rest, 2)
        wide = F.interpolate(small, size=rest.shape[-2:], mode="bilinear", align_corners=False)
        total = total + coarser**level * (rest - wide).abs().mean()
        rest = small
    return (total + coarser**levels * rest.abs().mean()) / (2 * coarser**levels)


def apart(made: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
    """Squared distance of features of unit length over channels, mean over places, summed over layers [N,C,h,w].

    The form of LPIPS without learned weights (Zhang 2018, arXiv 1801.03924, equation 1).
    """
    return torch.stack([(unit(a) - unit(b)).square().sum(1).mean() for a, b in zip(made, truth, strict=True)]).sum()


def unit(features: Tensor) -> Tensor:
    """[N,C,...] of unit length over channels. The bound keeps the gradient small where all are near 0."""
    return F.normalize(features.float(), dim=1, eps=1e-3)
