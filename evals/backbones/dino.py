"""DINO ViT-B/16 (Caron et al. 2021, arXiv 2104.14294) in timm's architecture: what stays the same subject."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

import timm
import torch
import torch.nn.functional as F
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from evals.backbones.checkpoint import filled, tensors
from evals.backbones.frames import floats, over_frames
from evals.features import Arrays
from evals.fetch import Found
from magicvideo.clip import Frames, VideoClip

SHORT = 224
"""The shorter side of what the network sees; the other keeps the shape, to the nearest multiple of a patch."""
PATCH = 16
LONGEST = 4 * SHORT
CHUNK = 8


class Dino:
    """Looks at each whole frame: shorter side to 224, the other to the nearest multiple of 16 (bilinear, antialiased;
    896 at most), ImageNet's mean and deviation. The position embedding is resampled to that grid by timm.

    VBench resizes by the same rule, without antialiasing and with DINO's own resampling of positions, so its values are
    near these but not the same.
    """

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self, found: Found) -> None:
        network = timm.create_model(
            "vit_base_patch16_224",
            num_classes=0,
            dynamic_img_size=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
        )
        self.network = filled(network, tensors(found), found)
        self.id = f"dino-vit-b16:{found.short}:short{SHORT}-bilinear-aa,mult{PATCH},max{LONGEST},all-frames"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"image": [T,768] of length 1} a clip: the class token after the last layer norm."""
        return [{"image": over_frames(self.image, clip.frames, CHUNK)} for clip in clips]

    def image(self, frames: Frames) -> Tensor:
        """uint8 [N,3,H,W] -> [N,768] of length 1."""
        return F.normalize(self.network(prepare(frames)), dim=-1)


def prepare(frames: Frames) -> Tensor:
    """uint8 [N,3,H,W] -> float32 [N,3,h,w], normalised, both sides multiples of 16 and the shorter one 224."""
    pictures = floats(frames)
    shorter = min(frames.shape[2:])
    size = [min(LONGEST, max(SHORT, round(side * SHORT / shorter / PATCH) * PATCH)) for side in frames.shape[2:]]
    if list(pictures.shape[2:]) != size:
        pictures = F.interpolate(pictures, size=size, mode="bilinear", antialias=True, align_corners=False)
    mean, std = (torch.tensor(v, device=pictures.device) for v in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    return (pictures - mean[:, None, None]) / std[:, None, None]
