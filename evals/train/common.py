"""What the evaluation trainers share: weights as they ship, and shares with their intervals."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evals.backbones.frames import even_indices
from evals.stats import wilson
from magicvideo.clip import VideoClip, from_floats
from magicvideo.world import Scene, render, sample_scene


def as_shipped(network: nn.Module, keep: Iterable[str] = ()) -> nn.Module:
    """Round a network's weights to float16 and back, in place, except those in `keep`: what will be measured is what
    ships."""
    kept = set(keep)
    for name, value in network.state_dict().items():
        if value.is_floating_point() and name not in kept:
            value.copy_(value.half())
    return network.eval()


def share(right: NDArray[np.bool_]) -> dict[str, Any]:
    """The share of True with Wilson's 95 % interval and n, as plain data for the manifest."""
    low, high = wilson(int(right.sum()), right.size)
    return {"value": round(float(right.mean()), 4), "low": round(low, 4), "high": round(high, 4), "n": int(right.size)}


def held_out_scenes(count: int, seed: int = 20_000) -> list[Scene]:
    """Scenes of the pairs that no training sees."""
    rng = np.random.default_rng(seed)
    return [sample_scene(rng, "held_out") for _ in range(count)]


def looked_at(scene: Scene, length: int, count: int, size: int) -> VideoClip:
    """The `count` frames that a backbone picks from a clip of the whole scene with `length` frames, in 8 bits."""
    return from_floats(render(scene, even_indices(length, count) / (length - 1), size), 8.0)


def labels(names: Iterable[str], known: tuple[str, ...]) -> Tensor:
    """int64 [N]: each name's place in `known`."""
    return torch.tensor([known.index(name) for name in names])
