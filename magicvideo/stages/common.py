"""What stages share: noise by name, frames to tensors and back, guidance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from magicvideo.clip import VideoClip, from_floats
from magicvideo.models.autoencoder import Autoencoder
from magicvideo.models.generator import Condition, Generator, join
from magicvideo.runs import content_key


def noise(shape: tuple[int, ...], seed: int, prompt: str, stage: str) -> Tensor:
    """Standard Gaussian noise that (seed, prompt, stage) names: every arm of an ablation sees the same."""
    number = int(content_key([seed, prompt, stage])[:15], 16)
    return torch.randn(shape, generator=torch.Generator().manual_seed(number))


def tensor(clip: VideoClip) -> Tensor:
    """Frames as float32 [T,3,H,W] in [0,1]."""
    return torch.from_numpy(clip.floats())


def decode(coder: Autoencoder, latents: Tensor, fps: float) -> VideoClip:
    """Latents [T,C,h,w] -> clip, eight frames at a time."""
    return from_floats(torch.cat([coder.decode(z) for z in latents.split(8)]).numpy(), fps)


def guided(
    denoise: Callable[[Tensor, Tensor, Condition], Tensor], model: Generator, given: Condition, guidance: float
) -> Callable[[Tensor, Tensor], Tensor]:
    """Classifier-free guidance on the text (arXiv 2207.12598) as a function of latents and one step.

    A guidance of 1 costs one pass a step instead of two.
    """

    def one_pass(x: Tensor, t: Tensor) -> Tensor:
        return denoise(x, t.expand(x.shape[0]), given)

    if guidance == 1:
        return one_pass
    empty = Condition(model.encode_text([""] * given.text.shape[0]), given.appearance, given.control)
    both = join(given, empty)

    def two_passes(x: Tensor, t: Tensor) -> Tensor:
        told, untold = denoise(torch.cat([x, x]), t.expand(2 * x.shape[0]), both).chunk(2)
        return untold + guidance * (told - untold)

    return two_passes
