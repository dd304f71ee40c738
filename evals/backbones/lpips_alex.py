"""LPIPS v0.1 on AlexNet (Zhang et al. 2018, arXiv 1801.03924): the `lpips` package's network on pinned weights."""

from __future__ import annotations

import warnings
from typing import Any

import lpips
import numpy as np
import torch

from evals.backbones.checkpoint import filled, tensors
from evals.backbones.frames import CHUNK, floats
from evals.features import Array
from evals.fetch import Found
from magicvideo.clip import Frames
from magicvideo.errors import InputError

LEAST_SIDE = 32
"""Below it nothing is left for AlexNet's deeper layers."""
CHUNK_PIXELS = 4 << 20
LAYERS = {0: (0,), 1: (3,), 2: (6,), 3: (8,), 4: (10,)}
"""Of torchvision's `features`: the convolutions in each of LPIPS's five slices."""


class LpipsAlex:
    """Pictures at their own size, in [-1,1], float32: no resizing. Pictures go through in chunks that depend on their
    size alone."""

    def __init__(self, trunk: Found, heads: Found) -> None:
        self.network = _network(trunk, heads)
        self.id = f"lpips-alex-v0.1:{trunk.short}+{heads.short}:own-size,[-1,1]"

    @torch.inference_mode()
    def distance(self, a: Frames, b: Frames) -> Array:
        """a, b: uint8 [N,3,H,W], the same shape -> float32 [N] >= 0; 0 for equal pictures. Raises `InputError` below 32
        pixels a side."""
        if a.shape != b.shape or a.dtype != np.uint8 or b.dtype != np.uint8:
            raise ValueError(f"needs two uint8 arrays of one shape, got {a.dtype} {a.shape} and {b.dtype} {b.shape}")
        h, w = a.shape[2:]
        if min(h, w) < LEAST_SIDE:
            raise InputError(f"{w} x {h} pixels: LPIPS on AlexNet needs {LEAST_SIDE} a side at least")
        step = max(1, min(CHUNK, CHUNK_PIXELS // (h * w)))
        parts = [self._distance(a[i : i + step], b[i : i + step]) for i in range(0, len(a), step)]
        return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)

    def _distance(self, a: Frames, b: Frames) -> torch.Tensor:
        return self.network(floats(a) * 2 - 1, floats(b) * 2 - 1).flatten().cpu()


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
