"""The convolutional trunk of the pocket reader, and folding batch normalisation away.

Networks are trained with batch normalisation and shipped without: `fold` moves it into the convolutions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

WIDTHS = (32, 64, 96, 128)
"""Channels of the trunk's four stages, at 1/2, 1/4, 1/8 and 1/16 of the picture's side."""


class ConvBlock(nn.Module):
    """Convolution (2-D or 3-D), batch normalisation while training, ReLU."""

    def __init__(self, conv: nn.Conv2d | nn.Conv3d) -> None:
        super().__init__()
        self.conv = conv
        kind = nn.BatchNorm3d if isinstance(conv, nn.Conv3d) else nn.BatchNorm2d
        self.norm = nn.Identity() if conv.bias is not None else kind(conv.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


def fold(module: nn.Module) -> None:
    """Fold every `ConvBlock`'s batch normalisation into its convolution, in place; the outputs in eval mode stay."""
    module.eval()
    for block in module.modules():
        if isinstance(block, ConvBlock) and isinstance(block.norm, nn.BatchNorm2d | nn.BatchNorm3d):
            block.conv = fuse_conv_bn_eval(block.conv, block.norm)
            block.norm = nn.Identity()


def with_contrast(pictures: Tensor) -> Tensor:
    """[N,3,H,W] in [0,1] -> [N,6,H,W]: values in [-1,1], and how they differ from their 9x9 neighbourhood, times 6.

    Patterns of low contrast stand on backgrounds of any brightness; the difference shows them alike on all.
    """
    around = F.avg_pool2d(pictures, 9, 1, 4, count_include_pad=False)
    return torch.cat([pictures * 2 - 1, (pictures - around) * 6], 1)


class FrameTrunk(nn.Module):
    """Pictures float [N,3,H,W] in [0,1], any size -> four feature maps >= 0, [N,32,H/2,W/2] to [N,128,H/16,W/16]."""

    def __init__(self, training_form: bool = False) -> None:
        super().__init__()
        stages, channels = [], 6
        for width in WIDTHS:
            kernel = 5 if channels == 6 else 3
            stages.append(
                nn.Sequential(
                    ConvBlock(nn.Conv2d(channels, width, kernel, 2, kernel // 2, bias=not training_form)),
                    ConvBlock(nn.Conv2d(width, width, 3, 1, 1, bias=not training_form)),
                )
            )
            channels = width
        self.stages = nn.ModuleList(stages)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        x, maps = with_contrast(pictures), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps
