"""Batches of rendered scenes as tensors, and held-out scenes for the figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from magicvideo.world import Scene, render, sample_scene
from magicvideo.world.scene import Split


def images(scenes: Sequence[Scene], times: Sequence[float], size: int) -> Tensor:
    """One frame a scene at its own time: float32 [N,3,size,size] in [0,1]."""
    frames = [render(s, np.asarray([t]), size) for s, t in zip(scenes, times, strict=True)]
    return torch.from_numpy(np.concatenate(frames))


def clips(scenes: Sequence[Scene], frames: int, size: int) -> Tensor:
    """Whole clips: float32 [N,T,3,size,size] in [0,1]."""
    times = np.linspace(0, 1, frames)
    return torch.from_numpy(np.stack([render(s, times, size) for s in scenes]))


def scenes(rng: np.random.Generator, count: int, split: Split = "train") -> list[Scene]:
    """`count` scenes of a split."""
    return [sample_scene(rng, split) for _ in range(count)]


def held_out(count: int, seed: int = 10_000, split: Split = "all") -> list[Scene]:
    """Scenes for measuring: from another seed than any training batch."""
    return scenes(np.random.default_rng(seed), count, split)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """PSNR in dB of each item; a and b in [0,1], any shape [N,...]."""
    error = (a.clamp(0, 1) - b.clamp(0, 1)).square().flatten(1).mean(1)
    return -10 * torch.log10(error.clamp_min(1e-10))


def mean_interval(values: Tensor) -> dict[str, float | int]:
    """Mean with a normal 95 % interval and n, as plain data for the manifest."""
    n = values.numel()
    mean = float(values.float().mean())
    half = 1.96 * float(values.float().std()) / n**0.5 if n > 1 else 0.0
    return {"value": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4), "n": n}
