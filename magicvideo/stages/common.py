"""What stages share: noise by name, frames to tensors and back, guidance, the arithmetic."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from magicvideo.clip import VideoClip, from_floats
from magicvideo.models.arithmetic import product_type
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Condition, Generator, join
from magicvideo.runs import content_key
from magicvideo.stage_config import Compute

P = ParamSpec("P")
R = TypeVar("R")
AT_ONCE = 32
"""Frames that an encoder or the decoder works on together; a longer clip needs no more memory there."""


def computed_in(compute: Compute) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: matrices and convolutions inside are multiplied in this precision, on the CPU.

    Weights stay float32; sums over channels, norms and the sampler do too (`torch.autocast`).
    """
    if compute == "float32":
        return lambda work: work
    if product_type() is torch.float32:
        warnings.warn("this processor imitates bfloat16: compute=float32 would be many times faster", stacklevel=2)
    return torch.autocast("cpu", torch.bfloat16)


def named(seed: int, prompt: str, what: str) -> torch.Generator:
    """The generator that (seed, prompt, what) names: every arm of an ablation draws the same from it."""
    return torch.Generator().manual_seed(int(content_key([seed, prompt, what])[:15], 16))


def noise(shape: tuple[int, ...], seed: int, prompt: str, stage: str) -> Tensor:
    """Standard Gaussian noise that (seed, prompt, stage) names."""
    return torch.randn(shape, generator=named(seed, prompt, stage))


def tensor(clip: VideoClip) -> Tensor:
    """Frames as float32 [T,3,H,W] in [0,1]."""
    return torch.from_numpy(clip.floats())


def encode(coder: Autoencoder, frames: Tensor) -> Tensor:
    """Frames [T,3,H,W] in [0,1] -> latents [T,C,h,w], float32."""
    return torch.cat([coder.encode(x).float() for x in frames.split(AT_ONCE)])


def decode(coder: Autoencoder, latents: Tensor, fps: float) -> VideoClip:
    """Latents [T,C,h,w] -> clip."""
    return from_floats(torch.cat([coder.decode(z).float() for z in latents.split(AT_ONCE)]).numpy(), fps)


def guided(
    denoise: Callable[[Tensor, Tensor, Condition], Tensor], model: Generator, given: Condition, guidance: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """Classifier-free guidance on the text (arXiv 2207.12598) as a function of latents and one step.

    A guidance of 1 costs one pass a step instead of two.
    """

    def one_pass(x: Tensor, t: Tensor) -> Tensor:
        return denoise(x, t.expand(x.shape[0]), given).float()

    if guidance == 1:
        return one_pass
    empty = Condition(model.encode_text([""] * given.text.shape[0]), given.appearance, given.control)
    both = join(given, empty)

    def two_passes(x: Tensor, t: Tensor) -> Tensor:
        told, untold = denoise(torch.cat([x, x]), t.expand(2 * x.shape[0]), both).float().chunk(2)
        return untold + guidance * (told - untold)

    return two_passes
