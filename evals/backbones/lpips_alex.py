"""LPIPS v0.1 on AlexNet (Zhang et al. 2018, arXiv 1801.03924): the `lpips` package's network on pinned weights."""

from __future__ import annotations

import warnings
from typing import Any

import lpips
import torch
from torch import Tensor

from evals.backbones.checkpoint import filled, tensors
from evals.backbones.feature_distance import FeatureDistance, Features
from evals.backbones.frames import floats
from evals.fetch import Found
from magicvideo.clip import Frames
from magicvideo.errors import InputError

LAYERS = {0: (0,), 1: (3,), 2: (6,), 3: (8,), 4: (10,)}
"""Of torchvision's `features`: the convolutions in each of LPIPS's five slices."""


class LpipsAlex(FeatureDistance):
    """Pictures at their own size, in [-1,1], float32: no resizing. `InputError` below 32 pixels a side."""

    least_side = 32  # below it nothing is left for AlexNet's deeper layers

    def __init__(self, trunk: Found, heads: Found) -> None:
        self.network = _network(trunk, heads)
        self.id = f"lpips-alex-v0.1:{trunk.short}+{heads.short}:own-size,[-1,1]"

    def features(self, frames: Frames) -> Features:
        layers = self.network.net(self.network.scaling_layer(floats(frames) * 2 - 1))
        return [lpips.normalize_tensor(layer) for layer in layers]

    def between(self, a: Features, b: Features) -> Tensor:
        """Squared differences, weighted by channel with the learned heads; mean over space, sum over layers."""
        parts = [head((one - two) ** 2) for head, one, two in zip(self.network.lins, a, b, strict=True)]
        return torch.stack([lpips.spatial_average(part).flatten() for part in parts]).sum(0)


def _network(trunk: Found, heads: Found) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # lpips calls torchvision by its older form
        network = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False)
    features, linear = tensors(trunk), tensors(heads)
    state = network.state_dict()
    try:
        for number, layers in LAYERS.items():
            for layer in layers:
                for kind in ("weight", "bias"):
                    state[f"net.slice{number + 1}.{layer}.{kind}"] = features[f"features.{layer}.{kind}"]
            for prefix in (f"lin{number}", f"lins.{number}"):
                state[f"{prefix}.model.1.weight"] = linear[f"lin{number}.model.1.weight"]
    except KeyError as error:
        raise InputError(f"{trunk.path} or {heads.path} lacks {error}: not AlexNet's or LPIPS's weights") from None
    return filled(network, state, trunk)
